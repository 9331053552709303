"""Masks for in-filling: regions of a record by segment, frames, rows, columns, or at random.

Shapes: L positions of a record.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..tokens.grid import Shape
from ..tokens.modalities import TRAITS, Modality
from ..tokens.places import Mask


def hide(
    shapes: Sequence[Shape],
    *,
    segment: int | None = None,
    frames: slice = slice(None),
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> Mask:
    """Return the mask of a region of a record, (L,) bool, separators not included.

    Args:
        shapes: Of the record's segments.
        segment: Which segment, counted from 0; None is all of them.
        frames: Which frames, or samples of a sound.
        rows: Which rows of an image.
        columns: Which columns of an image, channels of a sound, or bytes of a text.

    Raises:
        ValueError: If there is no such segment, or nothing lies in the region.

    Example:
        >>> hide([Shape("image", 1, 2, 3)], rows=slice(1, 2)).tolist()
        [False, False, False, True, True, False]
    """
    if segment is not None and not 0 <= segment < len(shapes):
        raise ValueError(f"segment must be in 0..{len(shapes) - 1}, got {segment}")
    parts = []
    for number, shape in enumerate(shapes):
        mask = np.zeros(shape[1:], np.bool_)
        if segment in (None, number):
            # without the separators, so that negative slices count from the last token
            TRAITS[shape.modality].open(mask)[frames, rows, columns] = True
        parts.append(mask.reshape(-1))
    chosen = np.concatenate(parts)
    if not chosen.any():
        raise ValueError(f"no token of shapes {tuple(shapes)} lies in the region: expected at least one")
    return chosen


def hide_half(shapes: Sequence[Shape], segment: int, side: Literal["upper", "lower", "left", "right"]) -> Mask:
    """Return the mask of a half of every frame of an image; of odd sizes, the smaller half.

    Raises:
        ValueError: If the segment is no image, or the side has no such name.
    """
    _check_modality(shapes, segment, "image")
    rows, columns = shapes[segment].rows, shapes[segment].columns - 1
    regions: dict[str, dict[str, slice]] = {
        "upper": {"rows": slice(rows // 2)},
        "lower": {"rows": slice(rows - rows // 2, None)},
        "left": {"columns": slice(columns // 2)},
        "right": {"columns": slice(columns - columns // 2, None)},
    }
    if side not in regions:
        raise ValueError(f"side must be one of {sorted(regions)}, got {side!r}")
    return hide(shapes, segment=segment, **regions[side])


def hide_frame(shapes: Sequence[Shape], segment: int, frame: int) -> Mask:
    """Return the mask of one frame of an image, counted from 0.

    Raises:
        ValueError: If the segment is no image, or has no such frame.
    """
    _check_modality(shapes, segment, "image")
    return hide(shapes, segment=segment, frames=slice(frame, frame + 1))


def hide_channel(shapes: Sequence[Shape], segment: int, channel: int) -> Mask:
    """Return the mask of one channel of a sound, or level of its codes, from 0; of a control system, 1 is the state.

    Raises:
        ValueError: If the segment is no sound, or has no such channel.
    """
    _check_modality(shapes, segment, "audio")
    return hide(shapes, segment=segment, columns=slice(channel, channel + 1))


def hide_span(shapes: Sequence[Shape], segment: int, start: int, stop: int) -> Mask:
    """Return the mask of bytes `start`..`stop` of a text.

    Raises:
        ValueError: If the segment is no text, or the span holds no byte.
    """
    _check_modality(shapes, segment, "text")
    return hide(shapes, segment=segment, columns=slice(start, stop))


def hide_random(shapes: Sequence[Shape], fraction: float, seed: int) -> Mask:
    """Return the mask of a random fraction of the tokens, separators not included.

    Raises:
        ValueError: If `fraction` is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    places = np.flatnonzero(everything := hide(shapes))
    mask = np.zeros_like(everything)
    mask[np.random.default_rng(seed).permutation(places)[: math.ceil(fraction * len(places))]] = True
    return mask


def _check_modality(shapes: Sequence[Shape], segment: int, modality: Modality) -> None:
    if not 0 <= segment < len(shapes) or TRAITS[shapes[segment].modality].medium != modality:
        known = [shape.modality for shape in shapes]
        raise ValueError(f"segment must be the index of a segment of modality {modality!r} in {known}, got {segment}")
