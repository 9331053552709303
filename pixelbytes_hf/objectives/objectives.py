"""The table of objectives, and what an objective has to offer.

An objective says what is predicted, how the loss is formed and which of the logits are those of the new token. Adding
one means one file, one row here, and its name in `configuration_pixelbytes.ObjectiveName`.
"""

from typing import Any, Literal, Protocol

from torch import Tensor

from .objective_autoregressive import AutoregressiveObjective
from .objective_diffusion import DiffusionObjective
from .objective_last import LastObjective
from .objective_masked import MaskedObjective
from .objective_predictive import PredictiveObjective


class Objective(Protocol):
    """What the model asks of an objective; shapes in `objective_predictive` and `objective_autoregressive`."""

    @property
    def name(self) -> str:
        """Name in `OBJECTIVES`."""

    @property
    def reads_future(self) -> bool:
        """Whether a mixer that sees the future is honest with it: no target can be read from the input."""

    @property
    def likelihood(self) -> Literal["exact", "upper bound", "none"]:
        """What the bits of `new_token_logits` are of the tokens' information."""

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


OBJECTIVES: dict[str, type[Any]] = {
    PredictiveObjective.name: PredictiveObjective,
    AutoregressiveObjective.name: AutoregressiveObjective,
    LastObjective.name: LastObjective,
    DiffusionObjective.name: DiffusionObjective,
    MaskedObjective.name: MaskedObjective,
}


def build_objective(config: Any) -> Objective:
    """Return the objective that a configuration names.

    Example:
        >>> build_objective(PixelBytesConfig(objective="autoregressive")).predicted_cells
        6
    """
    if config.objective == AutoregressiveObjective.name:
        return AutoregressiveObjective(config.context_size, config.copy_loss_weight, config.newest_cell)
    if config.objective == PredictiveObjective.name:
        return PredictiveObjective(newest_cell=config.newest_cell)
    if config.objective == DiffusionObjective.name:
        return DiffusionObjective(config.context_size, config.num_diffusion_steps)
    if config.objective == MaskedObjective.name:
        return MaskedObjective(config.weight_by_time)
    return OBJECTIVES[config.objective]()
