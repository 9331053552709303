"""A mixing network: counts under many contexts, each a guess at the next bit, blended by weights that learn.

As in the PAQ family (Mahoney 2005): a slot per context and bit keeps an adaptive probability and how often the bit was
0 and 1 of late. From these two counts a map, shared by all slots of that input, learns what such a history is worth.
Both probabilities, stretched, enter three weighted sums, whose weights are chosen by what the caller says of the
place; their mean is the prediction. Whole numbers throughout: 22 bits in slots and maps, 16 bits when coded.

A network of n inputs is a tuple of tables, all flat.
"""

from typing import Any, NamedTuple

import numpy as np

from .compiled import as_table, compiled, zeros
from .logistic import STRETCH, squash

NODES = 16  # kinds of bits that a map tells apart
HISTORIES = 256  # two counts of up to 15
_HALF = 1 << 21
_FIRST_SHARE, _MAP_PATIENCE = 6, 250
_BIAS = 256
# of slots, of maps, and of what comes from outside: without such, and with it (chosen on validation creatures)
FIRST_WEIGHTS = (6553, 3276, 0), (1638, 819, 52428)
# adaptation after so many observations, in 65536ths
RATES = as_table((65536 / (np.arange(256) + 1.6)).astype(np.int64))
SIZE, BITS, RATE, NODE, CHOSEN, BLENDED, FIRST_SET = 0, 1, 2, 3, 4, 7, 10


class Network(NamedTuple):
    """The state of a network.

    Attributes:
        slots: Per input and hashed context: probability (22 bits), times 1 seen (4), times 0 seen (4).
        maps: Per input, node and history: probability (22 bits), observations (8).
        weights: Three groups of sets of 2 n + 1 + m weights, 65536ths.
        contexts: The hashed context of each input, set by the caller, (n,).
        slot_at: Slot of each input at the bit being coded, (n,).
        map_at: Likewise of maps, (n,).
        outside: Stretched probabilities that others give for the bit being coded, set by the caller, (m,).
        stretched: What enters the sums, (2 n + 1 + m,).
        numbers: Size, bits of slots, learning rate and what the bit being coded left.
    """

    slots: Any
    maps: Any
    weights: Any
    contexts: Any
    slot_at: Any
    map_at: Any
    outside: Any
    stretched: Any
    numbers: Any


def make_network(
    size: int,
    slot_bits: int,
    num_sets: tuple[int, int],
    *,
    num_outside: int = 0,
    rate: int = 6,
    prior: tuple[float, ...] = (0.5,),
) -> Network:
    """Return a network that has seen nothing.

    Args:
        size: Inputs, n.
        slot_bits: Slots per input, as a power of two.
        num_sets: Sets of weights of the first and the second group.
        num_outside: Probabilities that others give, m.
        rate: Of learning.
        prior: Probability of 1 at each node before anything was seen; the last one holds for all others.
    """
    sets = (*num_sets, 3 * (size + 1))
    width = 2 * size + 1 + num_outside
    weights = np.zeros((sum(sets), width), np.int32)
    first = FIRST_WEIGHTS[num_outside > 0]
    weights[:, 0 : 2 * size : 2], weights[:, 1 : 2 * size : 2], weights[:, 2 * size + 1 :] = first
    starts = np.cumsum((0, *sets[:2]))
    numbers = np.zeros(FIRST_SET + 3, np.int64)
    numbers[[SIZE, BITS, RATE]] = size, slot_bits, rate
    numbers[FIRST_SET:] = starts
    return Network(
        as_table(np.full(size << slot_bits, _HALF << 8, np.int32)),
        as_table(np.tile(_first_maps(prior), size)),
        as_table(weights),
        zeros(size, np.int64),
        zeros(size, np.int64),
        zeros(size, np.int64),
        zeros(num_outside, np.int64),
        zeros(width, np.int64),
        as_table(numbers),
    )


