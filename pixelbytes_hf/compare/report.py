"""The report of a comparison: tables in Markdown and figures, from the content of its ``results.json``.

Knows results; trains and evaluates nothing. Rows whose token streams differ, because their tokenizers do, are never in
one table: bits per token of different tokens cannot be compared.

Shapes: P presets, R records.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.figures import draw_bits_by_kind, draw_comparison_curves
from ..evaluation.tables import TABLE_KINDS, align_table
from ..training.settings import rename_settings

TABLE_NAME = "table.md"
NUM_RESAMPLES = 2000
AXES = {"tokens": ("num_input_tokens_seen", "training tokens"), "seconds": ("seconds", "seconds of training")}
SHOWN_METRICS = {"paper_windows": ("hamming", "cosine", "bleu"), "tokens": ("hamming", "ngram_overlap")}
SHOWN_REFERENCES = ("marginal of the modality", "adaptive count coder")

BOUND_NOTE = (
    "≤: an upper bound of the bits; a masked model is also told the shapes of the segments, so that row and segment "
    "ends cost it next to nothing once it is trained: compare text, pixels and levels."
)
NONE_NOTE = "-: the model has no likelihood."

Result = Mapping[str, Any]


def write_report(result: Result, folder: Path) -> list[Path]:
    """Write ``table.md``, and figures of every group of rows that can be compared.

    Args:
        result: Content of ``results.json``.
        folder: Where to write.

    Returns:
        The files written.
    """
    (folder / TABLE_NAME).write_text(format_report(result) + "\n", encoding="utf-8")
    written = [folder / TABLE_NAME]
    groups = group_runs(result["runs"])
    for fingerprint, runs in groups.items():
        suffix = f"-{fingerprint[:8]}" if len(groups) > 1 else ""
        baselines = result["baselines"].get(fingerprint, {})
        by_preset = group_by_preset(runs)
        for axis, (key, label) in AXES.items() if any(run["curve"] for run in runs) else ():
            curves = {name: [_curve(run, key) for run in some] for name, some in by_preset.items()}
            path = folder / f"bits_by_{axis}{suffix}.png"
            written.append(draw_comparison_curves(curves, path, axis_label=label))
        bars = {_mark(name, some): _bits_of_kinds(some) for name, some in by_preset.items() if has_bits(some[0])}
        bars |= {
            f"({name})": {kind: (row["bits"], 0.0) for kind, row in baselines[name]["matched"].items()}
            for name in SHOWN_REFERENCES
            if name in baselines
        }
        if bars:
            written.append(draw_bits_by_kind(bars, folder / f"bits_by_modality{suffix}.png", kinds=TABLE_KINDS))
    return written


def format_report(result: Result) -> str:
    """Return the report as Markdown: a table for each token stream, differences with intervals, failures.

    Args:
        result: Content of ``results.json``.
    """
    settings, groups = rename_settings(result["settings"]), group_runs(result["runs"])
    budget = f"{settings['tokens']:,} tokens" if settings["tokens"] else f"{settings['seconds']:g} seconds"
    lines = [
        f"Budget of each run: {budget} of training, windows of {settings['window_length']}, "
        f"{settings['batch_size'] * settings['gradient_accumulation_steps']} windows a step. Evaluation: split "
        f"`{settings['split']}`, state `{settings['state']}`. Bits per new token, mean ± deviation over seeds; lower "
        "is better. The paper's loss and accuracy are not comparable between objectives.",
    ]
    for number, (fingerprint, runs) in enumerate(groups.items(), 1):
        title = f"\n## Token stream {number} of {len(groups)}: `{fingerprint[:8]}`" if len(groups) > 1 else ""
        some = next(part for part in result["corpora"].values() if part["test"]["fingerprint"] == fingerprint)["test"]
        lines += [f"{title}\n\n{some['num_tokens']:,} tokens of {some['num_records']} records are evaluated.\n"]
        lines += [format_rows(runs, result["baselines"].get(fingerprint, {}))]
        if differences := compare_to_best(runs):
            lines += ["", *_format_differences(differences)]
        if cold := [name for name, some in group_by_preset(runs).items() if _state(some[0]) != settings["state"]]:
            lines += [f"\nRead from state `zero` in every window, as their objective has no other: {', '.join(cold)}."]
        if continued := [run for run in runs if "continuations" in run]:
            lines += ["", format_continuations(continued)]
    if len(groups) > 1:
        lines += ["\nThe streams have different tokens: figures of different tables cannot be compared."]
    if result["failures"]:
        lines += ["\nFailed:\n"]
        lines += [f"- {run['preset']}, seed {run['seed']}: {run['reason']}" for run in result["failures"]]
    return "\n".join(lines)


def group_runs(runs: Iterable[Result]) -> dict[str, list[Result]]:
    """Return runs by the fingerprint of the corpus that they were evaluated on."""
    groups: dict[str, list[Result]] = {}
    for run in runs:
        groups.setdefault(run["job"]["corpora"]["test"], []).append(run)
    return groups


def group_by_preset(runs: Iterable[Result]) -> dict[str, list[Result]]:
    """Return runs by preset, the fewest bits first."""
    groups: dict[str, list[Result]] = {}
    for run in runs:
        groups.setdefault(run["preset"], []).append(run)
    return dict(sorted(groups.items(), key=lambda item: _mean_bits(item[1])))


def is_bound(run: Result) -> bool:
    """Return whether a run's bits are only an upper bound of what its model needs, as those of masked models are."""
    return bool(run["evaluation"]["likelihood"] == "upper bound")


