"""Scoring a corpus with a model under teacher forcing, window by window; scores are summed as they come.

Shapes: B records or windows read together, L positions of a window, N context cells, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from accelerate.utils import send_to_device
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..data.batches import WindowCollator
from ..data.corpus import Records, given_tokens, record_lengths
from ..data.token_table import tabulate_window
from ..objectives.corruption import Window
from ..objectives.losses import score_tokens
from ..objectives.objective import Objective
from ..pretrained.sequence_model import SequenceModel
from ..tokens.contexts import context_rule
from ..tokens.stacking import stack_padded
from ..tokens.vocabulary import IGNORE_INDEX
from .metrics import MatchedScore, PaperTotals


class ScoredModel(SequenceModel, Protocol):
    """A model whose tokens can be scored; `aPxBySequenceModel` is one."""

    objective: Objective

    @property
    def likelihood(self) -> str:
        """What the bits of its logits are: ``exact``, an ``upper bound``, or ``none``."""

    def parameters(self) -> Any:
        """Return the weights."""


class Step(NamedTuple):
    """One forward pass: (record, start, stop) of each row, and whether the state starts anew."""

    is_fresh: bool
    places: list[tuple[int, int, int]]


def plan_steps(corpus: Records, window_length: int, batch_size: int, *, carried: bool) -> list[Step]:
    """Return the steps of the scoring.

    Carried: records of similar length go side by side, the longest first, so that those that go on are always the
    first rows of the step before.
    """
    lengths = record_lengths(corpus)
    windows = [
        [(record, low, min(low + window_length, lengths[record])) for low in range(0, lengths[record], window_length)]
        for record in np.argsort([-length for length in lengths], kind="stable").tolist()
    ]
    if not carried:
        return pack_windows([place for places in windows for place in places], batch_size)
    return [
        Step(turn == 0, [places[turn] for places in windows[first : first + batch_size] if turn < len(places)])
        for first in range(0, len(windows), batch_size)
        for turn in range(len(windows[first]))
    ]


def pack_windows(places: list[tuple[int, int, int]], batch_size: int) -> list[Step]:
    """Return steps that each start anew, windows of similar length together, the longest first."""
    places = sorted(places, key=lambda place: place[1] - place[2])
    return [Step(True, places[first : first + batch_size]) for first in range(0, len(places), batch_size)]


class Scorer(ABC):
    """Sums the scores of the tokens of a corpus; each kind of objective is read by a subclass.

    Args:
        model: In evaluation mode.
        corpus: Records.

    Attributes:
        score: Matched figures so far.
        paper: The paper's figures so far.
        masked: Loss and accuracy of masked tokens so far, where the objective corrupts its input.
        records: Nats and tokens of each record, (R, 2) float64.
    """

    def __init__(self, model: ScoredModel, corpus: Records) -> None:
        """Start with empty sums."""
        self.model, self.corpus = model, corpus
        self.rule = context_rule(model.config.context_size)
        self.collate = WindowCollator(corpus.vocabulary.pad_id)
        self.score = MatchedScore.empty()
        self.paper, self.masked = PaperTotals(), PaperTotals()
        self.records = np.zeros((corpus.num_records, 2))

    @abstractmethod
    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it read."""

    def window(self, record: int, start: int, stop: int) -> Window:
        """Return a window of which every token is a target that is not given."""
        is_target = np.arange(start, stop) >= given_tokens(self.corpus, record)
        return Window(*self.corpus.record(record), start, stop, is_target)

    def batch(self, windows: Sequence[Window]) -> dict[str, Tensor]:
        """Return windows as the model reads them: contexts (B, L, N), labels and mask (B, L), on the CPU."""
        pad_id = self.corpus.vocabulary.pad_id
        rows = [self.rule.gather(w.ids, w.shapes, w.start, w.stop, pad_id=pad_id) for w in windows]
        batch = self.collate(
            [{"input_ids": row, **self.labels(window)} for row, window in zip(rows, windows, strict=True)]
        )
        if not batch["prefix_mask"].any():
            del batch["prefix_mask"]
        return batch

    @staticmethod
    def labels(window: Window) -> dict[str, NDArray[np.int64]]:
        """Return ``labels`` of a window, (L,), `IGNORE_INDEX` where a token is given, and ``prefix_mask``, 1 there."""
        labels = window.ids[window.start : window.stop].astype(np.int64)
        return {
            "labels": np.where(window.is_target, labels, IGNORE_INDEX),
            "prefix_mask": (~window.is_target).astype(np.int64),
        }

    def add(self, record: int, window: Window, nats: NDArray[np.float64], hits: NDArray[Any]) -> None:
        """Add the scores of a window's targets, each (L,) or longer: nats, and hits or how often on average."""
        ids, shapes, start, stop, is_target = window
        if not is_target.any():
            return
        nats, hits = nats[: stop - start][is_target], hits[: stop - start][is_target]
        self.records[record] += nats.sum(), len(nats)
        table = tabulate_window(ids, shapes, start, stop, self.corpus.vocabulary).rows(is_target)
        self.score += MatchedScore.of(table, nats, hits)


