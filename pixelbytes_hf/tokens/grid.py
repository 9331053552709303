"""Grids of ids: segments, and the raster stream of their ids.

Every medium is a grid with axes (frame, row, column), end marks included, read in raster order: columns fastest, then
rows, then frames.

Shapes: T frames, H rows, W columns, C channels, L = T * H * W positions in raster order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .vocabulary import KINDS, Vocabulary

Modality = Literal["text", "image", "audio"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio")
Ids = NDArray[np.integer[Any]]
TEXT, PIXEL, LEVEL, ROW_END, SEGMENT_END, SPECIAL = range(len(KINDS))


class Shape(NamedTuple):
    """Modality and extent of one segment, end marks included."""

    modality: Modality
    frames: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """Number of positions, L."""
        return self.frames * self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Segment:
    """One medium as a grid of ids.

    Args:
        modality: What the ids stand for.
        ids: (T, H, W), end marks included.
    """

    modality: Modality
    ids: Ids

    @property
    def shape(self) -> Shape:
        """Modality and extent."""
        return Shape(self.modality, *self.ids.shape)


def text_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (1, 1, n + 1) grid of n byte ids and the end mark."""
    return Segment("text", np.append(ids, vocabulary.segment_end_id).astype(vocabulary.id_dtype)[None, None])


def image_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (T, H, W + 1) grid of (T, H, W) pixel ids and the marks that end rows and frames.

    Raises:
        ValueError: If `ids` is not 3-D or is empty.
    """
    if ids.ndim != 3 or ids.size == 0:
        raise ValueError(f"image ids must be a non-empty (T, H, W) array, got shape {ids.shape}")
    grid = np.full((*ids.shape[:2], ids.shape[2] + 1), vocabulary.row_end_id, vocabulary.id_dtype)
    grid[:, :, :-1] = ids
    grid[:, -1, -1] = vocabulary.segment_end_id
    return Segment("image", grid)


def audio_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (T + 1, 1, C) grid of (T, C) level ids and an extra frame of marks: C - 1 row ends, then the end.

    Raises:
        ValueError: If `ids` is not 2-D or is empty.
    """
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"audio ids must be a non-empty (T, C) array, got shape {ids.shape}")
    grid = np.full((len(ids) + 1, 1, ids.shape[1]), vocabulary.row_end_id, vocabulary.id_dtype)
    grid[:-1, 0] = ids
    grid[-1, 0, -1] = vocabulary.segment_end_id
    return Segment("audio", grid)


def flatten(segments: Iterable[Segment]) -> tuple[Ids, tuple[Shape, ...]]:
    """Return the raster stream (L,) of the segments one after another, and their shapes."""
    segments = tuple(segments)
    if not segments:
        raise ValueError("segments must not be empty: a record has at least one segment")
    return np.concatenate([s.ids.reshape(-1) for s in segments]), tuple(s.shape for s in segments)


def check_ids(ids: Ids, vocabulary: Vocabulary) -> Ids:
    """Return `ids` as an array after checking that it is a stream within the vocabulary.

    Raises:
        TypeError: If the ids are not integers.
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = np.asarray(ids)
    if ids.size == 0 and ids.dtype.kind == "f":  # numpy's kind of an empty list
        ids = ids.astype(vocabulary.id_dtype)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"ids must be integers, got {ids.dtype}")
    if ids.ndim != 1:
        raise ValueError(f"ids must be a 1-D stream, got shape {ids.shape}")
    outside = np.flatnonzero((ids < 0) | (ids >= vocabulary.size))
    if outside.size:
        where = int(outside[0])
        raise ValueError(f"ids must be in 0..{vocabulary.size - 1}, got {int(ids[where])} at position {where}")
    return ids


def modality_of_positions(shapes: Sequence[Shape]) -> NDArray[np.uint8]:
    """Return the index into `MODALITIES` of every position of a record, (L,).

    Example:
        >>> modality_of_positions([Shape("text", 1, 1, 2), Shape("audio", 1, 1, 3)]).tolist()
        [0, 0, 2, 2, 2]
    """
    names = np.array([MODALITIES.index(shape.modality) for shape in shapes], np.uint8)
    return np.repeat(names, [shape.size for shape in shapes])
