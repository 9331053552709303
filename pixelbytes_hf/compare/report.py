"""The report of a comparison: tables in Markdown and figures, from the content of its ``results.json``.

Rows whose token streams differ, because their tokenizers do, are never in one table: bits per token of different
tokens cannot be compared.

Shapes: P presets, R records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.figures import draw_bits_by_kind, draw_comparison_curves
from ..evaluation.metrics import mean_and_deviation
from ..evaluation.tables import TABLE_KINDS, align_table, find_kinds, format_pair
from ..training.settings import rename_settings

TABLE_NAME = "table.md"
NUM_RESAMPLES = 2000
AXES = {"tokens": ("num_input_tokens_seen", "training tokens"), "seconds": ("seconds", "seconds of training")}
SHOWN_METRICS = [("paper_windows", name) for name in ("hamming", "cosine", "bleu")]
SHOWN_METRICS += [("tokens", name) for name in ("hamming", "ngram_overlap")]
SHOWN_REFERENCES = ("marginal of the modality", "adaptive count coder")

BOUND_NOTE = (
    "≤: an upper bound of the bits; a masked model is also told the shapes of the segments, so that row and segment "
    "ends cost it next to nothing once it is trained: compare text, pixels and levels."
)
NONE_NOTE = "-: the model has no likelihood."

Result = Mapping[str, Any]


def write_report(result: Result, folder: Path) -> None:
    """Write ``table.md``, and figures of every group of rows that can be compared.

    Args:
        result: Content of ``results.json``.
        folder: Where to write.
    """
    (folder / TABLE_NAME).write_text(format_report(result) + "\n", encoding="utf-8")
    streams = _group(result["runs"], _stream_of)
    for fingerprint, runs in streams.items():
        suffix = f"-{fingerprint[:8]}" if len(streams) > 1 else ""
        by_preset = group_by_preset(runs)
        for axis, (key, label) in AXES.items() if any(run["curve"] for run in runs) else ():
            curves = {
                name: [[(point[key], point["bits"]) for point in run["curve"]] for run in some]
                for name, some in by_preset.items()
            }
            draw_comparison_curves(curves, folder / f"bits_by_{axis}{suffix}.png", axis_label=label)
        if bars := _bars(by_preset, result["baselines"].get(fingerprint, {})):
            draw_bits_by_kind(bars, folder / f"bits_by_modality{suffix}.png", kinds=TABLE_KINDS)


def _bars(by_preset: Mapping[str, Sequence[Result]], baselines: Result) -> dict[str, dict[str, tuple[float, float]]]:
    bars = {
        f"≤ {name}" if _likelihood(runs[0]) == "upper bound" else name: {
            kind: mean_and_deviation(_bits(runs, kind)) for kind in runs[0]["evaluation"].get("matched", {})
        }
        for name, runs in by_preset.items()
        if _likelihood(runs[0]) != "none"
    }
    shown = {f"({name})": baselines[name]["matched"] for name in SHOWN_REFERENCES if name in baselines}
    return bars | {name: {kind: (row["bits"], 0.0) for kind, row in table.items()} for name, table in shown.items()}


def format_report(result: Result) -> str:
    """Return the report as Markdown: a table for each token stream, differences with intervals, failures.

    Args:
        result: Content of ``results.json``.
    """
    settings, streams = rename_settings(result["settings"]), _group(result["runs"], _stream_of)
    budget = f"{settings['tokens']:,} tokens" if settings["tokens"] else f"{settings['seconds']:g} seconds"
    lines = [
        f"Budget of each run: {budget} of training, windows of {settings['window_length']}, "
        f"{settings['batch_size'] * settings['gradient_accumulation_steps']} windows a step. Evaluation: split "
        f"`{settings['split']}`, state `{settings['state']}`. Bits per new token, mean ± deviation over seeds; lower "
        "is better. The paper's loss and accuracy are not comparable between objectives."
    ]
    for number, (fingerprint, runs) in enumerate(streams.items(), 1):
        title = f"\n## Token stream {number} of {len(streams)}: `{fingerprint[:8]}`" if len(streams) > 1 else ""
        some = next(part for part in result["corpora"].values() if part["test"]["fingerprint"] == fingerprint)["test"]
        lines += [f"{title}\n\n{some['num_tokens']:,} tokens of {some['num_records']} records are evaluated.\n"]
        lines += [format_rows(runs, result["baselines"].get(fingerprint, {}))]
        lines += _format_differences(compare_to_best(runs))
        states = {name: some[0]["evaluation"]["settings"]["state"] for name, some in group_by_preset(runs).items()}
        if cold := [name for name, state in states.items() if state != settings["state"]]:
            lines += [f"\nRead from state `zero` in every window, as their objective has no other: {', '.join(cold)}."]
        if continued := [run for run in runs if "continuations" in run]:
            lines += ["", format_continuations(continued)]
    if len(streams) > 1:
        lines += ["\nThe streams have different tokens: figures of different tables cannot be compared."]
    if result["failures"]:
        lines += ["\nFailed:\n"]
        lines += [f"- {run['preset']}, seed {run['seed']}: {run['reason']}" for run in result["failures"]]
    return "\n".join(lines)


def group_by_preset(runs: Iterable[Result]) -> dict[str, list[Result]]:
    """Return runs by preset, the fewest bits over all tokens first, those without a likelihood last."""

    def mean_bits(item: tuple[str, list[Result]]) -> float:
        return np.inf if _likelihood(item[1][0]) == "none" else float(np.mean(_bits(item[1], "all")))

    return dict(sorted(_group(runs, lambda run: run["preset"]).items(), key=mean_bits))


def format_rows(runs: Sequence[Result], baselines: Mapping[str, Result]) -> str:
    """Return the table of runs on one token stream, and of the baselines on it.

    Args:
        runs: Of all presets and seeds.
        baselines: As `evaluate_baselines` returns them.
    """
    kinds = find_kinds([*(run["evaluation"] for run in runs), *baselines.values()])
    head = ["preset", "seeds", *(kind.replace("_", " ") for kind in kinds), "paper's loss / accuracy"]
    head += ["parameters", "tokens trained", "tokens/s", "peak MiB"]
    rows = [_preset_cells(name, some, kinds) for name, some in group_by_preset(runs).items()]
    rows += [_baseline_cells(name, some, kinds) for name, some in baselines.items()]
    likelihoods = {_likelihood(run) for run in runs}
    notes = [BOUND_NOTE] * ("upper bound" in likelihoods) + [NONE_NOTE] * ("none" in likelihoods)
    for every in sorted({run["evaluation"]["settings"].get("every", 1) for run in runs} - {1}):
        notes.append(f"With the objective `last` one token in {every} is scored; the baselines are scored on all.")
    return "\n\n".join([align_table([head, *rows]), *notes])


def format_continuations(runs: Sequence[Result]) -> str:
    """Return the table of how alike greedy continuations are to the records', as the paper measures it and token-wise.

    Args:
        runs: On one token stream, with ``continuations``.
    """
    head = ["continuations", *(f"{group}: {metric}".replace("_", " ") for group, metric in SHOWN_METRICS)]
    rows = [
        [name, *(_format_spread([run["continuations"][g][m]["mean"] for run in some]) for g, m in SHOWN_METRICS)]
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
    scored = [run for run in runs if _likelihood(run) == "exact" and "records" in run["evaluation"]]
    if not scored:
        return {}
    records = {name: [run["evaluation"]["records"] for run in some] for name, some in group_by_preset(scored).items()}
    bits = {name: np.mean([record["bits"] for record in some], 0) for name, some in records.items()}
    best, *others = records
    tokens = np.array(records[best][0]["tokens"], np.float64)
    # an objective that scores a few tokens may leave a record out
    is_scored = tokens > 0
    if is_scored.sum() < 2:
        return {}
    return {
        name: {"best": best, **bootstrap_difference((bits[name] - bits[best])[is_scored], tokens[is_scored])}
        for name in others
        if records[name][0]["tokens"] == records[best][0]["tokens"]
    }


def bootstrap_difference(differences: NDArray[np.float64], tokens: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean difference per token and the 2.5% and 97.5% quantiles of its bootstrap over records.

    Args:
        differences: Of the bits of every record, (R,).
        tokens: Of every record, (R,).

    Example:
        >>> bootstrap_difference(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
        {'difference': 2.0, 'low': 2.0, 'high': 2.0}
    """
    draws = np.random.default_rng(0).integers(len(tokens), size=(NUM_RESAMPLES, len(tokens)))
    low, high = np.quantile(differences[draws].sum(1) / tokens[draws].sum(1), [0.025, 0.975])
    return {"difference": float(differences.sum() / tokens.sum()), "low": float(low), "high": float(high)}


