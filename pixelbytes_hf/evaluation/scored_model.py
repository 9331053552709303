"""What evaluation asks of a model."""

from typing import Any, Protocol

from ..objectives.objective import Objective
from ..pretrained.sequence_model import SequenceModel


class ScoredModel(SequenceModel, Protocol):
    """A model whose tokens can be scored; `aPxBySequenceModel` is one."""

    objective: Objective

    @property
    def likelihood(self) -> str:
        """What the bits of its logits are: ``exact``, an ``upper bound``, or ``none``."""

    def parameters(self) -> Any:
        """Return the weights."""
