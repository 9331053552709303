"""Reading a corpus with a model, with teacher forcing, in windows; the scores are summed on the way.

Knows windows, states and scores; knows nothing about files or tables.

Shapes: B records or windows read together, L positions of a window, N context cells, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data.token_table import Records
from ..tokens.contexts import ContextRule, context_rule
from ..tokens.grid import CONTEXT_SIZE, Ids, Shape, gather_window, modality_of_positions
from ..tokens.vocabulary import Vocabulary
from .metrics import MatchedScore, PaperTotals

IGNORED = -100


class Span(NamedTuple):
    """A window of a record."""

    ids: Ids
    shapes: tuple[Shape, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Batch:
    """Windows read together, padded on the right.

    Attributes:
        input_ids: Contexts, (B, L, N) int64.
        labels: Tokens, (B, L) int64, -100 at padding.
        following: The next context rows, (B, L, N) int64, -100 where there is none.
    """

    input_ids: Tensor
    labels: Tensor
    following: Tensor


class Step(NamedTuple):
    """One forward pass: (record, start, stop) of each row, and whether the state starts anew."""

    is_fresh: bool
    places: list[tuple[int, int, int]]


def plan_steps(
    corpus: Records, window_length: int, batch_size: int, *, carried: bool, drop_partial: bool
) -> list[Step]:
    """Return the steps of the reading.

    Carried: records of similar length go side by side, the longest first, so that those that go on are always the
    first rows of the step before.
    """
    lengths = np.array([len(corpus.record(index)[0]) for index in range(corpus.num_records)])
    if drop_partial:
        lengths = lengths // window_length * window_length
    windows = [
        [
            (record, low, min(low + window_length, int(lengths[record])))
            for low in range(0, lengths[record], window_length)
        ]
        for record in np.argsort(-lengths, kind="stable").tolist()
        if lengths[record]
    ]
    if not carried:
        flat = sorted((place for places in windows for place in places), key=lambda place: place[1] - place[2])
        return [Step(True, flat[first : first + batch_size]) for first in range(0, len(flat), batch_size)]
    return [
        Step(turn == 0, [places[turn] for places in windows[first : first + batch_size] if turn < len(places)])
        for first in range(0, len(windows), batch_size)
        for turn in range(len(windows[first]))
    ]


class WindowReader:
    """Reads steps with a model and sums their scores.

    Args:
        model: In evaluation mode.
        corpus: Records.
        carried: Whether the state goes on from step to step.
    """

    def __init__(self, model: Any, corpus: Records, *, carried: bool) -> None:
        self.model, self.corpus, self.carried = model, corpus, carried
        self.rule = context_rule(model.config.context_size)
        self.cache: Any = None
        self.num_read = self.num_rows = 0
        self.score = MatchedScore.empty()
        self.paper = PaperTotals()
        self.records = np.zeros((corpus.num_records, 2))  # nats and tokens of each

    def read(self, step: Step) -> int:
        """Read one step and return how many tokens it scored."""
        spans = [Span(*self.corpus.record(record), start, stop) for record, start, stop in step.places]
        batch = make_batch(spans, self.corpus.vocabulary, self.rule, look_ahead=self.carried)
        device = self.model.device
        if step.is_fresh:
            self.cache, self.num_read = None, 0
        elif self.cache is not None and len(spans) < self.num_rows:
            self.cache.batch_select_indices(torch.arange(len(spans), device=device))
        self.num_rows = len(spans)
        mask = _make_mask(batch.labels, self.num_read)
        output = self.model(
            input_ids=batch.input_ids.to(device),
            attention_mask=None if mask is None else mask.to(device),
            past_key_values=self.cache,
            use_cache=self.carried,
        )
        if self.carried:
            self.cache, self.num_read = output.past_key_values, self.num_read + batch.labels.shape[1]
        self._add(output.logits, batch, spans, [record for record, _, _ in step.places])
        return sum(span.stop - span.start for span in spans)

    def _add(self, logits: Tensor, batch: Batch, spans: Sequence[Span], records: Sequence[int]) -> None:
        objective = self.model.objective
        nats, guesses = score_tokens(objective.new_token_logits(logits), batch.labels.to(logits.device))
        for row, (ids, shapes, start, stop) in enumerate(spans):
            self.records[records[row]] += nats[row, : stop - start].sum(), stop - start
            self.score += MatchedScore.of(
                ids[start:stop],
                self._six_cells(batch.input_ids[row], spans[row]),
                modality_of_positions(shapes)[start:stop],
                nats=nats[row, : stop - start],
                predictions=guesses[row, : stop - start],
                vocabulary=self.corpus.vocabulary,
            )
        targets = batch.labels if objective.predicted_cells == 1 else batch.following
        self.paper = self.paper.plus(*_sum_targets(logits, targets.to(logits.device)))

    def _six_cells(self, rows: Tensor, span: Span) -> Ids:
        """Return the rows that scores are grouped by, (L, 6), whatever rule the model reads by."""
        if self.rule.size == CONTEXT_SIZE:
            return rows[: span.stop - span.start].numpy()
        return gather_window(*span, pad_id=self.corpus.vocabulary.pad_id)


def make_batch(spans: Sequence[Span], vocabulary: Vocabulary, rule: ContextRule, *, look_ahead: bool) -> Batch:
    """Return the windows as one batch.

    Args:
        spans: The windows.
        vocabulary: Gives the padding.
        rule: Which cells a row holds.
        look_ahead: Whether the last row's following one is known, where the record has one.
    """
    size = len(spans), max(span.stop - span.start for span in spans)
    input_ids = np.full((*size, rule.size), vocabulary.pad_id, np.int64)
    following = np.full((*size, rule.size), IGNORED, np.int64)
    labels = np.full(size, IGNORED, np.int64)
    for row, (ids, shapes, start, stop) in enumerate(spans):
        window = rule.gather(ids, shapes, start, min(stop + look_ahead, len(ids)), pad_id=vocabulary.pad_id)
        input_ids[row, : stop - start] = window[: stop - start]
        following[row, : len(window) - 1] = window[1:]
        labels[row, : stop - start] = ids[start:stop]
    return Batch(torch.from_numpy(input_ids), torch.from_numpy(labels), torch.from_numpy(following))


def _make_mask(labels: Tensor, read: int) -> Tensor | None:
    """Return the mask of what was read and this window, (B, read + L), or None where nothing is padding."""
    is_real = labels != IGNORED
    return None if is_real.all() else F.pad(is_real.long(), (read, 0), value=1)


def score_tokens(logits: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return nats and likeliest id of every label, (B, L), from logits (B, L, V); zero nats where there is none."""
    nats = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    # a certainty may round to a little above 1
    return nats.view_as(labels).double().clamp(min=0).cpu().numpy(), logits.argmax(-1).cpu().numpy()


def _sum_targets(logits: Tensor, targets: Tensor) -> tuple[float, int, int]:
    flat, wanted = logits.float().flatten(0, -2), targets.flatten()
    nats = F.cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="none")
    hits = (flat.argmax(-1) == wanted).sum()
    return float(nats.double().sum()), int(hits), int((wanted != IGNORED).sum())
