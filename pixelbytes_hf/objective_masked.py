"""Discrete masked diffusion: tokens hidden behind a mask are predicted from those that are not.

Knows targets, weights and losses; which tokens are masked is drawn outside (`corruption`). A token is masked at the
share t of its window's tokens, t uniform in (0, 1], and its loss counts 1 / t: divided by the number of tokens, masked
or not, the expected loss is an upper bound of the information of a token in nats, given the shapes of the segments,
which the padding cells of the contexts tell. So its bits and an autoregressive model's are comparable for what
text, pixels and levels say; end marks, which the shapes give away, cost nothing here.

Shapes: B batch, L positions, V vocabulary. Targets of -100 do not count.

Source: the absorbing case of Austin et al. 2021 (arXiv 2107.03006), in the weighting that Sahoo et al. 2024 (arXiv
2406.07524) derive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from .objective_predictive import IGNORED, cell_losses, new_token_targets

CORRUPTION_KEYS = frozenset(["times", "masked"])


def token_weights(corruption: Mapping[str, Tensor]) -> Tensor:
    """Return the weight of every token in the bound, (B, L) float32: 1 / t where it is masked, else 0.

    Args:
        corruption: ``times`` (B,) in (0, 1] and ``masked`` (B, L).

    Raises:
        ValueError: If a tensor is missing or unknown.

    Example:
        >>> import torch
        >>> token_weights({"times": torch.tensor([0.5]), "masked": torch.tensor([[True, False]])}).tolist()
        [[2.0, 0.0]]
    """
    if corruption.keys() != CORRUPTION_KEYS:
        raise ValueError(f"corruption must have {sorted(CORRUPTION_KEYS)}, got {sorted(corruption)}")
    return corruption["masked"].float() / corruption["times"].float()[:, None]


@dataclass(frozen=True)
class MaskedObjective:
    """One distribution per position, of the token there.

    Args:
        weight_by_time: Whether training minimises the bound; else every masked token counts the same, which looks less
            at windows of which little is hidden.
    """

    name: ClassVar[str] = "masked"
    reads_future: ClassVar[bool] = True
    is_corrupted: ClassVar[bool] = True
    likelihood: ClassVar[Literal["exact", "upper bound", "none"]] = "upper bound"
    predicted_cells: ClassVar[int] = 1
    weight_by_time: bool = True

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the tokens that may be masked, (B, L), -100 at padding.

        Raises:
            ValueError: If there are no labels: the contexts do not hold what is masked.
        """
        if labels is None:
            raise ValueError("labels must be given with the objective 'masked', got None")
        return new_token_targets(input_ids, labels, attention_mask)

    def loss(
        self,
        logits: Tensor,
        input_ids: Tensor,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        *,
        corruption: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Return the loss in nats per token, masked or not.

        Args:
            logits: (B, L, V).
            input_ids: Contexts of the masked grid, (B, L, N).
            labels: All tokens, (B, L), -100 where there is no target.
            attention_mask: (B, L), zero at padding.
            num_items_in_batch: Number of tokens to divide by, where the batch is part of a larger one.
            corruption: ``times`` (B,) and ``masked`` (B, L).

        Raises:
            ValueError: If there are no labels or no corruption.
        """
        if corruption is None:
            raise ValueError("corruption must be given with labels and the objective 'masked', got None")
        weights = token_weights(corruption)
        if not self.weight_by_time:
            # half of the tokens are masked on average
            weights = 2.0 * (weights > 0).float()
        targets = self.targets(input_ids, labels, attention_mask)
        count = (targets != IGNORED).sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        hidden = targets.masked_fill(weights == 0, IGNORED)
        return (cell_losses(logits, hidden) * weights).sum() / count

    def scored(self, input_ids: Tensor, labels: Tensor, corruption: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the tokens to score, (B, L), and how much each counts in the bound, (B, L)."""
        return labels, token_weights(corruption)

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the token at every position, (B, L, V)."""
        return logits
