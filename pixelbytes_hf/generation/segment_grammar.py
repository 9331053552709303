"""Grammars of one segment: which ids may come next inside a text, an image or a sound.

A segment's grammar is a `GridCursor` that also knows the extents its layout allows, and for each choice how few ids
the segment needs after it. Knows kinds of ids; knows nothing about sequences of segments or models.

Shapes: V vocabulary, T frames or samples, H rows, W columns, C channels.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from ..tokens.grid import Modality
from ..tokens.six_cells import GridCursor
from ..tokens.vocabulary import KINDS, Kind, Vocabulary
from .layout import Audio, Image, SegmentLayout, Text

Target: TypeAlias = Kind | int  # all ids of a kind, or one id
UNBOUNDED = 2**62


class Choice(NamedTuple):
    """One thing that may come next, and the fewest ids its segment needs after it."""

    target: Target
    fewest_after: int


class LegalIds:
    """Masks of legal ids, one tensor per distinct set, made once.

    Args:
        vocabulary: The tables.
        device: Where the masks live.
    """

    def __init__(self, vocabulary: Vocabulary, device: torch.device | str = "cpu") -> None:
        """Start without masks."""
        self.vocabulary = vocabulary
        self.kinds: list[Kind] = [KINDS[kind] for kind in vocabulary.kind_of_id]
        self._device = torch.device(device)
        self._masks: dict[tuple[Target, ...], Tensor] = {}

    def mask(self, targets: tuple[Target, ...]) -> Tensor:
        """Return the mask (V,) bool of the ids that `targets` name; the same tensor for the same targets."""
        mask = self._masks.get(targets)
        if mask is None:
            legal = [kind in targets or index in targets for index, kind in enumerate(self.kinds)]
            mask = self._masks[targets] = torch.tensor(legal, device=self._device)
        return mask


class SegmentGrammar(Protocol):
    """What the grammars of text, images and sounds have in common."""

    modality: Modality
    cursor: GridCursor
    closed: bool

    def choices(self) -> Sequence[Choice]:
        """Return what may come next; not empty unless closed."""

    def push(self, token_id: int, kind: Kind) -> None:
        """Read one id that is among the choices."""

    def most(self) -> int:
        """Return the largest number of ids that may still come."""


class TextGrammar:
    """Bytes, then the end mark."""

    modality: Modality = "text"

    def __init__(self, layout: Text, pad_id: int) -> None:
        """Start at the first byte."""
        self.cursor, self.closed, self._max_length = GridCursor(pad_id=pad_id), False, layout.max_length

    def choices(self) -> Sequence[Choice]:
        """Return a byte, while there is room, and the end mark."""
        end = Choice("segment_end", 0)
        return (Choice("text", 1), end) if len(self.cursor.ids) < self._max_length else (end,)

    def push(self, token_id: int, kind: Kind) -> None:
        """Read one id."""
        self.closed = kind == "segment_end"
        self.cursor.push(token_id)

    def most(self) -> int:
        """Return the room left, end mark included."""
        return self._max_length + 1 - len(self.cursor.ids)


class ImageGrammar:
    """Rows of pixels with their marks; a free width is fixed by the first row, a free height by the first frame."""

    modality: Modality = "image"

    def __init__(self, layout: Image, pad_id: int) -> None:
        """Start at the first pixel."""
        columns = None if layout.width is None else layout.width + 1
        self.cursor, self.closed, self._layout = GridCursor(layout.height, columns, pad_id=pad_id), False, layout

    def choices(self) -> Sequence[Choice]:
        """Return a pixel inside a row, a mark after it, both while the width is free."""
        rows, columns, row, column = self.cursor.rows, self.cursor.columns, self.cursor.row, self.cursor.column
        if columns is not None:
            return (
                self._marks(columns - 1)
                if column == columns - 1
                else (self._choice("pixel", rows or row + 1, columns),)
            )
        pixel = (self._choice("pixel", rows or 1, column + 2),) if column < self._layout.max_width else ()
        return (*pixel, *self._marks(column)) if column else pixel

    def _marks(self, width: int) -> Sequence[Choice]:
        rows, row = self.cursor.rows, self.cursor.row
        ends = (self._choice("segment_end", row + 1, width + 1),) if rows in (None, row + 1) else ()
        if row + 1 < (rows or self._layout.max_height):
            return (self._choice("row_end", rows or row + 2, width + 1), *ends)
        return ends

    def _choice(self, kind: Kind, fewest_rows: int, fewest_columns: int) -> Choice:
        # what was read so far is part of any image of this size, so what is left is a difference
        size = self._layout.frames * fewest_rows * fewest_columns
        return Choice(kind, size - len(self.cursor.ids) - 1)

    def push(self, token_id: int, kind: Kind) -> None:
        """Read one id."""
        self.cursor.push(token_id, ends_row=kind == "row_end", ends_frame=kind == "segment_end")
        self.closed = self.cursor.frame == self._layout.frames

    def most(self) -> int:
        """Return what the largest image would still need."""
        rows = self.cursor.rows or self._layout.max_height
        columns = self.cursor.columns or self._layout.max_width + 1
        return self._layout.frames * rows * columns - len(self.cursor.ids)


class AudioGrammar:
    """Levels, channel by channel, then the marks of the extra frame; channels may be given."""

    modality: Modality = "audio"

    def __init__(self, layout: Audio, pad_id: int) -> None:
        """Start at the first sample."""
        self.cursor, self.closed = GridCursor(1, layout.channels, pad_id=pad_id), False
        self._channels, self._given, self._is_ending = layout.channels, layout.given or {}, False
        self._least = layout.samples or 1
        self._most = layout.samples or layout.max_samples or UNBOUNDED

    def choices(self) -> Sequence[Choice]:
        """Return a level, the given id of a given channel, or a mark once enough samples are there."""
        sample, channel = self.cursor.frame, self.cursor.column
        if self._is_ending:
            return (self._choice(self._mark(channel), sample),)
        target: Target = self._given[channel][sample] if channel in self._given and sample < self._most else "level"
        level = (self._choice(target, max(sample + 1, self._least)),) if sample < self._most else ()
        may_end = channel == 0 and sample >= self._least
        return (*level, self._choice(self._mark(0), sample)) if may_end else level

    def _mark(self, channel: int) -> Kind:
        return "segment_end" if channel == self._channels - 1 else "row_end"

    def _choice(self, target: Target, fewest_samples: int) -> Choice:
        return Choice(target, (fewest_samples + 1) * self._channels - len(self.cursor.ids) - 1)

    def push(self, token_id: int, kind: Kind) -> None:
        """Read one id."""
        self._is_ending = kind != "level"
        self.closed = kind == "segment_end"
        self.cursor.push(token_id)

    def most(self) -> int:
        """Return what the longest sound would still need."""
        samples = self.cursor.frame if self._is_ending else self._most
        return (samples + 1) * self._channels - len(self.cursor.ids)


def segment_grammar(layout: SegmentLayout, pad_id: int) -> SegmentGrammar:
    """Return the grammar of one segment."""
    if isinstance(layout, Text):
        return TextGrammar(layout, pad_id)
    return ImageGrammar(layout, pad_id) if isinstance(layout, Image) else AudioGrammar(layout, pad_id)
