"""Reading a corpus with a model that predicts only the token after a window: one pass over a window for every token.

Knows windows and scores; knows nothing about files or tables. So that it ends in time, one token of every stretch of
`every` tokens is scored, chosen by a pure function of a seed, and every model is scored on the same ones.

Shapes: B windows read together, L rows of a window, V vocabulary.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.last_token_windows import choose_targets
from ..data.token_table import Records
from ..tokens.contexts import context_rule
from ..tokens.grid import gather_window, modality_of_positions
from .metrics import MatchedScore, PaperTotals
from .scoring import Span, Step, make_batch, score_tokens


def plan_ends(corpus: Records, window_length: int, batch_size: int, *, every: int, seed: int) -> list[Step]:
    """Return the steps of the reading, windows of similar length together, the longest first.

    Args:
        corpus: Records.
        window_length: Rows of a window, at most.
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


class EndReader:
    """Reads steps with a model and sums the scores of the windows' last tokens.

    Args:
        model: In evaluation mode.
        corpus: Records.
    """

    def __init__(self, model: Any, corpus: Records) -> None:
        self.model, self.corpus = model, corpus
        self.rule = context_rule(model.config.context_size)
        self.score = MatchedScore.empty()
        self.paper = PaperTotals()
        self.records = np.zeros((corpus.num_records, 2))  # nats and tokens of each
        self._modalities: dict[int, NDArray[np.uint8]] = {}

    def read(self, step: Step) -> int:
        """Read one step and return how many rows it read."""
        spans = [Span(*self.corpus.record(record), start, stop) for record, start, stop in step.places]
        vocabulary, device = self.corpus.vocabulary, self.model.device
        batch = make_batch(spans, vocabulary, self.rule, look_ahead=False)
        mask = (batch.labels != -100).long()
        lengths = mask.sum(dim=1)
        output = self.model(input_ids=batch.input_ids.to(device), attention_mask=mask.to(device), use_cache=False)
        row = torch.arange(len(spans)), lengths - 1
        logits = self.model.objective.new_token_logits(output.logits)[row[0].to(device), row[1].to(device)]
        nats, guesses = score_tokens(logits[:, None], batch.labels[row][:, None].to(device))
        ids = np.array([span.ids[span.stop - 1] for span in spans])
        self.score += MatchedScore.of(
            ids,
            np.concatenate(
                [gather_window(s.ids, s.shapes, s.stop - 1, s.stop, pad_id=vocabulary.pad_id) for s in spans]
            ),
            np.array([self._modality(record, stop - 1) for record, _, stop in step.places]),
            nats=nats[:, 0],
            predictions=guesses[:, 0],
            vocabulary=vocabulary,
        )
        self.paper = self.paper.plus(float(nats.sum()), int((guesses[:, 0] == ids).sum()), len(ids))
        np.add.at(self.records, [record for record, _, _ in step.places], np.stack([nats[:, 0], np.ones(len(ids))], 1))
        return int(lengths.sum())

    def _modality(self, record: int, position: int) -> int:
        if record not in self._modalities:
            self._modalities[record] = modality_of_positions(self.corpus.record(record)[1])
        return int(self._modalities[record][position])
