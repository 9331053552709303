"""Grids of ids: segments, the raster stream, the six-cell context, and the way back from a stream to segments.

Every medium is a grid with axes (frame, row, column), end marks included, read in raster order: columns fastest, then
rows, then frames. The context of a position is the cells listed in `NEIGHBOURS` plus the token read just before it.
Knows ids and shapes; knows nothing about files, colours or models.

Shapes: T frames, H rows, W columns, C channels, L = T * H * W positions in raster order, N = CONTEXT_SIZE cells.

Source: `create_sequence_data`, pixelbytes/tokenizer.py:128 of fabienfrfr/PixelBytes@7646d6a; same values.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .vocabulary import KINDS, Vocabulary

Modality = Literal["text", "image", "audio"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio")
Ids = NDArray[np.integer[Any]]
NO_END = "no end mark"
TEXT, PIXEL, LEVEL, ROW_END, SEGMENT_END, SPECIAL = range(len(KINDS))


class Offset(NamedTuple):
    """Displacement from a position to a neighbour, in cells along (frame, row, column)."""

    frame: int
    row: int
    column: int


NEIGHBOURS: tuple[Offset, ...] = (
    Offset(-1, -1, 0),  # frame before, above
    Offset(-1, 0, 0),  # frame before, same cell
    Offset(-1, 1, 0),  # frame before, below
    Offset(0, -1, -1),  # above-left
    Offset(0, -1, 0),  # above
)
CONTEXT_SIZE = len(NEIGHBOURS) + 1
NEW_TOKEN_CELL = CONTEXT_SIZE - 1  # the cell of the token read just before


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


@dataclass(frozen=True)
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


class Problem(NamedTuple):
    """A span of a stream that is not a well-formed segment."""

    start: int
    stop: int
    reason: str


class ParsedStream(NamedTuple):
    """Segments found in a stream, and what was wrong with it."""

    segments: list[Segment]
    problems: list[Problem]


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


def gather_context(grid: Ids, *, pad_id: int) -> Ids:
    """Return the context of every position of one grid, in raster order.

    Args:
        grid: Ids, (T, H, W).
        pad_id: Id that stands for a cell outside the grid.

    Returns:
        (L, N), dtype of `grid`; column n < N - 1 holds `NEIGHBOURS[n]`, the last column the token read just before.

    Example:
        >>> gather_context(np.array([[[7, 8, 9]]]), pad_id=0)[:, -1].tolist()
        [0, 7, 8]
    """
    frames, rows, columns = grid.shape
    context = np.full((frames, rows, columns, CONTEXT_SIZE), pad_id, grid.dtype)
    for cell, offset in enumerate(NEIGHBOURS):
        here = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, grid.shape, strict=True))
        there = tuple(slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, grid.shape, strict=True))
        context[..., cell][here] = grid[there]
    flat = context.reshape(-1, CONTEXT_SIZE)
    # the predecessor wraps at row ends, so it is a shift of the raster, not an offset in the grid
    flat[1:, NEW_TOKEN_CELL] = grid.reshape(-1)[:-1]
    return flat


def gather_window(
    ids: Ids,
    shapes: Sequence[Shape],
    start: int,
    stop: int,
    *,
    pad_id: int,
    gather: Callable[..., Ids] = gather_context,
) -> Ids:
    """Return the contexts of positions `start`..`stop` of a record, neighbours before the window included.

    Only the frames that the window touches, and the one before them, are looked at.

    Args:
        ids: The record's raster stream, (L,).
        shapes: Its segments' shapes, in order.
        start: First position, 0 <= start < stop.
        stop: One past the last position, at most L.
        pad_id: Id that stands for a cell outside the grid.
        gather: What gives the rows of one grid; it may look at a frame and the one before it.

    Returns:
        (stop - start, N), dtype of `ids`.

    Raises:
        ValueError: If the window leaves the record, or the shapes do not add up to L.
    """
    check_window(ids, shapes, start, stop)
    rows, offset = [], 0
    for shape in shapes:
        low, high = max(start - offset, 0), min(stop - offset, shape.size)
        if low < high:
            plane = shape.rows * shape.columns
            first = max(low // plane - 1, 0) * plane
            last = -(-high // plane) * plane
            block = ids[offset + first : offset + last].reshape(-1, shape.rows, shape.columns)
            rows.append(gather(block, pad_id=pad_id)[low - first : high - first])
        offset += shape.size
    return np.concatenate(rows) if len(rows) > 1 else rows[0]


def check_window(ids: Ids, shapes: Sequence[Shape], start: int, stop: int) -> None:
    """Make sure that a window lies in a record; arguments as of `gather_window`.

    Raises:
        ValueError: If it does not, or the shapes do not add up to L.
    """
    if sum(shape.size for shape in shapes) != len(ids) or not 0 <= start < stop <= len(ids):
        raise ValueError(f"window {start}:{stop} must lie in a stream of {len(ids)} ids of shapes {tuple(shapes)}")


class GridCursor:
    """Reads a grid, of known or still unknown extent, one position at a time: what `gather_context` does, in steps.

    Args:
        rows: H, or None until the first frame has ended.
        columns: W, end marks included, or None until the first row has ended.
        pad_id: Id that stands for a cell outside the grid.
    """

    def __init__(self, rows: int | None = None, columns: int | None = None, *, pad_id: int) -> None:
        """Start at the first position of an empty grid."""
        self.rows, self.columns, self.pad_id = rows, columns, pad_id
        self.frame = self.row = self.column = 0
        self.ids: list[int] = []

    def context(self) -> list[int]:
        """Return the N cells that the position about to be read can see."""
        ids, here, cells = self.ids, len(self.ids), []
        for offset_frame, offset_row, offset_column in NEIGHBOURS:
            row, column = self.row + offset_row, self.column + offset_column
            if self.frame + offset_frame < 0 or row < 0 or column < 0 or (self.rows is not None and row >= self.rows):
                cells.append(self.pad_id)
            else:
                columns = self.columns or 0
                cells.append(ids[here + (offset_frame * (self.rows or 0) + offset_row) * columns + offset_column])
        cells.append(ids[-1] if ids else self.pad_id)
        return cells

    def push(self, token_id: int, *, ends_row: bool = False, ends_frame: bool = False) -> None:
        """Read one id; the first end of a row fixes the width, the first end of a frame the height."""
        self.ids.append(token_id)
        self.column += 1
        if ends_row or ends_frame or self.column == self.columns:
            self.columns = self.columns or self.column
            self.row, self.column = self.row + 1, 0
        if ends_frame or self.row == self.rows:
            self.rows = self.rows or self.row
            self.frame, self.row = self.frame + 1, 0


def parse(ids: Ids, vocabulary: Vocabulary) -> ParsedStream:
    """Find the segments of a raster stream: the inverse of `flatten`.

    In the ``paper`` preset, whose layout ids are text bytes too, a newline or tab between text bytes is text; and two
    texts, or two images of one size, that follow each other read as one: nothing in the stream tells them apart.

    Args:
        ids: (L,), each within the vocabulary.
        vocabulary: The tables.

    Returns:
        The segments, and a `Problem` for every span that is not well formed. A text, image or sound that merely lacks
        its last mark is kept and reported; any other malformed span is reported only.

    Raises:
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = check_ids(ids, vocabulary)
    kinds = vocabulary.kind_of_id[ids]
    segments: list[Segment] = []
    problems: list[Problem] = []
    start = 0
    while start < len(ids):
        find = {PIXEL: _image_stop, LEVEL: _audio_stop}.get(int(kinds[start]), _text_stop)
        read = {PIXEL: _read_images, LEVEL: _read_audio}.get(int(kinds[start]), _read_text)
        stop = find(kinds, start, vocabulary)
        found, reason = read(ids[start:stop], kinds[start:stop], vocabulary)
        segments += found
        if reason:
            problems.append(Problem(start, stop, reason))
        start = stop
    return ParsedStream(segments, problems)


