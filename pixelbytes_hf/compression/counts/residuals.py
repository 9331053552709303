"""What a prediction misses, as bits: first how large it is, in powers of two, then its digits, the sign last."""

from typing import Any

from .coding import code_bit
from .compiled import compiled
from .network import Network, mix_hash, predict, update

LARGEST = 40  # bits of a residual, its sign included
MOST_BITS = 2 * LARGEST
# of one digit more, from three fewer than expected on to five more; of digits
PRIOR = (0.97, 0.96, 0.94, 0.85, 0.6, 0.3, 0.15, 0.1, 0.1, 0.5)
NUM_CHOICES = LARGEST + 1  # of the second group of weights
_DIGITS, _LOW_DIGITS = 64, 128  # kinds of states, beside the sizes from 0 on
_HIGH = 3  # digits that have the ones above as context


@compiled
def fold(value: int) -> int:
    """Return 0, -1, 1, -2, 2, ... as 0, 1, 2, 3, 4, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


@compiled
def unfold(folded: int) -> int:
    """Return the number that `fold` folded."""
    return -(folded + 1 >> 1) if folded & 1 else folded >> 1


@compiled
def num_digits(folded: int) -> int:
    """Return the bits of a number from 0 up."""
    count = 0
    while folded >> count:
        count += 1
    return count


@compiled
def _code_digit(net: Network, bases: Any, coder: Any, bit: int, state: int, node: int, first: int, second: int) -> int:
    for i in range(len(bases)):
        net.contexts[i] = mix_hash(bases[i], state)
    bit = code_bit(coder, bit, predict(net, node, first, second))
    update(net, bit)
    return bit


@compiled
def code_residual(net: Network, bases: Any, coder: Any, value: int, choice: int, expected: int) -> int:
    """Code a whole number, and return it.

    Args:
        net: Its first group of weights has a set per choice and node, its second `NUM_CHOICES`.
        bases: Hashes of the contexts, one per input.
        coder: Written to or read from.
        value: The number, under 2^(`LARGEST` - 1) in size; ignored where the coder reads.
        choice: Chooses weights: what sort of number it is.
        expected: Digits that it is thought to have, under `NUM_CHOICES`.
    """
    folded = fold(value)
    size = num_digits(folded)
    digits = 0
    while digits < LARGEST:
        node = min(max(digits - expected + 4, 0), 8)
        if not _code_digit(net, bases, coder, size > digits, digits, node, choice * 16 + node, expected):
            break
        digits += 1
    if digits < 2:
        return unfold(digits)
    read = 1
    for place in range(digits - 2, -1, -1):
        depth = digits - 2 - place
        if depth < _HIGH:
            state, node = (digits << 4 | read) + (_DIGITS << 8), 9 + depth
        else:
            state, node = (digits << 6 | place) + (_LOW_DIGITS << 8), 12 if place else 13
        bit = _code_digit(net, bases, coder, folded >> place & 1, state, node, choice * 16 + node, expected)
        read = read << 1 | bit
    return unfold(read)
