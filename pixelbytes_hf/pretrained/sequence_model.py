"""What generation, control and evaluation ask of a model; `aPxBySequenceModel` is one."""

from typing import Any, Protocol

import torch
from torch import Tensor


class SequenceModel(Protocol):
    """A model that predicts the token at every position from contexts."""

    config: Any
    objective: Any

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    def __call__(self, **inputs: Any) -> Any:
        """Return an output with `logits`, (B, L, V) or (B, L, N, V)."""

    def new_cache(self) -> Any:
        """Return the state before the first position, which reading updates in place."""


class SteppingModel(SequenceModel, Protocol):
    """One that can also read a single context of every sequence."""

    def step(self, context: Tensor, cache: Any) -> Tensor:
        """Read contexts (B, N), update the state, and return logits (B, V) or (B, N, V)."""
