"""What a ``.pxb`` file can hold: a picture, a sound, or the bytes of any file."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FOREVER = 0  # plays of an animation that begins again each time


class Picture(NamedTuple):
    """A picture or an animation.

    Attributes:
        array: RGBA, (T, H, W, 4) uint8, or greys of 16 bits, (T, H, W, 1) uint16.
        durations_ms: Time each frame is shown, T numbers from 0 to 2^31 - 1; 0 where the file did not say.
        num_plays: How often an animation is shown, `FOREVER` or 1 to 2^20.
    """

    array: NDArray[np.uint8] | NDArray[np.uint16]
    durations_ms: tuple[int, ...] = (0,)
    num_plays: int = 1


class SampledSound(NamedTuple):
    """A sound, its samples as the file has them.

    Attributes:
        array: (T, C) of uint8, int16, int32, float32 or float64.
        sampling_rate_hz: Samples per second and channel, a whole number.
        num_bits: Of a sample in the file, as 24 where the array is int32.
    """

    array: NDArray[np.generic]
    sampling_rate_hz: int
    num_bits: int


class Document(NamedTuple):
    """The bytes of a file.

    Attributes:
        data: All of them.
        suffix: Of its name, such as ``".txt"``, for the one that is written.
    """

    data: bytes
    suffix: str = ".txt"


Content = Picture | SampledSound | Document
