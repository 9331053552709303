"""The six cells that a position can see: its neighbours in the grid, and the token read just before it.

The context of a position is the cells listed in `NEIGHBOURS` plus the token read just before it, gathered for whole
grids, for windows of a record, and one position at a time.

Shapes: T frames, H rows, W columns, L = T * H * W positions in raster order, N = CONTEXT_SIZE cells.

Source: `create_sequence_data`, pixelbytes/tokenizer.py:128 of fabienfrfr/PixelBytes@7646d6a; same values.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .grid import Ids, Shape


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
