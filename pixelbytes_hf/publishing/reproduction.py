"""The commands that make a run again, from the record that training left (``training.json``).

Knows presets and the options of the command line; looks at no weights. A record names no preset: the one that needs
the fewest options to give the same settings is taken, so that the command says the same in the fewest words.
"""

import dataclasses
import inspect
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ..training.builders import build_tokenizer, tokenizer_class
from ..training.presets import PRESETS, Preset
from ..training.settings import TrainingConfig

_DEFAULT_TOKENIZER = "ActionPixelBytesTokenizer"
_DEFAULT_MIXER = "pixelbytes_lstm"
_FIELDS = tuple(field.name for field in dataclasses.fields(TrainingConfig))
_NOT_OF_THE_MODEL = ("save_total_limit", "report_to", "logging_steps", "save_steps", "eval_steps")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
Options = dict[str, Any]


def closest_preset(record: Mapping[str, Any]) -> tuple[str, dict[str, Options]]:
    """Return the preset that a run is closest to, and what differs: ``model``, ``tokenizer`` and ``settings``.

    Args:
        record: Content of ``training.json``.

    Raises:
        ValueError: If no preset can be changed into the run.
    """
    found = []
    for name, preset in PRESETS.items():
        differences = _differences(record, preset)
        if differences is not None:
            found.append((_count_leaves(differences), name, differences))
    if not found:
        raise ValueError("no preset leads to the run: expected the record of a run that `pixelbytes train` can make")
    _, name, differences = min(found, key=lambda item: item[:2])
    return name, differences


def training_command(record: Mapping[str, Any], *, dataset: str, output_dir: str) -> str:
    """Return the command that trains a run again.

    Args:
        record: Content of ``training.json``.
        dataset: Folder or Hub name of the corpus.
        output_dir: Run folder to make.

    Raises:
        ValueError: If no preset can be changed into the run.
    """
    name, differences = closest_preset(record)
    processes = record["settings"].get("num_processes", 1)
    start = "pixelbytes" if processes == 1 else f"torchrun --nproc-per-node {processes} -m pixelbytes_hf.cli"
    words = [f"{start} train --dataset {shlex.quote(dataset)} --preset {name} --output-dir {shlex.quote(output_dir)}"]
    if "start_from" in record["model"]:
        words.append(f"--start-from {shlex.quote(shown_start(record['model']['start_from']))}")
    for part in ("model", "tokenizer"):
        if differences[part]:
            words.append(f"--{part} {shlex.quote(json.dumps(differences[part]))}")
    settings = differences["settings"]
    words += [_option(key, settings[key]) for key in _FIELDS if key in settings and key not in _NOT_OF_THE_MODEL]
    return " ".join(words)


def evaluation_command(settings: Mapping[str, Any], *, split: str, dataset: str, run_folder: str) -> str:
    """Return the command that evaluates a run as a result's ``settings`` say."""
    words = [f"pixelbytes evaluate {shlex.quote(run_folder)} --dataset {shlex.quote(dataset)} --split {split}"]
    words += [f"--{name.replace('_', '-')} {settings[name]}" for name in ("window_length", "batch_size", "state")]
    words += [f"--{name.replace('_', '-')} {settings[name]}" for name in ("every", "num_draws") if name in settings]
    return " ".join(words)


def shown_start(start: str) -> str:
    """Return where a run started from, as others may read it: a name on the Hub, or the folder's own name.

    Example:
        >>> shown_start("user/name"), shown_start("/home/me/runs/x")
        ('user/name', 'x')
    """
    return start if _HUB_NAME.fullmatch(start) else start.rstrip("/").rpartition("/")[2]


def _differences(record: Mapping[str, Any], preset: Preset) -> dict[str, Options] | None:
    """Return what has to be changed of a preset, or None if changing values does not lead to the run."""
    model: Options | None = {}
    tokenizer: Options | None = {}
    if "start_from" not in record["model"]:
        if record["tokenizer"].get("tokenizer_class", _DEFAULT_TOKENIZER) != preset.tokenizer_class:
            return None
        model = _model_difference(record["model"], preset.model)
        tokenizer = _tokenizer_difference(record["tokenizer"], preset)
    if model is None or tokenizer is None:
        return None
    ours = json.loads(json.dumps(dataclasses.asdict(preset.training)))
    settings = record["settings"]
    return {
        "model": model,
        "tokenizer": tokenizer,
        "settings": {name: settings[name] for name in _FIELDS if name in settings and settings[name] != ours[name]},
    }


def _model_difference(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> Options | None:
    if given.keys() - wanted.keys():
        return None
    changed = {name: value for name, value in wanted.items() if name not in given or given[name] != value}
    if "mixer_config" in changed and "mixer_config" in given:
        before, after = given["mixer_config"], changed["mixer_config"]
        if before.get("model_type", _DEFAULT_MIXER) == after.get("model_type", _DEFAULT_MIXER):
            if before.keys() - after.keys():
                return None
            changed["mixer_config"] = {n: v for n, v in after.items() if n not in before or before[n] != v}
    return changed


def _tokenizer_difference(wanted: Mapping[str, Any], preset: Preset) -> Options | None:
    given = json.loads(json.dumps(build_tokenizer(preset).options))
    changed = {name: value for name, value in wanted.items() if name not in given or given[name] != value}
    known = inspect.signature(tokenizer_class(preset.tokenizer_class)).parameters
    return changed if set(changed) <= set(known) else None


def _count_leaves(content: Any) -> int:
    return sum(map(_count_leaves, content.values())) if isinstance(content, dict) else 1


def _option(name: str, value: Any) -> str:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    if isinstance(value, dict | list):
        return f"--{option} {shlex.quote(json.dumps(value))}"
    return f"--{option} {'none' if value is None else value}"
