"""The cells that a position can see: neighbours in the grid, and tokens read before it; the paper's six by default.

The context of a position is a list of cells, gathered for whole grids, for windows of a record, and one position at a
time.

Shapes: T frames, H rows, W columns, L = T * H * W positions in raster order, N cells.

Source: `create_sequence_data`, pixelbytes/tokenizer.py:128 of fabienfrfr/PixelBytes@7646d6a; same values.
"""

from collections.abc import Sequence
from sys import maxsize
from typing import NamedTuple

import numpy as np

from .grid import Ids, Shape


class Offset(NamedTuple):
    """Displacement from a position to a neighbour, in cells along (frame, row, column)."""

    frame: int
    row: int
    column: int


# a neighbour in the grid, the token read so many positions before, or nothing
Cell = Offset | int | None

NEIGHBOURS: tuple[Offset, ...] = (
    Offset(-1, -1, 0),  # frame before, above
    Offset(-1, 0, 0),  # frame before, same cell
    Offset(-1, 1, 0),  # frame before, below
    Offset(0, -1, -1),  # above-left
    Offset(0, -1, 0),  # above
)
SIX_CELLS: tuple[Cell, ...] = (*NEIGHBOURS, 1)
CONTEXT_SIZE = len(SIX_CELLS)
NEW_TOKEN_CELL = CONTEXT_SIZE - 1  # the cell of the token read just before


def gather_context(grid: Ids, cells: Sequence[Cell] = SIX_CELLS, *, pad_id: int) -> Ids:
    """Return the context of every position of one grid, in raster order.

    Args:
        grid: Ids, (T, H, W).
        cells: The N cells of a context.
        pad_id: Id that stands for a cell outside the grid, and for an empty one.

    Returns:
        (L, N), dtype of `grid`; column n holds ``cells[n]``.

    Example:
        >>> gather_context(np.array([[[7, 8, 9]]]), pad_id=0)[:, -1].tolist()
        [0, 7, 8]
    """
    context = np.full((*grid.shape, len(cells)), pad_id, grid.dtype)
    flat = context.reshape(-1, len(cells))
    for n, cell in enumerate(cells):
        if isinstance(cell, int):
            # what was read before wraps at row ends, so it is a shift of the raster, not an offset in the grid
            flat[cell:, n] = grid.reshape(-1)[:-cell]
        elif cell is not None:
            here, there = (
                tuple(slice(max(-o, 0), max(size - o, 0)) for o, size in zip(offset, grid.shape, strict=True))
                for offset in (cell, [-o for o in cell])
            )
            context[..., n][here] = grid[there]
    return flat


def gather_window(
    ids: Ids, shapes: Sequence[Shape], start: int, stop: int, cells: Sequence[Cell] = SIX_CELLS, *, pad_id: int
) -> Ids:
    """Return the contexts of positions `start`..`stop` of a record, neighbours before the window included.

    Only the frames that the window touches, and those before them that the cells reach, are looked at.

    Args:
        ids: The record's raster stream, (L,).
        shapes: Its segments' shapes, in order.
        start: First position, 0 <= start < stop.
        stop: One past the last position, at most L.
        cells: The N cells of a context.
        pad_id: Id that stands for a cell outside the grid, and for an empty one.

    Returns:
        (stop - start, N), dtype of `ids`.

    Raises:
        ValueError: If the window leaves the record, or the shapes do not add up to L.
    """
    check_window(ids, shapes, start, stop)
    num_frames = max(-cell.frame for cell in cells if isinstance(cell, Offset))
    lag = max((cell for cell in cells if isinstance(cell, int)), default=0)
    rows, offset = [], 0
    for shape in shapes:
        low, high = max(start - offset, 0), min(stop - offset, shape.size)
        if low < high:
            plane = shape.rows * shape.columns
            first = max(min(low // plane - num_frames, (low - lag) // plane), 0) * plane
            last = -(-high // plane) * plane
            block = ids[offset + first : offset + last].reshape(-1, shape.rows, shape.columns)
            rows.append(gather_context(block, cells, pad_id=pad_id)[low - first : high - first])
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

    def context(self, cells: Sequence[Cell] = SIX_CELLS) -> list[int]:
        """Return the N cells that the position about to be read can see."""
        return self._look(cells, len(self.ids), (self.frame, self.row, self.column))

    def newest_context(self, cells: Sequence[Cell]) -> list[int]:
        """Return the N cells around the id read last, of its own frame; the first row need not have ended."""
        newest = len(self.ids) - 1
        row, column = divmod(newest, self.columns or len(self.ids))
        return self._look(cells, newest, (0, row % self.rows if self.rows else row, column))

    def _look(self, cells: Sequence[Cell], here: int, place: tuple[int, int, int]) -> list[int]:
        (frame, row, column), rows, columns, found = place, self.rows or maxsize, self.columns or maxsize, []
        for cell in cells:
            at = -1
            if isinstance(cell, Offset):
                back, down, right = cell
                if frame + back >= 0 and 0 <= row + down < rows and 0 <= column + right < columns:
                    at = here + right + columns * down + (columns * rows * back if back else 0)
            elif cell is not None:
                at = here - cell
            found.append(self.ids[at] if at >= 0 else self.pad_id)
        return found

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
