"""The paper's diffusion objective: embedded cells, some replaced by noise, are to be named again.

The objective has no likelihood: its loss counts every cell, also those that were left alone, and the token of a
replaced context can often be read in a later one. `objective_masked` is the sound relative. How it samples is in
`published_diffusion`.

Shapes: B batch, L positions, N cells, V vocabulary, D width of an embedded cell, W = N * D.

Source: `objective="diffusion"` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a; padding is no target here, and
places are drawn for each window instead of for each batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ..tokens.contexts import context_rule
from ..tokens.grid import Ids
from ..tokens.six_cells import CONTEXT_SIZE
from ..tokens.vocabulary import IGNORE_INDEX
from .corruption import Corruption, Drawn, Moment, Window
from .losses import new_token_targets
from .objective import Decoding, Likelihood, Objective
from .parallel_decoding import Draft, ParallelSampling
from .published_diffusion import betraying_cells, fill_as_published

CORRUPTION_KEYS = frozenset(["times", "replaced", "noise"])
_PUBLISHED_FRACTION = 0.75  # contexts hidden of a window's, drawn with repeats


def replace_cells(vectors: Tensor, corruption: Mapping[str, Tensor], num_steps: int) -> Tensor:
    """Return embedded contexts with some cells mixed with noise: ``(1 - a) noise + a cell``, ``a = 1 - time / T``.

    Args:
        vectors: (B, L, N * D).
        corruption: ``times`` (B,) in 0..num_steps, ``replaced`` (B, L, N), true where a cell is mixed, and ``noise``
            (B, L, N * D).
        num_steps: Time at which nothing of a cell is left, T.

    Raises:
        ValueError: If a tensor is missing, unknown, or of another shape.
    """
    if corruption.keys() != CORRUPTION_KEYS:
        raise ValueError(f"corruption must have {sorted(CORRUPTION_KEYS)}, got {sorted(corruption)}")
    times, replaced, noise = (corruption[name].to(vectors.device) for name in ("times", "replaced", "noise"))
    if noise.shape != vectors.shape or replaced.shape[:2] != vectors.shape[:2] or times.shape != vectors.shape[:1]:
        shapes = {name: tuple(value.shape) for name, value in corruption.items()}
        raise ValueError(f"corruption must fit vectors of shape {tuple(vectors.shape)}, got {shapes}")
    kept = (1 - times.float() / num_steps).to(vectors.dtype)[:, None, None]
    mixed = (1 - kept) * noise.to(vectors.dtype) + kept * vectors
    is_replaced = replaced.bool().repeat_interleave(vectors.shape[2] // replaced.shape[2], dim=2)
    return torch.where(is_replaced, mixed, vectors)


@dataclass(frozen=True)
class CellNoise:
    """The paper's: a time among the last two, noise for the contexts of 3/4 L draws and the cells that betray them.

    Args:
        num_steps: T.
        context_size: Cells of a context, N.
        width: Of an embedded context, W.
    """

    num_steps: int
    context_size: int
    width: int

    def corrupt(self, window: Window, moment: Moment, *, pad_id: int) -> tuple[Ids, Drawn]:
        """Return the contexts as they are, ``times`` (), ``replaced`` (L, N) bool and ``noise`` (L, W) float32."""
        random, length = moment.random(), window.stop - window.start
        places = random.integers(0, length, int(length * _PUBLISHED_FRACTION)).tolist()
        rule = context_rule(self.context_size)
        return rule.gather(window.ids, window.shapes, window.start, window.stop, pad_id=pad_id).astype(np.int64), {
            "times": np.int64(self.num_steps - random.integers(0, 2)),
            "replaced": betraying_cells(places, length, self.context_size).numpy(),
            "noise": random.standard_normal((length, self.width), np.float32),
        }


@dataclass(frozen=True)
class DiffusionObjective(Objective):
    """One distribution per cell, of the cells of the same context; every cell counts, replaced or not, as the paper.

    Args:
        predicted_cells: Cells of a context, N.
        newest_cell: Index of the cell that holds the token read just before; the last one.
        num_steps: Diffusion steps, T.
    """

    name: ClassVar[str] = "diffusion"
    predicts: ClassVar[str] = "the cells of contexts of which some are mixed with noise"
    likelihood: ClassVar[Likelihood] = "none"
    decoding: ClassVar[Decoding] = "parallel"
    allows_future: ClassVar[bool] = True
    takes_tasks: ClassVar[bool] = False  # the published noise falls on all contexts, and all cells count
    is_corrupted: ClassVar[bool] = True
    predicted_cells: int = CONTEXT_SIZE
    num_steps: int = 5

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the objective with the settings of a `PixelBytesConfig`."""
        return cls(config.context_size, config.newest_cell, config.num_diffusion_steps)

    @classmethod
    def check_config(cls, config: Any) -> None:
        """Refuse embeddings of which no single cell can be replaced, and contexts whose last cell is another."""
        if config.embedding != "concat":
            raise ValueError(
                f"embedding must be 'concat' with the objective 'diffusion', which replaces single cells, got "
                f"{config.embedding!r}"
            )
        if config.newest_cell != config.context_size - 1:
            raise ValueError(
                f"context_size must be that of rows whose last cell is the token read just before with the objective "
                f"'diffusion', which hides the others with it, got {config.context_size}"
            )

    @classmethod
    def corruption(cls, config: Any) -> Corruption:
        """Return what draws the noise of a window."""
        return CellNoise(config.num_diffusion_steps, config.context_size, config.context_width)

    def corrupt(self, vectors: Tensor, corruption: Mapping[str, Tensor]) -> Tensor:
        """Return what the mixer reads in place of embedded contexts; see `replace_cells`."""
        return replace_cells(vectors, corruption, self.num_steps)

    def targets(self, input_ids: Tensor, labels: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """Return the targets, (B, L, N): the cells themselves; labels say only where there are none."""
        if labels is None:
            is_target = torch.ones_like(input_ids[..., 0], dtype=torch.bool)
        else:
            is_target = new_token_targets(input_ids, labels, attention_mask) != IGNORE_INDEX
        if attention_mask is not None:
            is_target &= attention_mask != 0
        return input_ids.masked_fill(~is_target[..., None], IGNORE_INDEX)

    def scored(self, input_ids: Tensor, labels: Tensor, corruption: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the tokens that validation looks at, (B, L), and weights of 1.

        Those are the last cells of hidden contexts: tokens that later contexts may show. Their bits are no likelihood.
        """
        hidden = corruption["replaced"][..., -1].bool() & (labels != IGNORE_INDEX)
        return input_ids[..., -1].masked_fill(~hidden, IGNORE_INDEX), torch.ones_like(labels, dtype=torch.float32)

    def fill(self, model: Any, drafts: Sequence[Draft], sampling: ParallelSampling) -> None:
        """Draw the hidden tokens of records by the published procedure."""
        for draft in drafts:
            fill_as_published(model, draft, sampling)
