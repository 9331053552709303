"""The contract of a quantiser: vectors to codes and back, what it costs to train one, how many codes are used.

A quantiser rounds each position's vector to one of a finite set, whose indices are the codes. Backward it passes
gradients through the rounding (straight-through). Quantisation is computed in float32, under autocast too: a vector
near a boundary must get the same code whatever the type around it.

Shapes: ... any positions, K width of a vector, Q codes of a position.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pretrained.setting_checks import check_number, check_size


class QuantiserLosses(NamedTuple):
    """Terms of the training loss, in nats and mean squares; zero where a quantiser has none.

    `sample_entropy` says how undecided single positions are (lower is better), `batch_entropy` how evenly a batch uses
    the codes (higher is better), `commitment` how far vectors are from their codes.
    """

    sample_entropy: Tensor
    batch_entropy: Tensor
    commitment: Tensor


class Quantised(NamedTuple):
    """Rounded vectors (..., K), their codes (..., Q) int64, and the terms of the loss."""

    vectors: Tensor
    codes: Tensor
    losses: QuantiserLosses


class Usage(NamedTuple):
    """How many different codes occur, of how many, and the perplexity: e to the entropy of their frequencies."""

    used: int
    available: int
    perplexity: float


def measure_usage(codes: Tensor, size: int) -> Usage:
    """Return how evenly codes of any shape use a range of `size`.

    Example:
        >>> measure_usage(torch.tensor([0, 0, 3, 3]), 8)
        Usage(used=2, available=8, perplexity=2.0)
    """
    counts = torch.bincount(codes.flatten(), minlength=size).double()
    shares = counts[counts > 0] / counts.sum()
    return Usage(len(shares), size, round(float(torch.exp(-(shares * shares.log()).sum())), 6))


class Quantiser(nn.Module):
    """What every quantiser answers; a subclass rounds in `quantise` and looks up in `look_up`.

    Attributes:
        needs_norm: Whether vectors are normalised over K before they come.
        is_residual: Whether a position has several codes, each refining those before; a picture's grid has room for
            one.
        defaults: Its settings and their defaults.

    Args:
        settings: Other values of some of them.
    """

    name: ClassVar[str]
    needs_norm: ClassVar[bool] = False
    is_residual: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]]

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """See the class."""
        super().__init__()
        self.settings = self.complete(settings)

    @classmethod
    def complete(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with the defaults of those that are not given.

        Raises:
            ValueError: If one is unknown or out of its range.
        """
        if unknown := sorted(settings.keys() - cls.defaults.keys()):
            raise ValueError(
                f"quantiser_settings of {cls.name!r} must be of {sorted(cls.defaults)}, got {', '.join(unknown)}"
            )
        completed = {**cls.defaults, **settings}
        cls.check(completed)
        return completed

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Make sure that every setting is in its range; raises ValueError."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Width of a vector, K."""
        raise NotImplementedError

    @classmethod
    def sizes_of(cls, settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the number of codes of each of the Q levels under complete settings."""
        raise NotImplementedError

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each of the Q levels."""
        return self.sizes_of(self.settings)

    def forward(self, vectors: Tensor, kept: Tensor | None = None) -> Quantised:
        """Round vectors (..., K) of any floating type; what comes out is of that type.

        Args:
            vectors: (..., K).
            kept: (...) bool, positions that count; by default all. The others enter no term of the loss and no
                codebook: their vectors come out as zeros, their codes as -1.

        Raises:
            ValueError: If the width is another, `kept` has another shape, or no position counts.
        """
        if kept is not None:
            return self._round_kept(vectors, kept)
        if vectors.shape[-1] != self.width:
            raise ValueError(f"vectors must have width {self.width}, got shape {tuple(vectors.shape)}")
        with torch.autocast(vectors.device.type, enabled=False):
            wide = vectors.float()
            if self.needs_norm:
                wide = F.layer_norm(wide, (self.width,))
            rounded, codes, losses = self.quantise(wide.reshape(1, -1, self.width))
        codes = codes.long().reshape(*vectors.shape[:-1], len(self.code_sizes))
        return Quantised(rounded.reshape(vectors.shape).to(vectors.dtype), codes, losses)

    def _round_kept(self, vectors: Tensor, kept: Tensor) -> Quantised:
        if kept.shape != vectors.shape[:-1] or not kept.any():
            raise ValueError(
                f"kept must be of the positions {tuple(vectors.shape[:-1])} and keep one of them, got shape "
                f"{tuple(kept.shape)} with {int(kept.sum())} kept"
            )
        rounded, codes, losses = self(vectors[kept])
        all_codes = codes.new_full((*kept.shape, codes.shape[-1]), -1)
        all_codes[kept] = codes
        return Quantised(torch.zeros_like(vectors).masked_scatter(kept[..., None], rounded), all_codes, losses)

    def encode(self, vectors: Tensor) -> Tensor:
        """Return the codes (..., Q) of vectors (..., K)."""
        return self(vectors).codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return the float32 vectors (..., K) of codes (..., Q); of a residual quantiser, of the first q <= Q codes.

        Raises:
            ValueError: If a code is out of its range, or there are not as many as there are levels.
        """
        levels, sizes = codes.shape[-1], self.code_sizes
        if not 1 <= levels <= len(sizes) or (levels < len(sizes) and not self.is_residual):
            raise ValueError(f"codes must have {len(sizes)} levels, got shape {tuple(codes.shape)}")
        for level, size in enumerate(sizes[:levels]):
            part = codes[..., level]
            if part.numel() and not 0 <= int(part.min()) <= int(part.max()) < size:
                raise ValueError(
                    f"codes of level {level} must be in 0..{size - 1}, got {int(part.min())}..{int(part.max())}"
                )
        return self.look_up(codes.reshape(1, -1, levels)).reshape(*codes.shape[:-1], self.width)

    def usage(self, codes: Tensor) -> tuple[Usage, ...]:
        """Return how evenly codes (..., Q) use each level; levels that training left out do not count."""
        columns = zip(codes.unbind(dim=-1), self.code_sizes, strict=True)
        return tuple(measure_usage(column[column >= 0], size) for column, size in columns)

    def quantise(self, vectors: Tensor) -> Quantised:
        """Round float32 vectors (1, n, K), normalised where the quantiser needs it."""
        raise NotImplementedError

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors (1, n, K) of valid codes (1, n, q)."""
        raise NotImplementedError


class LibraryBox:
    """Holds a library's module without weights: it is no part of the checkpoint and is made where it is needed.

    transformers makes a model without memory before it loads one, and fills only what the checkpoint holds; tables
    that a library computes when it is made would stay empty.
    """

    def __init__(self, build: Any) -> None:
        """`build` makes the module."""
        self._build = build
        self._made: dict[torch.device, nn.Module] = {}

    def on(self, device: torch.device, training: bool) -> Any:
        """Return the module on a device, in training or evaluation mode."""
        if device not in self._made:
            # whoever asks first may do so on the meta device or without gradients, those after him not
            with torch.inference_mode(False), torch.device("cpu"):
                self._made[device] = self._build().to(device)
        return self._made[device].train(training)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the module behind: libraries' cannot be pickled, and it is made again."""
        return {"_build": self._build, "_made": {}}


def check_positive(owner: str, settings: Mapping[str, Any], name: str) -> None:
    """Make sure that a setting is a number above 0; raises ValueError."""
    check_number(f"{owner}.{name}", settings[name])
    if not settings[name] > 0:
        raise ValueError(f"{owner}.{name} must be above 0, got {settings[name]}")


def check_code_count(owner: str, count: int, most: int) -> None:
    """Make sure that a codebook is one that training can hold; raises ValueError."""
    check_size(f"{owner} (number of codes)", count, 2)
    if count > most:
        raise ValueError(f"{owner} must have at most {most} codes, got {count}")
