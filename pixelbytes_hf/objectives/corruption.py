"""Windows, and the times and masks that an objective draws to corrupt them.

Every draw is a pure function of (seed, epoch, index of the window), so that a run can be resumed, and repeated by any
number of processes. Times are spread evenly over the windows that are read one after another: those at `rank` 0, 1, 2,
... of an epoch's order are steps of the golden ratio around a circle, so that any batch covers (0, 1].

Shapes: L positions of a window, N cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..tokens.grid import Ids, Shape

Drawn = dict[str, Any]  # arrays by name: numbers, or one row for each position
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_TIMES, _PLACES = 1, 2  # which stream of random numbers


class Window(NamedTuple):
    """A window of a record, and which of its tokens are targets.

    Attributes:
        ids: The record's raster stream.
        shapes: Its segments' shapes.
        start: First position.
        stop: One past the last.
        is_target: (stop - start,) bool.
    """

    ids: Ids
    shapes: Sequence[Shape]
    start: int
    stop: int
    is_target: NDArray[np.bool_]


@dataclass(frozen=True)
class Moment:
    """When a window is read.

    Args:
        seed: Of the run.
        epoch: From 0.
        index: Of the window, or of one of its visits.
        rank: Its place in the epoch's order.
        num_strata: Into how many parts (0, 1] is divided, of which every draw takes the next, or None for steps of the
            golden ratio.
    """

    seed: int
    epoch: int
    index: int
    rank: int
    num_strata: int | None = None

    def time(self) -> float:
        """Return the time of the window, in (0, 1]."""
        if self.num_strata is not None:
            place = np.random.default_rng((self.seed, self.epoch, self.index, _TIMES)).random()
            return (self.rank % self.num_strata + 1.0 - float(place)) / self.num_strata
        first = np.random.default_rng((self.seed, self.epoch, 0, _TIMES)).random()
        return 1.0 - (float(first) + self.rank * _GOLDEN_RATIO) % 1.0

    def random(self) -> np.random.Generator:
        """Return the window's own source of randomness."""
        return np.random.default_rng((self.seed, self.epoch, self.index, _PLACES))


class Corruption(Protocol):
    """What windows and readers ask of a corruption."""

    def corrupt(self, window: Window, moment: Moment, *, pad_id: int) -> tuple[Ids, Drawn]:
        """Return the contexts of the window, (L, N) int64, and what was drawn for it."""


def mask_tokens(is_target: NDArray[np.bool_], time: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which tokens are masked: ``ceil(time * number of targets)`` of the targets, all choices alike.

    With a uniform time every number from 1 to all is equally likely. Weighted by the inverse of the fraction that
    is masked, the expected loss is then the same bound as with tokens masked one by one with probability `time`, at a
    smaller variance, and no window is left without a masked token.

    Args:
        is_target: (L,) bool.
        time: In (0, 1].
        random: Source of randomness.

    Example:
        >>> mask_tokens(np.ones(4, bool), 0.5, np.random.default_rng(0)).sum()
        np.int64(2)
    """
    places = np.flatnonzero(is_target)
    masked = np.zeros(len(is_target), np.bool_)
    count = min(int(np.ceil(time * len(places))), len(places))
    masked[random.permutation(places)[:count]] = True
    return masked
