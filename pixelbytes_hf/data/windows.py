"""Windows over the records of a corpus, whose contexts are computed when a window is read.

A context is index arithmetic on the record and reaches before the window where the record does.

Shapes: L positions of a window, N cells.

Source: `TokenPxByDataset`, pixelbytes/model.py:33 of fabienfrfr/PixelBytes@7646d6a. Differs on purpose: windows end at
the record's end instead of at the end modulo its length, so no token is lost, and padding is never a target.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..objectives.corruption import Corruption, Moment, Window
from ..tokens.contexts import context_rule
from ..tokens.grid import MODALITIES, Ids
from ..tokens.six_cells import CONTEXT_SIZE
from .augmentation import Augmentation, flip_record
from .corpus import TokenCorpus


class WindowDataset(Dataset[dict[str, Ids]]):
    """Windows over the records of a corpus; every token is a target.

    The windows of a record of L tokens start at 0, `stride`, 2 `stride`, ... up to the first that reaches the record's
    end; a window ends there too, so it may be shorter, and never crosses into the next record. With
    `stride == window_length` every token is a target exactly once. With a smaller stride (the paper's half) windows
    overlap, and a token is a target once in every window that holds it.

    Args:
        corpus: The records.
        window_length: Tokens of a window, at most.
        stride: Tokens from one window's start to the next; `window_length` if None.
        seed: Of the jitter.
        jitter: Move a record's windows to the left by a random part of what they reach beyond its end, drawn anew each
            epoch as a pure function of (seed, epoch, record). Their number, and what is said above, stay.
        repeats: Visits of a window in an epoch by modality, 1 where not named; the largest of those it holds counts.
        prefix_windows: Further visits, in every epoch, of each record's first `prefix_length` tokens: what a sentence
            asks for shows in a sprite's first frame, which is a small part of a record.
        prefix_length: See there.
        context_size: Cells of a row, N; one of `contexts.CONTEXT_RULES`.
        corruption: What an objective that corrupts its input draws for each window, or None; see `corruption`.
        num_draws: Visits of every window one after another, each with draws of its own, to validate on.
        augmentation: What may be done to a window's record, drawn anew each epoch as a pure function of (seed, epoch,
            index).

    Raises:
        ValueError: If a number is out of range or a modality unknown.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        window_length: int,
        *,
        stride: int | None = None,
        seed: int = 0,
        jitter: bool = False,
        repeats: Mapping[str, int] | None = None,
        prefix_windows: int = 0,
        prefix_length: int = 256,
        context_size: int = CONTEXT_SIZE,
        corruption: Corruption | None = None,
        num_draws: int = 1,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Count the windows of every record."""
        stride = window_length if stride is None else stride
        if num_draws < 1 or (num_draws > 1 and prefix_windows):
            raise ValueError(f"num_draws must be at least 1, and 1 with prefix_windows, got {num_draws}")
        if not 1 <= stride <= window_length:
            raise ValueError(f"stride must be in 1..window_length ({window_length}), got {stride}")
        if prefix_windows < 0 or prefix_length < 1:
            raise ValueError(f"prefix_windows must be >= 0, of length >= 1, got {prefix_windows} of {prefix_length}")
        self.corpus, self.window_length, self.stride = corpus, window_length, stride
        self.seed, self.jitter, self.epoch = seed, jitter, 0
        self.num_prefix_windows, self.prefix_length = prefix_windows * corpus.num_records, prefix_length
        self.rule, self.corruption, self.num_draws = context_rule(context_size), corruption, num_draws
        self.augmentation = Augmentation() if augmentation is None else augmentation
        self._ranks: NDArray[np.int64] | None = None
        self._lengths = np.diff(corpus.offsets)
        counts = np.maximum(-(-(self._lengths - window_length) // stride), 0) + 1
        self._first_window = np.concatenate([[0], np.cumsum(counts)])
        # a table, not a search: finding a window takes the same time however many records there are
        self._record_of_window = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._visits = self._repeat_windows(repeats or {})

    def _repeat_windows(self, repeats: Mapping[str, int]) -> NDArray[np.int64] | None:
        """Return the window of each visit of an epoch, or None where each is visited once."""
        if unknown := repeats.keys() - set(MODALITIES):
            raise ValueError(f"repeats must name modalities among {MODALITIES}, got {sorted(unknown)}")
        if not all(isinstance(times, int) and times >= 1 for times in repeats.values()):
            raise ValueError(f"repeats must be whole numbers from 1, got {dict(repeats)}")
        if all(times == 1 for times in repeats.values()):
            return None
        times, segments = np.ones(self.num_windows, np.int64), self.corpus.segments
        record = np.repeat(np.arange(self.corpus.num_records), np.diff(self.corpus.first_segments))
        sizes = segments[:, 1:].astype(np.int64).prod(1)
        starts = np.cumsum(sizes) - sizes - self.corpus.offsets[record]
        low, high = self._first_window[record], self._first_window[record + 1]
        # a segment is held by windows k with k * stride < its stop and k * stride + window_length > its start
        first = low + np.maximum((starts - self.window_length) // self.stride + 1, 0)
        last = np.minimum(low + (starts + sizes - 1) // self.stride + 1, high)
        for modality, begin, end in zip(segments[:, 0], first, last, strict=True):
            np.maximum(times[begin:end], repeats.get(MODALITIES[modality], 1), out=times[begin:end])
        return np.repeat(np.arange(self.num_windows), times)

    @property
    def num_windows(self) -> int:
        """Windows, each counted once."""
        return len(self._record_of_window)

    def __len__(self) -> int:
        """Return the number of windows of an epoch, repeats and prefix_windows counted; prefix_windows come last."""
        num_visits = self.num_windows if self._visits is None else len(self._visits)
        return num_visits * self.num_draws + self.num_prefix_windows

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose jitter and draws `locate` and `__getitem__` use."""
        self.epoch = epoch

    def set_order(self, order: Sequence[int]) -> None:
        """Tell which window is read when, so that draws of windows read together can be spread evenly."""
        if self.corruption is not None:
            self._ranks = np.argsort(np.asarray(order, np.int64))

    def locate(self, index: int) -> tuple[int, int, int]:
        """Return record, start and stop (one past the last) of a window, in the same time for any corpus.

        Raises:
            IndexError: If there is no window of that index.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in 0..{len(self) - 1}, got {index}")
        past = index - (len(self) - self.num_prefix_windows)
        if past >= 0:
            record = past % self.corpus.num_records
            return record, 0, min(self.prefix_length, int(self._lengths[record]))
        visit = index // self.num_draws
        window = visit if self._visits is None else int(self._visits[visit])
        record = int(self._record_of_window[window])
        length = int(self._lengths[record])
        start = (window - int(self._first_window[record])) * self.stride
        if self.jitter:
            start -= self._shift(record, length)
        return record, max(start, 0), min(start + self.window_length, length)

    def _shift(self, record: int, length: int) -> int:
        # as far as the last window reaches beyond the record's end, so that no token is lost at the end
        count = int(self._first_window[record + 1] - self._first_window[record])
        slack = (count - 1) * self.stride + self.window_length - length
        return int(np.random.default_rng((self.seed, self.epoch, record)).integers(slack + 1))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return contexts (L, N), labels (L,) int64, and what was drawn."""
        record, start, stop = self.locate(index)
        ids, shapes = self.corpus.record(record)
        flips = self.augmentation.draw(self.seed, self.epoch, index)
        ids = flip_record(ids, shapes, flips, self.corpus.vocabulary)
        labels, pad_id = ids[start:stop].astype(np.int64), self.corpus.vocabulary.pad_id
        if self.corruption is None:
            return {"input_ids": self.rule.gather(ids, shapes, start, stop, pad_id=pad_id), "labels": labels}
        window = Window(ids, shapes, start, stop, np.ones(stop - start, np.bool_))
        rank = index if self._ranks is None else int(self._ranks[index])
        moment = Moment(self.seed, self.epoch, index, rank, self.num_draws if self.num_draws > 1 else None)
        context, drawn = self.corruption.corrupt(window, moment, pad_id=pad_id)
        return {"input_ids": context, "labels": labels, "corruption": drawn}
