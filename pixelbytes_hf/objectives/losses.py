"""Cross-entropy of tokens: the loss of training, the score of validation and evaluation, and the targets of both.

Shapes: B batch, L positions, N cells, V vocabulary. Targets of `IGNORE_INDEX` do not count.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ..tokens.vocabulary import IGNORE_INDEX


def cell_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of every target in nats, float32, zero where there is none.

    Args:
        logits: (..., V).
        targets: (...), ids or `IGNORE_INDEX`.

    Raises:
        ValueError: If a target lies outside the vocabulary.
    """
    flat_logits, flat_targets = logits.flatten(0, -2).float(), targets.flatten()
    try:
        losses = functional.cross_entropy(flat_logits, flat_targets, ignore_index=IGNORE_INDEX, reduction="none")
    except IndexError as error:
        counted = targets[targets != IGNORE_INDEX]
        got = f"{int(counted.min())}..{int(counted.max())}"
        raise ValueError(f"labels must be in 0..{logits.shape[-1] - 1} or {IGNORE_INDEX}, got {got}") from error
    return losses.view(targets.shape)


def score_tokens(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return what validation and evaluation sum up: nats of every target, float64, and whether it was the likeliest.

    Args:
        logits: (..., V).
        targets: (...), ids or `IGNORE_INDEX`.

    Returns:
        (...) float64 at least 0, zero where there is no target; (...) bool.
    """
    # a certainty may round to a little above 1
    return cell_losses(logits, targets).double().clamp(min=0), logits.argmax(-1) == targets


def new_token_targets(
    input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None, *, newest_cell: int = -1
) -> Tensor:
    """Return the token at every position, (B, L) int64, `IGNORE_INDEX` where it is unknown or padding.

    Args:
        input_ids: Contexts, (B, L, N).
        labels: Tokens, (B, L); without them the next context's newest cell is taken, and the last position has no
            target.
        attention_mask: (B, L), zero at padding.
        newest_cell: Index of the cell that holds the token read just before.

    Raises:
        ValueError: If `labels` has another shape.
    """
    if labels is None:
        labels = torch.full(input_ids.shape[:2], IGNORE_INDEX, dtype=torch.int64, device=input_ids.device)
        labels[:, :-1] = input_ids[:, 1:, newest_cell]
        if attention_mask is not None:
            labels[:, :-1].masked_fill_(attention_mask[:, 1:] == 0, IGNORE_INDEX)
    elif labels.shape != input_ids.shape[:2]:
        raise ValueError(f"labels must have shape {tuple(input_ids.shape[:2])}, got {tuple(labels.shape)}")
    if attention_mask is not None:
        labels = labels.masked_fill(attention_mask == 0, IGNORE_INDEX)
    return labels.long()
