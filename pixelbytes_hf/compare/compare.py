"""Comparison of presets: each trained with several seeds under one budget, evaluated on the same records.

`run` holds one run, `report` tables and figures. The folder of a comparison holds ``data`` (tokenized corpora by
fingerprint), ``runs`` (run folders), ``results`` (the figures of finished runs), ``logs`` and the report. A finished
run is never repeated, an interrupted one goes on from its checkpoint.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..data.corpus import TokenCorpus
from ..data.tokenize_dataset import COLUMNS, tokenize_dataset
from ..evaluation.evaluation import evaluate_baselines, write_results
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.json_files import read_json
from ..runs.files import find_differences, write_json
from ..runs.kinds import find_kind
from ..training.builders import build_tokenizer
from ..training.presets import Preset, get_preset
from .report import write_report
from .run import Folders, Job, count_steps, describe_machine, run_job
from .settings import ComparisonConfig

FORMAT_VERSION = 1
RESULTS_NAME = "results.json"
UNLIMITED_STEPS = 1_000_000_000


def compare(
    presets: Sequence[str] | Mapping[str, Preset],
    data: Mapping[str, Any],
    output_dir: str | os.PathLike[str],
    settings: ComparisonConfig,
    *,
    jobs: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Train and evaluate presets of one kind with every seed, and write ``results.json``, ``table.md`` and figures.

    Args:
        presets: Names, or presets of one's own by name.
        data: `datasets.Dataset` by split: ``train``, ``validation`` and the split that is evaluated.
        output_dir: Folder to make, or of a comparison to go on with.
        settings: What all runs share.
        jobs: Processes at a time, which share the processors; 0 runs in this process, where a crash ends everything
            and peak memory is not known.
        progress: Whether to show progress bars.

    Returns:
        What ``results.json`` holds.

    Raises:
        ValueError: If a name is unknown, the presets are of several kinds, a split is missing, or a finished run had
            other settings.
    """
    named = dict(presets) if isinstance(presets, Mapping) else {name: get_preset(name) for name in presets}
    if not named or jobs < 0:
        raise ValueError(f"expected presets and jobs >= 0, got {list(named)} and {jobs}")
    kinds = {plan.kind for plan in named.values()}
    if len(kinds) > 1:
        raise ValueError(f"presets must be of one kind, whose figures can be compared, got {sorted(kinds)}")
    run: Callable[..., dict[str, Any]] = find_kind(kinds.pop()).verb("compare")
    return run(named, data, output_dir, settings, jobs=jobs, progress=progress)


def compare_sequences(
    presets: Mapping[str, Preset],
    data: Mapping[str, Any],
    output_dir: str | os.PathLike[str],
    settings: ComparisonConfig,
    *,
    jobs: int,
    progress: bool,
) -> dict[str, Any]:
    """Compare presets of sequence models; arguments and errors as of `compare`.

    A run that fails does not end the comparison: it is named in ``failures`` with its reason.

    Returns:
        What ``results.json`` holds: ``settings``, ``presets``, ``corpora``, ``runs``, ``failures``, ``baselines``,
        ``machine``.
    """
    folders = Folders(Path(output_dir))
    plans = {name: _share_settings(plan, settings) for name, plan in presets.items()}
    if posed := [name for name, plan in plans.items() if plan.training.tasks]:
        raise ValueError(f"presets must not be trained on tasks, as whole records are compared, got {posed}")
    corpora = _tokenize(plans, data, folders, settings, progress)
    all_jobs = [
        _make_job(name, plan, seed, corpora[name], settings) for seed in settings.seeds for name, plan in plans.items()
    ]
    done = _find_finished(all_jobs, folders)
    open_jobs = [job for job in all_jobs if job.label not in done]
    failures = []
    with tqdm(total=len(all_jobs), initial=len(done), desc="compare", unit="run", disable=not progress) as bar:
        run = _run_here if jobs == 0 else partial(_run_processes, num_processes=jobs)
        for job, reason in run(open_jobs, folders):
            bar.set_postfix_str(job.label)
            bar.update()
            if reason is None:
                done[job.label] = read_json(folders.result(job.label))
            else:
                failures.append({"preset": job.name, "seed": job.seed, "reason": reason})
    result: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "settings": dataclasses.asdict(settings),
        "presets": {name: plan.to_dict() for name, plan in plans.items()},
        "corpora": {name: _describe_corpora(parts) for name, parts in corpora.items()},
        "runs": [{"preset": j.name, "seed": j.seed, **done[j.label]} for j in all_jobs if j.label in done],
        "failures": failures,
        "baselines": _score_baselines(corpora, folders, progress=progress) if settings.baselines else {},
        "machine": describe_machine(),
    }
    write_results(result, folders.root / RESULTS_NAME)
    result = read_json(folders.root / RESULTS_NAME)
    write_report(result, folders.root)
    return result


def _share_settings(plan: Preset, settings: ComparisonConfig) -> Preset:
    shared = {name: getattr(settings, name) for name in ("window_length", "batch_size", "gradient_accumulation_steps")}
    stride = min(settings.stride or plan.training.stride, settings.window_length)
    limits = ("max_steps", "eval_steps") if settings.seconds is not None else ()
    budget = {"max_seconds": settings.seconds, **dict.fromkeys(limits, UNLIMITED_STEPS)}
    is_second = plan.tokenizer_class == ActionPixelBytesTokenizer.__name__
    return plan.replace(
        tokenizer=settings.tokenizer if is_second else None,
        **{**settings.training, **shared, **budget, "stride": stride},
    )


