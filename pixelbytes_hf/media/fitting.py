"""Pictures and sounds made to fit what a model reads: fewer frames, fewer pixels, the part of a sound that is heard.

Shapes: T frames or samples, H rows, W columns.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .pictures import Frames

OPAQUE = 128  # smallest alpha of a pixel that is there
SILENCE = 0.02  # of the peak: a sound begins where it is louder


def pick_frames(frames: Frames, most: int) -> Frames:
    """Return at most so many frames, evenly over the animation; each is shown until the next one.

    Example:
        >>> pick_frames(Frames(np.zeros((5, 1, 1, 4), np.uint8), (10, 20, 30, 40, 50)), 3).durations_ms
        (30, 70, 50)
    """
    length = len(frames.array)
    kept = np.linspace(0, length - 1, min(most, length)).round().astype(int)
    times = np.add.reduceat(frames.durations_ms, kept).tolist()
    return Frames(frames.array[kept], tuple(times))


def harden(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGBA frames whose pixels are there or not, as a sprite's are."""
    hard = array.copy()
    hard[..., 3] = np.where(hard[..., 3] >= OPAQUE, 255, 0)
    return hard


def shrink(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return RGBA frames that fit into `height` x `width`: shrunk by averaging where they must be, never enlarged."""
    scale = min(1.0, height / array.shape[1], width / array.shape[2])
    if scale == 1:
        return array
    size = max(1, round(array.shape[2] * scale)), max(1, round(array.shape[1] * scale))
    small = [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in array]
    return harden(np.stack(small))


def place(array: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return RGBA frames on an empty ground of `height` x `width`, in the middle of its foot."""
    ground = np.zeros((len(array), height, width, 4), np.uint8)
    top, left = height - array.shape[1], (width - array.shape[2]) // 2
    ground[:, top:, left : left + array.shape[2]] = array
    return ground


def find_sound(mono: NDArray[np.floating]) -> int:
    """Return the sample at which a sound (T,) begins.

    Raises:
        ValueError: If it is silent.
    """
    loudness = np.abs(mono)
    peak = float(loudness.max(initial=0.0))
    if peak == 0:
        raise ValueError("it is silent: expected a sound that can be heard")
    return int(np.argmax(loudness > SILENCE * peak))