class WindowScorer(Scorer):
    """Scores every token of a window in one pass.

    Args:
        model: In evaluation mode.
        corpus: Records.
        carried: Whether the state goes on from step to step.
    """

    def __init__(self, model: ScoredModel, corpus: Records, *, carried: bool) -> None:
        """Start without a state."""
        super().__init__(model, corpus)
        self.carried, self.cache = carried, None
        self.num_read = self.num_rows = 0

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it read."""
        windows = [self.window(*place) for place in step.places]
        batch = send_to_device(self.batch(windows), self.model.device)
        labels, contexts, is_real = batch["labels"], batch["input_ids"], batch["attention_mask"]
        if step.is_fresh:
            self.cache, self.num_read = self.model.new_cache() if self.carried else None, 0
        elif self.cache is not None and len(windows) < self.num_rows:
            # the shortest records, which have ended, were the last rows
            self.cache.batch_select_indices(torch.arange(len(windows), device=labels.device))
        self.num_rows = len(windows)
        mask = None if is_real.all() else functional.pad(is_real, (self.num_read, 0), value=1)
        prefix = {"prefix_mask": batch["prefix_mask"]} if "prefix_mask" in batch else {}
        output = self.model(
            input_ids=contexts, attention_mask=mask, past_key_values=self.cache, use_cache=self.carried, **prefix
        )
        self.num_read += labels.shape[1] * self.carried
        nats, hits = score_tokens(self.model.objective.new_token_logits(output.logits), labels)
        for (record, _, _), window, *scores in zip(step.places, windows, nats.cpu(), hits.cpu(), strict=True):
            self.add(record, window, *(score.numpy() for score in scores))
        self._add_paper(output.logits, labels, windows)
        return int(is_real.sum())

    def _add_paper(self, logits: Tensor, labels: Tensor, windows: Sequence[Window]) -> None:
        targets = labels
        if self.model.objective.predicted_cells > 1:
            targets = torch.from_numpy(stack_padded([self._following(w) for w in windows], IGNORE_INDEX))
        nats, hits = score_tokens(logits, targets.to(logits.device))
        num_targets = int((targets != IGNORE_INDEX).sum())
        self.paper = self.paper.plus(float(nats.sum()), int(hits.sum()), num_targets)

    def _following(self, window: Window) -> NDArray[np.int64]:
        """Return the context after each position, (L, N), `IGNORE_INDEX` where the window or the record has none."""
        ids, shapes, start, stop, is_target = window
        last = min(stop + self.carried, len(ids))
        rows = self.rule.gather(ids, shapes, start + 1, last, pad_id=self.corpus.vocabulary.pad_id).astype(np.int64)
        missing = np.full((stop - start - len(rows), self.rule.size), IGNORE_INDEX)
        return np.where(is_target[:, None], np.concatenate([rows, missing]), IGNORE_INDEX)
