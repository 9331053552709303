"""The autoregressive objective: one distribution per cell of the next context row.

The newest cell of row n + 1 is the token at position n, the only new one; the others are tokens that have mostly been
read, so their losses are those of copying. `copy_loss_weight` says how much they count.

Shapes: B batch, L positions, N cells, V vocabulary. Targets of -100 do not count.

Source: `objective="autoregressive"` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a. There the new token of a
window's last position is no target; here it is, when `labels` gives it, and padding is not.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..tokens.grid import CONTEXT_SIZE
from .objective_predictive import IGNORED, cell_losses, new_token_targets


@dataclass(frozen=True)
class AutoregressiveObjective:
    """One distribution per cell.

    Args:
        predicted_cells: Cells of a context row, N.
        copy_loss_weight: Weight of the cells that are not the new token's, in [0, 1]; 1 is the paper's.
        newest_cell: Index of the new token's cell.
    """

    name: ClassVar[str] = "autoregressive"
    reads_future: ClassVar[bool] = False
    likelihood: ClassVar[Literal["exact", "upper bound", "none"]] = "exact"
    predicted_cells: int = CONTEXT_SIZE
    copy_loss_weight: float = 1.0
    newest_cell: int = -1

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the targets, (B, L, N).

        Args:
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L): targets of the newest cell, and -100 where no cell has a target. None takes every
                target from the row that follows, as the paper does.
            attention_mask: (B, L), zero at padding.
        """
        new_tokens = new_token_targets(input_ids, labels, attention_mask, newest_cell=self.newest_cell)
        targets = torch.full(input_ids.shape, IGNORED, dtype=torch.int64, device=input_ids.device)
        targets[:, :-1] = input_ids[:, 1:]
        # a row that follows is padding if the mask says so or, without one, if it has no token
        is_row = new_tokens != IGNORED if attention_mask is None else attention_mask != 0
        if labels is not None:
            targets[:, :-1].masked_fill_(~is_row[:, 1:, None], IGNORED)
        targets.masked_fill_((new_tokens == IGNORED)[..., None], IGNORED)
        targets[..., self.newest_cell] = new_tokens
        return targets

    def loss(
        self,
        logits: Tensor,
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the weighted mean loss over target cells in nats.

        Args:
            logits: (B, L, N, V).
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L); None takes every target from the row that follows, as the paper does.
            attention_mask: (B, L), zero at padding.
            num_items_in_batch: Number of positions with a token, where the batch is part of a larger one; each then
                stands for N cells.
        """
        targets = self.targets(input_ids, labels, attention_mask)
        weights = torch.full((self.predicted_cells,), float(self.copy_loss_weight), device=logits.device)
        weights[self.newest_cell] = 1.0
        losses = (cell_losses(logits, targets).sum((0, 1)) * weights).sum()
        if num_items_in_batch is not None:
            return losses / (num_items_in_batch * weights.sum())
        # at least one target in the divisor: a batch of padding has loss zero, not NaN
        return losses / ((targets != IGNORED).sum((0, 1)) * weights).sum().clamp(min=1)

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the token at every position, (B, L, V)."""
        return logits[..., self.newest_cell, :]
