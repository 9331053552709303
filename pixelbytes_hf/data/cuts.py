"""Cuts: the parts of a medium that a task gives or asks for.

A cut takes the data of a grid, marks left out, and returns a smaller grid, or one with a hole. Cuts are functions of
the record alone: nothing is drawn, so that a picture gives the same part in training, evaluation and generation.

Shapes: T frames, H rows, W columns.

Source: the tasks of MAGVIT (Yu et al. 2022, arXiv 2212.05199). There what is not given is padding, so that all
conditions have the size of the picture; here only a hole is filled, and what lies outside a part is left out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..generation.layout import Image, SegmentLayout, Text
from ..tokens.grid import Ids, Segment, enclose_segment, open_segment
from ..tokens.modalities import TRAITS, Modality
from ..tokens.text_codec import decode_text, encode_text
from ..tokens.vocabulary import Vocabulary

# words that say of what type a creature is: the elements of the embedded corpus, and the types of the real species
_ELEMENTS = "fire water leaf spark"
_TYPES = (
    "normal fire water electric grass ice fighting poison ground flying psychic bug rock ghost dragon dark steel fairy"
)
TYPE_WORDS = frozenset(f"{_ELEMENTS} {_TYPES}".split())


class PictureCodec(Protocol):
    """What cuts ask of a learned codec of pictures; `SegmentCodec` is one."""

    def encode(self, segment: Segment, vocabulary: Vocabulary | None = None) -> Segment:
        """Return the codes of a picture."""

    def decode(self, segment: Segment, size: None = None, vocabulary: Vocabulary | None = None) -> Segment:
        """Return the picture of codes."""


@dataclass(frozen=True)
class Cut:
    """A part of a medium.

    Args:
        take: The part of data (T, H, W), given the vocabulary.
        num_frames: How many frames the part of so many frames has; None keeps all.
        least: Fewest frames, rows and columns that a picture must have.
        keeps_size: Whether rows and columns stay as many.
        is_of_codes: Whether the part of a picture's codes is the codes of the part; otherwise it has to be cut as
            pixels, since a code tells of what lies beside it, or came before.
        join: The whole picture of what is given beside the part, and the part; None where the part is whole.
        on_codes: The cut in the place of this one where a picture is codes; None is this one.
    """

    take: Callable[[Ids, Vocabulary], Ids]
    num_frames: Callable[[int], int] | None = None
    least: tuple[int, int, int] = (1, 1, 1)
    keeps_size: bool = True
    is_of_codes: bool = True
    join: Callable[[Ids, Ids], Ids] | None = None
    on_codes: "Cut | None" = None

    def on(self, modality: Modality) -> "Cut":
        """Return the cut of a medium, raw or as codes."""
        return self if self.on_codes is None or modality == TRAITS[modality].medium else self.on_codes

    def fits(self, segment: Segment, vocabulary: Vocabulary) -> bool:
        """Return whether a segment has such a part."""
        sizes = zip(open_segment(segment).shape, self.on(segment.modality).least, strict=True)
        return not TRAITS[segment.modality].has_frames or all(size >= least for size, least in sizes)

    def of(self, segment: Segment, vocabulary: Vocabulary, codec: PictureCodec | None = None) -> Segment:
        """Return the part of a segment.

        Args:
            segment: A whole medium that has such a part.
            vocabulary: The tables.
            codec: Of the pictures, where they are codes and the part has to be cut as pixels.

        Raises:
            ValueError: If a codec is needed and there is none.
        """
        if TRAITS[segment.modality].medium == segment.modality or self.is_of_codes:
            part = self.on(segment.modality).take(open_segment(segment), vocabulary)
            return enclose_segment(segment.modality, part, vocabulary)
        if codec is None:
            raise ValueError(
                "codec must be given to cut a picture of codes as pixels, got None: a code tells of what lies beside "
                "it, or came before"
            )
        return codec.encode(self.of(codec.decode(segment, vocabulary=vocabulary), vocabulary), vocabulary)

    def layout(self, whole: SegmentLayout) -> SegmentLayout:
        """Return the layout of the part of a medium of a layout."""
        num_frames = self.on(whole.modality).num_frames
        if num_frames is None or not isinstance(whole, Image):
            return whole
        return replace(whole, frames=max(num_frames(whole.frames), 1))


class TypeCut(Cut):
    """The word of a text that says of what type a creature is."""

    def fits(self, segment: Segment, vocabulary: Vocabulary) -> bool:
        """Return whether a text has such a word."""
        return self.take(open_segment(segment), vocabulary).size > 0

    def layout(self, whole: SegmentLayout) -> SegmentLayout:
        """Return the layout of a word."""
        return Text(max_length=max(map(len, TYPE_WORDS)))


def find_type(text: str) -> str:
    """Return the first word of a text that is in `TYPE_WORDS`; empty if none is.

    Example:
        >>> find_type("A small red fire beast, fond of water.")
        'fire'
    """
    return next((word for word in re.findall(r"[a-z]+", text.lower()) if word in TYPE_WORDS), "")


def _type(data: Ids, vocabulary: Vocabulary) -> Ids:
    word = find_type(decode_text(data[0, 0], vocabulary))
    return encode_text(word, vocabulary).ids[None, None].astype(data.dtype)


def _middle(size: int) -> slice:
    """Return the middle half."""
    half = max(size // 2, 1)
    return slice((size - half) // 2, (size - half) // 2 + half)


def _sliding(frame: int, num_frames: int, size: int) -> slice:
    """Return a half that is at the beginning in the first frame and at the end in the last."""
    half = max(size // 2, 1)
    start = round(frame * (size - half) / max(num_frames - 1, 1))
    return slice(start, start + half)


def _sliding_rows(data: Ids, vocabulary: Vocabulary) -> Ids:
    num_frames, rows, _ = data.shape
    return np.stack([frame[_sliding(n, num_frames, rows)] for n, frame in enumerate(data)])


def _with_hole(data: Ids, vocabulary: Vocabulary, *, slides: bool) -> Ids:
    if vocabulary.transparent_id is None:
        raise ValueError("vocabulary must have a transparent pixel, which fills a hole, got one without")
    (num_frames, rows, columns), holed = data.shape, data.copy()
    for number, frame in enumerate(holed):
        hole = _sliding(number, num_frames, rows) if slides else _middle(rows)
        frame[hole, _middle(columns)] = vocabulary.transparent_id
    return holed


def _keep(data: Ids, vocabulary: Vocabulary) -> Ids:
    return data


WHOLE = Cut(_keep)
FIRST_FRAME = Cut(lambda data, _: data[:1], lambda count: 1)
LATER_FRAMES = Cut(
    lambda data, _: data[1:],
    lambda count: count - 1,
    least=(2, 1, 1),
    join=lambda first, later: np.concatenate([first[:1], later]),
)
END_FRAMES = Cut(lambda data, _: data[[0, -1]], lambda count: 2, least=(3, 1, 1), is_of_codes=False)
FRAMES_BETWEEN = Cut(
    lambda data, _: data[1:-1],
    lambda count: count - 2,
    least=(3, 1, 1),
    join=lambda ends, between: np.concatenate([ends[:1], between, ends[1:]]),
    # a code of several frames may be of the last one and of some before: all that come after the first are asked
    on_codes=LATER_FRAMES,
)
CENTRE = Cut(
    lambda data, _: data[:, _middle(data.shape[1]), _middle(data.shape[2])],
    least=(1, 2, 2),
    keeps_size=False,
    is_of_codes=False,
)
MIDDLE_COLUMNS = replace(CENTRE, take=lambda data, _: data[:, :, _middle(data.shape[2])], least=(1, 1, 2))
MIDDLE_ROWS = replace(CENTRE, take=lambda data, _: data[:, _middle(data.shape[1])], least=(1, 2, 1))
SLIDING_ROWS = replace(CENTRE, take=_sliding_rows, least=(2, 2, 1))
CENTRE_HIDDEN = Cut(lambda data, tables: _with_hole(data, tables, slides=False), least=(1, 2, 2), is_of_codes=False)
SLIDING_HIDDEN = Cut(lambda data, tables: _with_hole(data, tables, slides=True), least=(2, 2, 2), is_of_codes=False)
TYPE = TypeCut(_type)
