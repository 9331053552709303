"""The command that scores a run: ``pixelbytes evaluate``."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runs.kinds import kind_of_run
from .corpora import open_corpus
from .option_readers import positive
from .verbs import own_options

WINDOW_LENGTH, BATCH_SIZE = 1024, 16
EVERY, NUM_DRAWS = 16, 16  # of an evaluation: a sixteenth of the tokens, a quarter of a comparison's draws


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``evaluate``."""
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    command.add_argument("--split", default="test", help="split to evaluate (default: %(default)s)")
    command.add_argument("--no-baselines", action="store_true", help="leave out the models without a network")
    command.add_argument("--out", help="JSON to write; by default evaluation-SPLIT.json in the run folder")
    own: dict[str, dict[str, Any]] = {
        "window-length": {"type": int, "help": f"tokens read at once (default: {WINDOW_LENGTH})"},
        "batch-size": {"type": int, "help": f"records or windows read together (default: {BATCH_SIZE})"},
        "state": {
            "choices": ("carried", "zero"),
            "help": "what a window starts from: what the model kept of the record's earlier ones, or nothing, as "
            "always with the objectives last, masked and diffusion (default: carried)",
        },
        "every": {
            "type": positive,
            "help": "objective last: score one token in so many, as each takes a pass over a window of its own "
            f"(default: {EVERY})",
        },
        "num-draws": {
            "type": positive,
            "help": "objectives masked and diffusion: read every window so often, each time with other tokens hidden "
            f"(default: {NUM_DRAWS})",
        },
    }
    own["tasks"] = {
        "nargs": "+",
        "metavar": "TASK",
        "help": "score what these tasks ask, given what they give (default: those that the run was trained on)",
    }
    own["codec"] = {
        "metavar": "CODEC",
        "help": "tasks on codes that cut pictures as pixels: run folder of the codec (default: that of the training)",
    }
    for name, settings in own.items():
        command.add_argument(f"--{name}", default=argparse.SUPPRESS, **settings)


def evaluate(options: argparse.Namespace) -> None:
    """Print what a run scores on records it has not seen, beside trivial baselines."""
    from ..evaluation.evaluation import write_results

    kind, folder = kind_of_run(options.run_folder), Path(options.run_folder).resolve()
    used = ("run_folder", "dataset", "split", "no_baselines", "out")
    own = own_options(kind, "evaluate", options, used=used)
    if options.split == "train" and not options.no_baselines:
        raise ValueError("baselines count the split 'train': evaluate another, or pass --no-baselines")
    data = open_corpus(options.dataset)
    for split in (options.split, *(() if options.no_baselines else ("train",))):
        if split not in data:
            raise ValueError(f"dataset {options.dataset!r} has no split {split!r}: it has {sorted(data)}")
    score = kind.verb("evaluate")
    results, table = score(options.run_folder, data, split=options.split, baselines=not options.no_baselines, **own)
    write_results(results, options.out or folder / f"evaluation-{options.split}.json")
    print(table)


def evaluate_sequence(
    run_folder: str | Path,
    data: Mapping[str, Any],
    *,
    split: str,
    baselines: bool,
    window_length: int | None = None,
    batch_size: int = BATCH_SIZE,
    state: Any = None,
    every: int | None = None,
    num_draws: int | None = None,
    tasks: Sequence[str] | None = None,
    codec: str | None = None,
) -> tuple[dict[str, Any], str]:
    """Return bits per new token of a sequence model and of the baselines, by row, and their table.

    Args:
        run_folder: Of the run.
        data: Rows by split.
        split: To score.
        baselines: Whether to score models without a network too, which count the split ``train``.
        window_length: As of `evaluate_model`, as the other options; without tasks `WINDOW_LENGTH` by default.
        batch_size: See there.
        state: See there.
        every: With the objective ``last`` only, where it is `EVERY` by default.
        num_draws: With objectives that corrupt their input only, where it is `NUM_DRAWS` by default.
        tasks: Names, by default those of the training; with any, whole streams of them are read.
        codec: Run folder of the codec that made the corpus, by default that of the training.
    """
    from ..data.code_corpus import check_codecs
    from ..data.task_mixture import TaskMixture
    from ..data.tasks import find_task
    from ..data.tokenize_dataset import as_corpus
    from ..evaluation.evaluation import evaluate_baselines, evaluate_model
    from ..evaluation.evaluation_tasks import evaluate_task_baselines, evaluate_tasks
    from ..evaluation.tables import format_table
    from ..runs.codec_run import load_codec
    from ..runs.run_folder import Run
    from ..training.resume import read_record

    run, folder = Run.load(run_folder), Path(run_folder).resolve()
    chosen = _settings_of_objective(run.model.objective, every=every, num_draws=num_draws)
    settings = {"batch_size": batch_size, **chosen}
    corpus, record = as_corpus(data[split], run.tokenizer), read_record(folder)
    check_codecs(corpus.codecs, record["data"]["train"].get("codecs", {}), f"the run {folder.name!r}")
    seed, mixture = record["settings"]["seed"], record["settings"].get("tasks")
    if tasks is None and mixture:
        tasks = TaskMixture(mixture).names
    if tasks:
        if window_length is not None or state is not None:
            given = window_length if state is None else state
            raise ValueError(f"--window-length and --state must not be given with tasks, read as a whole, got {given}")
        # that of the training may have moved: it is looked for only where a task needs it
        needed = any(find_task(name).cuts_pixels for name in tasks)
        chosen_codec = record["settings"].get("codec") if codec is None and needed else codec
        made = None if chosen_codec is None else load_codec(chosen_codec, "image", corpus.codecs)
        rows = evaluate_tasks(run.model, corpus, tasks, codec=made, **settings, seed=seed)
        results = {f"run {folder.name}: {name}": row for name, row in rows.items()}
        if baselines:
            train_corpus = as_corpus(data["train"], run.tokenizer)
            results |= evaluate_task_baselines(train_corpus, corpus, tasks, codec=made)
        return results, format_table(results)
    if codec is not None:
        raise ValueError(f"--codec must not be given without tasks, got {codec}")
    settings["window_length"] = WINDOW_LENGTH if window_length is None else window_length
    settings["state"] = "carried" if state is None else state
    results = {f"run {folder.name}": evaluate_model(run.model, corpus, **settings, seed=seed)}
    if baselines:
        results |= evaluate_baselines(as_corpus(data["train"], run.tokenizer), corpus)
    return results, format_table(results)


def _settings_of_objective(objective: Any, *, every: int | None, num_draws: int | None) -> dict[str, Any]:
    """Return the settings of an evaluation that only some objectives have."""
    chosen = {}
    for name, given, default, is_used in (
        ("every", every, EVERY, objective.windows == "last token"),
        ("num_draws", num_draws, NUM_DRAWS, objective.is_corrupted),
    ):
        if given is not None and not is_used:
            raise ValueError(
                f"--{name.replace('_', '-')} must not be given with the objective {objective.name!r}, got {given}"
            )
        if is_used:
            chosen[name] = default if given is None else given
    return chosen
