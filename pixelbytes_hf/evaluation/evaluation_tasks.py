"""Evaluation of tasks: bits of what is asked, given what is given, task by task and over all."""

from collections.abc import Iterable
from typing import Any

from ..data.corpus import TokenCorpus
from ..data.cuts import PictureCodec
from ..data.task_corpus import TaskCorpus
from .evaluation import Result, evaluate_baselines, evaluate_model
from .scoring import ScoredModel

ALL_TASKS = "all tasks"


def evaluate_tasks(
    model: ScoredModel,
    corpus: TokenCorpus,
    tasks: Iterable[str],
    *,
    codec: PictureCodec | None = None,
    **settings: Any,
) -> dict[str, Result]:
    """Return the figures of a model on every task, and over all streams of all of them, by name.

    Streams are read whole, so that the prefix is one: there are no windows, and no state is carried.

    Args:
        model: As of `evaluate_model`.
        corpus: Records, of raw media or of codes.
        tasks: Names; every record is read with each that fits.
        codec: As of `TaskCorpus`.
        settings: Of `evaluate_model`, but for `window_length` and `state`.

    Raises:
        ValueError: If a task is unknown or fits no record, or the objective reads a window for every token.
    """
    names = tuple(dict.fromkeys(tasks))
    results: dict[str, Result] = {}
    groups = {ALL_TASKS: names} | ({name: (name,) for name in names} if len(names) > 1 else {})
    for name, group in groups.items():
        streams = TaskCorpus(corpus, group, codec=codec)
        longest = int(streams.lengths.max())
        result = evaluate_model(model, streams, window_length=longest, state="zero", **settings)
        result["settings"]["tasks"] = list(group)
        result["settings"]["num_unfit"] = dict(zip(streams.names, streams.num_unfit, strict=True))
        result["corpus"]["source_fingerprint"] = corpus.fingerprint
        results[name if len(names) > 1 else names[0]] = result
    return results


def evaluate_task_baselines(
    train_corpus: TokenCorpus,
    test_corpus: TokenCorpus,
    tasks: Iterable[str],
    *,
    codec: PictureCodec | None = None,
    progress: bool = True,
) -> dict[str, Result]:
    """Return the figures of predictors without a network on what is asked; they see no header but in contexts.

    Args:
        train_corpus: To count.
        test_corpus: To score.
        tasks: Names.
        codec: As of `TaskCorpus`.
        progress: Whether to show a progress bar.
    """
    names = tuple(dict.fromkeys(tasks))
    train, test = (TaskCorpus(corpus, names, codec=codec) for corpus in (train_corpus, test_corpus))
    return evaluate_baselines(train, test, progress=progress)
