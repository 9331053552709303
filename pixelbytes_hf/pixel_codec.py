"""Colours to pixel ids and back: the nearest palette colour in CIE Lab.

Every colour's id is worked out once and remembered in a table of the 2^24 colours, so that a picture costs a look-up.

Source: `process_image`, pixelbytes/tokenizer.py:99 of fabienfrfr/PixelBytes@7646d6a; same ids for all 2^24 colours.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Ids
from .media import composite_on_white
from .vocabulary import Vocabulary

OPAQUE = 128  # smallest alpha that is not transparent, where the vocabulary has a transparent id
CHUNK = 1 << 16


def encode_pixels(frames: NDArray[np.uint8], vocabulary: Vocabulary) -> Ids:
    """Return the nearest pixel id of every pixel.

    Args:
        frames: RGB or RGBA, (T, H, W, 3 | 4) uint8. Alpha under 128 is the transparent id where there is one; in a
            vocabulary without one, RGBA is composited on white.
        vocabulary: The tables.

    Returns:
        (T, H, W) ids.

    Raises:
        ValueError: If `frames` is not as described, or is empty.
    """
    if frames.ndim != 4 or frames.shape[-1] not in (3, 4) or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(f"frames must be non-empty uint8 (T, H, W, 3 | 4), got {frames.dtype} {frames.shape}")
    has_alpha = frames.shape[-1] == 4
    transparent = frames[..., 3] < OPAQUE if has_alpha and vocabulary.has_transparent else None
    rgb = composite_on_white(frames) if has_alpha else frames
    ids: Ids = (
        _nearest_index(rgb, vocabulary) + np.int64(vocabulary.pixel_ids.start + vocabulary.has_transparent)
    ).astype(vocabulary.id_dtype)
    if transparent is not None:
        ids[transparent] = vocabulary.pixel_ids.start
    return ids


def decode_pixels(ids: Ids, vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """Return the colours of pixel ids: RGB (..., 3) uint8, or RGBA (..., 4) where the vocabulary has a transparent id.

    Raises:
        ValueError: If an id is not that of a pixel.
    """
    ids = np.asarray(ids, np.int64)
    outside = ids[(ids < vocabulary.pixel_ids.start) | (ids >= vocabulary.pixel_ids.stop)]
    if outside.size:
        raise ValueError(f"pixel ids must be in {vocabulary.pixel_ids}, got {int(outside[0])}")
    colours = np.array(vocabulary.colours, np.uint8)
    if vocabulary.has_transparent:
        colours = np.vstack(
            [np.zeros((1, 4), np.uint8), np.column_stack([colours, np.full(len(colours), 255, np.uint8)])]
        )
    return colours[ids - vocabulary.pixel_ids.start]


def nearest_colours(rgb: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the index of the colour nearest in CIE Lab (Euclidean) to each of (n, 3) uint8 colours, (n,); exact."""
    from skimage.color import rgb2lab

    palette = rgb2lab(colours[None])[0]
    nearest = np.empty(len(rgb), np.int64)
    for start in range(0, len(rgb), CHUNK):
        lab = rgb2lab(rgb[None, start : start + CHUNK])[0]
        nearest[start : start + CHUNK] = ((lab[:, None] - palette) ** 2).sum(-1).argmin(-1)
    return nearest


@lru_cache(maxsize=4)
def _tables(vocabulary: Vocabulary) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    colours = np.array(vocabulary.colours, np.uint8)
    dtype = np.min_scalar_type(len(colours))
    return np.full(1 << 24, len(colours), dtype), colours  # the index past the last colour means "not looked up yet"


def _nearest_index(rgb: NDArray[np.uint8], vocabulary: Vocabulary) -> Any:
    table, colours = _tables(vocabulary)
    codes = rgb[..., 0].astype(np.int32) << 16
    codes |= rgb[..., 1].astype(np.int32) << 8
    codes |= rgb[..., 2]
    index = table[codes]
    missing = index == len(colours)
    if missing.any():
        new = np.unique(codes[missing])
        table[new] = nearest_colours(np.stack([new >> 16, new >> 8 & 255, new & 255], -1).astype(np.uint8), colours)
        index = table[codes]
    return index
