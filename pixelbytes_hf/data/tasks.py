"""Tasks, a row each: what of a record is given, and what is asked.

`posed` makes the stream that a model reads of a record and a task.

Source: the tasks of VideoPoet (Kondratyuk et al. 2023, arXiv 2312.14125) and of MAGVIT (Yu et al. 2022, arXiv
2212.05199).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from ..generation.layout import Image, Layout, SegmentLayout
from ..tokens.grid import Modality, Segment, open_segment
from ..tokens.modalities import TRAITS
from ..tokens.vocabulary import Vocabulary
from .cuts import (
    CENTRE,
    CENTRE_HIDDEN,
    END_FRAMES,
    FIRST_FRAME,
    FRAMES_BETWEEN,
    LATER_FRAMES,
    MIDDLE_COLUMNS,
    MIDDLE_ROWS,
    SLIDING_HIDDEN,
    SLIDING_ROWS,
    TYPE,
    WHOLE,
    Cut,
)


class Part(NamedTuple):
    """A part of a record.

    Attributes:
        medium: Of which medium, raw or as codes.
        border: Id that says so in a header.
        cut: Which part of it.
        is_optional: Whether a record without the medium has the other parts alone.
    """

    medium: Modality
    border: str
    cut: Cut = WHOLE
    is_optional: bool = False


TEXT, VIDEO, SOUND = Part("text", "<bot>"), Part("image", "<bov>"), Part("audio", "<boa>")
STILL, TYPE_WORD = Part("image", "<boi>", FIRST_FRAME), Part("text", "<bot>", TYPE)
ANYTHING = tuple(part._replace(is_optional=True) for part in (TEXT, VIDEO, SOUND))


@dataclass(frozen=True)
class Task:
    """What is given and what is asked.

    Args:
        name: In `TASKS`.
        given: Parts of a record, in order.
        asked: Parts of the record, in order.
    """

    name: str
    given: tuple[Part, ...]
    asked: tuple[Part, ...]

    @property
    def task_id(self) -> str:
        """The special that names the task in a header."""
        return f"<task:{self.name}>"

    def fits(self, record: Sequence[Segment], vocabulary: Vocabulary) -> bool:
        """Return whether a record has all that is given and asked: each medium once, and large enough."""
        media = media_of(record)
        parts = [part for part in (*self.given, *self.asked) if part.medium in media or not part.is_optional]
        has_all = all(len(media.get(part.medium, ())) == 1 for part in parts)
        return bool(parts) and has_all and all(part.cut.fits(media[part.medium][0], vocabulary) for part in parts)

    @property
    def cuts_pixels(self) -> bool:
        """Whether pictures of codes are decoded to be cut, which needs their codec."""
        return any(not part.cut.is_of_codes for part in (*self.given, *self.asked))

    def give(self, media: Sequence[Segment], vocabulary: Vocabulary) -> list[Segment]:
        """Return what is given of media that stand alone: a crop as it is, of others the frames that the task gives.

        Args:
            media: Segments of raw media, one for each that is given, in any order.
            vocabulary: The tables.

        Raises:
            ValueError: If they are not the media that the task gives.
        """
        found = media_of(media)
        expected, got = [part.medium for part in self.given], [*found]
        if {*expected} != {*got} or len(media) != len(expected):
            raise ValueError(f"the task {self.name!r} is given {expected or 'nothing'}, got {got or 'nothing'}")
        segments = [(part.cut, found[part.medium][0]) for part in self.given]
        return [cut.of(segment, vocabulary) if cut.keeps_size else segment for cut, segment in segments]

    def layout(self, record: Layout, given: Sequence[Segment] = ()) -> Layout:
        """Return the layout of what is asked.

        Args:
            record: Layout of a whole record.
            given: What is given; where a picture that is asked is of its size, or length, it is that of the given one.

        Raises:
            ValueError: If the record's layout lacks a medium.
        """
        whole = {TRAITS[segment.modality].medium: segment for segment in record.segments}
        parts = [part for part in self.asked if part.medium in whole or not part.is_optional]
        if missing := [part.medium for part in parts if part.medium not in whole]:
            raise ValueError(f"layout must have {missing}, which the task {self.name!r} asks, got {[*whole]}")
        pictures = [pair for pair in zip(self.given, given, strict=False) if TRAITS[pair[1].modality].has_frames]
        return Layout(tuple(_fit_picture(part, whole[part.medium], pictures) for part in parts))

    def join(self, given: Sequence[Segment], asked: Sequence[Segment]) -> list[Segment]:
        """Return what is asked; where some frames of a picture are given and some asked, all in their place."""
        joined = list(asked)
        for number, (part, segment) in enumerate(zip(self.asked, asked, strict=False)):
            shown = [each for each in given if each.modality == segment.modality]
            join = part.cut.on(segment.modality).join
            if join is not None and shown:
                joined[number] = Segment(segment.modality, join(shown[0].ids, segment.ids))
        return joined


def _fit_picture(part: Part, whole: SegmentLayout, pictures: Sequence[tuple[Part, Segment]]) -> SegmentLayout:
    """Return the layout of a part that is asked; of a picture with the extents that the given one has in common."""
    layout = part.cut.layout(whole)
    if not pictures or not isinstance(layout, Image):
        return layout
    (given, segment), frames = pictures[0], layout.frames
    num_frames, rows, columns = open_segment(segment).shape
    if given.cut.num_frames is None and part.cut.num_frames is None:
        frames = num_frames
    if given.cut.keeps_size and part.cut.keeps_size:
        return replace(layout, frames=frames, height=rows, width=columns)
    return replace(layout, frames=frames)


def find_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        ValueError: If there is none.

    Example:
        >>> find_task("frame-prediction").task_id
        '<task:frame-prediction>'
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {list(TASKS)}, got {name!r}")
    return TASKS[name]


def media_of(record: Iterable[Segment]) -> dict[Modality, list[Segment]]:
    """Return the segments of a record by medium, be they raw or codes."""
    media: dict[Modality, list[Segment]] = {}
    for segment in record:
        media.setdefault(TRAITS[segment.modality].medium, []).append(segment)
    return media


def _rows() -> Iterable[Task]:
    yield Task("text-to-video", (TEXT,), (VIDEO,))
    yield Task("text-to-image", (TEXT,), (STILL,))
    yield Task("text-to-sound", (TEXT,), (SOUND,))
    yield Task("text-to-video-and-sound", (TEXT,), (VIDEO, SOUND))
    yield Task("video-to-text", (VIDEO,), (TEXT,))
    yield Task("video-to-type", (VIDEO,), (TYPE_WORD,))
    yield Task("video-to-sound", (VIDEO,), (SOUND,))
    yield Task("sound-to-video", (SOUND,), (VIDEO,))
    yield Task("sound-to-text", (SOUND,), (TEXT,))
    yield Task("unconditional", (), ANYTHING)
    yield Task("frame-prediction", (STILL,), (VIDEO._replace(cut=LATER_FRAMES),))
    yield Task("interpolation", (VIDEO._replace(cut=END_FRAMES),), (VIDEO._replace(cut=FRAMES_BETWEEN),))
    for name, cut in (
        ("inpainting-central", CENTRE_HIDDEN),
        ("inpainting-dynamic", SLIDING_HIDDEN),
        ("outpainting-central", CENTRE),
        ("outpainting-horizontal", MIDDLE_COLUMNS),
        ("outpainting-vertical", MIDDLE_ROWS),
        ("outpainting-dynamic", SLIDING_ROWS),
    ):
        yield Task(name, (VIDEO._replace(cut=cut),), (VIDEO,))


TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _rows()})
