"""Decoding many tokens at once: records on their way, how tokens are drawn, and the loop that fills them in steps.

In each step every hidden token is drawn from the model's distribution given what is visible, and those it is surest of
stay (or any, with ``order="random"``). How many are still hidden after step k of S follows ``cos(pi / 2 * k / S)``:
few tokens stay at first, many at last. With as many steps as hidden tokens and a random order, this samples from the
distribution whose bound the masked objective trains.

Shapes: B records, L positions of the longest, M hidden tokens, N cells, V vocabulary.

Source: the schedule and the choice by confidence are MaskGIT's (Chang et al. 2022, arXiv 2202.04200).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tokens.checks import check_choice
from ..tokens.contexts import ContextRule
from ..tokens.grid import Ids, Segment, Shape, unflatten
from ..tokens.modalities import SEGMENT_END
from ..tokens.places import Mask, locate_places
from ..tokens.stacking import stack_padded
from ..tokens.vocabulary import Vocabulary

Order = Literal["confidence", "random"]
DEFAULT_NUM_STEPS = 12


class ParallelSampling(NamedTuple):
    """How hidden tokens are drawn.

    Attributes:
        num_steps: Passes of the model.
        order: Which tokens stay first: those the model is surest of, or any.
        temperature: Logits are divided by it; 0 takes the likeliest id.
        generator: Source of randomness; None is torch's global one.
        progress: Whether to show a progress bar.
    """

    num_steps: int = DEFAULT_NUM_STEPS
    order: Order = "confidence"
    temperature: float = 1.0
    generator: torch.Generator | None = None
    progress: bool = False

    def check(self) -> None:
        """Refuse values out of range.

        Raises:
            ValueError: If there is one.
        """
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")
        check_choice("order", self.order, Order)
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")

    def draw(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return an id for every hidden token, (M,), and a rank by which they stay, (M,).

        Args:
            logits: (M, V), -inf where an id is not legal.
        """
        scores = (logits / (self.temperature or 1.0)).log_softmax(-1)
        if self.temperature:
            ids = torch.multinomial(scores.exp(), 1, generator=self.generator)
        else:
            ids = scores.argmax(-1, keepdim=True)
        if self.order == "random":
            device = None if self.generator is None else self.generator.device
            return ids[:, 0], torch.rand(len(ids), generator=self.generator, device=device)
        return ids[:, 0], scores.gather(1, ids)[:, 0]


class Draft:
    """A record on its way: its ids, and which of them are still to be drawn.

    Args:
        ids: The raster stream, (L,); what stands at hidden places is not looked at.
        shapes: Its segments' shapes.
        mask: What to draw, (L,) bool; separators among it follow from the shapes and are set at once.
        vocabulary: The tables.
        rule: Which cells a context holds.

    Raises:
        ValueError: If the mask does not fit the record.
    """

    def __init__(
        self, ids: Ids, shapes: Sequence[Shape], mask: Mask, vocabulary: Vocabulary, rule: ContextRule
    ) -> None:
        """Find the hidden places."""
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != ids.shape:
            raise ValueError(f"a mask must be bool of shape {ids.shape}, got {mask.dtype} of shape {mask.shape}")
        places = locate_places(shapes)
        separators = np.where(places.slots == SEGMENT_END, vocabulary.segment_end_id, vocabulary.row_end_id)
        self.shapes, self.vocabulary, self.rule, self.dtype = shapes, vocabulary, rule, ids.dtype
        self.hidden = mask & ~places.is_separator
        self.num_hidden = int(self.hidden.sum())
        self.ids = np.where(mask & places.is_separator, separators, ids).astype(np.int64)
        self.slots = places.slots

    def contexts(self) -> Ids:
        """Return the contexts of the ids as they are, (L, N) int64."""
        rows = self.rule.gather(self.ids, self.shapes, 0, len(self.ids), pad_id=self.vocabulary.pad_id)
        return rows.astype(np.int64)

    def keep(self, drawn: NDArray[Any], ranks: NDArray[Any], num_left: int) -> None:
        """Make the ids of highest rank visible, so that `num_left` tokens are still hidden.

        Args:
            drawn: An id for every hidden token, in raster order.
            ranks: Of each.
            num_left: Less than there are hidden tokens.
        """
        chosen = np.argsort(-ranks, kind="stable")[: len(ranks) - num_left]
        places = np.flatnonzero(self.hidden)[chosen]
        self.ids[places] = drawn[chosen]
        self.hidden[places] = False

    def segments(self) -> list[Segment]:
        """Return the record."""
        return unflatten(self.ids.astype(self.dtype), self.shapes)


