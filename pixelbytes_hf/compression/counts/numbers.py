"""Whole numbers as bits, the high one first, each under the contexts that its place and what was coded before give.

Used for what is small: palettes, delays, sizes, references to frames, and the rare pixel that no neighbour foretells.
"""

from typing import Any

from .coding import code_bit
from .compiled import compiled
from .network import Network, make_network, mix_hash, predict, update

NUM_CONTEXTS = 4
SLOT_BITS = 12
NUM_KINDS = 16
SIZE_BITS = 5  # of how many bits a number of any size has


def make_number_network() -> Network:
    """Return a network for `code_number`."""
    return make_network(NUM_CONTEXTS, SLOT_BITS, (NUM_KINDS, 1))


@compiled
def code_number(net: Network, coder: Any, value: int, num_bits: int, kind: int, near: int, far: int) -> int:
    """Code a number and return it.

    Args:
        net: Of `make_number_network`.
        coder: Written to or read from.
        value: The number, under 2^`num_bits`; ignored where the coder reads.
        num_bits: Of the number.
        kind: What it means, under `NUM_KINDS`: numbers of a kind are alike.
        near: A number that foretells it most.
        far: Another one.
    """
    prefix = 1
    for place in range(num_bits - 1, -1, -1):
        base = mix_hash(mix_hash(kind, prefix), place)
        net.contexts[0] = base
        net.contexts[1] = mix_hash(mix_hash(base, 1), near)
        net.contexts[2] = mix_hash(mix_hash(base, 2), far)
        net.contexts[3] = mix_hash(mix_hash(mix_hash(base, 3), near), far)
        bit = code_bit(coder, value >> place & 1, predict(net, min(place, 15), kind, 0))
        update(net, bit)
        prefix = prefix << 1 | bit
    return prefix - (1 << num_bits)


def code_any_number(net: Network, coder: Any, value: int, kind: int, near: int) -> int:
    """Code a number of up to 31 bits, its size first, of this kind and the next one, and return it."""
    size = code_number(net, coder, value.bit_length(), SIZE_BITS, kind, near, 0)
    return code_number(net, coder, value, size, kind + 1, size, near) if size else 0
