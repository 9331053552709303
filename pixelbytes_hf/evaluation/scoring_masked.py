"""Scoring a corpus with an objective that corrupts its input: each window is scored several times, with other draws.

A masked model's score is an upper bound of the tokens' information: the mean over the draws of what the masked tokens
cost, divided by the fraction of tokens that was masked (`objective_masked`). The fractions are stratified: of K draws,
the first masks up to 1 / K of the window's tokens, the last all but as few. What comes before a window in its record
is seen as it is, so that the windows' bounds add up to that of the record. Accuracy is weighted alike: that of
guessing the tokens one after another in random order.

An objective without a likelihood gives the paper's figures, and those of the tokens that its draws masked.

Shapes: B windows read together, L positions, K draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from torch import Tensor

from ..data.corpus import Records, record_lengths
from ..objectives.corruption import Moment, Window
from ..objectives.losses import score_tokens
from ..objectives.objectives import build_corruption
from ..tokens.vocabulary import IGNORE_INDEX
from .scoring import ScoredModel, Scorer, Step


class MaskedScorer(Scorer):
    """Scores windows several times, with other draws each time.

    Args:
        model: In evaluation mode.
        corpus: Records.
        num_draws: K.

    Raises:
        ValueError: If `num_draws` is not positive, or the model's objective corrupts nothing.
    """

    def __init__(self, model: ScoredModel, corpus: Records, *, num_draws: int) -> None:
        """Find out where each record begins, which seeds its draws."""
        super().__init__(model, corpus)
        corruption = build_corruption(model.config)
        if num_draws < 1 or corruption is None:
            raise ValueError(f"num_draws must be at least 1, with an objective that draws, got {num_draws}")
        self.num_draws, self.corruption = num_draws, corruption
        self.offsets = np.cumsum([0, *record_lengths(corpus)])
        self.has_likelihood = model.objective.likelihood != "none"

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it read."""
        windows = [self.window(*place) for place in step.places]
        length = max(window.stop - window.start for window in windows)
        sums = np.zeros((3, len(windows), length))  # nats, hits, weights
        for draw in range(self.num_draws):
            sums += self._read_draw(windows, step, draw)
        if self.has_likelihood:
            # a token is hit as often as when it was masked, whatever its weights add up to by chance
            fractions = sums[1] / np.maximum(sums[2], 1e-9)
            for row, (place, window) in enumerate(zip(step.places, windows, strict=True)):
                self.add(place[0], window, sums[0, row] / self.num_draws, fractions[row])
        return sum(window.stop - window.start for window in windows)

    def _read_draw(self, windows: Sequence[Window], step: Step, draw: int) -> NDArray[np.float64]:
        """Return what every token cost, was hit and weighed, (3, B, L); zero where it was visible."""
        batch = send_to_device(self._draw(windows, step, draw), self.model.device)
        labels, mask = batch.pop("labels"), batch["attention_mask"]
        logits = self.model(**{**batch, "attention_mask": None if mask.all() else mask}, use_cache=False).logits
        objective = self.model.objective
        tokens, weights = objective.scored(batch["input_ids"], labels, batch["corruption"])
        nats, hits = score_tokens(objective.new_token_logits(logits), tokens)
        is_scored = (weights > 0) & (tokens != IGNORE_INDEX)
        self.masked = self.masked.plus(*_sum(nats, hits, is_scored))
        if self.has_likelihood:
            self.paper = self.masked
        else:
            targets = objective.targets(batch["input_ids"], labels)
            self.paper = self.paper.plus(*_sum(*score_tokens(logits, targets), targets != IGNORE_INDEX))
        return torch.stack([nats * weights, hits * weights, weights.double()]).cpu().numpy()

    def _draw(self, windows: Sequence[Window], step: Step, draw: int) -> dict[str, Any]:
        """Return the windows as a batch, corrupted anew."""
        rows = []
        for window, (record, start, _) in zip(windows, step.places, strict=True):
            # every window has draws of its own, whatever it is read together with
            index = int(self.offsets[record] + start) * self.num_draws + draw
            moment = Moment(0, 0, index, draw, num_strata=self.num_draws)
            contexts, drawn = self.corruption.corrupt(window, moment, pad_id=self.corpus.vocabulary.pad_id)
            rows.append({"input_ids": contexts, **self.labels(window), "corruption": drawn})
        return self.collate(rows)


def _sum(nats: Tensor, hits: Tensor, is_scored: Tensor) -> tuple[float, int, int]:
    return float(nats[is_scored].sum()), int(hits[is_scored].sum()), int(is_scored.sum())
