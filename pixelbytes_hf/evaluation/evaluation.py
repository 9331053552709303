"""Evaluation: matched bits and accuracy of a model, the paper's own figures, and the baselines beside them.

A model is read with teacher forcing in windows. With ``state="carried"``, the better rule, its state goes on from
window to window of a record, so that a token is predicted from all that came before it; with ``state="zero"`` every
window starts cold, as in the paper and in protocol R1, and the tokens near its start cost more than they need. Figures
of the two must not be compared.

The reading itself is in `reading`.
"""

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from ..data.token_table import Records, Rows, gather_rows
from ..runs.files import write_json
from ..version import __version__
from .adaptive_ngram import CountCoder
from .baselines import Baseline, CellCopyRule, static_baselines
from .metrics import MatchedScore, PaperTotals
from .scoring import WindowReader, plan_steps
from .scoring_last_token import EndReader, plan_ends
from .scoring_masked import CorruptedReader

State = Literal["carried", "zero"]
Result = dict[str, Any]
TABLE_KINDS = ("all", "text", "pixel", "level", "row_end", "segment_end")


def evaluate_model(
    model: Any,
    corpus: Records,
    *,
    window_length: int = 1024,
    batch_size: int = 16,
    state: State = "carried",
    drop_partial_windows: bool = False,
    per_record: bool = False,
    num_draws: int = 64,
    every: int = 1,
    every_seed: int = 0,
    seed: int | None = None,
    progress: bool = True,
) -> Result:
    """Return the figures of a model on a corpus.

    Args:
        model: An `aPxBySequenceModel`, or what has its `objective`, `config`, `device` and call.
        corpus: Records and their vocabulary.
        window_length: Positions read at once.
        batch_size: Records (carried) or windows (zero) read together; does not change the figures.
        state: What a window after a record's first starts from; see the module.
        drop_partial_windows: Leave the tokens after a record's last full window out, as protocol R1 does.
        per_record: Whether to return ``records`` too: ``bits``, summed, and ``tokens`` of every record.
        num_draws: How often a window is read with an objective that corrupts its input, each time with other,
            stratified draws, the same in every evaluation. Such an objective knows no state: every window starts cold.
        every: With the objective ``last``, whose every token costs a pass over a window, score one token of so many;
            with others only 1.
        every_seed: Of the choice of that token, which is the same for every model.
        seed: Of the training run; only recorded.
        progress: Whether to show a progress bar.

    Returns:
        ``likelihood``, what the bits are: ``exact``, an ``upper bound``, or ``none``, and then there are none: of an
        objective that hides tokens but ``hidden``, loss and accuracy of those, which may be readable elsewhere, and of
        a model that reads its targets the paper's figures alone. ``matched`` (bits, accuracy and
        tokens over all and per kind), ``by_modality``, ``by_change``, ``paper`` (loss
        in nats, accuracy, targets), ``settings``, ``seed``, ``versions``, ``corpus``, ``seconds``.

    Raises:
        ValueError: If an option is out of range, the vocabularies differ in size, a probability is no number, or there
            is nothing to score.
    """
    if state not in get_args(State):
        raise ValueError(f"state must be one of {get_args(State)}, got {state!r}")
    if window_length < 1 or batch_size < 1:
        raise ValueError(f"window_length and batch_size must be at least 1, got {window_length} and {batch_size}")
    model.config.check_vocabulary(corpus.vocabulary)
    start_time = time.monotonic()
    is_corrupted = getattr(model.objective, "is_corrupted", False)
    reads_ends = model.objective.name == "last"
    reads_targets = getattr(model.config, "reads_targets", False)
    state = "zero" if is_corrupted or reads_ends or reads_targets else state
    if not reads_ends and every != 1:
        raise ValueError(f"every must be 1 with the objective {model.objective.name!r}, which scores all, got {every}")
    if reads_ends:
        if drop_partial_windows:
            raise ValueError("drop_partial_windows must be False with the objective 'last', whose windows overlap")
        window_length = min(window_length, model.config.window_length)
        steps = plan_ends(corpus, window_length, batch_size, every=every, seed=every_seed)
    else:
        steps = plan_steps(
            corpus, window_length, batch_size, carried=state == "carried", drop_partial=drop_partial_windows
        )
    if not steps:
        raise ValueError(f"corpus has no window of {window_length} tokens to score: expected at least one")
    reader: Any
    if is_corrupted:
        reader = CorruptedReader(model, corpus, num_draws=num_draws)
    elif reads_ends:
        reader = EndReader(model, corpus)
    else:
        reader = WindowReader(model, corpus, carried=state == "carried")
    was_training = model.training
    model.eval()
    try:
        num_tokens = sum(stop - start for step in steps for _, start, stop in step.places)
        with (
            torch.inference_mode(),
            tqdm(total=num_tokens, desc="evaluate", unit="token", disable=not progress) as bar,
        ):
            for step in steps:
                bar.update(reader.read(step))
    finally:
        model.train(was_training)
    likelihood = getattr(model, "likelihood", "exact")
    return {
        "likelihood": likelihood,
        **(MatchedScore.empty() if reads_targets else reader.score).to_dict(),
        **({"hidden": reader.hidden.to_dict()} if is_corrupted and likelihood == "none" else {}),
        **({"records": _describe_records(reader.records)} if per_record and not reads_targets else {}),
        "paper": reader.paper.to_dict(),
        "settings": {
            "objective": model.objective.name,
            "parameters": int(sum(parameter.numel() for parameter in model.parameters())),
            "state": state,
            "window_length": window_length,
            "batch_size": batch_size,
            "drop_partial_windows": drop_partial_windows,
            **({"reads_targets": True} if reads_targets else {}),
            **({"num_draws": num_draws} if is_corrupted else {}),
            **({"every": every, "every_seed": every_seed} if reads_ends else {}),
        },
        "seed": seed,
        **_describe(corpus, start_time),
    }


