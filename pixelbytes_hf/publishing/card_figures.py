"""What was measured on a run: its evaluation, or else its last validation, from the files that commands leave.

Knows the JSON of `pixelbytes evaluate`, `quickstart` and `compare` and of training; measures nothing itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..runs.files import read_json

Json = dict[str, Any]
REFERENCES = ("adaptive count coder", "marginal of the modality", "uniform")  # predictors beside the model
_KEPT = ("likelihood", "matched", "hidden", "paper", "settings", "corpus", "versions", "seed")


def find_figures(
    folder: Path,
    evaluation: str | Path | Mapping[str, Any] | None,
    split: str,
    record: Json,
    history: Json,
    parameters: int,
) -> tuple[Json, list[Json]]:
    """Return what was measured on a run (``split``, ``result``, ``references``), and the tables that came with it.

    Args:
        folder: Of the run.
        evaluation: JSON or its file, or None to look for one; see `card_facts.gather_facts`.
        split: Which it is of, unless the fingerprint of a split that training knew, or the file's name, says it.
        record: Content of ``training.json``.
        history: Content of ``history.json``.
        parameters: Of the model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If nothing was measured, or the JSON is not of one model.
    """
    if evaluation is None:
        evaluation = _find_file(folder)
        if evaluation is None:
            return _last_validation(folder, record, history, parameters), []
    if not isinstance(evaluation, Mapping):
        path = Path(evaluation)
        split = path.stem.removeprefix("evaluation-") if path.stem.startswith("evaluation-") else split
        evaluation = read_json(path)
    figures, tables = _select_results(evaluation, split)
    split_of = {part["fingerprint"]: name for name, part in record["data"].items()}
    fingerprint = figures["result"].get("corpus", {}).get("fingerprint")
    return {**figures, "split": split_of.get(fingerprint, figures["split"])}, tables


def _find_file(folder: Path) -> Path | None:
    """Return the file with a run's figures that commands left, the test's first, or None if there is none."""
    files = sorted(folder.glob("evaluation-*.json"), key=lambda path: (path.stem != "evaluation-test", path.name))
    home = folder.resolve()
    beside = home.parent / "metrics.json"  # a quick start's; another run beside it has other figures
    return next(iter([*files, *([beside] if home.name == "run" and beside.is_file() else [])]), None)


def _select_results(content: Mapping[str, Any], split: str) -> tuple[Json, list[Json]]:
    results: Mapping[str, Any]
    tables = []
    if "evaluation" in content and "job" in content:  # one run of a comparison
        results = {"model": content["evaluation"]}
    elif "bits" in content and "agreement" in content:  # a quick start
        results, tables = content["bits"], [_agreement_table(content["agreement"])]
    else:
        results = {"model": content} if "matched" in content else content
    models = [result for result in results.values() if isinstance(result, Mapping) and "settings" in result]
    if len(models) != 1:
        raise ValueError(f"evaluation must hold the figures of one model, got {len(models)} among {sorted(results)}")
    # files from before the key are of objectives with an exact likelihood
    result = {"likelihood": "exact", **{name: models[0][name] for name in _KEPT if name in models[0]}}
    references = {name: {"matched": results[name]["matched"]} for name in REFERENCES if name in results}
    return {"split": split, "result": result, "references": references}, tables


def _agreement_table(agreement: Json) -> Json:
    return {
        "title": "Does it show what the sentence says?",
        "caption": (
            f"Share of {agreement['num_prompts']} held-out sentences whose generated sprite or cry shows it. "
            "Real records passed through the tokenizer are the ceiling, records with shuffled sentences the floor."
        ),
        "unit": "share",
        "rows": {
            "generated": agreement["generated"],
            "real records": agreement["ceiling"],
            "shuffled sentences": agreement["floor"],
        },
    }


def _last_validation(folder: Path, record: Json, history: Json, parameters: int) -> Json:
    if not history["validation"]:
        raise ValueError(f"nothing was measured on the run in {str(folder)!r}: run `pixelbytes evaluate` on it first")
    last = history["validation"][-1]
    kinds = {"": "all"} | {name[4:]: name[5:] for name in last if name.startswith("bits_")}
    figures = {
        kind: {"bits": last[f"bits{end}"], "accuracy": last[f"accuracy{end}"], "tokens": last[f"count{end}"]}
        for end, kind in kinds.items()
        if "bits" in last
    }
    hidden = {name: last[f"hidden_{name}"] for name in ("bits", "accuracy", "count") if "hidden_bits" in last}
    settings = record["settings"]
    return {
        "split": "validation",
        "result": {
            "likelihood": history.get("likelihood", "exact"),  # files from before the key are of exact ones
            "matched": figures,
            **({"hidden": hidden} if hidden else {}),
            "settings": {
                "parameters": parameters,
                "window_length": settings["window_length"],
                "batch_size": settings["batch_size"],
                "state": "zero",
            },
            "corpus": {"fingerprint": record["data"]["validation"]["fingerprint"]},
        },
        "references": {},
    }


def check_same_model(result: Json, config: Json, parameters: int) -> None:
    """Refuse figures of a model of another size or objective.

    Raises:
        ValueError: If so.
    """
    expected = {"parameters": parameters, "objective": config["objective"]}
    for name, value in expected.items():
        if name in result["settings"] and result["settings"][name] != value:
            raise ValueError(
                f"evaluation must be of the run's model, whose {name} is {value!r}, got {result['settings'][name]!r}"
            )


def count_training(history: Json) -> Json:
    """Return steps and, if told, tokens and seconds; older files have no total."""
    points = [*history["train"], *history["validation"]]
    total = history.get("total", {"steps": max(point["step"] for point in points)})
    tokens = [point["num_input_tokens_seen"] for point in points if "num_input_tokens_seen" in point]
    seconds = [point["seconds"] for point in points if "seconds" in point]
    return {
        **total,
        **({"tokens": max(tokens)} if tokens and not total.get("tokens") else {}),
        **({"seconds": max(seconds)} if seconds else {}),
    }
