"""Streams of tasks: a record and a task as what a model reads and what it is to predict, and the way back.

A stream has two headers, which are segments of task and border ids. The first names the task and says which media are
given, those media follow; the second begins with ``<out>`` and says which are asked, and these follow. All up to the
end of the second header is the prefix, of which a model predicts nothing:

    <task:text-to-video> <bot> | a sentence | <out> <bov> | a clip

A segment ends by its own mark, so that a border stands for the beginning of a medium alone. Any vocabulary with the
specials of the ``full`` preset has the ids, with raw media and with codes alike.

Source: VideoPoet (Kondratyuk et al. 2023, arXiv 2312.14125), section 4.1, where a border stands before each medium.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..generation.layout import SegmentLayout
from ..tokens.grid import Segment, open_segment, task_segment
from ..tokens.modalities import TRAITS
from ..tokens.vocabulary import Vocabulary
from .cuts import PictureCodec
from .tasks import TASKS, Part, Task, media_of

OUT = "<out>"


class Posed(NamedTuple):
    """A task on a record.

    Attributes:
        task: Its name.
        given: Segments that the model reads.
        asked: Segments that it is to predict.
    """

    task: str
    given: tuple[Segment, ...]
    asked: tuple[Segment, ...]

    def prefix(self, vocabulary: Vocabulary) -> list[Segment]:
        """Return the segments of the prefix; see `make_prefix`."""
        return make_prefix(TASKS[self.task], self.given, self.asked, vocabulary)

    def segments(self, vocabulary: Vocabulary) -> list[Segment]:
        """Return the segments of the stream, the inverse of `read_posed`; raises as `make_prefix`."""
        return [*self.prefix(vocabulary), *self.asked]


def make_prefix(
    task: Task, given: Sequence[Segment], asked: Sequence[Segment | SegmentLayout], vocabulary: Vocabulary
) -> list[Segment]:
    """Return the segments of a prefix: what is given, and both headers.

    Args:
        task: The task.
        given: Segments that the model reads.
        asked: Segments that it is to predict, or their layouts while they are unknown.
        vocabulary: The tables.

    Raises:
        ValueError: If the media are not those of the task, or the vocabulary has no ids of tasks.
    """
    first = task_segment([task.task_id, *_borders(task.given, given)], vocabulary)
    return [first, *given, task_segment([OUT, *_borders(task.asked, asked)], vocabulary)]


def pose(task: Task, record: Sequence[Segment], vocabulary: Vocabulary, codec: PictureCodec | None = None) -> Posed:
    """Return a task on a record.

    Args:
        task: The task.
        record: Segments, of raw media or of codes.
        vocabulary: The tables.
        codec: As of `Cut.of`.

    Raises:
        ValueError: If the record does not have what the task gives and asks, or a codec is needed.
    """
    if not task.fits(record, vocabulary):
        known = [segment.shape for segment in record]
        raise ValueError(f"record must have all that the task {task.name!r} gives and asks, got {known}")
    media = media_of(record)
    given, asked = (
        tuple(part.cut.of(media[part.medium][0], vocabulary, codec) for part in parts if part.medium in media)
        for parts in (task.given, task.asked)
    )
    return Posed(task.name, given, asked)


def read_posed(segments: Iterable[Segment], vocabulary: Vocabulary) -> Posed:
    """Return the task that a stream poses: the inverse of `Posed.segments`.

    Args:
        segments: Of the stream, for example from `parse`.
        vocabulary: The tables.

    Raises:
        ValueError: If the stream has not two headers, or they do not say what is there.
    """
    stream = list(segments)
    places = [number for number, segment in enumerate(stream) if segment.modality == "task"]
    headers = [[vocabulary.special_name(int(each)) for each in open_segment(stream[n])[0, 0]] for n in places]
    task = {task.task_id: task for task in TASKS.values()}.get(headers[0][0] if headers else "")
    if len(places) != 2 or places[0] != 0 or task is None or headers[1][0] != OUT:
        raise ValueError(f"a stream must begin with a task and have one further header, of {OUT}, got {headers}")
    given, asked = tuple(stream[1 : places[1]]), tuple(stream[places[1] + 1 :])
    expected = [task.task_id, *_borders(task.given, given)], [OUT, *_borders(task.asked, asked)]
    if (headers[0], headers[1]) != expected:
        raise ValueError(f"headers must say what follows them, {expected}, got {headers}")
    return Posed(task.name, given, asked)


def _borders(parts: Sequence[Part], found: Sequence[Segment | SegmentLayout]) -> list[str]:
    """Return the borders of the parts that are there; raises ValueError if one lacks that is not optional."""
    media = [TRAITS[each.modality].medium for each in found]
    there = [part for part in parts if part.medium in media or not part.is_optional]
    if [part.medium for part in there] != media:
        raise ValueError(f"media must be {[part.medium for part in there] or 'none'}, in this order, got {media}")
    return [part.border for part in there]