def evaluate_baselines(
    train_corpus: Records,
    test_corpus: Records,
    *,
    baselines: Iterable[Baseline] | None = None,
    full_windows_of: int | None = None,
    progress: bool = True,
) -> dict[str, Result]:
    """Return the figures of trivial predictors, by name; see `baselines` and `count_coder`.

    Their ``paper`` figures are those that the paper would print for a predictive model; the rules that copy six cells,
    which have no likelihood, show what its autoregressive accuracy is worth.

    Args:
        train_corpus: To count.
        test_corpus: To score.
        baselines: In place of the usual ones; the six-cell rules are left out then.
        full_windows_of: Score only tokens in full windows of this length, as `drop_partial_windows` does.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the corpora have different vocabularies, or there is nothing to score.
    """
    if train_corpus.vocabulary != test_corpus.vocabulary:
        sizes = train_corpus.vocabulary.size, test_corpus.vocabulary.size
        raise ValueError(
            f"train_corpus and test_corpus must have the same vocabulary, got {sizes[0]} and {sizes[1]} ids"
        )
    train, test = gather_rows(train_corpus), gather_rows(test_corpus, full_windows_of=full_windows_of)
    chosen = [*static_baselines(), CountCoder()] if baselines is None else list(baselines)
    results: dict[str, Result] = {}
    for baseline in tqdm(chosen, desc="baselines", disable=not progress):
        start_time = time.monotonic()
        results[baseline.name] = {**_score_baseline(baseline, train, test), **_describe(test_corpus, start_time)}
    if baselines is None:
        for rule in (CellCopyRule(), CellCopyRule(None, "copy the six cells, best sources")):
            start_time = time.monotonic()
            hits, targets = rule.fit(train).score(test, window_length=full_windows_of)
            paper = {"loss": None, "accuracy": hits / targets if targets else None, "targets": targets}
            results[rule.name] = {"paper": paper, **_describe(test_corpus, start_time)}
    return results


def format_table(results: Mapping[str, Result]) -> str:
    """Return results as a Markdown table: bits per new token and accuracy per kind, then the paper's figures.

    Args:
        results: By name of the row, as `evaluate_model` and `evaluate_baselines` return them.
    """
    kinds = [kind for kind in TABLE_KINDS if any(kind in result.get("matched", {}) for result in results.values())]
    head = ["bits per new token / accuracy", *(kind.replace("_", " ") for kind in kinds), "paper's loss / accuracy"]
    rows = [head]
    for name, result in results.items():
        matched, paper = result.get("matched", {}), result.get("paper", {})
        cells = [_format_pair(row["bits"], row["accuracy"]) if (row := matched.get(kind)) else "" for kind in kinds]
        name = f"{name} (upper bound)" if result.get("likelihood") == "upper bound" else name
        every = result.get("settings", {}).get("every", 1)
        name = f"{name} (one token in {every})" if every > 1 else name
        rows.append([name, *cells, _format_pair(paper.get("loss"), paper.get("accuracy"))])
    return align_table(rows)


def align_table(rows: Sequence[Sequence[str]]) -> str:
    """Return cells as a Markdown table; the first row is the head, only the first column is left-aligned.

    Example:
        >>> print(align_table([["name", "bits"], ["a", "1"]]))
        | name | bits |
        |------|-----:|
        | a    |    1 |
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2 - (n > 0)) + ":" * (n > 0) for n, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def write_results(results: Any, path: str | os.PathLike[str]) -> None:
    """Write results as JSON in one step: a reader sees the old file or the new one, never a part.

    Raises:
        ValueError: If a number is NaN or infinite; named by its place. Nothing is written then.
    """
    for place, value in _walk_leaves(results, ""):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"results must hold finite numbers only, got {value} at {place}")
    write_json(path, results)


def _score_baseline(baseline: Baseline, train: Rows, test: Rows) -> Result:
    prediction = baseline.fit(train).predict(test)
    score = MatchedScore.of(
        test.ids,
        test.contexts,
        test.modalities,
        nats=prediction.nats,
        predictions=prediction.guesses,
        vocabulary=test.vocabulary,
    )
    hits = int((prediction.guesses == test.ids).sum())
    return {**score.to_dict(), "paper": PaperTotals(float(prediction.nats.sum()), hits, len(test.ids)).to_dict()}


def _describe_records(sums: NDArray[np.float64]) -> dict[str, list[float]]:
    return {"bits": (sums[:, 0] / math.log(2.0)).tolist(), "tokens": sums[:, 1].astype(int).tolist()}


def _describe(corpus: Any, start_time: float) -> Result:
    return {
        "versions": {
            "pixelbytes_hf": __version__,
            **{name: version(name) for name in ("torch", "transformers", "numpy")},
        },
        "corpus": {
            "fingerprint": getattr(corpus, "fingerprint", None),
            "num_records": corpus.num_records,
        },
        "seconds": time.monotonic() - start_time,
    }


def _format_pair(first: float | None, share: float | None) -> str:
    left = "-" if first is None else f"{first:.3f}"
    return "" if first is None and share is None else f"{left} / {'-' if share is None else format(share, '.1%')}"


def _walk_leaves(content: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _walk_leaves(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _walk_leaves(value, f"{place}[{index}]")
    else:
        yield place, content