def _format_differences(differences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not differences:
        return []
    best = next(iter(differences.values()))["best"]
    head = [f"more bits per token than {best}", "difference", "95% interval over records"]
    rows = [
        [name, f"{row['difference']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}"]
        for name, row in differences.items()
    ]
    return ["", align_table([head, *rows])]


def _preset_cells(name: str, runs: Sequence[Result], kinds: Sequence[str]) -> list[str]:
    sign = "≤ " if _likelihood(runs[0]) == "upper bound" else ""
    matched = runs[0]["evaluation"].get("matched", {})
    papers, training = ([run["evaluation"]["paper"] for run in runs], [run["training"] for run in runs])
    memory = _average(row["peak_memory_bytes"] for row in training)
    return [
        *(name, str(len(runs))),
        *(sign + _format_spread(_bits(runs, kind)) if kind in matched else "-" for kind in kinds),
        format_pair(*(_average(paper.get(key) for paper in papers) for key in ("loss", "accuracy"))),
        f"{runs[0]['evaluation']['settings']['parameters']:,}",
        *(f"{np.mean([row[key] for row in training]):,.0f}" for key in ("tokens", "tokens_per_second")),
        "-" if memory is None else f"{memory / 2**20:,.0f}",
    ]


def _baseline_cells(name: str, result: Result, kinds: Sequence[str]) -> list[str]:
    matched, paper = result.get("matched", {}), result["paper"]
    bits = [f"{matched[kind]['bits']:.3f}" if kind in matched else "-" for kind in kinds]
    return [f"({name})", "", *bits, format_pair(paper["loss"], paper["accuracy"]), "", "", "", ""]


def _group(runs: Iterable[Result], key: Callable[[Result], str]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _stream_of(run: Result) -> str:
    return str(run["job"]["corpora"]["test"])


def _likelihood(run: Result) -> str:
    return str(run["evaluation"]["likelihood"])


def _bits(runs: Iterable[Result], kind: str) -> list[float]:
    return [run["evaluation"]["matched"][kind]["bits"] for run in runs]


def _average(values: Iterable[float | None]) -> float | None:
    """Return the mean, or None where a value is not known."""
    known = list(values)
    return None if any(value is None for value in known) else float(np.mean([*known]))


def _format_spread(values: Sequence[float]) -> str:
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.3f} ± {deviation:.3f}" if len(values) > 1 else f"{mean:.3f}"
