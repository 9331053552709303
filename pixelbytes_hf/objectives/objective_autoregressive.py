"""The autoregressive objective: one distribution per cell of the next context.

The newest cell of context n + 1 is the token at position n, the only new one; the others are tokens that have mostly
been read, so their losses are those of copying. `copy_loss_weight` says how much they count.

Shapes: B batch, L positions, N cells, V vocabulary.

Source: `objective="autoregressive"` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a. There the new token of a
window's last position is no target; here it is, when `labels` gives it, and padding is not.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ..tokens.six_cells import CONTEXT_SIZE
from ..tokens.vocabulary import IGNORE_INDEX
from .losses import new_token_targets
from .objective import Objective


@dataclass(frozen=True)
class AutoregressiveObjective(Objective):
    """One distribution per cell.

    Args:
        predicted_cells: Cells of a context, N.
        newest_cell: Index of the new token's cell.
        copy_loss_weight: Weight of the cells that are not the new token's, in [0, 1]; 1 is the paper's.
    """

    name: ClassVar[str] = "autoregressive"
    predicts: ClassVar[str] = "all cells of the next context, one of which is the new token"
    predicted_cells: int = CONTEXT_SIZE
    copy_loss_weight: float = 1.0

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the objective with the settings of a `PixelBytesConfig`."""
        return cls(config.context_size, config.newest_cell, config.copy_loss_weight)

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the targets, (B, L, N): the next context, and `labels` for its newest cell.

        Without labels every target comes from the context that follows, as in the paper.
        """
        new_tokens = new_token_targets(input_ids, labels, attention_mask, newest_cell=self.newest_cell)
        targets = torch.full(input_ids.shape, IGNORE_INDEX, dtype=torch.int64, device=input_ids.device)
        targets[:, :-1] = input_ids[:, 1:]
        # a context that follows is padding if the mask says so or, without one, if it has no token
        is_read = new_tokens != IGNORE_INDEX if attention_mask is None else attention_mask != 0
        if labels is not None:
            targets[:, :-1].masked_fill_(~is_read[:, 1:, None], IGNORE_INDEX)
        targets.masked_fill_((new_tokens == IGNORE_INDEX)[..., None], IGNORE_INDEX)
        targets[..., self.newest_cell] = new_tokens
        return targets

    def cell_weights(self, device: torch.device) -> Tensor:
        """Return 1 for the new token's cell, `copy_loss_weight` for the others, (N,)."""
        weights = torch.full((self.predicted_cells,), float(self.copy_loss_weight), device=device)
        weights[self.newest_cell] = 1.0
        return weights
