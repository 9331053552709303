"""The predictive objective: one distribution, over the token at the position being read.

Knows targets and losses; knows nothing about how logits are made. `logits[n]` predict `labels[n]`: nothing is shifted.

Shapes: B batch, L positions, N cells, V vocabulary. Targets of -100 do not count.

Source: `objective="predict"` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a; padding is no target here.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100


def cell_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of every cell in nats, float32, zero where the target is -100.

    Args:
        logits: (..., V).
        targets: (...), ids or -100.

    Raises:
        ValueError: If a target lies outside the vocabulary.
    """
    flat_logits, flat_targets = logits.flatten(0, -2).float(), targets.flatten()
    try:
        losses = functional.cross_entropy(flat_logits, flat_targets, ignore_index=IGNORED, reduction="none")
    except IndexError as error:
        counted = targets[targets != IGNORED]
        got = f"{int(counted.min())}..{int(counted.max())}"
        raise ValueError(f"labels must be in 0..{logits.shape[-1] - 1} or {IGNORED}, got {got}") from error
    return losses.view(targets.shape)


def new_token_targets(input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None) -> Tensor:
    """Return the token at every position, (B, L) int64, -100 where it is unknown or padding.

    Args:
        input_ids: Contexts, (B, L, N).
        labels: Tokens, (B, L); without them the next row's last cell is taken, and the last position has no target.
        attention_mask: (B, L), zero at padding.

    Raises:
        ValueError: If `labels` has another shape.
    """
    if labels is None:
        labels = torch.full(input_ids.shape[:2], IGNORED, dtype=torch.int64, device=input_ids.device)
        labels[:, :-1] = input_ids[:, 1:, -1]
        if attention_mask is not None:
            labels[:, :-1].masked_fill_(attention_mask[:, 1:] == 0, IGNORED)
    elif labels.shape != input_ids.shape[:2]:
        raise ValueError(f"labels must have shape {tuple(input_ids.shape[:2])}, got {tuple(labels.shape)}")
    if attention_mask is not None:
        labels = labels.masked_fill(attention_mask == 0, IGNORED)
    return labels.long()


@dataclass(frozen=True)
class PredictiveObjective:
    """One distribution per position.

    Args:
        predicted_cells: Distributions per position; 1.
    """

    name: ClassVar[str] = "predictive"
    predicted_cells: int = 1

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the targets, (B, L); see `new_token_targets`."""
        return new_token_targets(input_ids, labels, attention_mask)

    def loss(
        self,
        logits: Tensor,
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the mean loss over targets in nats.

        Args:
            logits: (B, L, V).
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L); None takes them from the contexts of the positions that follow.
            attention_mask: (B, L), zero at padding.
            num_items_in_batch: Number of targets to divide by, where the batch is part of a larger one.
        """
        targets = self.targets(input_ids, labels, attention_mask)
        count = (targets != IGNORED).sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        return cell_losses(logits, targets).sum() / count

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the token at every position, (B, L, V)."""
        return logits