def _make_job(
    name: str, plan: Preset, seed: int, corpora: Mapping[str, TokenCorpus], settings: ComparisonConfig
) -> Job:
    plan = plan.replace(seed=seed)
    if settings.tokens is not None:
        steps = count_steps(corpora["train"], plan, settings.tokens)
        every = -(-steps // settings.validations)
        plan = plan.replace(max_steps=steps, eval_steps=every, save_steps=every)
    evaluation = {name: getattr(settings, name) for name in ("window_length", "state", "num_draws")}
    evaluation |= {"batch_size": settings.evaluation_batch_size, "per_record": True}
    evaluation["every"] = settings.every if plan.objective.windows == "last token" else 1
    fingerprints = {part: corpora[part].fingerprint for part in ("train", "validation", "test")}
    num_continuations = settings.continuations or 0
    return Job(name=name, plan=plan, corpora=fingerprints, evaluation=evaluation, num_continuations=num_continuations)


def _tokenize(
    plans: Mapping[str, Preset], data: Mapping[str, Any], folders: Folders, settings: ComparisonConfig, progress: bool
) -> dict[str, dict[str, TokenCorpus]]:
    """Return the corpora of every preset, written where the runs find them; each tokenizer reads the data once."""
    splits = {"train": "train", "validation": "validation", "test": settings.split}
    if missing := sorted(set(splits.values()) - set(data)):
        raise ValueError(f"data has no split {missing}: it has {sorted(data)}")
    limits = {"train": None, "validation": settings.validation_records, "test": settings.max_records}
    corpora: dict[str, dict[str, TokenCorpus]] = {}
    keys = {name: json.dumps([plan.tokenizer_class, plan.tokenizer], sort_keys=True) for name, plan in plans.items()}
    for key, plan in {keys[name]: plan for name, plan in plans.items()}.items():
        corpora[key] = {p: _tokenize_split(data[splits[p]], plan, limits[p], progress=progress) for p in splits}
        for corpus in corpora[key].values():
            if not folders.corpus(corpus.fingerprint).exists():
                corpus.save(folders.corpus(corpus.fingerprint))
    return {name: corpora[key] for name, key in keys.items()}


def _tokenize_split(dataset: Any, plan: Preset, limit: int | None, *, progress: bool) -> TokenCorpus:
    if limit is not None and limit < len(dataset):
        dataset = dataset.select(np.linspace(0, len(dataset) - 1, limit).round().astype(int))
    return tokenize_dataset(dataset, build_tokenizer(plan), columns=COLUMNS, progress=progress)


def _find_finished(jobs: Iterable[Job], folders: Folders) -> dict[str, Any]:
    """Return the results that are there, by label, after checking that they are of these jobs."""
    found = {}
    for job in jobs:
        if folders.result(job.label).is_file():
            found[job.label] = read_json(folders.result(job.label))
            # read as a job, so that settings of before have today's names
            before = Job.from_dict(found[job.label]["job"]).to_dict()
            for place, old, new in find_differences(before, job.to_dict()):
                raise ValueError(
                    f"the finished run had other settings: {job.label}.{place} was {old!r}, got {new!r}; expected the "
                    "same, or another output folder"
                )
    return found


def _run_here(jobs: Iterable[Job], folders: Folders) -> Iterator[tuple[Job, str | None]]:
    for job in jobs:
        try:
            run_job(job, folders, is_alone=False)
        except Exception as error:  # the other runs are to go on; the reason is kept and reported
            yield job, f"{type(error).__name__}: {error}"
        else:
            yield job, None


def _run_processes(jobs: Sequence[Job], folders: Folders, *, num_processes: int) -> Iterator[tuple[Job, str | None]]:
    """Run each job in a process of its own, so many at a time, and yield those that end."""
    threads, processes = max((os.cpu_count() or 1) // num_processes, 1), list["subprocess.Popen[bytes]"]()

    def run(job: Job) -> int:
        processes.append(process := _start(job, folders, threads))
        return process.wait()

    with ThreadPoolExecutor(num_processes) as pool:
        waiting = {pool.submit(run, job): job for job in jobs}
        try:
            for ended in as_completed(waiting):
                yield waiting[ended], _reason(ended.result(), folders.log(waiting[ended].label))
        finally:
            # where this loop is left early, the others are not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


def _start(job: Job, folders: Folders, threads: int) -> "subprocess.Popen[bytes]":
    for path in (folders.job(job.label), folders.log(job.label)):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_json(folders.job(job.label), job.to_dict())
    source = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ, "TQDM_DISABLE": "1", "PYTHONPATH": source}
    command = [sys.executable, "-m", "pixelbytes_hf.compare.run", str(folders.job(job.label))]
    with folders.log(job.label).open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def _reason(code: int, log: Path) -> str | None:
    """Return why a process failed, or None: the last line of its log, where an exception is named."""
    if code == 0:
        return None
    if code < 0:
        return f"killed by signal {-code}; see {log}"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {code}, and nothing in {log}"


def _score_baselines(
    corpora: Mapping[str, Mapping[str, TokenCorpus]], folders: Folders, *, progress: bool
) -> dict[str, Any]:
    """Return the baselines of every evaluated corpus by its fingerprint; kept on disk, as they are slow."""
    results: dict[str, Any] = {}
    for parts in corpora.values():
        train, test = parts["train"], parts["test"]
        path = folders.result(f"baselines-{train.fingerprint[:16]}-{test.fingerprint[:16]}")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_results(evaluate_baselines(train, test, progress=progress), path)
        results[test.fingerprint] = read_json(path)
    return results


def _describe_corpora(parts: Mapping[str, TokenCorpus]) -> dict[str, Any]:
    names = ("fingerprint", "num_records", "num_tokens")
    return {
        part: {**{name: getattr(corpus, name) for name in names}, "vocabulary": corpus.vocabulary.size}
        for part, corpus in parts.items()
    }
