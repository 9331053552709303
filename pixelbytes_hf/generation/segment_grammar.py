"""Grammars of one segment: which ids may come next inside a text, an image or a sound.

A segment's grammar is a `GridCursor` with the extents that its layout allows, and for each choice how few ids
the segment needs after it, so that a budget of ids can be kept.

Shapes: V vocabulary, T frames or samples, H rows, W columns, C channels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import singledispatch
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..tokens.modalities import KINDS, TRAITS, Kind, Modality, slot_name
from ..tokens.six_cells import GridCursor
from ..tokens.vocabulary import Vocabulary
from .layout import UNBOUNDED, Audio, Image, SegmentLayout, Text

Target: TypeAlias = str | int  # all ids of a slot, by its name, or one id


_MARKS = ("row_end", "segment_end")


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
        self.slots: list[str] = [slot_name(index) for index in vocabulary.slot_of_id.tolist()]
        self._device = torch.device(device)
        self._masks: dict[tuple[Target, ...], Tensor] = {}

    def mask(self, targets: tuple[Target, ...]) -> Tensor:
        """Return the mask (V,) bool of the ids that `targets` name; the same tensor for the same targets."""
        if targets not in self._masks:
            legal = [name in targets or index in targets for index, name in enumerate(self.slots)]
            self._masks[targets] = torch.tensor(legal, device=self._device)
        return self._masks[targets]


class SegmentGrammar(ABC):
    """What the grammars of text, images and sounds have in common.

    Args:
        layout: Of the segment.
        cursor: At its first position.
        columns: C of the data; of a grid whose columns take the same ids, 1 will do.
    """

    def __init__(self, layout: SegmentLayout, cursor: GridCursor, columns: int = 1) -> None:
        """Start at the first position."""
        self.modality: Modality = layout.modality
        self.slots = [slot_name(index) for index in TRAITS[layout.modality].slots(columns)]
        self.cursor, self.closed = cursor, False

    @abstractmethod
    def choices(self) -> Sequence[Choice]:
        """Return what may come next; not empty unless closed."""

    @abstractmethod
    def push(self, token_id: int, name: str) -> None:
        """Read one id that is among the choices, and the name of its slot."""

    @abstractmethod
    def most(self) -> int:
        """Return the largest number of ids that may still come."""

    def fewest(self) -> int:
        """Return the smallest number of ids that must still come."""
        return 1 + min(choice.fewest_after for choice in self.choices())


class TextGrammar(SegmentGrammar):
    """Bytes, then the separator."""

    def __init__(self, layout: Text, pad_id: int) -> None:
        """Start at the first byte."""
        super().__init__(layout, GridCursor(pad_id=pad_id))
        self._min_length, self._max_length = layout.min_length, layout.max_length

    def choices(self) -> Sequence[Choice]:
        """Return a byte, while there is room, and the separator, once there are enough."""
        length, end = len(self.cursor.ids), Choice("segment_end", 0)
        if length < self._min_length:
            return (Choice(self.slots[0], self._min_length - length),)
        return (Choice(self.slots[0], 1), end) if length < self._max_length else (end,)

    def push(self, token_id: int, name: str) -> None:
        """Read one id."""
        self.closed = name == "segment_end"
        self.cursor.push(token_id)

    def most(self) -> int:
        """Return the room left, separator included."""
        return self._max_length + 1 - len(self.cursor.ids)


class ImageGrammar(SegmentGrammar):
    """Rows of pixels or codes with separators; the first row fixes a free width, the first frame a free height."""

    def __init__(self, layout: Image, pad_id: int) -> None:
        """Start at the first pixel."""
        super().__init__(layout, GridCursor(layout.height, layout.width and layout.width + 1, pad_id=pad_id))
        self._layout = layout

    def choices(self) -> Sequence[Choice]:
        """Return a pixel inside a row, a separator after it, both while the width is free."""
        rows, columns, row, column = self.cursor.rows, self.cursor.columns, self.cursor.row, self.cursor.column
        if columns is None:
            pixel = (self._choice(self.slots[0], rows or 1, column + 2),) if column < self._layout.max_width else ()
            return (*pixel, *self._separators(column)) if column else pixel
        if column < columns - 1:
            return (self._choice(self.slots[0], rows or row + 1, columns),)
        return self._separators(columns - 1)

    def _separators(self, width: int) -> Sequence[Choice]:
        # the frame may end where its height is free, or is reached; the row where another may follow
        rows, row = self.cursor.rows, self.cursor.row
        ends = (self._choice("segment_end", row + 1, width + 1),) if rows in (None, row + 1) else ()
        if row + 1 < (rows or self._layout.max_height):
            return (self._choice("row_end", rows or row + 2, width + 1), *ends)
        return ends

    def _choice(self, target: Target, fewest_rows: int, fewest_columns: int) -> Choice:
        # what was read so far is part of any image of this size, so what is left is a difference
        return Choice(target, self._layout.frames * fewest_rows * fewest_columns - len(self.cursor.ids) - 1)

    def push(self, token_id: int, name: str) -> None:
        """Read one id."""
        self.cursor.push(token_id, ends_row=name == "row_end", ends_frame=name == "segment_end")
        self.closed = self.cursor.frame == self._layout.frames

    def most(self) -> int:
        """Return what the largest image would still need."""
        rows = self.cursor.rows or self._layout.max_height
        columns = self.cursor.columns or self._layout.max_width + 1
        return self._layout.frames * rows * columns - len(self.cursor.ids)


class AudioGrammar(SegmentGrammar):
    """Amplitudes by channel, or codes by level, then the separators of the extra frame; channels may be given."""

    def __init__(self, layout: Audio, pad_id: int) -> None:
        """Start at the first sample."""
        super().__init__(layout, GridCursor(1, layout.channels, pad_id=pad_id), layout.channels)
        self._channels, self._given, self._is_ending = layout.channels, layout.given or {}, False
        self._least = layout.samples or 1
        self._most = layout.samples or layout.max_samples or UNBOUNDED

    def choices(self) -> Sequence[Choice]:
        """Return a level, the given id of a given channel, or a separator once enough samples are there."""
        sample, channel = self.cursor.frame, self.cursor.column
        if self._is_ending:
            return (self._choice(self._separator(channel), sample),)
        is_given = channel in self._given and sample < self._most
        target: Target = self._given[channel][sample] if is_given else self.slots[channel]
        level = (self._choice(target, max(sample + 1, self._least)),) if sample < self._most else ()
        may_end = channel == 0 and sample >= self._least
        return (*level, self._choice(self._separator(0), sample)) if may_end else level

    def _separator(self, channel: int) -> str:
        return "segment_end" if channel == self._channels - 1 else "row_end"

    def _choice(self, target: Target, fewest_samples: int) -> Choice:
        return Choice(target, (fewest_samples + 1) * self._channels - len(self.cursor.ids) - 1)

    def push(self, token_id: int, name: str) -> None:
        """Read one id."""
        self._is_ending = name in _MARKS
        self.closed = name == "segment_end"
        self.cursor.push(token_id)

    def most(self) -> int:
        """Return what the longest sound would still need."""
        samples = self.cursor.frame if self._is_ending else self._most
        return (samples + 1) * self._channels - len(self.cursor.ids)


def missing_ids(layout: SegmentLayout, vocabulary: Vocabulary) -> str:
    """Return what slots a segment of a layout needs that have no id in a vocabulary; empty where it has them."""
    traits = TRAITS[layout.modality]
    slots = traits.slots(layout.extent[2]) if traits.has_levels else traits.slots(1)
    return ", ".join(slot_name(index) for index in slots if index not in vocabulary.ids_of_slot)


@singledispatch
def segment_grammar(layout: SegmentLayout, pad_id: int) -> SegmentGrammar:
    """Return the grammar of one segment, or of a layout that derives from its layout."""
    raise TypeError(f"layout must be Text, Image, Audio or their like, got {type(layout).__name__}")


segment_grammar.register(Text, TextGrammar)
segment_grammar.register(Image, ImageGrammar)
segment_grammar.register(Audio, AudioGrammar)
