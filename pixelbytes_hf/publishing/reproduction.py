"""The commands that make a run again, from the record that training left (``training.json``).

No weights are looked at. A record names no preset: the one that needs the fewest options to give the same settings is
taken, so that the command says the same in the fewest words.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import Any

from ..runs.kinds import SEQUENCE
from ..training.builders import build_tokenizer
from ..training.presets import PRESETS, Preset
from ..training.settings import TrainingConfig

_FIELDS = tuple(field.name for field in dataclasses.fields(TrainingConfig))
_DEFAULT_MIXER = "pixelbytes_lstm"
_NOT_OF_THE_MODEL = ("save_total_limit", "report_to", "logging_steps", "save_steps", "eval_steps")
Options = dict[str, Any]


def closest_preset(record: Mapping[str, Any]) -> tuple[str, dict[str, Options]]:
    """Return the preset that a run is closest to, and what differs: ``model``, ``tokenizer`` and ``settings``.

    Args:
        record: Content of ``training.json``.

    Raises:
        ValueError: If no preset can be changed into the run.
    """
    kind = record.get("kind", SEQUENCE)
    presets = {name: preset for name, preset in PRESETS.items() if preset.kind == kind}
    found = {name: changes for name, preset in presets.items() if (changes := _changes(record, preset)) is not None}
    if not found:
        raise ValueError("no preset leads to the run: expected the record of a run that `pixelbytes train` can make")
    name = min(found, key=lambda name: (_count_leaves(found[name]), name))
    return name, found[name]


def training_command(record: Mapping[str, Any], *, dataset: str, output_dir: str) -> str:
    """Return the command that trains a run again.

    Args:
        record: Content of ``training.json``.
        dataset: Folder or Hub name of the corpus.
        output_dir: Run folder to make.

    Raises:
        ValueError: If no preset can be changed into the run.
    """
    name, changes = closest_preset(record)
    processes = record["settings"].get("num_processes", 1)
    start = "pixelbytes" if processes == 1 else f"torchrun --nproc-per-node {processes} -m pixelbytes_hf.cli"
    words = [f"{start} train", _option("dataset", dataset), _option("preset", name), _option("output_dir", output_dir)]
    if "start_from" in record["model"]:
        words.append(_option("start_from", record["model"]["start_from"]))
    words += [_option(part, changes[part]) for part in ("model", "tokenizer") if changes[part]]
    settings = changes["settings"]
    words += [_option(key, settings[key]) for key in _FIELDS if key in settings and key not in _NOT_OF_THE_MODEL]
    return " ".join(words)


def evaluation_command(settings: Mapping[str, Any], *, split: str, dataset: str, run_folder: str) -> str:
    """Return the command that evaluates a run as a result's ``settings`` say."""
    words = [f"pixelbytes evaluate {shlex.quote(run_folder)}", _option("dataset", dataset), _option("split", split)]
    names = ["window_length", "batch_size", "state", "every", "num_draws"]
    if "tasks" in settings:  # whole streams are read, from a fresh state
        words, names = [*words, f"--tasks {shlex.join(settings['tasks'])}"], ["batch_size", "num_draws"]
    return " ".join([*words, *(_option(name, settings[name]) for name in names if name in settings)])


def _changes(record: Mapping[str, Any], preset: Preset) -> dict[str, Options] | None:
    """Return what has to be changed of a preset, or None if changing values does not lead to the run."""
    own = [dataclasses.asdict(preset.training), build_tokenizer(preset).options]
    training, tokenizer = json.loads(json.dumps(own))
    settings = {name: value for name, value in record["settings"].items() if name in _FIELDS}
    changes: dict[str, Options] = {"model": {}, "tokenizer": {}, "settings": _unequal(settings, training)}
    if "start_from" in record["model"]:
        return changes
    model = _model_changes(record["model"], preset.model)
    if model is None or record["tokenizer"].get("tokenizer_class") != tokenizer.get("tokenizer_class"):
        return None
    return {**changes, "model": model, "tokenizer": _unequal(record["tokenizer"], tokenizer)}


def _model_changes(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> Options | None:
    changes = _unequal(wanted, given)
    before, after = (model.get("mixer_config", {}) for model in (given, changes))
    if after and before.get("model_type", _DEFAULT_MIXER) == after.get("model_type", _DEFAULT_MIXER):
        changes["mixer_config"] = _unequal(after, before)
    else:
        before = {}
    return None if given.keys() - wanted.keys() or before.keys() - after.keys() else changes


def _unequal(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    return {name: value for name, value in wanted.items() if name not in given or given[name] != value}


def _count_leaves(content: Any) -> int:
    return sum(map(_count_leaves, content.values())) if isinstance(content, dict) else 1


def _option(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return option if value else option.replace("--", "--no-", 1)
    if isinstance(value, dict | list):
        return f"{option} {shlex.quote(json.dumps(value))}"
    return f"{option} {'none' if value is None else shlex.quote(str(value))}"
