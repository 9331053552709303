"""What an objective that corrupts its input draws for a window: times, masks and noise.

Every draw is a pure function of (seed, epoch, index of the window), so that a run can be resumed, and repeated by any
number of processes. Times are spread evenly over the windows that are read one after another: those at `rank` 0, 1, 2,
... of an epoch's order are steps of the golden ratio around a circle, so that any batch covers (0, 1]. Knows ids,
shapes and numbers; knows nothing about models.

Shapes: L positions of a window, N cells, W width of an embedded row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..objectives.objective_diffusion import betraying_cells
from ..tokens.contexts import context_rule
from ..tokens.grid import Ids, Shape

Drawn = dict[str, Any]  # arrays by name: numbers, or one row for each position
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_PUBLISHED_SHARE = 0.75  # rows hidden of a window's, drawn with repeats
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

    With a uniform time every number from 1 to all is equally likely. Weighted by the inverse of the share that is
    masked, the expected loss is then the same bound as with tokens masked one by one with probability `time`, at a
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


@dataclass(frozen=True)
class TokenMasking:
    """Masks tokens of the grid; contexts are computed from the masked grid, so that a masked token is nowhere seen.

    Args:
        mask_id: Input id of a masked token.
        context_size: Cells of a row, N.
    """

    mask_id: int
    context_size: int

    def corrupt(self, window: Window, moment: Moment, *, pad_id: int) -> tuple[Ids, Drawn]:
        """Return the contexts, ``masked`` (L,) bool, and ``times``, the share of the targets that is masked."""
        masked = mask_tokens(window.is_target, moment.time(), moment.random())
        share = masked.sum() / max(int(window.is_target.sum()), 1)
        return self.contexts(window, masked, pad_id=pad_id), {
            "times": np.float32(share if share else 1.0),
            "masked": masked,
        }

    def contexts(self, window: Window, masked: NDArray[np.bool_], *, pad_id: int) -> Ids:
        """Return the contexts of the window with the tokens masked, (L, N) int64.

        Args:
            window: The window; what comes before it in the record is seen as it is.
            masked: (L,) bool.
            pad_id: Id of a cell outside the grid.
        """
        seen = window.ids.astype(np.int64)
        seen[window.start : window.stop][masked] = self.mask_id
        rule = context_rule(self.context_size)
        return rule.gather(seen, window.shapes, window.start, window.stop, pad_id=pad_id)


@dataclass(frozen=True)
class CellNoise:
    """The paper's: a time among the last two, noise for the rows of 3/4 L draws and the cells that would betray them.

    Args:
        num_steps: T.
        context_size: Cells of a row, N.
        width: Of an embedded row, W.
    """

    num_steps: int
    context_size: int
    width: int

    def corrupt(self, window: Window, moment: Moment, *, pad_id: int) -> tuple[Ids, Drawn]:
        """Return the contexts as they are, ``times`` (), ``replaced`` (L, N) bool and ``noise`` (L, W) float32."""
        random, length = moment.random(), window.stop - window.start
        places = random.integers(0, length, int(length * _PUBLISHED_SHARE)).tolist()
        rule = context_rule(self.context_size)
        return rule.gather(window.ids, window.shapes, window.start, window.stop, pad_id=pad_id).astype(np.int64), {
            "times": np.int64(self.num_steps - random.integers(0, 2)),
            "replaced": betraying_cells(places, length, self.context_size).numpy(),
            "noise": random.standard_normal((length, self.width), np.float32),
        }


def stack_drawn(windows: Sequence[Drawn]) -> dict[str, Tensor]:
    """Return what was drawn for the windows of a batch, by name: (B,), or (B, L, ...) with zeros at padding.

    Args:
        windows: At least one, all with the same names.
    """
    batch = {}
    for name in windows[0]:
        arrays = [np.asarray(window[name]) for window in windows]
        length = max(array.shape[0] if array.ndim else 0 for array in arrays)
        shape = (len(arrays), length, *arrays[0].shape[1:]) if arrays[0].ndim else (len(arrays),)
        stacked = np.zeros(shape, arrays[0].dtype)
        for row, array in enumerate(arrays):
            stacked[(row, slice(len(array))) if array.ndim else row] = array
        batch[name] = torch.from_numpy(stacked)
    return batch


def build_corruption(config: Any) -> Corruption | None:
    """Return what the objective of a configuration draws, or None.

    Args:
        config: A `PixelBytesConfig`.
    """
    if config.objective == "masked":
        return TokenMasking(config.mask_token_id, config.context_size)
    if config.objective == "diffusion":
        return CellNoise(config.num_diffusion_steps, config.context_size, config.context_width)
    return None
