"""The table of objectives, and what an objective has to offer.

An objective says what is predicted, how the loss is formed and which of the logits are those of the new token. Adding
one means one file, one row here, and its name in `configuration_pixelbytes.ObjectiveName`.
"""

from typing import Protocol

from torch import Tensor

from .configuration_pixelbytes import PixelBytesConfig
from .objective_autoregressive import AutoregressiveObjective
from .objective_predictive import PredictiveObjective


class Objective(Protocol):
    """What the model asks of an objective; shapes in `objective_predictive` and `objective_autoregressive`."""

    @property
    def name(self) -> str:
        """Name in `OBJECTIVES`."""

    @property
    def predicted_cells(self) -> int:
        """Distributions per position: 1 without an axis of its own in the logits, or N."""

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the logits are to predict, -100 where nothing counts."""

    def loss(
        self,
        logits: Tensor,
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the scalar that training minimises, in nats."""

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the token at every position, (B, L, V)."""


OBJECTIVES: dict[str, type[PredictiveObjective] | type[AutoregressiveObjective]] = {
    PredictiveObjective.name: PredictiveObjective,
    AutoregressiveObjective.name: AutoregressiveObjective,
}


def build_objective(config: PixelBytesConfig) -> Objective:
    """Return the objective that a configuration names.

    Example:
        >>> build_objective(PixelBytesConfig(objective="autoregressive")).predicted_cells
        6
    """
    if config.objective == AutoregressiveObjective.name:
        return AutoregressiveObjective(config.context_size, config.copy_loss_weight)
    return OBJECTIVES[config.objective]()