def has_bits(run: Result) -> bool:
    """Return whether a run's model has a likelihood."""
    return bool(run["evaluation"]["likelihood"] != "none")


def format_rows(runs: Sequence[Result], baselines: Mapping[str, Result]) -> str:
    """Return the table of runs on one token stream, and of the baselines on it.

    Args:
        runs: Of all presets and seeds.
        baselines: As `evaluate_baselines` returns them.
    """
    by_preset = group_by_preset(runs)
    tables = [run["evaluation"].get("matched", {}) for run in runs] + [
        row.get("matched", {}) for row in baselines.values()
    ]
    kinds = [kind for kind in TABLE_KINDS if any(kind in table for table in tables)]
    head = ["preset", "seeds", *(kind.replace("_", " ") for kind in kinds), "paper's loss / accuracy"]
    head += ["parameters", "tokens trained", "tokens/s", "peak MiB"]
    rows = [_preset_cells(name, some, kinds) for name, some in by_preset.items()]
    rows += [_baseline_cells(name, some, kinds) for name, some in baselines.items()]
    notes = [BOUND_NOTE] * any(is_bound(run) for run in runs) + [NONE_NOTE] * (not all(map(has_bits, runs)))
    for every in sorted({run["evaluation"]["settings"].get("every", 1) for run in runs} - {1}):
        notes.append(f"With the objective `last` one token in {every} is scored; the baselines are scored on all.")
    return "\n\n".join([align_table([head, *rows]), *notes])


def format_continuations(runs: Sequence[Result]) -> str:
    """Return the table of how alike greedy continuations are to the records', as the paper measures it and token-wise.

    Args:
        runs: On one token stream, with ``continuations``.
    """
    names = [(table, metric) for table, metrics in SHOWN_METRICS.items() for metric in metrics]
    head = ["continuations", *(f"{table.replace('_', ' ')}: {metric.replace('_', ' ')}" for table, metric in names)]
    rows = [
        [name, *(_mean_and_deviation([run["continuations"][t][m]["mean"] for run in some]) for t, m in names)]
        for name, some in group_by_preset(runs).items()
    ]
    return align_table([head, *rows])


