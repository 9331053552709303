"""Grids of ids: segments, and the raster stream of their ids.

Every medium is a grid with axes (frame, row, column), end marks included, read in raster order: columns fastest, then
rows, then frames.

Shapes: T frames, H rows, W columns, C channels, L = T * H * W positions in raster order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .modalities import KINDS, MEDIA, MODALITIES, ROW_END, SEGMENT_END, TRAITS, Grid, Modality, slot_name
from .vocabulary import Vocabulary

# what others read with grids, beside what is defined here
__all__ = ["LEVEL", "MEDIA", "MODALITIES", "PIXEL", "ROW_END", "SEGMENT_END", "TRAITS", "Ids", "Modality"]
Ids = Grid
TEXT, SPECIAL = KINDS.index("text"), KINDS.index("special")
PIXEL, LEVEL = KINDS.index("pixel"), KINDS.index("level")


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


def enclose_segment(modality: Modality, ids: ArrayLike, vocabulary: Vocabulary) -> Segment:
    """Return the segment of ids (T, H, W) without marks, which are added; `open_segment` is the inverse."""
    marks = vocabulary.row_end_id, vocabulary.segment_end_id
    return Segment(modality, TRAITS[modality].enclose(ids, *marks, vocabulary.id_dtype))


def open_segment(segment: Segment) -> Ids:
    """Return the ids of a segment without its marks, (T, H, W), a view."""
    return TRAITS[segment.modality].open(segment.ids)


def text_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (1, 1, n + 1) grid of n byte ids and the end mark."""
    return enclose_segment("text", np.asarray(ids)[None, None], vocabulary)


