"""The paper's diffusion objective: embedded cells, some replaced by noise, are to be named again.

Knows how cells are replaced, targets, losses and the published way to sample; the times, places and noise come from
outside (`corruption`), so that nothing here is random. The objective has no likelihood: its loss counts every cell,
also those that were left alone, and the token of a replaced row can often be read in a later one. `objective_masked`
is the sound relative.

Shapes: B batch, L positions, N cells, V vocabulary, D width of an embedded cell. Targets of -100 do not count.

Source: `objective="diffusion"` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a; padding is no target here, and
places are drawn for each window instead of for each batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..tokens.grid import CONTEXT_SIZE
from .objective_predictive import IGNORED, cell_losses, new_token_targets

CORRUPTION_KEYS = frozenset(["times", "replaced", "noise"])


def replace_cells(vectors: Tensor, corruption: Mapping[str, Tensor], num_steps: int) -> Tensor:
    """Return embedded rows with some cells mixed with noise: ``(1 - a) noise + a cell``, ``a = 1 - time / num_steps``.

    Args:
        vectors: (B, L, N * D).
        corruption: ``times`` (B,) in 0..num_steps, ``replaced`` (B, L, N), true where a cell is mixed, and ``noise``
            (B, L, N * D).
        num_steps: Time at which nothing of a cell is left.

    Raises:
        ValueError: If a tensor is missing, unknown, or of another shape.
    """
    if corruption.keys() != CORRUPTION_KEYS:
        raise ValueError(f"corruption must have {sorted(CORRUPTION_KEYS)}, got {sorted(corruption)}")
    times, replaced, noise = (corruption[name].to(vectors.device) for name in ("times", "replaced", "noise"))
    if noise.shape != vectors.shape or replaced.shape[:2] != vectors.shape[:2] or times.shape != vectors.shape[:1]:
        shapes = {name: tuple(value.shape) for name, value in corruption.items()}
        raise ValueError(f"corruption must fit vectors of shape {tuple(vectors.shape)}, got {shapes}")
    kept_share = (1 - times.float() / num_steps).to(vectors.dtype)[:, None, None]
    mixed = (1 - kept_share) * noise.to(vectors.dtype) + kept_share * vectors
    is_replaced = replaced.bool().repeat_interleave(vectors.shape[2] // replaced.shape[2], dim=2)
    return torch.where(is_replaced, mixed, vectors)


def betraying_cells(positions: Sequence[int], length: int, size: int = CONTEXT_SIZE) -> Tensor:
    """Return which cells the paper replaces to hide rows: all of theirs, and all but the last of the rows that follow.

    Args:
        positions: The rows to hide, in 0..length-1.
        length: L.
        size: N.

    Returns:
        (L, N) bool.

    Example:
        >>> betraying_cells([1], 3, 2).int().tolist()
        [[0, 0], [1, 1], [1, 0]]
    """
    replaced = torch.zeros(length, size, dtype=torch.bool)
    rows = torch.as_tensor(positions, dtype=torch.int64)
    following = rows[rows < length - 1] + 1
    replaced[following, :-1] = True
    replaced[rows] = True
    return replaced


@dataclass(frozen=True)
class DiffusionObjective:
    """One distribution per cell, of the cells of the same row.

    Args:
        predicted_cells: Cells of a context row, N.
        num_steps: Diffusion steps, T.
    """

    name: ClassVar[str] = "diffusion"
    reads_future: ClassVar[bool] = True
    is_corrupted: ClassVar[bool] = True
    likelihood: ClassVar[Literal["exact", "upper bound", "none"]] = "none"
    predicted_cells: int = CONTEXT_SIZE
    num_steps: int = 5

    def corrupt(self, vectors: Tensor, corruption: Mapping[str, Tensor]) -> Tensor:
        """Return what the mixer reads in place of embedded rows; see `replace_cells`."""
        return replace_cells(vectors, corruption, self.num_steps)

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the targets, (B, L, N): the cells themselves.

        Args:
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L); only where they are -100 is looked at. None leaves that to the mask.
            attention_mask: (B, L), zero at padding.
        """
        if labels is None:
            is_target = torch.ones_like(input_ids[..., 0], dtype=torch.bool)
        else:
            is_target = new_token_targets(input_ids, labels, attention_mask) != IGNORED
        if attention_mask is not None:
            is_target &= attention_mask != 0
        return input_ids.masked_fill(~is_target[..., None], IGNORED)

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
        """Return the mean loss over all cells in nats, replaced or not, as the paper.

        Args:
            logits: (B, L, N, V).
            input_ids: Contexts, (B, L, N).
            labels: Tokens, (B, L), -100 at padding.
            attention_mask: (B, L), zero at padding.
            num_items_in_batch: Number of positions with a token, where the batch is part of a larger one.
            corruption: Not looked at: every cell counts.
        """
        targets = self.targets(input_ids, labels, attention_mask)
        if num_items_in_batch is None:
            return cell_losses(logits, targets).sum() / (targets != IGNORED).sum().clamp(min=1)
        return cell_losses(logits, targets).sum() / (num_items_in_batch * self.predicted_cells)

    def scored(self, input_ids: Tensor, labels: Tensor, corruption: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the tokens that validation looks at, (B, L), and weights of 1.

        Those are the last cells of hidden rows: tokens that later rows may show. Their bits are no likelihood.
        """
        hidden = corruption["replaced"][..., -1].bool() & (labels != IGNORED)
        return input_ids[..., -1].masked_fill(~hidden, IGNORED), torch.ones_like(labels, dtype=torch.float32)

    def new_token_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the cell of the token read just before, (B, L, V)."""
        return logits[..., -1, :]


@torch.no_grad()
def generate_as_published(
    model: Any,
    input_ids: Tensor,
    positions: Sequence[int],
    *,
    noise: Tensor | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return contexts with some rows drawn anew, by the procedure of the paper's code.

    At each time from T down to 0, rows `positions` and the rows that follow them are hidden and drawn from the model's
    logits. Times below T - 1 were never trained, the last step copies what the one before it drew, and cells are drawn
    one by one, so that rows need not agree about a token: this is the original, not a recommendation.

    Args:
        model: With the ``diffusion`` objective.
        input_ids: Contexts, (B, L, N).
        positions: Rows to draw, the same for each sequence.
        noise: (T + 1, B, L, N * D), that of time T first; None draws it from `generator`.
        temperature: Logits are divided by it; 0 takes the largest.
        generator: Source of randomness.

    Returns:
        (B, L, N) int64.

    Raises:
        ValueError: If the model has another objective, or an argument leaves its range.
    """
    if model.objective.name != DiffusionObjective.name:
        raise ValueError(f"model must have the objective 'diffusion', got {model.objective.name!r}")
    size, num_steps = input_ids.shape, model.objective.num_steps
    if not positions or not all(0 <= position < size[1] for position in positions):
        raise ValueError(f"positions must lie in 0..{size[1] - 1}, got {list(positions)}")
    if temperature < 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    shape = (num_steps + 1, *size[:2], model.config.context_width)
    if noise is None:
        noise = torch.randn(shape, generator=generator, device=None if generator is None else generator.device)
    elif noise.shape != shape:
        raise ValueError(f"noise must have shape {shape}, got {tuple(noise.shape)}")
    replaced = betraying_cells(positions, *size[1:]).to(input_ids.device)
    ids = input_ids.long().clone()
    for step, time in enumerate(range(num_steps, -1, -1)):
        corruption = {
            "times": torch.full(size[:1], time, device=ids.device),
            "replaced": replaced.expand(size),
            "noise": noise[step].to(ids.device),
        }
        logits = model(input_ids=ids, corruption=corruption, use_cache=False).logits.float()
        drawn = _draw(logits, temperature, generator)
        ids = torch.where(replaced.any(-1)[None, :, None], drawn, ids)
    return ids


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1).flatten(0, -2)
    return torch.multinomial(probabilities, 1, generator=generator).view(logits.shape[:-1])