def compare_to_best(runs: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return how many more bits per token each preset needs than the best, with a paired bootstrap over records.

    Only models whose bits are exact take part, and which predict the same tokens as the best of them. The records'
    bits are means over seeds, so that the interval says how much the result depends on which records were tested; how
    much it depends on the seeds is in the table.

    Args:
        runs: On one token stream; nothing is returned where they have no figures of single records, or of one alone.

    Returns:
        By preset, but for the best: ``best``, ``difference``, ``low`` and ``high``, a 95% interval.
    """
    evaluations = ((run, run["evaluation"]) for run in runs)
    scored = [run for run, figures in evaluations if figures["likelihood"] == "exact" and "records" in figures]
    if not scored:
        return {}
    records = {name: [run["evaluation"]["records"] for run in some] for name, some in group_by_preset(scored).items()}
    bits = {name: np.mean([record["bits"] for record in some], 0) for name, some in records.items()}
    best, *others = records
    tokens = records[best][0]["tokens"]
    # of a record shorter than a window nothing is scored where partial windows are dropped
    scored_tokens, is_scored = np.asarray(tokens, np.float64), np.asarray(tokens) > 0
    if is_scored.sum() < 2:
        return {}
    return {
        name: {"best": best, **bootstrap_difference((bits[name] - bits[best])[is_scored], scored_tokens[is_scored])}
        for name in others
        if records[name][0]["tokens"] == tokens
    }


def bootstrap_difference(
    differences: NDArray[np.float64], tokens: NDArray[np.float64], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """Return the mean difference per token and the 2.5% and 97.5% quantiles of its bootstrap over records.

    Args:
        differences: Of the bits of every record, (R,).
        tokens: Of every record, (R,).
        num_resamples: Draws of R records with replacement.
        seed: Of the draws.

    Example:
        >>> bootstrap_difference(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
        {'difference': 2.0, 'low': 2.0, 'high': 2.0}
    """
    random = np.random.default_rng(seed)
    draws = random.integers(len(tokens), size=(num_resamples, len(tokens)))
    means = differences[draws].sum(1) / tokens[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"difference": float(differences.sum() / tokens.sum()), "low": float(low), "high": float(high)}


def _format_differences(differences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    best = next(iter(differences.values()))["best"]
    head = [f"more bits per token than {best}", "difference", "95% interval over records"]
    rows = [
        [name, f"{row['difference']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}"]
        for name, row in differences.items()
    ]
    return [align_table([head, *rows])]


def _preset_cells(name: str, runs: Sequence[Result], kinds: Sequence[str]) -> list[str]:
    sign = "≤ " if is_bound(runs[0]) else ""
    evaluations = [run["evaluation"] for run in runs]
    bits = [
        sign + _mean_and_deviation(_values(runs, "matched", kind, "bits"))
        if kind in evaluations[0].get("matched", {})
        else "-"
        for kind in kinds
    ]
    paper = [_average(evaluation["paper"].get(key) for evaluation in evaluations) for key in ("loss", "accuracy")]
    training = [run["training"] for run in runs]
    memory = _average(row["peak_memory_bytes"] for row in training)
    return [
        *(name, str(len(runs)), *bits, _format_paper(*paper)),
        f"{evaluations[0]['settings']['parameters']:,}",
        f"{np.mean([row['tokens'] for row in training]):,.0f}",
        f"{np.mean([row['tokens_per_second'] for row in training]):,.0f}",
        "-" if memory is None else f"{memory / 2**20:,.0f}",
    ]


def _baseline_cells(name: str, result: Result, kinds: Sequence[str]) -> list[str]:
    matched, paper = result.get("matched", {}), result.get("paper", {})
    bits = [f"{matched[kind]['bits']:.3f}" if kind in matched else "-" for kind in kinds]
    return [f"({name})", "", *bits, _format_paper(paper.get("loss"), paper.get("accuracy")), "", "", "", ""]


def _state(run: Result) -> str:
    return str(run["evaluation"]["settings"]["state"])


def _values(runs: Iterable[Result], table: str, row: str, column: str) -> list[float]:
    return [run["evaluation"][table][row][column] for run in runs]


def _mean_bits(runs: Iterable[Result]) -> float:
    """Return the mean bits over all tokens; infinite without a likelihood, so that such rows come last."""
    return float(np.mean([r["evaluation"]["matched"]["all"]["bits"] if has_bits(r) else np.inf for r in runs]))


def _average(values: Iterable[float | None]) -> float | None:
    """Return the mean, or None where a value is not known."""
    known = list(values)
    return None if any(value is None for value in known) else float(np.mean([*known]))


def _mean_and_deviation(values: Sequence[float]) -> str:
    """Return the mean and, of two values or more, the sample's standard deviation."""
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def _format_paper(loss: float | None, accuracy: float | None) -> str:
    return " / ".join(
        ["-" if loss is None else f"{loss:.3f}", "-" if accuracy is None else f"{accuracy:.1%}"],
    )


def _bits_of_kinds(runs: Sequence[Result]) -> dict[str, tuple[float, float]]:
    kinds = runs[0]["evaluation"].get("matched", {})
    values = {kind: _values(runs, "matched", kind, "bits") for kind in kinds}
    return {kind: (float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else 0.0) for kind, v in values.items()}


def _mark(name: str, runs: Sequence[Result]) -> str:
    return f"≤ {name}" if is_bound(runs[0]) else name


def _curve(run: Result, key: str) -> list[tuple[float, float]]:
    return [(point[key], point["bits"]) for point in run["curve"]]
