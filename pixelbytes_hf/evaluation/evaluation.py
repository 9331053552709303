"""Evaluation: matched bits and accuracy of a model, the paper's own figures, and the baselines beside them.

A model is read with teacher forcing in windows. With ``state="carried"``, the better rule, its state goes on from
window to window of a record, so that a token is predicted from all that came before it; with ``state="zero"`` every
window starts cold, as in the paper and in protocol R1, and the tokens near its start cost more than they need. Figures
of the two must not be compared.

The scoring itself is in `scoring` and its siblings; which of them scores a model follows from what its objective
declares.
"""

import math
import os
import time
from collections.abc import Iterable
from typing import Any, Literal, get_args

from tqdm.auto import tqdm

from ..data.corpus import Records, given_tokens
from ..data.token_table import gather_table
from ..pretrained.sequence_model import evaluation_mode
from ..runs.files import walk_leaves, write_json
from ..runs.versions import describe_versions
from .adaptive_ngram import AdaptiveNgram
from .baselines import Baseline, CellCopyRule, static_baselines
from .metrics import MatchedScore
from .scoring import ScoredModel, Scorer, Step, WindowScorer, plan_steps
from .scoring_last_token import LastTokenScorer, plan_last_tokens
from .scoring_masked import MaskedScorer

State = Literal["carried", "zero"]
Result = dict[str, Any]


def evaluate_model(
    model: ScoredModel,
    corpus: Records,
    *,
    window_length: int = 1024,
    batch_size: int = 16,
    state: State = "carried",
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
        per_record: Whether to return ``records`` too: ``bits``, summed, and ``tokens`` of every record.
        num_draws: How often a window is read with an objective that corrupts its input, each time with other,
            stratified draws, the same in every evaluation. Such an objective has no state: every window starts cold.
        every: With an objective that reads a window for every token, score one token of so many; with others only 1.
        every_seed: Of the choice of that token, which is the same for every model.
        seed: Of the training run; only recorded.
        progress: Whether to show a progress bar.

    Returns:
        ``likelihood``, what the bits are: ``exact``, an ``upper bound``, or ``none``, and then there are none: of an
        objective that masks tokens but ``hidden``, loss and accuracy of those, which may be readable elsewhere, and of
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
    if model.objective.windows == "last token" and any(given_tokens(corpus, n) for n in range(corpus.num_records)):
        raise ValueError(f"corpus must not be of tasks with the objective {model.objective.name!r}, got one that is")
    start_time = time.monotonic()
    settings = {
        "objective": model.objective.name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "state": state,
        "window_length": window_length,
        "batch_size": batch_size,
        **_settings_of_objective(model, window_length, num_draws, every, every_seed),
    }
    figures = _figures(model, _score(model, corpus, settings, progress=progress), per_record)
    result = {"likelihood": model.likelihood, **figures, "settings": settings, "seed": seed}
    return {**result, **_describe(corpus, start_time)}


def _settings_of_objective(
    model: ScoredModel, window_length: int, num_draws: int, every: int, every_seed: int
) -> Result:
    """Return the settings that a model's objective adds or decides; without a state all windows start cold."""
    objective, settings = model.objective, dict[str, Any]()
    if model.config.reads_targets:
        settings |= {"state": "zero", "reads_targets": True}
    if objective.is_corrupted:
        settings |= {"state": "zero", "num_draws": num_draws}
    if objective.windows == "last token":
        window_length = min(window_length, model.config.window_length)
        settings |= {"state": "zero", "window_length": window_length, "every": every, "every_seed": every_seed}
    elif every != 1:
        raise ValueError(f"every must be 1 with the objective {objective.name!r}, which scores all, got {every}")
    return settings


def _score(model: ScoredModel, corpus: Records, settings: Result, *, progress: bool) -> Scorer:
    """Return the sums of a model's scores; the settings are those that the result names."""
    scorer, steps = _plan(model, corpus, settings)
    if not steps:
        raise ValueError("corpus must have at least one token to score, got none")
    num_tokens = sum(stop - start for step in steps for _, start, stop in step.places)
    bar = tqdm(total=num_tokens, desc="evaluate", unit="token", disable=not progress)
    with evaluation_mode(model), bar:
        for step in steps:
            bar.update(scorer.read(step))
    return scorer


def _plan(model: ScoredModel, corpus: Records, settings: Result) -> tuple[Scorer, list[Step]]:
    sizes, is_carried = (settings["window_length"], settings["batch_size"]), settings["state"] == "carried"
    if model.objective.windows == "last token":
        steps = plan_last_tokens(corpus, *sizes, every=settings["every"], seed=settings["every_seed"])
        return LastTokenScorer(model, corpus), steps
    steps = plan_steps(corpus, *sizes, carried=is_carried)
    if model.objective.is_corrupted:
        return MaskedScorer(model, corpus, num_draws=settings["num_draws"]), steps
    return WindowScorer(model, corpus, carried=is_carried), steps


def _figures(model: ScoredModel, scorer: Scorer, per_record: bool) -> Result:
    if model.config.reads_targets:
        return {**MatchedScore.empty().to_dict(), "paper": scorer.paper.to_dict()}
    figures: Result = dict(scorer.score.to_dict())
    if model.objective.is_corrupted and model.likelihood == "none":
        figures["hidden"] = scorer.masked.to_dict()
    if per_record:
        nats, tokens = scorer.records.T
        figures["records"] = {"bits": (nats / math.log(2.0)).tolist(), "tokens": tokens.astype(int).tolist()}
    return {**figures, "paper": scorer.paper.to_dict()}


def evaluate_baselines(
    train_corpus: Records, test_corpus: Records, *, baselines: Iterable[Baseline] | None = None, progress: bool = True
) -> dict[str, Result]:
    """Return the figures of trivial predictors, by name; see `baselines` and `adaptive_ngram`.

    Their ``paper`` figures are those that the paper would print for a predictive model; the rules that copy six cells,
    which have no likelihood, show what its autoregressive accuracy is worth.

    Args:
        train_corpus: To count.
        test_corpus: To score.
        baselines: In place of the usual ones; the six-cell rules are left out then.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the corpora have different vocabularies, or there is nothing to score.
    """
    if train_corpus.vocabulary != test_corpus.vocabulary:
        got = f"{train_corpus.vocabulary.size} and {test_corpus.vocabulary.size} ids"
        raise ValueError(f"train_corpus and test_corpus must have the same vocabulary, got {got}")
    train, test = gather_table(train_corpus), gather_table(test_corpus)
    rules = CellCopyRule(), CellCopyRule(None, "copy the six cells, best sources")
    chosen = [*static_baselines(), AdaptiveNgram(), *rules] if baselines is None else list(baselines)
    results: dict[str, Result] = {}
    for baseline in tqdm(chosen, desc="baselines", disable=not progress):
        start_time = time.monotonic()
        results[baseline.name] = {**baseline.fit(train).figures(test), **_describe(test_corpus, start_time)}
    return results


def write_results(results: Any, path: str | os.PathLike[str]) -> None:
    """Write results as JSON in one step: a reader sees the old file or the new one, never a part.

    Raises:
        ValueError: If a number is NaN or infinite; named by its place. Nothing is written then.
    """
    for place, value in walk_leaves(results):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"results must hold finite numbers only, got {value} at {place}")
    write_json(path, results)


def _describe(corpus: Records, start_time: float) -> Result:
    return {
        "versions": describe_versions("torch", "transformers", "numpy"),
        "corpus": {"fingerprint": getattr(corpus, "fingerprint", None), "num_records": corpus.num_records},
        "seconds": time.monotonic() - start_time,
    }
