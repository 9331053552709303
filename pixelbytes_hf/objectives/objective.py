"""What every objective declares, and the loss that all share.

An objective says what is predicted, which windows it reads, how its input is corrupted, what its bits are worth, how
it decodes, and whether its mixer may see the future. Code elsewhere asks these declarations; none compares names.

Shapes: B batch, L positions, N cells, V vocabulary, D width of an embedded cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from ..tokens.vocabulary import IGNORE_INDEX
from .corruption import Corruption
from .losses import cell_losses, new_token_targets
from .parallel_decoding import Draft, ParallelSampling

# of the bits of a stream; "residual" are those of cells under the codes of a codec, a part of a code in two parts
Likelihood = Literal["exact", "upper bound", "none", "residual"]
WindowKind = Literal["whole", "last token"]
Decoding = Literal["sequential", "parallel"]


@dataclass(frozen=True)
class Objective:
    """One distribution per position, over the token there, each predicted from what came before it.

    Args:
        predicted_cells: Distributions per position: 1, without an axis of its own in the logits, or N.
        newest_cell: Index of the cell that holds the token read just before.

    Attributes:
        name: In a configuration's ``objective``.
        predicts: What it predicts, as a model card says it.
        likelihood: What the bits of `new_token_logits` are of the tokens' information.
        windows: Whether it reads windows of which every token is a target (``whole``), or one window for every token
            (``last token``).
        decoding: Whether it generates one token after another (``sequential``) or all tokens of a layout together
            (``parallel``).
        allows_future: Whether a mixer that sees the future is honest with it: no target can be read from the input.
        takes_tasks: Whether it can leave what a task gives alone: no target, and no part of the corruption.
        is_corrupted: Whether `corruption` draws something for every window.
        reads_own_cell: Whether contexts hold the position's own token too, as the last cell.
        has_mask_id: Whether there is an input id beyond the vocabulary, of a masked token.
        has_z_loss: Whether its loss may have a share of the squared logarithm of the normaliser, Z.
        decoding_settings: Keywords of `ParallelSampling` that `generate` may be given.
    """

    name: ClassVar[str]
    predicts: ClassVar[str]
    likelihood: ClassVar[Likelihood] = "exact"
    windows: ClassVar[WindowKind] = "whole"
    decoding: ClassVar[Decoding] = "sequential"
    allows_future: ClassVar[bool] = False
    takes_tasks: ClassVar[bool] = True
    is_corrupted: ClassVar[bool] = False
    reads_own_cell: ClassVar[bool] = False
    has_mask_id: ClassVar[bool] = False
    has_z_loss: ClassVar[bool] = False
    decoding_settings: ClassVar[tuple[str, ...]] = ()
    predicted_cells: int = 1
    newest_cell: int = -1

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the objective with the settings of a `PixelBytesConfig`."""
        return cls(newest_cell=config.newest_cell)

    @classmethod
    def check_config(cls, config: Any) -> None:
        """Refuse settings of a `PixelBytesConfig` that contradict the objective; raises ValueError."""

    @classmethod
    def corruption(cls, config: Any) -> Corruption | None:
        """Return what draws the corruption of a window, for a `PixelBytesConfig`; None where nothing is drawn."""
        return None

    def corrupt(self, vectors: Tensor, corruption: Mapping[str, Tensor]) -> Tensor:
        """Return what the mixer reads in place of embedded contexts (B, L, N * D); here they were corrupted as ids."""
        return vectors

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the logits are to predict, (B, L) or (B, L, N), `IGNORE_INDEX` where nothing counts.

        Args:
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L); None takes them from the contexts of the positions that follow, where they are.
            attention_mask: (B, L), zero at padding, on either side.
        """
        return new_token_targets(input_ids, labels, attention_mask, newest_cell=self.newest_cell)

    def cell_weights(self, device: torch.device) -> Tensor:
        """Return how much each predicted cell counts, (N,)."""
        return torch.ones(self.predicted_cells, device=device)

    def token_weights(self, corruption: Mapping[str, Tensor] | None) -> Tensor | None:
        """Return how much each token counts, (B, L), given what was drawn; None counts all alike."""
        return None

    def token_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return what training minimises of every target, in nats, zero where there is none.

        Args:
            logits: (..., V).
            targets: (...), ids or `IGNORE_INDEX`.
        """
        return cell_losses(logits, targets)

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
        """Return the weighted mean loss over targets in nats.

        Args:
            logits: (B, L, V), or (B, L, N, V) where every cell is predicted.
            input_ids: Contexts, (B, L, N); corrupted ones where ids are corrupted.
            labels: Tokens, (B, L), `IGNORE_INDEX` where there is no target; None as of `targets`.
            attention_mask: (B, L), zero at padding, on either side.
            num_items_in_batch: Number of targets to divide by, where the batch is part of a larger one; each stands
                for all predicted cells of its position.
            corruption: What was drawn, where the input is corrupted.
        """
        targets = self.targets(input_ids, labels, attention_mask)
        losses, cells = self.token_losses(logits, targets), self.cell_weights(logits.device)
        if (weights := self.token_weights(corruption)) is not None:
            losses = losses * weights.to(losses.device)
        total = (losses.sum((0, 1)) * cells).sum()
        if num_items_in_batch is not None:
            return total / (num_items_in_batch * cells.sum())
        # at least one target in the divisor: a batch of padding has loss zero, not NaN
        return total / ((targets != IGNORE_INDEX).sum((0, 1)) * cells).sum().clamp(min=1)

    def scored(self, input_ids: Tensor, labels: Tensor, corruption: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the tokens that evaluation scores given what was drawn, (B, L), and how much each counts, (B, L)."""
        return labels, torch.ones_like(labels, dtype=torch.float32)

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the token at every position, (B, L, V)."""
        return logits if self.predicted_cells == 1 else logits[..., self.newest_cell, :]

    def hide(self, draft: Draft, sampling: ParallelSampling) -> None:
        """Put at a draft's hidden places what the mixer is to see there, where decoding is parallel."""
        raise TypeError(f"the objective {self.name!r} decodes one token after another: it hides none")

    def fill(self, model: Any, drafts: Sequence[Draft], sampling: ParallelSampling) -> None:
        """Draw the hidden tokens of records, where decoding is parallel."""
        raise TypeError(f"the objective {self.name!r} decodes one token after another: it fills no records")
