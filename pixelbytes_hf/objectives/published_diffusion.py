"""Sampling with the paper's diffusion objective: contexts drawn from noise, by the procedure of the paper's code.

Shapes: B batch, L positions, N cells, V vocabulary, D width of an embedded cell.

Source: `generate` with ``objective="diffusion"`` of pixelbytes/model.py, fabienfrfr/PixelBytes@7646d6a.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..tokens.six_cells import CONTEXT_SIZE
from .parallel_decoding import Draft, ParallelSampling, legal_logits


def betraying_cells(positions: Sequence[int], length: int, size: int = CONTEXT_SIZE) -> Tensor:
    """Return which cells the paper replaces to hide contexts: all of theirs, all but the last of those that follow.

    Args:
        positions: The contexts to hide, in 0..length-1.
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
    if model.objective.name != "diffusion":
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


@torch.no_grad()
def fill_as_published(model: Any, draft: Draft, sampling: ParallelSampling) -> None:
    """Draw the hidden tokens of a record: all contexts that hold one, from noise.

    The cells of a context need not agree, so the tokens are read from a last pass over the contexts that were drawn,
    each from the cell in which it was just read, among the ids that its place can hold.

    Args:
        model: With the ``diffusion`` objective.
        draft: The record; nothing is drawn again.
        sampling: Temperature and source of randomness.
    """
    hidden = np.flatnonzero(draft.hidden)
    # a token that is no separator is never its segment's last: the next context shows it as just read
    contexts = torch.from_numpy(draft.contexts())[None].to(model.device)
    drawn = generate_as_published(
        model, contexts, (hidden + 1).tolist(), temperature=sampling.temperature, generator=sampling.generator
    )
    logits = model(input_ids=drawn, use_cache=False).logits
    scores = model.objective.new_token_logits(logits)[0, torch.from_numpy(hidden + 1)]
    drawn_ids, _ = sampling.draw(legal_logits(scores, draft.slots[hidden], draft.vocabulary))
    draft.keep(drawn_ids.cpu().numpy(), np.zeros(len(hidden)), num_left=0)
