"""Context rules: which tokens the row of a position holds, chosen by the number of cells.

Row n is what is known before token n, so that logits of row n predict token n under every rule. Knows ids, shapes and
cursors; knows nothing about models.

- 6 cells, the second approach's: the neighbours in space and time, and the token read just before (`grid`).
- 7 cells, for masked diffusion: these six, and the position's own token, which may be a mask.
- 9 cells, the first approach's: the 3x3 window *centred on the token read just before*, in raster order. Only the
  cells that were read before it are filled; the other four are padding. So its left neighbour is not the token read
  before it where a row begins, and the first row of a record is empty.

Shapes: L positions, N cells, T frames, H rows, W columns.

Source: `input_seq_construct`, pixelbytes/modules/dataset.py of fabienfrfr/PixelBytes@7646d6a, with ``dim=3``; same
windows.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from .grid import CONTEXT_SIZE, NEW_TOKEN_CELL, GridCursor, Ids, Offset, Shape, check_window, gather_window

WINDOW_SIDE = 3
WINDOW_SIZE = WINDOW_SIDE**2
WINDOW_CENTRE = WINDOW_SIZE // 2
WINDOW_CELLS: tuple[Offset, ...] = (
    Offset(0, -1, -1),  # above-left
    Offset(0, -1, 0),  # above
    Offset(0, -1, 1),  # above-right
    Offset(0, 0, -1),  # left
    Offset(0, 0, 0),  # the centre: the token read just before
)


class ContextRule(Protocol):
    """What windows, readers and generation ask of a rule."""

    @property
    def size(self) -> int:
        """Cells of a row, N."""

    @property
    def newest_cell(self) -> int:
        """Index of the cell that holds the token read just before."""

    @property
    def crosses_segments(self) -> bool:
        """Whether a segment's first row holds tokens of the segment before it."""

    def gather(self, ids: Ids, shapes: Sequence[Shape], start: int, stop: int, *, pad_id: int) -> Ids:
        """Return the rows of positions `start`..`stop` of a record, (stop - start, N); as `grid.gather_window`."""

    def read(self, current: GridCursor | None, previous: GridCursor | None, *, pad_id: int) -> list[int]:
        """Return the row of the next position, in generation.

        Args:
            current: Cursor of the segment that the position belongs to, or None.
            previous: Cursor of the segment before it, or None at a record's beginning.
            pad_id: Id of an empty cell.
        """


class ZigzagRule:
    """Six cells: `grid.NEIGHBOURS` and the token read just before, empty where a segment begins."""

    size = CONTEXT_SIZE
    newest_cell = NEW_TOKEN_CELL
    crosses_segments = False

    def gather(self, ids: Ids, shapes: Sequence[Shape], start: int, stop: int, *, pad_id: int) -> Ids:
        """Return the rows; see `ContextRule.gather`."""
        return gather_window(ids, shapes, start, stop, pad_id=pad_id)

    def read(self, current: GridCursor | None, previous: GridCursor | None, *, pad_id: int) -> list[int]:
        """Return the next row; see `ContextRule.read`."""
        return [pad_id] * self.size if current is None else current.context()


class CausalWindowRule:
    """Nine cells: the 3x3 window centred on the token read just before, in the grid of that token."""

    size = WINDOW_SIZE
    newest_cell = WINDOW_CENTRE
    crosses_segments = True

    def gather(self, ids: Ids, shapes: Sequence[Shape], start: int, stop: int, *, pad_id: int) -> Ids:
        """Return the rows; see `ContextRule.gather`."""
        if start > 0:
            return gather_window(ids, shapes, start - 1, stop - 1, pad_id=pad_id, gather=gather_causal_windows)
        check_window(ids, shapes, start, stop)
        first = np.full((1, self.size), pad_id, ids.dtype)
        if stop == 1:
            return first
        rest = gather_window(ids, shapes, 0, stop - 1, pad_id=pad_id, gather=gather_causal_windows)
        return np.concatenate([first, rest])

    def read(self, current: GridCursor | None, previous: GridCursor | None, *, pad_id: int) -> list[int]:
        """Return the next row; see `ContextRule.read`."""
        return causal_window(current if current is not None and current.ids else previous, pad_id=pad_id)


