"""Records of tasks: every pair of a record and a task that fits, made into a stream when it is read.

Shapes: R records of the source, K tasks, S streams, L positions of a stream.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..tokens.grid import Ids, Shape, flatten, unflatten
from ..tokens.vocabulary import Vocabulary
from .corpus import TokenCorpus
from .cuts import PictureCodec
from .posed import Posed, pose
from .tasks import find_task


class TaskStream(NamedTuple):
    """A stream of a task.

    Attributes:
        ids: The raster stream, (L,).
        shapes: Its segments' shapes.
        num_given: Length of the prefix.
    """

    ids: Ids
    shapes: tuple[Shape, ...]
    num_given: int


class TaskCorpus:
    """Streams of tasks on the records of a corpus, ordered by record, then by task; what `evaluate_model` reads.

    Args:
        source: The records, of raw media or of codes.
        tasks: Names of tasks.
        codec: Of the pictures, for tasks that cut them as pixels where they are codes. Conditions are then encoded
            once and kept.
        max_length: Longest stream; longer ones are left out. None leaves out none.

    Attributes:
        vocabulary: The tables.
        names: Of the tasks, (K,).
        pairs: Record and task of every stream, (S, 2).
        lengths: Positions of every stream, (S,).
        num_unfit: Records that have not what a task needs, (K,).
        num_long: Records whose streams of a task are too long, (K,).

    Raises:
        ValueError: If a name is unknown or none is left, or the vocabulary has no ids of tasks.
    """

    def __init__(
        self,
        source: TokenCorpus,
        tasks: Iterable[str],
        *,
        codec: PictureCodec | None = None,
        max_length: int | None = None,
    ) -> None:
        """Find out which pairs fit, and how long they are."""
        self.source, self.vocabulary, self._codec = source, source.vocabulary, codec
        self._tasks = [find_task(name) for name in dict.fromkeys(tasks)]
        self.names = tuple(task.name for task in self._tasks)
        self._kept: dict[int, TaskStream] = {}
        found: list[tuple[int, int, int]] = []
        self.num_unfit, self.num_long = ([0] * len(self._tasks) for _ in range(2))
        for pair in np.ndindex(source.num_records, len(self._tasks)):
            record = unflatten(*source.record(pair[0]))
            if not self._tasks[pair[1]].fits(record, self.vocabulary):
                self.num_unfit[pair[1]] += 1
                continue
            stream = self._make(*pair)
            if max_length is not None and len(stream.ids) > max_length:
                self.num_long[pair[1]] += 1
                continue
            if codec is not None:
                self._kept[len(found)] = stream
            found.append((*pair, len(stream.ids)))
        if not found:
            raise ValueError(
                f"tasks must fit a record, got {list(self.names)}: {sum(self.num_unfit)} pairs lack a medium or "
                f"frames, {sum(self.num_long)} are longer than {max_length} tokens"
            )
        table = np.array(found, np.int64)
        self.pairs, self.lengths = table[:, :2], table[:, 2]

    @property
    def num_records(self) -> int:
        """Number of streams, S."""
        return len(self.pairs)

    def stream(self, index: int) -> TaskStream:
        """Return a stream.

        Raises:
            IndexError: If there is none of that index.
        """
        if not 0 <= index < self.num_records:
            raise IndexError(f"index must be in 0..{self.num_records - 1}, got {index}")
        return self._kept.get(index) or self._make(*self.pairs[index].tolist())

    def record(self, index: int) -> tuple[Ids, tuple[Shape, ...]]:
        """Return the raster stream, (L,), and its segments' shapes."""
        return self.stream(index)[:2]

    def num_given(self, index: int) -> int:
        """Return the length of a stream's prefix, of which nothing is scored."""
        return self.stream(index).num_given

    def task_of(self, index: int) -> str:
        """Return the task of a stream."""
        return self.names[int(self.pairs[index, 1])]

    def _make(self, record: int, task: int) -> TaskStream:
        segments = unflatten(*self.source.record(record))
        return stream_of(pose(self._tasks[task], segments, self.vocabulary, self._codec), self.vocabulary)


def stream_of(posed: Posed, vocabulary: Vocabulary) -> TaskStream:
    """Return the stream of a task on a record."""
    prefix = posed.prefix(vocabulary)
    ids, shapes = flatten([*prefix, *posed.asked])
    return TaskStream(ids, shapes, sum(segment.ids.size for segment in prefix))
