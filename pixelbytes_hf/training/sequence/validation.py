"""Validation while training: bits, accuracy and counts of every kind of token, scored as evaluation scores them.

Shapes: B windows, L positions, V vocabulary, K kinds of tokens.
"""

import numpy as np
import torch
from torch import Tensor
from transformers import EvalPrediction

from ...objectives.losses import score_tokens
from ...tokens.vocabulary import IGNORE_INDEX, KINDS

_NATS_PER_BIT = float(np.log(2.0))


def sum_kinds(logits: Tensor, labels: Tensor, kind_of_id: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return nats, hits and count of every kind in every window.

    Args:
        logits: (B, L, V).
        labels: (B, L), `IGNORE_INDEX` where no target.
        kind_of_id: Index into `KINDS` of every id, (V,) int64.
        weights: How much a target's nats and hit count, (B, L), where it is not 1; its count is 1 in any case.

    Returns:
        (B, K, 3) float64; with weights (B, K, 4), their sums last.
    """
    is_target = labels != IGNORE_INDEX
    scale = torch.ones_like(labels, dtype=torch.float64) if weights is None else weights.double()
    scored = [column * scale for column in score_tokens(logits, labels)]
    columns = [*scored, is_target.double()] + ([] if weights is None else [scale * is_target])
    values = torch.stack(columns, dim=-1)
    kinds = kind_of_id[labels.clamp(min=0)]
    sums = values.new_zeros(len(labels), len(KINDS), len(columns))
    return sums.scatter_add_(1, kinds[..., None].expand_as(values), values)


def summarise_kinds(prediction: EvalPrediction, *, prefix: str = "", num_draws: int = 1) -> dict[str, float]:
    """Return bits, accuracy and count of all tokens and of every kind that occurs.

    Args:
        prediction: Its `predictions` are the sums (windows, K, 3) of `sum_kinds`.
        prefix: Of the names; ``hidden_`` where the bits are no likelihood, but of masked cells or of targets read.
        num_draws: How often every window was read.
    """
    by_kind = np.asarray(prediction.predictions, np.float64).sum(0)
    rows = {"": by_kind.sum(0)} | {f"_{kind}": row for kind, row in zip(KINDS, by_kind, strict=True) if row[2]}
    metrics: dict[str, float] = {}
    for name, (nats, hits, count, *weight) in rows.items():
        metrics |= {
            f"{prefix}bits{name}": float(nats / count / _NATS_PER_BIT),
            # weighted hits of a kind are divided by what its masked tokens weighed, which is its count on average only
            f"{prefix}accuracy{name}": float(hits / max(weight[0], 1e-9) if weight else hits / count),
            f"{prefix}count{name}": int(count) // num_draws,
        }
    return metrics