class OwnCellRule:
    """Seven cells: the six of the zigzag rule, and the position's own token, for input whose tokens can be masked."""

    size = CONTEXT_SIZE + 1
    newest_cell = NEW_TOKEN_CELL
    crosses_segments = False

    def gather(self, ids: Ids, shapes: Sequence[Shape], start: int, stop: int, *, pad_id: int) -> Ids:
        """Return the rows; see `ContextRule.gather`."""
        six = gather_window(ids, shapes, start, stop, pad_id=pad_id)
        return np.concatenate([six, ids[start:stop, None]], axis=1)

    def read(self, current: GridCursor | None, previous: GridCursor | None, *, pad_id: int) -> list[int]:
        """Refuse: the token to be generated would be in its own row.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"rows of {self.size} cells hold the token itself: expected `infill` in place of one by one")


def gather_causal_windows(grid: Ids, *, pad_id: int) -> Ids:
    """Return the window centred on every position of one grid, in raster order.

    Args:
        grid: Ids, (T, H, W); a window never leaves its frame.
        pad_id: Id that stands for a cell outside the frame, and for one that is read later than the centre.

    Returns:
        (L, 9), dtype of `grid`.

    Example:
        >>> gather_causal_windows(np.array([[[5, 6], [7, 8]]]), pad_id=0)[3].tolist()
        [5, 6, 0, 7, 8, 0, 0, 0, 0]
    """
    windows = np.full((*grid.shape, WINDOW_SIZE), pad_id, grid.dtype)
    _, rows, columns = grid.shape
    for cell, (_, down, right) in enumerate(WINDOW_CELLS):
        here = slice(-down, rows), slice(max(-right, 0), columns - max(right, 0))
        there = slice(0, rows + down), slice(max(right, 0), columns - max(-right, 0))
        windows[:, here[0], here[1], cell] = grid[:, there[0], there[1]]
    return windows.reshape(-1, WINDOW_SIZE)


def causal_window(cursor: GridCursor | None, *, pad_id: int) -> list[int]:
    """Return the window centred on the newest id of a cursor: what `gather_causal_windows` does, in steps.

    Args:
        cursor: Of the newest id's grid, whose width need not be known before its first row has ended; None, or one
            that has read nothing, gives an empty window.
        pad_id: Id of an empty cell.

    Example:
        >>> cursor = GridCursor(columns=2, pad_id=0)
        >>> for token_id in (5, 6, 7): cursor.push(token_id)
        >>> causal_window(cursor, pad_id=0)
        [0, 5, 6, 0, 7, 0, 0, 0, 0]
    """
    window = [pad_id] * WINDOW_SIZE
    if cursor is None or not cursor.ids:
        return window
    newest = len(cursor.ids) - 1
    columns = cursor.columns or len(cursor.ids)  # a row that has not ended is the first
    row, column = divmod(newest, columns)
    if cursor.rows is not None:
        row %= cursor.rows
    for cell, (_, down, right) in enumerate(WINDOW_CELLS):
        if row + down >= 0 and 0 <= column + right < columns:
            window[cell] = cursor.ids[newest + down * columns + right]
    return window


CONTEXT_RULES: Mapping[int, ContextRule] = MappingProxyType(
    {rule.size: rule for rule in (ZigzagRule(), OwnCellRule(), CausalWindowRule())}
)


def context_rule(size: int) -> ContextRule:
    """Return the rule of so many cells.

    Raises:
        ValueError: If there is none.
    """
    if size not in CONTEXT_RULES:
        raise ValueError(f"context_size must be one of {sorted(CONTEXT_RULES)}, which have a rule, got {size}")
    return CONTEXT_RULES[size]