def _first_maps(prior: tuple[float, ...]) -> Any:
    """Return what histories are thought to be worth before any was seen, (NODES * HISTORIES,) int32."""
    expected = np.array(prior + prior[-1:] * (NODES - len(prior)))[:, None, None]
    ones, zeros_seen = np.arange(16)[:, None], np.arange(16)
    probability = (ones + 0.8 * expected) / (ones + zeros_seen + 0.8)
    return ((probability * (1 << 22)).astype(np.int32) << 8 | _FIRST_SHARE).reshape(-1)


@compiled
def mix_hash(value: int, part: int) -> int:
    """Return a hash of 32 bits of a hash and one number more, under 2^31."""
    value = (value ^ part * 0x9E3779B1) & 0xFFFFFFFF
    value = value * 0x2C1B3C6D & 0xFFFFFFFF
    return value ^ value >> 15


@compiled
def predict(net: Network, node: int, first: int, second: int) -> int:
    """Return the probability of 1 under the contexts that were set.

    Args:
        net: The network.
        node: Which kind of bit it is, under `NODES`.
        first: Set of weights of the first group.
        second: Set of weights of the second group.
    """
    numbers, stretched = net.numbers, net.stretched
    size, bits = numbers[SIZE], numbers[BITS]
    mask, sure = (1 << bits) - 1, 0
    for i in range(size):
        at = (i << bits) + (net.contexts[i] & mask)
        slot = net.slots[at]
        history = slot & 255
        place = (i * NODES + node) * HISTORIES + history
        net.slot_at[i] = at
        net.map_at[i] = place
        stretched[2 * i] = STRETCH[slot >> 14] if history else 0
        stretched[2 * i + 1] = STRETCH[net.maps[place] >> 14]
        if history and (history < 16 or history & 15 == 0):
            sure += 1
    stretched[2 * size] = _BIAS
    for i in range(len(net.outside)):
        stretched[2 * size + 1 + i] = net.outside[i]
    numbers[NODE] = node
    numbers[CHOSEN] = first
    numbers[CHOSEN + 1] = second
    numbers[CHOSEN + 2] = 3 * sure + min(node, 2)
    return _blend(net)


@compiled
def _blend(net: Network) -> int:
    numbers, stretched, weights = net.numbers, net.stretched, net.weights
    width = len(stretched)
    total = 0
    for group in range(3):
        at = (numbers[FIRST_SET + group] + numbers[CHOSEN + group]) * width
        dot = 0
        for i in range(width):
            dot += stretched[i] * weights[at + i]
        dot >>= 16
        numbers[BLENDED + group] = squash(dot)
        total += dot
    return squash(total * 21845 >> 16)


@compiled
def update(net: Network, bit: int) -> None:
    """Learn from the bit that came where `predict` was asked."""
    numbers, stretched, weights, slots, maps = net.numbers, net.stretched, net.weights, net.slots, net.maps
    size = numbers[SIZE]
    width = len(stretched)
    for group in range(3):
        at = (numbers[FIRST_SET + group] + numbers[CHOSEN + group]) * width
        error = ((bit << 16) - numbers[BLENDED + group]) * numbers[RATE]
        for i in range(width):
            weights[at + i] += stretched[i] * error + 0x20000 >> 18
    target = (bit << 22) - bit
    for i in range(size):
        at = net.slot_at[i]
        slot = slots[at]
        ones, zeros_seen, probability = slot >> 4 & 15, slot & 15, slot >> 8
        probability += (target - probability) * RATES[ones + zeros_seen] >> 16
        if bit:
            ones = min(ones + 1, 15)
            zeros_seen = zeros_seen + 3 >> 1 if zeros_seen > 2 else zeros_seen
        else:
            zeros_seen = min(zeros_seen + 1, 15)
            ones = ones + 3 >> 1 if ones > 2 else ones
        slots[at] = probability << 8 | ones << 4 | zeros_seen
        at = net.map_at[i]
        seen, probability = maps[at] & 255, maps[at] >> 8
        probability += (target - probability) * RATES[seen] >> 16
        maps[at] = probability << 8 | min(seen + 1, _MAP_PATIENCE)
