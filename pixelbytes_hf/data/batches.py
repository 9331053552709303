"""Sampler and collator of windows: the order of an epoch, and windows of different lengths in one batch.

Shapes: B windows of a batch, L positions of the longest, N cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from ..objectives.corruption import Drawn
from ..tokens.stacking import stack_padded
from ..tokens.vocabulary import IGNORE_INDEX


class WindowSampler(Sampler[int]):
    """Every window of an epoch once, in an order that is a pure function of (seed, epoch).

    Prefix windows, which are short, fill batches of their own, so that none is padded to the length of a whole window.
    A dataset that has an order of its own, `order_of_epoch`, is read in that.

    Args:
        dataset: The windows; it is told the epoch too.
        seed: Of the order.
        batch_size: Windows of a batch, of all processes together.
    """

    def __init__(self, dataset: Any, seed: int, *, batch_size: int = 1) -> None:
        """Start at epoch 0."""
        self.dataset, self.seed, self.batch_size, self.epoch = dataset, seed, batch_size, 0
        self.padding_share: float | None = None

    def __len__(self) -> int:
        """Return the number of windows of an epoch."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        """Return the indices of the epoch."""
        if hasattr(self.dataset, "order_of_epoch"):
            return iter(self.dataset.order_of_epoch(self.batch_size))
        random, total = np.random.default_rng((self.seed, self.epoch)), len(self.dataset)
        num_whole = total - getattr(self.dataset, "num_prefix_windows", 0)
        if num_whole == total:
            return iter(random.permutation(total).tolist())
        groups = [random.permutation(num_whole), num_whole + random.permutation(total - num_whole)]
        full = [group[: len(group) // self.batch_size * self.batch_size] for group in groups]
        batches = np.concatenate(full).reshape(-1, self.batch_size)
        rest = [group[len(part) :] for group, part in zip(groups, full, strict=True)]
        return iter(np.concatenate([random.permutation(batches).reshape(-1), *rest]).tolist())

    def describe(self) -> dict[str, float]:
        """Return ``padding``, which share of the epoch's batches is padding, where the lengths are known."""
        return {} if self.padding_share is None else {"padding": self.padding_share}

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, of the order and of the windows."""
        self.epoch = epoch
        self.dataset.set_epoch(epoch)
        if hasattr(self.dataset, "set_order"):
            self.dataset.set_order(list(self))
        if hasattr(self.dataset, "lengths"):
            self.padding_share = share_of_padding(self.dataset.lengths[list(self)], self.batch_size)


def share_of_padding(lengths: Sequence[int] | NDArray[np.int64], batch_size: int) -> float:
    """Return which share of batches is padding, where windows of these lengths are read in this order.

    Example:
        >>> share_of_padding([4, 2, 3, 3], batch_size=2)
        0.1428571428571429
    """
    batches = [lengths[first : first + batch_size] for first in range(0, len(lengths), batch_size)]
    num_places = sum(int(max(batch)) * len(batch) for batch in batches)
    return 1.0 - float(sum(lengths)) / num_places


class WindowCollator:
    """Stacks windows of different lengths into a batch, padded on the right to the longest.

    Args:
        pad_id: Id that fills the contexts of padding.
    """

    def __init__(self, pad_id: int = 0) -> None:
        """Keep the id of padding."""
        self.pad_id = pad_id

    def __call__(self, windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return ``input_ids`` (B, L, N), ``labels`` and ``attention_mask`` (B, L), and what windows have beside them.

        That is ``prefix_mask``, (B, L), and ``corruption``, what was drawn. All are int64 but the latter.
        """
        labels = [np.asarray(window["labels"], np.int64) for window in windows]
        arrays = {
            "input_ids": stack_padded([window["input_ids"] for window in windows], self.pad_id).astype(np.int64),
            "labels": stack_padded(labels, IGNORE_INDEX),
            "attention_mask": stack_padded([np.ones_like(each) for each in labels], 0),
        }
        if "prefix_mask" in windows[0]:
            arrays["prefix_mask"] = stack_padded([window["prefix_mask"] for window in windows], 0)
        batch: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if "corruption" in windows[0]:
            batch["corruption"] = stack_drawn([window["corruption"] for window in windows])
        return batch


def stack_drawn(windows: Sequence[Drawn]) -> dict[str, Tensor]:
    """Return what was drawn for the windows of a batch, by name: (B,), or (B, L, ...) with zeros at padding.

    Args:
        windows: At least one, all with the same names.
    """
    arrays = {name: [np.asarray(window[name]) for window in windows] for name in windows[0]}
    return {
        name: torch.from_numpy(stack_padded(drawn, 0) if drawn[0].ndim else np.stack(drawn))
        for name, drawn in arrays.items()
    }
