"""What a codec keeps of what it reads: sums over items, which training and evaluation turn into the same figures.

Sums are added over items and divided at the end, so that figures depend on no batch.

Shapes: B items of one size, S sums, T frames, H rows, W columns, N samples, C channels, Q levels of codes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tokens.grid import Modality
from .codec import PixelBytesCodec

_NATS_PER_BIT = float(np.log(2.0))


class ItemScores(NamedTuple):
    """Sums of every item.

    Attributes:
        sums: (B, S) float64.
        counts: How often each code occurs, level after level, (B, all codes) int64.
    """

    sums: Tensor
    counts: Tensor


class CodecScorer(ABC):
    """Scores items of one medium with a codec in evaluation mode."""

    @abstractmethod
    def sums(self, codec: Any, cells: Tensor, codes: Tensor) -> Tensor:
        """Return the sums (B, S) of items, given their codes."""

    @abstractmethod
    def figures(self, sums: NDArray[np.float64]) -> dict[str, float]:
        """Return what sums over all items, (S,), come to."""

    def score(self, codec: Any, cells: Tensor) -> ItemScores:
        """Return the scores of items.

        Args:
            codec: Of the medium.
            cells: Pixels (B, T, H, W) or levels (B, N, C), counted from the first of their kind.
        """
        codes = codec.encode_batch(cells)
        columns = codes.reshape(len(codes), -1, len(codec.quantiser.code_sizes))
        return ItemScores(self.sums(codec, cells, codes), count_codes(columns, codec.quantiser.code_sizes))

    def summarise(self, codec: Any, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> dict[str, float]:
        """Return the figures of all items: those of the medium, ``cells``, ``codes`` and how evenly codes are used.

        Args:
            codec: That scored them.
            sums: Over all items, (S,).
            counts: Over all items, (all codes,).
        """
        used: dict[str, float] = {}
        sizes = codec.quantiser.code_sizes
        for level, part in enumerate(np.split(counts, np.cumsum(sizes)[:-1])):
            suffix = f"_{level + 1}" if len(sizes) > 1 else ""
            shares = part[part > 0] / part.sum()
            used[f"codes_used{suffix}"] = len(shares)
            used[f"perplexity{suffix}"] = float(np.exp(-(shares * np.log(shares)).sum()))
        return {**self.figures(sums), "codes": int(counts.sum()), **used}


class PictureScorer(CodecScorer):
    """Nats, hits and pixels; hits and pixels of the foreground; hits and pixels of those that changed."""

    def sums(self, codec: Any, cells: Tensor, codes: Tensor) -> Tensor:
        """Return (B, 7)."""
        logits = codec.logits_of_batch(codes, tuple(cells.shape[1:])).float()
        nats = -logits.log_softmax(-1).gather(-1, cells[..., None])[..., 0].double()
        hits, one = (logits.argmax(-1) == cells).double(), torch.ones_like(nats)
        foreground, changed = (cells != codec.config.background).double(), changed_pixels(cells).double()
        parts = (nats, hits, one, hits * foreground, foreground, hits * changed, changed)
        return torch.stack([part.flatten(1).sum(1) for part in parts], dim=-1)

    def figures(self, sums: NDArray[np.float64]) -> dict[str, float]:
        """Return residual bits and accuracies; of what does not occur, nothing."""
        nats, *pairs = sums.tolist()
        names = ("accuracy", "foreground_accuracy", "changed_accuracy")
        found = {name: hits / n for name, hits, n in zip(names, pairs[::2], pairs[1::2], strict=True) if n}
        return {"residual_bits": nats / _NATS_PER_BIT / pairs[1], **found, "cells": int(pairs[1])}


class SoundScorer(CodecScorer):
    """Nats and samples of all channels, power of the signal, and power of the noise by number of levels decoded."""

    def sums(self, codec: Any, cells: Tensor, codes: Tensor) -> Tensor:
        """Return (B, 3 + Q)."""
        nats = -codec.log_probs_of_batch(cells, codes).double()
        signal = torch.from_numpy(codec.amplitudes).to(cells.device)[cells].double()
        moved = signal - signal[:, :1]  # so that of a constant exactly nothing is left
        parts = [nats, torch.ones_like(nats), (moved - moved.mean(1, keepdim=True)).square()]
        for count in range(1, codes.shape[-1] + 1):
            parts.append((signal - codec.amplitudes_of_batch(codes[..., :count], cells.shape[1]).double()).square())
        return torch.stack([part.flatten(1).sum(1) for part in parts], dim=-1)

    def figures(self, sums: NDArray[np.float64]) -> dict[str, float]:
        """Return residual bits, and the ratio of signal to noise in dB by number of levels; of silence alone none."""
        nats, cells, signal, *noise = sums.tolist()
        counted = enumerate(noise if signal else (), 1)
        ratios = {f"snr_{count}": float(10 * np.log10(signal / max(power, 1e-12))) for count, power in counted}
        return {"residual_bits": nats / _NATS_PER_BIT / cells, **ratios, "cells": int(cells)}


_SCORERS: Mapping[Modality, CodecScorer] = MappingProxyType({"image": PictureScorer(), "audio": SoundScorer()})


def scorer_of(codec: PixelBytesCodec) -> CodecScorer:
    """Return the scorer of a codec's medium."""
    return _SCORERS[codec.medium]


def changed_pixels(pixels: Tensor) -> Tensor:
    """Return which pixels are not those of the frame before, (B, T, H, W) bool; in the first frame none."""
    changed = torch.zeros_like(pixels, dtype=torch.bool)
    changed[:, 1:] = pixels[:, 1:] != pixels[:, :-1]
    return changed


def count_codes(codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return how often each code occurs, level after level, (B, sum of sizes) int64.

    Args:
        codes: (B, positions, Q).
        sizes: Number of codes of each level, Q of them.

    Example:
        >>> count_codes(torch.tensor([[[0, 1], [1, 1]]]), (2, 3)).tolist()
        [[1, 1, 0, 2, 0]]
    """
    starts = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()], device=codes.device)
    flat = (codes + starts).flatten(1)
    counts = torch.zeros(len(codes), sum(sizes), dtype=torch.int64, device=codes.device)
    return counts.scatter_add_(1, flat, torch.ones_like(flat))
