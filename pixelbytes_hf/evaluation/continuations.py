"""Greedy continuations of records, and their similarity to what follows, as the paper's first table measures it.

The model reads 64 tokens of a record from a cold start and gives the 16 that follow, each the likeliest. Two groups of
figures come out: `paper_windows`, the paper's, over the flattened 3x3 windows of the 16 tokens, whatever cells the
model itself reads; and `tokens`, in which every token counts once and ids are names (`similarity` says what either is
worth).

Shapes: B windows read together, P prompt tokens, n new tokens, N cells.

Source: `EvaluateMetric`, pixelbytes/modules of fabienfrfr/PixelBytes@7646d6a. Differs on purpose: a window never goes
on from a record's end to its beginning.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data.corpus import Records, record_lengths
from ..generation.canvas import ContextSource
from ..generation.generation_arguments import check_context
from ..generation.grammar import FreeGrammar
from ..generation.segment_grammar import LegalIds
from ..pretrained.sequence_model import evaluation_mode
from ..tokens.contexts import WINDOW_CELLS, causal_window, context_rule
from ..tokens.grid import Ids
from ..tokens.six_cells import gather_window
from .metrics import mean_and_deviation
from .scoring import ScoredModel
from .similarity import histogram_cosine, ngram_overlap, paper_bleu, paper_cosine, paper_hamming, token_hamming

PROMPT_LENGTH, SEED, BATCH_SIZE = 64, 0, 32  # tokens read; of the choice of windows; windows read together
Metrics = Mapping[str, Callable[[Ids, Ids], float]]
WINDOW_METRICS: Metrics = {"hamming": paper_hamming, "cosine": paper_cosine, "bleu": paper_bleu}
TOKEN_METRICS: Metrics = {
    "hamming": token_hamming,
    "histogram_cosine": histogram_cosine,
    "bleu": paper_bleu,
    "ngram_overlap": ngram_overlap,
}


def evaluate_continuations(
    model: ScoredModel,
    corpus: Records,
    *,
    num_new: int = 16,
    num_windows: int | None = 256,
    context: ContextSource = "exact",
    progress: bool = True,
) -> dict[str, Any]:
    """Return how alike a model's greedy continuations are to the records'.

    Args:
        model: An `aPxBySequenceModel` whose objective predicts the next token.
        corpus: Records and their vocabulary.
        num_new: Tokens given, n; at least 4, which BLEU needs.
        num_windows: Windows to score, chosen by `SEED` alone, so that every model is scored on the same ones; None
            takes all.
        context: Where the context of a given token comes from: ``exact``, the tokens before it, or ``model``, what the
            model predicts, as the paper's autoregressive objective does.
        progress: Whether to show a progress bar.

    Returns:
        ``paper_windows`` and ``tokens``, each with ``mean`` and ``deviation`` over windows of every metric;
        ``windows``, how many were scored; ``settings``; ``seconds``.

    Raises:
        ValueError: If the objective does not predict the next token or reads it, a number is out of range, the
            vocabularies differ, or no record is long enough.
    """
    _check_model(model, context)
    if num_new < 4:
        raise ValueError(f"num_new must be at least 4, got {num_new}")
    model.config.check_vocabulary(corpus.vocabulary)
    start_time, places = time.monotonic(), choose_places(corpus, PROMPT_LENGTH + num_new, num_windows, SEED)
    windows, tokens = [], []
    with evaluation_mode(model), tqdm(total=len(places), desc="continue", disable=not progress) as bar:
        for first in range(0, len(places), BATCH_SIZE):
            batch = [
                Continuation(corpus, *place, PROMPT_LENGTH, model.config.context_size)
                for place in places[first : first + BATCH_SIZE]
            ]
            continue_greedily(model, batch, num_new, context)
            windows += [(each.targets(num_new), each.windows) for each in batch]
            tokens += [(each.target_tokens(num_new), each.tokens) for each in batch]
            bar.update(len(batch))
    settings = {"prompt_length": PROMPT_LENGTH, "num_new": num_new, "num_windows": num_windows}
    return {
        "paper_windows": _summarise(WINDOW_METRICS, windows),
        "tokens": _summarise(TOKEN_METRICS, tokens),
        "windows": len(places),
        "settings": {**settings, "seed": SEED, "context": context},
        "seconds": time.monotonic() - start_time,
    }


def _check_model(model: ScoredModel, context: ContextSource) -> None:
    objective, config = model.objective, model.config
    if objective.decoding != "sequential" or config.reads_targets:
        raise ValueError(
            "model must predict the next token without reading it, "
            f"got {objective.name!r} on {config.mixer_config.model_type!r}"
        )
    check_context(context, objective, config)


def choose_places(corpus: Records, length: int, num_windows: int | None, seed: int) -> list[tuple[int, int]]:
    """Return record and start of windows of `length` tokens side by side, chosen without replacement.

    Raises:
        ValueError: If no record has `length` tokens, or `num_windows` is not positive.
    """
    lengths = record_lengths(corpus)
    places = [(n, start) for n, size in enumerate(lengths) for start in range(0, size - length + 1, length)]
    if not places:
        raise ValueError(f"corpus must have a record of at least {length} tokens, got {len(lengths)} shorter ones")
    if num_windows is None or num_windows >= len(places):
        return places
    if num_windows < 1:
        raise ValueError(f"num_windows must be at least 1 or None, got {num_windows}")
    chosen = np.random.default_rng(seed).choice(len(places), num_windows, replace=False)
    return [places[index] for index in sorted(chosen.tolist())]


class Continuation:
    """A record's tokens that are being continued: contexts to read, and what was given so far.

    Args:
        corpus: The records.
        record: Index of the record.
        start: First token of the prompt.
        prompt_length: Tokens of the prompt, P.
        context_size: Cells of a context, N.

    Attributes:
        rows: Contexts to read: each has seen one more token than the one before, the first the prompt's first.
        tokens: Given tokens.
        windows: Their 3x3 windows.
    """

    def __init__(self, corpus: Records, record: int, start: int, prompt_length: int, context_size: int) -> None:
        """Read the record up to the prompt's end."""
        self._ids, self._shapes = corpus.record(record)
        self._stop, self._pad_id = start + prompt_length, corpus.vocabulary.pad_id
        # the record's sound, if it has one, tells what the prompt may not: how many channels
        columns = {shape.modality: shape.columns for shape in reversed(self._shapes)}
        rule, prompt = context_rule(context_size), self._ids[: self._stop].tolist()
        self._grammar = FreeGrammar(LegalIds(corpus.vocabulary), prompt, columns=columns, rule=rule)
        rows = rule.gather(self._ids, self._shapes, start + 1, self._stop + 1, pad_id=self._pad_id)
        self.rows: list[list[int]] = rows.tolist()
        self.tokens: list[int] = []
        self.windows: list[list[int]] = []

    def push(self, token_id: int, row: list[int] | None = None) -> None:
        """Add a token, and the context to read next: by default the exact one."""
        self._grammar.push(token_id)
        self.tokens.append(token_id)
        self.rows.append(self._grammar.context() if row is None else row)
        newest = None if self._grammar.segment is None else self._grammar.segment.cursor
        self.windows.append(causal_window(newest, pad_id=self._pad_id))

    def target_tokens(self, num_new: int) -> Ids:
        """Return the tokens that follow the prompt, (n,)."""
        return self._ids[self._stop : self._stop + num_new]

    def targets(self, num_new: int) -> Ids:
        """Return the windows centred on the tokens that follow the prompt, (n, 9)."""
        span = self._stop, self._stop + num_new
        return gather_window(self._ids, self._shapes, *span, WINDOW_CELLS, pad_id=self._pad_id)


