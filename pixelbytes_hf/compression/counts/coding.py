"""Bits and their probabilities to a range coder's words and back; the words are those of the library `constriction`.

A stream is that of constriction's ``stream.queue.RangeEncoder`` (words of 32 bits, a state of 64) under
``stream.model.Bernoulli(perfect=True)``, to which a probability of 65536ths is exact. Its bytes are the words, the
high byte first, without what its end does not need: a decoder reads zeros beyond.

Loops code by `code_bit` into a `Coder`, whichever way it goes. Compiled, reading is done here, by the same arithmetic;
in plain Python by constriction, to which the tests hold both.
"""

from typing import Any, NamedTuple

import constriction
import numpy as np
from numpy.typing import NDArray

from .compiled import IS_COMPILED, compiled
from .logistic import ONE

_QUEUE = constriction.stream.queue
_FAMILY = constriction.stream.model.Bernoulli(perfect=True)
CHUNK = 1 << 18  # bits that a coder holds between two calls of `flush`
_WORD, _WINDOW = 32, 64
_U24, _U32, _U8 = np.uint64(24), np.uint64(32), np.uint64(8)
_ONE, _ZERO = np.uint64(ONE), np.uint64(0)
_SMALL = np.uint64(1 << 32)


class Coder(NamedTuple):
    """What `code_bit` works on.

    Attributes:
        numbers: Whether it reads, how many bits it holds, the next word, (3,).
        bits: Bits held, for writing.
        probabilities: Theirs.
        words: Words to read.
        state: Range, and how far the word read lies above the low end, (2,) uint64.
    """

    numbers: Any
    bits: Any
    probabilities: Any
    words: Any
    state: Any


@compiled
def _read_bit(coder: Coder, probability: int) -> int:
    numbers, state, words = coder.numbers, coder.state, coder.words
    scale = state[0] >> _U24
    bound = scale * ((_ONE - np.uint64(probability)) << _U8)
    bit = 1 if state[1] >= bound else 0
    if bit:
        state[1] -= bound
        state[0] = scale * (np.uint64(probability) << _U8)
    else:
        state[0] = bound
    if state[0] < _SMALL:
        word = np.uint64(words[numbers[2]]) if numbers[2] < len(words) else _ZERO
        numbers[2] += 1
        state[0] <<= _U32
        state[1] = state[1] << _U32 | word
    return bit


@compiled
def _code_compiled(coder: Coder, bit: int, probability: int) -> int:
    numbers = coder.numbers
    if numbers[0]:
        return _read_bit(coder, probability)
    at = numbers[1]
    coder.bits[at] = bit
    coder.probabilities[at] = probability
    numbers[1] = at + 1
    return bit


def _code_plain(coder: Any, bit: int, probability: int) -> int:
    return coder.code(bit, probability)


# write the bit, or read one and return it; `probability` is that of 1
code_bit = _code_compiled if IS_COMPILED else _code_plain


class BitWriter:
    """Codes bits into bytes; loops write into `coder`, at most `CHUNK` bits between two calls of `flush`."""

    def __init__(self) -> None:
        self._encoder = _QUEUE.RangeEncoder()
        numbers, empty = np.zeros(3, np.int64), np.zeros(0, np.uint32)
        arrays = np.zeros(CHUNK, np.int32), np.zeros(CHUNK, np.int32)
        self.coder: Any = Coder(numbers, *arrays, empty, np.zeros(2, np.uint64)) if IS_COMPILED else _PlainWriter()

    def flush(self) -> None:
        """Hand the bits that the coder holds to the encoder."""
        coder = self.coder
        size = int(coder.numbers[1]) if IS_COMPILED else len(coder.bits)
        bits, probabilities = np.array(coder.bits[:size], np.int32), np.array(coder.probabilities[:size], np.float32)
        if size:
            self._encoder.encode(bits, _FAMILY, probabilities / np.float32(ONE))
        if IS_COMPILED:
            coder.numbers[1] = 0
        else:
            coder.bits.clear(), coder.probabilities.clear()

    def finish(self) -> bytes:
        """Return the stream: the shortest bytes that a reader takes for what was written."""
        self.flush()
        return end_stream(self._encoder)


def end_stream(encoder: Any) -> bytes:
    """Return the shortest bytes from which a `constriction` range decoder reads what an encoder was given.

    All numbers of [low, low + range) will do; constriction's own end takes one or two whole words.
    """
    num_words, (low, size) = encoder.pos()
    sealed = np.asarray(encoder.get_compressed()).astype(">u4").tobytes()
    head, tail = sealed[: 4 * num_words], sealed[4 * num_words :].ljust(8, b"\0")
    # where constriction's end lies beyond this window, the carry is in the words before it already
    low += int.from_bytes(head, "big") - (int.from_bytes(tail, "big") < low) << _WINDOW
    for num_bytes in range(9):
        step = 1 << _WINDOW - 8 * num_bytes
        number = -(-low // step) * step
        if number < low + size:
            break
    return number.to_bytes(len(head) + 8, "big").rstrip(b"\0")


class BitReader:
    """Reads back what a `BitWriter` wrote; loops read from `coder`.

    Raises:
        ValueError: If it ends in a zero byte, which writers leave out. Other bytes behind the stream are not seen.
    """

    def __init__(self, data: bytes) -> None:
        if data.endswith(b"\0"):
            raise ValueError("its stream ends in a zero byte: more was put behind it")
        words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)
        if IS_COMPILED:
            first = np.append(words[:2], np.zeros(2 - min(len(words), 2), np.uint32)).astype(np.uint64)
            state = np.array([(1 << _WINDOW) - 1, first[0] << _U32 | first[1]], np.uint64)
            empty = np.zeros(0, np.int32)
            self.coder: Any = Coder(np.array([1, 0, 2], np.int64), empty, empty, words, state)
        else:
            self.coder = _PlainReader(words)

    def flush(self) -> None:
        """Do nothing: a reader holds no bits."""


class _PlainWriter:
    """Keeps bits in lists."""

    def __init__(self) -> None:
        self.bits: list[int] = []
        self.probabilities: list[int] = []

    def code(self, bit: int, probability: int) -> int:
        self.bits.append(bit)
        self.probabilities.append(probability)
        return bit


class _PlainReader:
    """Reads bits by constriction's decoder."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._decoder = _QUEUE.RangeDecoder(words)

    def code(self, bit: int, probability: int) -> int:
        return int(self._decoder.decode(constriction.stream.model.Bernoulli(probability / ONE, perfect=True)))
