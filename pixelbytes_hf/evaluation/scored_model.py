"""What evaluation asks of a model, and the state in which a model is scored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from ..objectives.objective import Objective
from ..pretrained.sequence_model import SequenceModel


class ScoredModel(SequenceModel, Protocol):
    """A model whose tokens can be scored; `aPxBySequenceModel` is one."""

    objective: Objective
    training: bool

    @property
    def likelihood(self) -> str:
        """What the bits of its logits are: ``exact``, an ``upper bound``, or ``none``."""

    def train(self, mode: bool = True) -> Any:
        """Set training or evaluation mode."""

    def parameters(self) -> Any:
        """Return the weights."""


@contextmanager
def evaluation_mode(model: ScoredModel) -> Iterator[None]:
    """Read a model without dropout and gradients; it is left as it was."""
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
