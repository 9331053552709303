"""Samples of any type as whole numbers below 2^33, and back to the same bits.

Shapes: T samples, C channels; 2 C for floats of 64 bits that are coded in two halves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DTYPES = tuple(np.dtype(kind) for kind in ("uint8", "int16", "int32", "float32", "float64"))
MOST_SHIFT = 31
AS_BITS = 32  # shift of floats that are coded by their bits
_MOST_EXACT = {4: 1 << 24, 8: 1 << 31}  # by bytes of a float: whole numbers that it holds, as far as they are coded
_SIGN = np.int64(1 << 31)


class WholeSamples(NamedTuple):
    """Samples as whole numbers.

    Attributes:
        numbers: (T, C) or (T, 2 C).
        shift: Whole samples are a multiple of 2^`shift`, floats of 2^-`shift`; `AS_BITS` for floats by their bits.
    """

    numbers: NDArray[np.int64]
    shift: int


def to_whole(array: NDArray[np.generic]) -> WholeSamples:
    """Return samples (T, C) of one of `DTYPES` as whole numbers."""
    if array.dtype.kind == "f":
        return _scale_floats(array)
    numbers = array.astype(np.int64) - (128 if array.dtype == np.uint8 else 0)
    bits = int(np.bitwise_or.reduce(numbers, axis=None)) or 1
    shift = (bits & -bits).bit_length() - 1
    return WholeSamples(numbers >> shift, shift)


def _scale_floats(array: NDArray[np.generic]) -> WholeSamples:
    with np.errstate(invalid="ignore"):  # of signalling NaNs
        values = array.astype(np.float64)
    if np.isfinite(values).all() and not (np.signbit(values) & (values == 0)).any():
        largest = float(np.abs(values).max())
        for shift in range(MOST_SHIFT + 1):
            scaled = values * float(1 << shift)
            if largest * (1 << shift) > _MOST_EXACT[array.dtype.itemsize]:
                break
            if (scaled == np.floor(scaled)).all():
                return WholeSamples(scaled.astype(np.int64), shift)
    return WholeSamples(_order(array), AS_BITS)


def _order(array: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the bits of floats, so that larger floats are larger numbers; of 64 bits the high and the low half."""
    words = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).view("<u4").astype(np.int64)
    high = words if array.dtype.itemsize == 4 else words[:, 1::2]
    ordered = np.where(high >= _SIGN, _SIGN - 1 - high, high)
    return ordered if array.dtype.itemsize == 4 else np.concatenate([ordered, words[:, 0::2]], 1)


def _unorder(numbers: NDArray[np.int64], dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    channels = numbers.shape[1] // (dtype.itemsize // 4)
    high = numbers[:, :channels]
    words = np.where(high < 0, _SIGN - 1 - high, high)
    if dtype.itemsize == 8:
        words = np.stack([numbers[:, channels:], words], -1).reshape(len(numbers), -1)
    return np.ascontiguousarray((words & 0xFFFFFFFF).astype("<u4")).view(dtype.newbyteorder("<")).astype(dtype)


def num_columns(channels: int, dtype: np.dtype[np.generic], shift: int) -> int:
    """Return how many whole numbers a moment of a sound has."""
    return 2 * channels if dtype.itemsize == 8 and shift == AS_BITS else channels


def range_of(dtype: np.dtype[np.generic], shift: int) -> tuple[int, int]:
    """Return the smallest and the largest whole number that samples of a type become with a shift."""
    if dtype.kind != "f":
        info, middle = np.iinfo(dtype.name), 128 if dtype == np.uint8 else 0
        return -((middle - int(info.min)) >> shift), (int(info.max) - middle) >> shift
    if shift == AS_BITS:  # the low halves of 64 bits have no sign
        return -(1 << 31), (1 << dtype.itemsize // 4 + 30) - 1
    return -_MOST_EXACT[dtype.itemsize], _MOST_EXACT[dtype.itemsize]


def from_whole(whole: WholeSamples, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Return the samples, (T, C) of `dtype`, that `to_whole` was given."""
    numbers, shift = whole
    if dtype.kind != "f":
        return ((numbers << shift) + (128 if dtype == np.uint8 else 0)).astype(dtype)
    return _unorder(numbers, dtype) if shift == AS_BITS else (numbers / float(1 << shift)).astype(dtype)