def check_ids(ids: Ids, vocabulary: Vocabulary) -> Ids:
    """Return `ids` as an array after checking that it is a stream within the vocabulary.

    Raises:
        TypeError: If the ids are not integers.
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = np.asarray(ids)
    if ids.size == 0:
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


def _run_stop(inside: NDArray[np.bool_], start: int) -> int:
    outside = np.flatnonzero(~inside[start:])
    return start + int(outside[0]) if outside.size else len(inside)


def _text_stop(kinds: NDArray[np.uint8], start: int, vocabulary: Vocabulary) -> int:
    if vocabulary.specials:
        ends = np.flatnonzero(kinds[start:] != TEXT)
        stop = start + int(ends[0]) if ends.size else len(kinds)
        return stop + 1 if stop < len(kinds) and (stop == start or kinds[stop] == SEGMENT_END) else stop
    return _run_stop((kinds != PIXEL) & (kinds != LEVEL), start)


def _image_stop(kinds: NDArray[np.uint8], start: int, vocabulary: Vocabulary) -> int:
    stop = _run_stop((kinds == PIXEL) | (kinds == ROW_END) | (kinds == SEGMENT_END), start)
    is_mark = kinds[start:stop] != PIXEL
    doubled = np.flatnonzero(is_mark[:-1] & is_mark[1:])  # a mark after a mark opens something else
    return start + int(doubled[0]) + 1 if doubled.size else stop


def _audio_stop(kinds: NDArray[np.uint8], start: int, vocabulary: Vocabulary) -> int:
    stop = _run_stop(kinds == LEVEL, start)
    while stop < len(kinds) and kinds[stop] == ROW_END:
        stop += 1
    return stop + 1 if stop < len(kinds) and kinds[stop] == SEGMENT_END else stop


def _read_text(ids: Ids, kinds: NDArray[np.uint8], vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    ended = kinds[-1] == SEGMENT_END
    body = ids[:-1] if ended else ids
    if vocabulary.specials and not np.isin(vocabulary.kind_of_id[body], TEXT).all():
        return [], f"id {int(body[0])} ({vocabulary.tokens[int(body[0])]}) opens no segment"
    return [text_segment(body, vocabulary)], "" if ended else f"text has {NO_END}"


def _read_images(ids: Ids, kinds: NDArray[np.uint8], vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    reason = "" if kinds[-1] == SEGMENT_END else f"image has {NO_END}"
    if kinds[-1] == PIXEL:  # the mark of the last row is all that may lack
        ids, kinds = np.append(ids, vocabulary.segment_end_id), np.append(kinds, SEGMENT_END)
    marks = np.flatnonzero(kinds != PIXEL)
    widths = np.diff(marks, prepend=-1) - 1
    frames: list[tuple[int, int, Ids]] = []  # rows, columns, ids
    row = first = 0
    for frame_end in [*np.flatnonzero(kinds[marks] == SEGMENT_END), len(marks) - 1]:
        rows = int(frame_end) + 1 - row
        if rows == 0:
            continue
        if len(set(widths[row : row + rows].tolist())) > 1:
            return (
                [],
                f"frame {len(frames)} has rows of different widths {sorted(set(widths[row : row + rows].tolist()))}",
            )
        last = int(marks[frame_end]) + 1
        frames.append((rows, int(widths[row]), ids[first:last]))
        row, first = row + rows, last
    return _group_frames(frames, vocabulary), reason


def _group_frames(frames: list[tuple[int, int, Ids]], vocabulary: Vocabulary) -> list[Segment]:
    groups: list[list[tuple[int, int, Ids]]] = []
    for frame in frames:
        if groups and groups[-1][-1][:2] == frame[:2]:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return [
        image_segment(np.stack([ids.reshape(rows, columns + 1)[:, :-1] for rows, columns, ids in group]), vocabulary)
        for group in groups
    ]


def _read_audio(ids: Ids, kinds: NDArray[np.uint8], vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    levels = ids[kinds == LEVEL]
    ended = kinds[-1] == SEGMENT_END
    channels = max(len(ids) - len(levels) + (not ended), 1)
    if not ended and len(levels) % channels:
        channels = 1  # the paper ends mono sound with the mark of a row
    if len(levels) % channels:
        return [], f"sound of {len(levels)} levels does not divide into {channels} channels"
    return [audio_segment(levels.reshape(-1, channels), vocabulary)], "" if ended else f"sound has {NO_END}"


def modality_of_positions(shapes: Sequence[Shape]) -> NDArray[np.uint8]:
    """Return the index into `MODALITIES` of every position of a record, (L,).

    Example:
        >>> modality_of_positions([Shape("text", 1, 1, 2), Shape("audio", 1, 1, 3)]).tolist()
        [0, 0, 2, 2, 2]
    """
    names = np.array([MODALITIES.index(shape.modality) for shape in shapes], np.uint8)
    return np.repeat(names, [shape.size for shape in shapes])
