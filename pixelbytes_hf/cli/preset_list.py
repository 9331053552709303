"""The list of presets with what their models come to: parameters, vocabulary, cells, embedding, objective, mixer."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..runs.kinds import find_kind
from ..training.builders import tokenizer_class
from ..training.presets import Preset

COLUMNS = ("preset", "source", "parameters", "ids", "cells", "embedding", "objective", "mixer")
LEGEND = """\
source: a table of the paper, or ours. ids: size of the tokenizer's vocabulary. cells: tokens that describe a position
to the model. embedding: kind and width. objective: what is predicted, and from what. mixer: what reads the sequence,
its width x its layers. Each is trained by `pixelbytes train --preset NAME`, several by `pixelbytes compare`."""
_NUMBERS = ("parameters", "ids", "cells")


def describe_preset(preset: Preset) -> dict[str, Any]:
    """Return what the columns of the list show of a sequence model, and ``note``.

    Args:
        preset: Whose model is laid out, but not filled with numbers.
    """
    num_ids = _count_ids(preset.tokenizer_class, json.dumps(preset.tokenizer))
    config = PixelBytesConfig(vocab_size=num_ids, **preset.model)
    parameters = count_parameters(config)
    notes = [preset.note] if preset.note else []
    if preset.size_limit is not None and parameters >= preset.size_limit:
        notes.append(f"the paper says under {preset.size_limit:,} parameters, but the sizes it prints give more")
    return {
        "source": preset.source,
        "parameters": parameters,
        "ids": num_ids,
        "cells": config.context_size,
        "embedding": f"{config.embedding} {config.embedding_dim}",
        "objective": config.objective,
        "mixer": describe_mixer(config),
        "note": "; ".join(notes),
    }


def count_parameters(config: PixelBytesConfig) -> int:
    """Return how many numbers a model learns, each counted once."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in aPxBySequenceModel(config).parameters())


def describe_mixer(config: PixelBytesConfig) -> str:
    """Return kind, width and layers of a mixer, and whether it reads both ways."""
    mixer = config.mixer_config
    name = mixer.model_type.removeprefix("pixelbytes_").replace("_", " ")
    direction = ""
    if config.sees_future:
        direction = ", both ways in the first layer" if getattr(mixer, "first_only", False) else ", both ways"
    positions = ", no positions" if getattr(mixer, "positions", "rotary") == "none" else ""
    return f"{name} {mixer.hidden_size} x {mixer.num_hidden_layers}{direction}{positions}"


def format_presets(presets: Mapping[str, Preset]) -> str:
    """Return an aligned list, by source and name, with a legend and notes below.

    Args:
        presets: By name.
    """
    described = {name: find_kind(preset.kind).verb("list")(preset) for name, preset in presets.items()}
    order = sorted(described, key=lambda name: (described[name]["source"], name))
    rows = [list(COLUMNS)]
    for name in order:
        cells = {"preset": name, **described[name], "parameters": f"{described[name]['parameters']:,}"}
        rows.append([str(cells[column]) for column in COLUMNS])
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
            for column, cell, width in zip(COLUMNS, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    notes = [f"{name}: {described[name]['note']}." for name in order if described[name]["note"]]
    return "\n".join([*lines, "", LEGEND, *([""] if notes else []), *notes])


@cache
def _count_ids(class_name: str, settings: str) -> int:
    """Return the size of a vocabulary; many presets share one tokenizer."""
    return int(tokenizer_class(class_name)(**json.loads(settings)).vocab_size)