def legal_logits(logits: Tensor, slots: NDArray[np.int64], vocabulary: Vocabulary) -> Tensor:
    """Return logits (M, V) in float32, -inf where an id is not one that its place can hold.

    Args:
        logits: (M, V).
        slots: What each place can hold, (M,): `Vocabulary.slot_of_id` of it.
        vocabulary: The tables.
    """
    slot_of_id = torch.from_numpy(vocabulary.slot_of_id).to(logits.device)
    is_legal = slot_of_id == torch.from_numpy(slots).to(logits.device)[:, None]
    return logits.float().masked_fill(~is_legal, -torch.inf)


@torch.no_grad()
def fill_in_steps(model: Any, objective: Any, drafts: Sequence[Draft], sampling: ParallelSampling) -> None:
    """Draw the hidden tokens of records in `sampling.num_steps` passes.

    Args:
        model: In evaluation mode; called with contexts (B, L, N).
        objective: Its objective; `hide` puts at hidden places what the mixer is to see there.
        drafts: The records; nothing is hidden in them afterwards.
        sampling: How tokens are drawn.
    """
    steps: Iterable[int] = range(1, sampling.num_steps + 1)
    if sampling.progress:
        from tqdm.auto import tqdm

        steps = tqdm(steps, desc="infill", unit="step")
    for step in steps:
        fraction = math.cos(math.pi / 2 * step / sampling.num_steps)
        if active := [draft for draft in drafts if draft.hidden.any()]:
            for draft in active:
                objective.hide(draft, sampling)
            _fill_step(model, active, fraction, sampling)


def _fill_step(model: Any, drafts: Sequence[Draft], fraction: float, sampling: ParallelSampling) -> None:
    """Draw all hidden tokens and keep so many that `fraction` of those hidden at first are still hidden."""
    logits = read_hidden(model, drafts)
    slots = np.concatenate([draft.slots[draft.hidden] for draft in drafts])
    legal = legal_logits(logits, slots, drafts[0].vocabulary)
    drawn, ranks = (value.cpu().numpy() for value in sampling.draw(legal))
    first = 0
    for draft in drafts:
        num_hidden = int(draft.hidden.sum())
        part = slice(first, first + num_hidden)
        # at least one stays in every step; cos(pi / 2) is not quite zero, but the floor of its fraction is
        draft.keep(drawn[part], ranks[part], min(math.floor(draft.num_hidden * fraction), num_hidden - 1))
        first += num_hidden


def read_hidden(model: Any, drafts: Sequence[Draft]) -> Tensor:
    """Return the logits of the hidden tokens of records, (M, V), read in one pass, padded on the right."""
    rows = stack_padded([draft.contexts() for draft in drafts], drafts[0].vocabulary.pad_id)
    is_real = stack_padded([np.ones(len(draft.ids), np.int64) for draft in drafts], 0)
    is_hidden = stack_padded([draft.hidden for draft in drafts], False)
    mask = None if is_real.all() else torch.from_numpy(is_real).to(model.device)
    outputs = model(input_ids=torch.from_numpy(rows).to(model.device), attention_mask=mask, use_cache=False)
    logits: Tensor = model.objective.new_token_logits(outputs.logits)
    return logits[torch.from_numpy(is_hidden).to(model.device)]
