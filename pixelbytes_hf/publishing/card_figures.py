"""What was measured on a run: its evaluation, or else its last validation, from the files that commands leave.

Figures are read from the JSON of `pixelbytes evaluate`, `quickstart`, `compare` and of training; nothing is measured
here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.tables import TABLE_KINDS
from ..pretrained.json_files import read_json
from ..training.resume import RECORD_NAME
from ..training.train import HISTORY_NAME
from .records import RESULT, Json, find_evaluations, select

REFERENCES = ("adaptive count coder", "marginal of the modality", "uniform")  # predictors beside the model
_NOT_SHOWN = ("by_modality", "by_change", "records", "seconds")


def find_figures(
    folder: Path, evaluation: str | Path | Mapping[str, Any] | None, records: Mapping[str, Json], parameters: int
) -> tuple[Json, list[Json]]:
    """Return what was measured on a run (``split``, ``result``, ``references``), and the tables that came with it.

    Args:
        folder: Of the run.
        evaluation: JSON or its file, or None to look for one; see `card_facts.gather_facts`.
        records: Of the run.
        parameters: Of the model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If nothing was measured, or the JSON is not of one model.
    """
    source = _find_file(folder) if evaluation is None else evaluation
    if source is None:
        return _last_validation(records, parameters), []
    stem, content = ("", source) if isinstance(source, Mapping) else (Path(source).stem, read_json(source))
    split = stem.removeprefix("evaluation-") if stem.startswith("evaluation-") else "test"
    result, references, tables = _select_results(content)
    split_of = {part["fingerprint"]: name for name, part in records[RECORD_NAME]["data"].items()}
    split = split_of.get(result.get("corpus", {}).get("fingerprint"), split)
    return {"split": split, "result": result, "references": references}, tables


def _find_file(folder: Path) -> Path | None:
    """Return the file with a run's figures that commands left, or None if there is none."""
    # a quick start's; another run beside it has other figures
    beside = [folder.resolve().parent / "metrics.json"] if folder.resolve().name == "run" else []
    return next((path for path in [*find_evaluations(folder), *beside] if path.is_file()), None)


def _select_results(content: Mapping[str, Any]) -> tuple[Json, Json, list[Json]]:
    tables = []
    if "evaluation" in content and "job" in content:  # one run of a comparison
        content = {"model": content["evaluation"]}
    elif "bits" in content and "agreement" in content:  # a quick start
        content, tables = content["bits"], [_agreement_table(content["agreement"])]
    elif "matched" in content:
        content = {"model": content}
    results = select(content, {".*": RESULT})
    models = [result for result in results.values() if "settings" in result]
    if len(models) > 1 and (whole := _over_all_tasks(models)) is not None:
        models = [whole]
    if len(models) != 1:
        raise ValueError(f"evaluation must hold the figures of one model, got {len(models)} among {sorted(results)}")
    # files from before the key are of objectives with an exact likelihood
    result = {"likelihood": "exact", **{name: value for name, value in models[0].items() if name not in _NOT_SHOWN}}
    return result, {name: {"matched": results[name]["matched"]} for name in REFERENCES if name in results}, tables


def _over_all_tasks(models: Sequence[Json]) -> Json | None:
    """Return the result of an evaluation by tasks that is over all of them, or None."""
    tasks = [{*result["settings"].get("tasks", ())} for result in models]
    everything = set().union(*tasks)
    return next((models[n] for n, own in enumerate(tasks) if everything and own == everything), None)


def _agreement_table(agreement: Json) -> Json:
    rows = {"generated": "generated", "real records": "ceiling", "shuffled sentences": "floor"}
    return {
        "title": "Does it show what the sentence says?",
        "caption": (
            f"Share of {agreement['num_prompts']} held-out sentences whose generated sprite or cry shows it. "
            "Real records passed through the tokenizer are the ceiling, records with shuffled sentences the floor."
        ),
        "unit": "share",
        "rows": {label: agreement[name] for label, name in rows.items()},
    }


def _last_validation(records: Mapping[str, Json], parameters: int) -> Json:
    record, history = records[RECORD_NAME], records[HISTORY_NAME]
    if not history["validation"]:
        raise ValueError("nothing was measured on the run: run `pixelbytes evaluate` on it first")
    last = history["validation"][-1]
    ends = {kind: "" if kind == "all" else f"_{kind}" for kind in TABLE_KINDS}
    matched = {
        kind: {"bits": last[f"bits{end}"], "accuracy": last[f"accuracy{end}"], "tokens": last[f"count{end}"]}
        for kind, end in ends.items()
        if f"bits{end}" in last
    }
    hidden = {name: last[f"hidden_{name}"] for name in ("bits", "accuracy", "count") if "hidden_bits" in last}
    settings = {name: record["settings"][name] for name in ("window_length", "batch_size")}
    result = {
        "likelihood": history.get("likelihood", "exact"),  # files from before the key are of exact ones
        "matched": matched,
        **({"hidden": hidden} if hidden else {}),
        "settings": {"parameters": parameters, **settings, "state": "zero"},
        "corpus": {"fingerprint": record["data"]["validation"]["fingerprint"]},
    }
    return {"split": "validation", "result": result, "references": {}}
