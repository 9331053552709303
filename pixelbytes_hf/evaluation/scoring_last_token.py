"""Scoring a corpus with an objective that predicts only the token after a window: one pass over a window for each.

So that it ends in time, one token of every stretch of `every` tokens is scored, chosen by a pure function of a seed,
and every model is scored on the same ones.

Shapes: B windows read together, L positions of a window, V vocabulary.
"""

import numpy as np
import torch

from ..data.corpus import Records
from ..data.last_token_windows import choose_targets
from ..objectives.corruption import Window
from ..objectives.losses import score_tokens
from .scoring import Scorer, Step


def plan_last_tokens(corpus: Records, window_length: int, batch_size: int, *, every: int, seed: int) -> list[Step]:
    """Return the steps of the scoring, windows of similar length together, the longest first.

    Args:
        corpus: Records.
        window_length: Positions of a window, at most.
        batch_size: Windows read together.
        every: Length of the stretches of which one token is scored.
        seed: Of the choice.

    Raises:
        ValueError: If a number is not positive.
    """
    if window_length < 1 or batch_size < 1:
        raise ValueError(f"window_length and batch_size must be at least 1, got {window_length} and {batch_size}")
    places = []
    for record in range(corpus.num_records):
        targets = choose_targets(len(corpus.record(record)[0]), every, (seed, record))
        places += [(record, max(target + 1 - window_length, 0), target + 1) for target in targets.tolist()]
    places.sort(key=lambda place: place[1] - place[2])
    return [Step(True, places[first : first + batch_size]) for first in range(0, len(places), batch_size)]


class LastTokenScorer(Scorer):
    """Scores the last token of every window."""

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it read."""
        windows, device = [self.window(*place) for place in step.places], self.model.device
        batch = self.batch(windows)
        mask = batch["attention_mask"]
        last = torch.arange(len(windows)), mask.sum(dim=1) - 1
        output = self.model(input_ids=batch["input_ids"].to(device), attention_mask=mask.to(device), use_cache=False)
        logits = self.model.objective.new_token_logits(output.logits)[last[0].to(device), last[1].to(device)]
        nats, hits = (each.cpu().numpy() for each in score_tokens(logits, batch["labels"][last].to(device)))
        for row, (record, _, stop) in enumerate(step.places):
            target = Window(*windows[row][:2], stop - 1, stop, np.ones(1, np.bool_))
            self.add(record, target, nats[row : row + 1], hits[row : row + 1])
        self.paper = self.paper.plus(float(nats.sum()), int(hits.sum()), len(nats))
        return int(mask.sum())
