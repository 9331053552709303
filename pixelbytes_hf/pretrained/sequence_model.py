"""What generation, control and evaluation ask of a model, and the mode in which they read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor


class SequenceModel(Protocol):
    """A model that predicts the token at every position from contexts; `aPxBySequenceModel` is one."""

    config: Any
    objective: Any
    training: bool

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    def __call__(self, **inputs: Any) -> Any:
        """Return an output with `logits`, (B, L, V) or (B, L, N, V)."""

    def new_cache(self) -> Any:
        """Return the state before the first position, which reading updates in place."""

    def train(self, mode: bool = True) -> Any:
        """Set training or evaluation mode."""


class SteppingModel(SequenceModel, Protocol):
    """One that can also read a single context of every sequence."""

    def step(self, context: Tensor, cache: Any) -> Tensor:
        """Read contexts (B, N), update the state, and return logits (B, V) or (B, N, V)."""


@contextmanager
def evaluation_mode(model: SequenceModel) -> Iterator[None]:
    """Read a model without dropout and gradients; it is left as it was."""
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
