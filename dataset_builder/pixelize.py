"""Sprites as a small console would show them: at most 50 pixels a side, NES colours, a white background.

The size rule is that of the original: each side times ``50 / longest side`` in floating point, cut to an integer, at
least 1; small sprites are enlarged, and a longest side of 97 becomes 49 because of the rounding. Pixels brighter than
`WHITE_LEVEL` become (255, 255, 255), the background, which is no entry of the palette; all others become the nearest
NES colour in CIE Lab.

Shapes: T frames, H rows, W columns.

Source: `PixelizeGIF`, pixelbytes/pixelize.py of fabienfrfr/PixelBytes@7646d6a; same pixels. Deliberate difference: all
frames are kept, the first one too, composited on white like the others (there the first one is left out).
"""

import io

import numpy as np
from numpy.typing import NDArray

from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import Frames
from pixelbytes_hf.tokens.pixel_codec import decode_pixels, encode_pixels
from pixelbytes_hf.tokens.vocabulary import Vocabulary

MAX_SIZE = 50
WHITE_LEVEL = 250  # luma above which a pixel is background
WHITE = 255
# luma weights of ITU-R BT.601 in units of 2^-15, as OpenCV rounds them
LUMA_WEIGHTS = (9798, 19235, 3735)
LUMA_SHIFT = 15


def pixelize_frames(frames: NDArray[np.uint8], *, max_size: int = MAX_SIZE) -> NDArray[np.uint8]:
    """Return frames at most `max_size` pixels a side, in NES colours on white.

    Args:
        frames: RGB or RGBA frames, (T, H, W, 3 | 4).
        max_size: Longest side of the result in pixels, but for the rounding that the module describes.

    Returns:
        RGB frames, (T, H', W', 3).

    Raises:
        ValueError: If `frames` is not as described or empty, or `max_size` is under 1.

    Example:
        >>> pixelize_frames(np.zeros((1, 80, 30, 3), np.uint8)).shape
        (1, 50, 18, 3)
    """
    if frames.ndim != 4 or frames.shape[-1] not in (3, 4) or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(f"frames must be non-empty uint8 (T, H, W, 3 | 4), got {frames.dtype} {frames.shape}")
    if max_size < 1:
        raise ValueError(f"max_size must be at least 1 pixel, got {max_size}")
    height, width = frames.shape[1:3]
    scale = max_size / max(height, width)
    rows, columns = (_nearest_positions(side, max(1, int(side * scale))) for side in (height, width))
    small = _composite_on_white(frames[:, rows[:, None], columns])
    vocabulary = Vocabulary.from_preset("paper")
    pixels = decode_pixels(encode_pixels(small, vocabulary), vocabulary)
    luma = (small.astype(np.int64) @ np.array(LUMA_WEIGHTS) + (1 << (LUMA_SHIFT - 1))) >> LUMA_SHIFT
    pixels[luma > WHITE_LEVEL] = WHITE
    return pixels


def pixelize_gif(frames: Frames) -> bytes:
    """Return an animation as the bytes of its pixelised GIF; the durations stay.

    Raises:
        ValueError: If the frames are empty.
    """
    target = io.BytesIO()
    write_gif(pixelize_frames(frames.array), target, durations_ms=frames.durations_ms)
    return target.getvalue()


def _nearest_positions(size: int, new_size: int) -> NDArray[np.int64]:
    """Return the source position of each of `new_size` pixels, (new_size,); rounded down as OpenCV's INTER_NEAREST."""
    step = 1 / (new_size / size)
    positions = np.floor(np.arange(new_size) * step).astype(np.int64)
    last: NDArray[np.int64] = np.minimum(positions, size - 1)
    return last


def _composite_on_white(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB over white; cut to integers, where `media.pictures` rounds, because the original cuts."""
    if frames.shape[-1] == 3:
        return frames
    alpha = frames[..., 3:] / 255.0
    return (alpha * frames[..., :3] + (1 - alpha) * WHITE).astype(np.uint8)
