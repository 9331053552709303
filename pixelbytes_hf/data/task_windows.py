"""Windows of tasks: whole streams, of which nothing but what is asked is a target.

Which task a record gets in an epoch is a pure function of (seed, epoch, index), so that a run can be resumed and read
by any number of processes. Streams of like length are read together, which is the alternating gradient descent of
VideoPoet and wastes next to no padding.

Shapes: L positions of a stream, N cells, K tasks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..objectives.corruption import Corruption, Moment, Window
from ..tokens.contexts import context_rule
from ..tokens.six_cells import CONTEXT_SIZE
from ..tokens.vocabulary import IGNORE_INDEX
from .task_corpus import TaskCorpus
from .task_mixture import TaskMixture

_TASKS, _ORDER = 4, 5  # which stream of random numbers


class TaskWindows(Dataset[dict[str, Any]]):
    """One window of every record in an epoch, of a task that is drawn anew each time.

    Args:
        streams: Of the tasks of the mixture.
        mixture: How often each task is drawn among those that fit the record.
        seed: Of tasks and order.
        context_size: Cells of a row, N.
        corruption: As of `WindowDataset`; nothing but targets is masked.

    Attributes:
        records: Of the source, those for which some task can be drawn in every phase.

    Raises:
        ValueError: If there is no such record.
    """

    def __init__(
        self,
        streams: TaskCorpus,
        mixture: TaskMixture,
        *,
        seed: int = 0,
        context_size: int = CONTEXT_SIZE,
        corruption: Corruption | None = None,
    ) -> None:
        """Find out which streams a record has."""
        self.streams, self.mixture, self.seed = streams, mixture, seed
        self.rule, self.corruption = context_rule(context_size), corruption
        tasks = [streams.names.index(name) for name in mixture.names]
        table = np.full((streams.source.num_records, len(streams.names)), -1)
        table[tuple(streams.pairs.T)] = np.arange(streams.num_records)
        table = table[:, tasks]
        self.records = np.flatnonzero([not mixture.leaves_out(row >= 0) for row in table])
        if not self.records.size:
            raise ValueError(f"tasks must fit a record in every phase, got {list(mixture.names)}")
        self._streams_of_record = table[self.records]
        self._ranks: NDArray[np.int64] | None = None
        self.set_epoch(0)

    def __len__(self) -> int:
        """Return the number of windows of an epoch: one for each record."""
        return len(self.records)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, and draw the task of every window."""
        self.epoch = epoch
        self._phases = self._phases_of_windows()
        self._chosen = np.array([self._draw(index) for index in range(len(self))])

    def set_order(self, order: Sequence[int]) -> None:
        """Tell which window is read when; as of `WindowDataset`."""
        if self.corruption is not None:
            self._ranks = np.argsort(np.asarray(order, np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Positions of every window in this epoch, (windows,)."""
        lengths: NDArray[np.int64] = self.streams.lengths[self._chosen]
        return lengths

    def task_of(self, index: int) -> str:
        """Return the task of a window in this epoch."""
        return self.streams.task_of(int(self._chosen[index]))

    def locate(self, index: int) -> tuple[int, int, int]:
        """Return stream, start and stop of a window, which is a whole stream.

        Raises:
            IndexError: If there is no window of that index.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in 0..{len(self) - 1}, got {index}")
        stream = int(self._chosen[index])
        return stream, 0, int(self.streams.lengths[stream])

    def order_of_epoch(self, batch_size: int) -> list[int]:
        """Return the windows of the epoch in an order in which batches hold windows of like length.

        Phases come one after another; what does not fill a batch of one goes to the next, or to the end.

        Args:
            batch_size: Windows of a batch, of all processes together.
        """
        random, lengths = np.random.default_rng((self.seed, self.epoch, _ORDER)), self.lengths
        order: list[NDArray[np.int64]] = []
        rest = np.empty(0, np.int64)
        for phase in np.unique(self._phases):
            group = np.concatenate([rest, random.permutation(np.flatnonzero(self._phases == phase))])
            num_whole = len(group) // batch_size * batch_size
            # what is left for later is left by chance, not by length
            batches, rest = group[:num_whole], group[num_whole:]
            batches = batches[np.argsort(lengths[batches], kind="stable")].reshape(-1, batch_size)
            order.append(random.permutation(batches).reshape(-1))
        windows: list[int] = np.concatenate([*order, rest]).tolist()
        return windows

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return contexts (L, N), labels (L,) int64, `prefix_mask` (L,) int64, 1 where given, and what was drawn."""
        ids, shapes, num_given = self.streams.stream(self.locate(index)[0])
        pad_id = self.streams.vocabulary.pad_id
        labels = ids.astype(np.int64)
        labels[:num_given] = IGNORE_INDEX
        is_asked = np.arange(len(ids)) >= num_given
        window = {"labels": labels, "prefix_mask": (~is_asked).astype(np.int64)}
        if self.corruption is None:
            return {"input_ids": self.rule.gather(ids, shapes, 0, len(ids), pad_id=pad_id), **window}
        rank = index if self._ranks is None else int(self._ranks[index])
        moment = Moment(self.seed, self.epoch, index, rank)
        context, drawn = self.corruption.corrupt(Window(ids, shapes, 0, len(ids), is_asked), moment, pad_id=pad_id)
        return {"input_ids": context, **window, "corruption": drawn}

    def _phases_of_windows(self) -> NDArray[np.int64]:
        """Return the phase of every window: a phase may begin within an epoch."""
        places = np.random.default_rng((self.seed, self.epoch, _TASKS)).permutation(len(self))
        return np.array([self.mixture.phase_at(self.epoch + place / len(self)) for place in places.tolist()])

    def _draw(self, index: int) -> int:
        """Return the stream of a window in this epoch."""
        streams = self._streams_of_record[index]
        weights = self.mixture.phase_weights(self._phases[index]) * (streams >= 0)
        share = np.cumsum(weights)
        place = np.random.default_rng((self.seed, self.epoch, index, _TASKS)).random()
        return int(streams[np.searchsorted(share / share[-1], place, side="right")])
