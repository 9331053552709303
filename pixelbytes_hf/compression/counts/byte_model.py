"""Bytes of text, or of any file: foretold by the one to six bytes before, and by the word so far."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .coding import code_bit
from .compiled import as_table, compiled, zeros
from .network import Network, make_network, mix_hash, predict, update

ORDERS = 6
NUM_CONTEXTS = ORDERS + 2
MIN_SLOTS, MAX_SLOTS = 12, 21
BITS = 8
WORD, LENGTH = 0, 1


class ByteModel(NamedTuple):
    """What `code_bytes` works on.

    Attributes:
        data: The bytes, (L,); written to where the coder reads.
        word: Hash of the word so far, (1,).
        bases: Hashes of contexts, (NUM_CONTEXTS,).
        net: Of the bits.
    """

    data: Any
    word: Any
    bases: Any
    net: Network


def make_byte_model(data: NDArray[np.uint8]) -> ByteModel:
    """Return a model that has read nothing; what `data` holds matters to a writer only."""
    slot_bits = min(max(int(data.size).bit_length() + 4, MIN_SLOTS), MAX_SLOTS)
    return ByteModel(
        as_table(data),
        zeros(1, np.int64),
        zeros(NUM_CONTEXTS, np.int64),
        make_network(NUM_CONTEXTS, slot_bits, (256, 256)),
    )


@compiled
def _code_byte(model: ByteModel, coder: Any, at: int) -> int:
    data, net, bases = model.data, model.net, model.bases
    base = 1
    for order in range(ORDERS + 1):
        bases[order] = base
        base = mix_hash(base + order, data[at - order - 1] if at > order else 256)
    bases[ORDERS + 1] = mix_hash(model.word[0], 77)
    last = data[at - 1] if at else 0
    value, prefix = data[at], 1
    for place in range(BITS - 1, -1, -1):
        for i in range(NUM_CONTEXTS):
            net.contexts[i] = mix_hash(bases[i], prefix)
        bit = code_bit(coder, value >> place & 1, predict(net, place, prefix, last))
        update(net, bit)
        prefix = prefix << 1 | bit
    return prefix & 255


@compiled
def code_bytes(model: ByteModel, coder: Any, start: int, stop: int) -> bool:
    """Code the bytes from one position to another; whatever is read can be."""
    for at in range(start, stop):
        byte = _code_byte(model, coder, at)
        model.data[at] = byte
        is_letter = byte >= 128 or 65 <= byte & 0xDF <= 90
        model.word[0] = mix_hash(model.word[0], byte | 32) if is_letter else 0
    return True
