"""Reading a corpus with a model whose objective corrupts its input: each window several times, with other draws.

A masked model's score is an upper bound of the tokens' information: the mean over the draws of what the masked tokens
cost, divided by the share of tokens that was masked (`objective_masked`). The shares are stratified: of K draws, the
first masks up to 1 / K of the window's tokens, the last all but as few. What comes before a window in its record is
seen as it is, so that the windows' bounds add up to that of the record. Accuracy is weighted alike: that of guessing
the tokens one after another in random order.

The paper's ``diffusion`` has no likelihood: only the paper's figures are kept, and those of the hidden rows' tokens.

Shapes: B windows read together, L positions, K draws.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data.corruption import Moment, Window, build_corruption
from ..data.token_table import Records
from ..data.windows import WindowCollator
from ..tokens.grid import gather_window, modality_of_positions
from .metrics import MatchedScore, PaperTotals
from .scoring import IGNORED, Step


class CorruptedReader:
    """Reads steps with a model and sums their scores; as `reading.WindowReader`.

    Args:
        model: In evaluation mode.
        corpus: Records.
        num_draws: K.
        seed: Of the draws.

    Raises:
        ValueError: If `num_draws` is not positive.
    """

    def __init__(self, model: Any, corpus: Records, *, num_draws: int, seed: int = 0) -> None:
        """Start with empty sums."""
        if num_draws < 1:
            raise ValueError(f"num_draws must be at least 1, got {num_draws}")
        self.model, self.corpus, self.num_draws, self.seed = model, corpus, num_draws, seed
        self.corruption: Any = build_corruption(model.config)
        lengths = [len(corpus.record(index)[0]) for index in range(corpus.num_records)]
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.collate = WindowCollator(corpus.vocabulary.pad_id)
        self.is_bound = model.objective.likelihood != "none"
        self.score = MatchedScore.empty()
        self.paper, self.hidden = PaperTotals(), PaperTotals()
        self.records = np.zeros((corpus.num_records, 2))  # nats and tokens of each

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it scored."""
        windows = [self._window(*place) for place in step.places]
        length = max(window.stop - window.start for window in windows)
        sums = np.zeros((3, len(windows), length))  # nats, hits, weights
        for draw in range(self.num_draws):
            sums += self._read_draw(windows, step, draw)
        if self.is_bound:
            # a token is hit as often as when it was masked, whatever its weights add up to by chance
            shares = sums[1] / np.maximum(sums[2], 1e-9)
            self._add(sums[0] / self.num_draws, shares, windows, [record for record, _, _ in step.places])
        return sum(window.stop - window.start for window in windows)

    def _window(self, record: int, start: int, stop: int) -> Window:
        ids, shapes = self.corpus.record(record)
        return Window(ids, shapes, start, stop, np.ones(stop - start, np.bool_))

    def _read_draw(self, windows: list[Window], step: Step, draw: int) -> NDArray[np.float64]:
        """Return what every token cost, was hit and weighed, (3, B, L); zero where it was visible."""
        rows = []
        for window, (record, start, _) in zip(windows, step.places, strict=True):
            # every window has draws of its own, whatever it is read together with
            index = int(self.offsets[record] + start) * self.num_draws + draw
            moment = Moment(self.seed, 0, index, draw, num_strata=self.num_draws)
            context, drawn = self.corruption.corrupt(window, moment, pad_id=self.corpus.vocabulary.pad_id)
            labels = window.ids[window.start : window.stop].astype(np.int64)
            rows.append({"input_ids": context, "labels": labels, "corruption": drawn})
        batch = _move(self.collate(rows), self.model.device)
        labels, mask = batch.pop("labels"), batch["attention_mask"]
        logits = self.model(**{**batch, "attention_mask": None if mask.all() else mask}, use_cache=False).logits
        objective = self.model.objective
        tokens, weights = objective.scored(batch["input_ids"], labels, batch["corruption"])
        nats, hits = _score(objective.new_token_logits(logits), tokens)
        is_scored = (weights > 0) & (tokens != IGNORED)
        self.hidden = self.hidden.plus(*_sum(nats, hits, is_scored))
        if self.is_bound:
            self.paper = self.hidden
        else:
            targets = objective.targets(batch["input_ids"], labels)
            self.paper = self.paper.plus(*_sum(*_score(logits, targets), targets != IGNORED))
        return torch.stack([nats * weights, hits * weights, weights.double()]).cpu().numpy()

    def _add(
        self, costs: NDArray[np.float64], shares: NDArray[np.float64], windows: list[Window], records: list[int]
    ) -> None:
        vocabulary = self.corpus.vocabulary
        for row, (ids, shapes, start, stop, _) in enumerate(windows):
            nats, hits = costs[row, : stop - start], shares[row, : stop - start]
            self.records[records[row]] += nats.sum(), stop - start
            self.score += MatchedScore.of(
                ids[start:stop],
                gather_window(ids, shapes, start, stop, pad_id=vocabulary.pad_id),
                modality_of_positions(shapes)[start:stop],
                nats=nats,
                hits=hits,
                vocabulary=vocabulary,
            )


def _move(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {
        name: _move(value, device) if isinstance(value, dict) else value.to(device) for name, value in batch.items()
    }


def _score(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return nats and hits of every target, float64, zero where there is none."""
    flat = logits.float().flatten(0, -2)
    nats = F.cross_entropy(flat, targets.flatten(), ignore_index=IGNORED, reduction="none")
    # a certainty may round to a little above 1
    return nats.view_as(targets).double().clamp(min=0), (logits.argmax(-1) == targets).double()


def _sum(nats: Tensor, hits: Tensor, is_scored: Tensor) -> tuple[float, int, int]:
    return float(nats[is_scored].sum()), int(hits[is_scored].sum()), int(is_scored.sum())