def continue_greedily(
    model: ScoredModel, sequences: Sequence[Continuation], num_new: int, context: ContextSource = "exact"
) -> None:
    """Add to every sequence its likeliest tokens, one after another; all contexts are read anew for each.

    Args:
        model: In evaluation mode.
        sequences: Of equal length.
        num_new: Tokens to add.
        context: Where their contexts come from.
    """
    first = -model.config.window_length if model.objective.windows == "last token" else None
    for _ in range(num_new):
        rows = torch.tensor([sequence.rows[first:] for sequence in sequences])
        logits = model(input_ids=rows.to(model.device), use_cache=False).logits
        best = model.objective.new_token_logits(logits)[:, -1].argmax(-1)
        next_rows = logits[:, -1].argmax(-1).tolist() if context == "model" else [None] * len(sequences)
        for sequence, token_id, row in zip(sequences, best.tolist(), next_rows, strict=True):
            sequence.push(token_id, row)


def _summarise(metrics: Metrics, pairs: Sequence[tuple[Ids, Any]]) -> dict[str, dict[str, float]]:
    summary = {}
    for name, metric in metrics.items():
        mean, deviation = mean_and_deviation([metric(target, np.array(given)) for target, given in pairs])
        summary[name] = {"mean": mean, "deviation": deviation}
    return summary