def image_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (T, H, W + 1) grid of (T, H, W) pixel ids and the marks that end rows and frames.

    Raises:
        ValueError: If `ids` is not 3-D or is empty.
    """
    if ids.ndim != 3 or ids.size == 0:
        raise ValueError(f"image ids must be a non-empty (T, H, W) array, got shape {ids.shape}")
    return enclose_segment("image", ids, vocabulary)


def audio_segment(ids: Ids, vocabulary: Vocabulary) -> Segment:
    """Return the (T + 1, 1, C) grid of (T, C) level ids and an extra frame of marks: C - 1 row ends, then the end.

    Raises:
        ValueError: If `ids` is not 2-D or is empty.
    """
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"audio ids must be a non-empty (T, C) array, got shape {ids.shape}")
    return enclose_segment("audio", ids[:, None], vocabulary)


def image_code_segment(codes: ArrayLike, vocabulary: Vocabulary) -> Segment:
    """Return the (T', H', W' + 1) grid of a picture's codes, with marks as of a picture.

    Args:
        codes: (T', H', W') integers in 0..K-1.
        vocabulary: The tables, with codes of pictures.

    Raises:
        TypeError: If codes are not integers.
        ValueError: If `codes` is not 3-D, is empty, or holds a code that the vocabulary lacks.
    """
    return _code_segment("image_code", np.asarray(codes), vocabulary)


def audio_code_segment(codes: ArrayLike, vocabulary: Vocabulary) -> Segment:
    """Return the (T' + 1, 1, Q) grid of a sound's codes, a column a residual level, with marks as of a sound.

    Args:
        codes: (T', Q) integers, column q in 0..(codes of level q)-1; fewer levels than the vocabulary has are the
            first of them.
        vocabulary: The tables, with codes of sounds.

    Raises:
        TypeError: If codes are not integers.
        ValueError: If `codes` is not 2-D, is empty, or holds a level or a code that the vocabulary lacks.
    """
    columns = np.asarray(codes)
    if columns.ndim != 2:
        raise ValueError(f"codes of audio_code must be a non-empty (T', Q) array, got shape {columns.shape}")
    return _code_segment("audio_code", columns[:, None], vocabulary)


def task_segment(names: Sequence[str], vocabulary: Vocabulary) -> Segment:
    """Return the (1, 1, n + 1) grid of n task and border ids and the end mark.

    Args:
        names: Of `vocabulary.RESERVED_NAMES`, at least one.
        vocabulary: The tables.

    Raises:
        ValueError: If there is none, or the vocabulary has none of a name.
    """
    ids = np.array([vocabulary.special_id(name) for name in names], np.int64)
    if not ids.size or set(vocabulary.slot_of_id[ids].tolist()) != {*TRAITS["task"].slots(1)}:
        raise ValueError(f"names must be of tasks and borders, at least one, got {list(names)}")
    return enclose_segment("task", ids[None, None], vocabulary)


def codes_of_segment(segment: Segment, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return what the ids of a segment count from the first of their kind, without marks: the codes, of one of codes.

    Returns:
        (T', H', W'), of a sound's codes (T', Q).

    Raises:
        ValueError: If an id stands where it cannot.

    Example:
        >>> coded = Vocabulary.from_preset("full").with_codes(audio=(8, 8))
        >>> codes_of_segment(audio_code_segment([[3, 7], [0, 1]], coded), coded).tolist()
        [[3, 7], [0, 1]]
    """
    traits, ids = TRAITS[segment.modality], open_segment(segment).astype(np.int64)
    slots = traits.slots(ids.shape[2])
    if misplaced := np.argwhere(vocabulary.slot_of_id[ids] != slots).tolist():
        where = tuple(misplaced[0])
        token, expected = vocabulary.tokens[ids[where]], slot_name(slots[where[-1]])
        raise ValueError(f"{segment.modality} must have ids of {expected} at {where}, got {ids[where]} ({token})")
    codes: NDArray[np.int64] = ids - np.array([vocabulary.ids_of_slot[each].start for each in slots])
    return codes[:, 0] if traits.marks == "frame" else codes


def _code_segment(modality: Modality, codes: NDArray[Any], vocabulary: Vocabulary) -> Segment:
    if codes.dtype.kind not in "iu" and codes.size:
        raise TypeError(f"codes of {modality} must be integers, got {codes.dtype}")
    if codes.ndim != 3 or codes.size == 0:
        raise ValueError(f"codes of {modality} must be a non-empty array of three axes, got shape {codes.shape}")
    slots = TRAITS[modality].slots(codes.shape[2])
    if missing := sorted(slot_name(each) for each in {*slots} - vocabulary.ids_of_slot.keys()):
        raise ValueError(f"the vocabulary has no ids of {', '.join(missing)}")
    ranges = [vocabulary.ids_of_slot[each] for each in slots]
    outside = np.argwhere((codes < 0) | (codes >= [len(ids) for ids in ranges])).tolist()
    if outside:
        where = tuple(outside[0])
        most = len(ranges[where[-1]]) - 1
        raise ValueError(f"codes of {modality} must be in 0..{most}, got {codes[where]} at {where}")
    return enclose_segment(modality, codes.astype(np.int64) + np.array([ids.start for ids in ranges]), vocabulary)


def flatten(segments: Iterable[Segment]) -> tuple[Ids, tuple[Shape, ...]]:
    """Return the raster stream (L,) of the segments one after another, and their shapes."""
    segments = tuple(segments)
    if not segments:
        raise ValueError("segments must not be empty: a record has at least one segment")
    return np.concatenate([s.ids.reshape(-1) for s in segments]), tuple(s.shape for s in segments)


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return numbers as an array.

    Args:
        name: Of the argument.
        value: An array, a tensor or nested lists.

    Raises:
        ValueError: If it is none, as lists of unequal length are.

    Example:
        >>> as_array("ids", [[1, 2], [3]])
        Traceback (most recent call last):
        ValueError: ids must be an array, or nested lists of equal length, got [[1, 2], [3]]
    """
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{name} must be an array, or nested lists of equal length, got {value!r:.100}") from error


def unflatten(ids: Ids, shapes: Sequence[Shape]) -> list[Segment]:
    """Return the segments of a raster stream (L,), views of it: the inverse of `flatten`."""
    parts = np.split(ids, np.cumsum([shape.size for shape in shapes])[:-1])
    return [Segment(shape.modality, part.reshape(shape[1:])) for shape, part in zip(shapes, parts, strict=True)]


def check_ids(ids: Ids, vocabulary: Vocabulary) -> Ids:
    """Return `ids` as an array after checking that it is a stream within the vocabulary.

    Raises:
        TypeError: If the ids are not integers.
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = as_array("ids", ids)
    if ids.size == 0 and ids.dtype.kind == "f":  # numpy's kind of an empty list
        ids = ids.astype(vocabulary.id_dtype)
    if ids.dtype.kind not in "iu":
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
