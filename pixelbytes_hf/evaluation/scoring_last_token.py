"""Scoring a corpus with an objective that predicts only the token after a window: one pass over a window for each.

To bound the time, one token of every stretch of `every` tokens is scored, chosen by a pure function of a seed,
and every model is scored on the same ones.

Shapes: B windows read together, L positions of a window, V vocabulary.
"""

import torch
from accelerate.utils import send_to_device

from ..data.corpus import Records, record_lengths
from ..data.last_token_windows import choose_targets
from ..objectives.losses import score_tokens
from .scoring import Scorer, Step, pack_windows


def plan_last_tokens(corpus: Records, window_length: int, batch_size: int, *, every: int, seed: int) -> list[Step]:
    """Return the steps of the scoring, windows of similar length together, the longest first.

    Args:
        corpus: Records.
        window_length: Positions of a window, at most.
        batch_size: Windows read together.
        every: Length of the stretches of which one token is scored.
        seed: Of the choice.
    """
    places = [
        (record, max(target + 1 - window_length, 0), target + 1)
        for record, length in enumerate(record_lengths(corpus))
        for target in choose_targets(length, every, (seed, record)).tolist()
    ]
    return pack_windows(places, batch_size)


class LastTokenScorer(Scorer):
    """Scores the last token of every window."""

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it read."""
        windows = [self.window(*place) for place in step.places]
        batch = send_to_device(self.batch(windows), self.model.device)
        labels, mask = batch.pop("labels"), batch["attention_mask"]
        last = torch.arange(len(windows), device=mask.device), mask.sum(dim=1) - 1
        logits = self.model.objective.new_token_logits(self.model(**batch, use_cache=False).logits)[last]
        nats, hits = (each.cpu().numpy() for each in score_tokens(logits, labels[last]))
        for row, (record, _, stop) in enumerate(step.places):
            self.add(record, self.window(record, stop - 1, stop), nats[row : row + 1], hits[row : row + 1])
        self.paper = self.paper.plus(float(nats.sum()), int(hits.sum()), len(nats))
        return int(mask.sum())
