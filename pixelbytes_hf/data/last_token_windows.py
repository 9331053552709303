"""Windows of which the last token alone is a target: what objectives that read a window for every token train on.

A record is cut into stretches of `every` tokens, the last one shorter, and one token of each is the target of a window
that holds the contexts up to its own.

Shapes: L rows of a window, N cells.

Source: `PxByDataset`, pixelbytes/modules/dataset.py of fabienfrfr/PixelBytes@7646d6a. There a window begins at every
`stride`-th token and goes on from the record's end to its beginning, so that a record's first tokens are targets only
after its last ones; tests/reference/published_first.py documents that.
"""

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..tokens.contexts import context_rule
from ..tokens.grid import Ids
from ..tokens.six_cells import CONTEXT_SIZE
from ..tokens.vocabulary import IGNORE_INDEX
from .corpus import Records, record_lengths


def choose_targets(length: int, every: int, key: tuple[int, ...] | None) -> NDArray[np.int64]:
    """Return one position of every stretch of `every` positions.

    Args:
        length: Positions of the record.
        every: Positions of a stretch; 1 chooses all.
        key: Seeds the choice, which is a pure function of it; None takes each stretch's last position.

    Returns:
        (ceil(length / every),) int64, ascending.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> choose_targets(7, 3, None).tolist()
        [2, 5, 6]
    """
    if length < 1 or every < 1:
        raise ValueError(f"length and every must be at least 1, got {length} and {every}")
    starts = np.arange(0, length, every)
    sizes = np.minimum(every, length - starts)
    if key is None:
        return starts + sizes - 1
    fractions = np.random.default_rng(key).random(len(starts))
    return starts + (fractions * sizes).astype(np.int64)


class LastTokenWindows(Dataset[dict[str, Ids]]):
    """Windows of which only the last row has a target.

    Args:
        corpus: The records.
        window_length: Contexts of a window, at most; fewer where the record has no more before the target.
        every: Length of the stretches of which one token is a target.
        seed: Of the choice.
        jitter: Choose another token of each stretch every epoch, as a pure function of (seed, epoch, record); else
            each stretch's last token is the target.
        context_size: Cells of a row, N; one of `contexts.CONTEXT_RULES`.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        corpus: Records,
        window_length: int,
        *,
        every: int = 1,
        seed: int = 0,
        jitter: bool = False,
        context_size: int = CONTEXT_SIZE,
    ) -> None:
        """Count the stretches of every record."""
        if window_length < 1 or every < 1:
            raise ValueError(f"window_length and every must be at least 1, got {window_length} and {every}")
        self.corpus, self.window_length, self.every = corpus, window_length, every
        self.seed, self.jitter, self.epoch, self.rule = seed, jitter, 0, context_rule(context_size)
        self._lengths = record_lengths(corpus)
        counts = [-(-length // every) for length in self._lengths]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._record_of_window = np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._record_of_window)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose targets `locate` and `__getitem__` use."""
        self.epoch = epoch

    def locate(self, index: int) -> tuple[int, int, int]:
        """Return record, start and stop of a window; its target is at stop - 1.

        Raises:
            IndexError: If there is no window of that index.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in 0..{len(self) - 1}, got {index}")
        record = int(self._record_of_window[index])
        key = (self.seed, self.epoch, record) if self.jitter else None
        target = int(choose_targets(self._lengths[record], self.every, key)[index - int(self._first[record])])
        return record, max(target + 1 - self.window_length, 0), target + 1

    def __getitem__(self, index: int) -> dict[str, Ids]:
        """Return contexts (L, N) and labels (L,) int64, -100 but for the last."""
        record, start, stop = self.locate(index)
        ids, shapes = self.corpus.record(record)
        labels = np.full(stop - start, IGNORE_INDEX, np.int64)
        labels[-1] = ids[stop - 1]
        pad_id = self.corpus.vocabulary.pad_id
        return {"input_ids": self.rule.gather(ids, shapes, start, stop, pad_id=pad_id), "labels": labels}
