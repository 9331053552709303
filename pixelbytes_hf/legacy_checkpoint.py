"""The paper's own checkpoints: their three config formats, and the names of their weights.

Knows how the original's ``config.json`` files and tensors are to be read; knows nothing about how a model is built.

Formats, by commit of the original: A (87bec63) has ``AR``; B (460c0ed, 3c78ad5) has ``auto_regressive``,
``diffusion`` and, later, ``bidirection``; C (7646d6a) has ``objective`` as a string. None has a ``model_type``.
``hidden_size`` is the width of one direction in all of them, and where a weights file lies beside the config, its
tensors decide every size.

Source: `ModelConfig` and `aPxBySequenceModel`, pixelbytes/model.py of fabienfrfr/PixelBytes@7646d6a and earlier.
"""

import json
import re
from pathlib import Path
from typing import Any

LEGACY_KEYS = frozenset(
    [
        "AR",
        "auto_regressive",
        "bidirection",
        "bidirectionnal",
        "custom_model",
        "d_conv",
        "d_state",
        "diffusion",
        "embed_size",
        "expand",
        "hidden_size",
        "num_diffusion_steps",
        "num_layers",
        "objective",
        "pxby_dim",
        "pxby_emb",
        "vocab_size",
    ]
)
LEGACY_OBJECTIVES = {"predict": "predictive", "autoregressive": "autoregressive", "diffusion": "diffusion"}
MAX_LEGACY_LAYERS = 16
LEGACY_WEIGHT_NAMES = {
    rf"^sequence_model\.(\w+)_l{layer}{reverse}$": rf"mixer.layers.{layer}.lstm.\1_l0{reverse}"
    for layer in range(MAX_LEGACY_LAYERS)
    for reverse in ("", "_reverse")
}


def is_legacy(settings: dict[str, Any]) -> bool:
    """Return whether a ``config.json`` was written by the original code's second approach.

    Example:
        >>> is_legacy({"pxby_dim": 6, "embed_size": 126}), is_legacy({"model_type": "pixelbytes"})
        (True, False)
    """
    return "model_type" not in settings and "pxby_dim" in settings


def convert_legacy_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return our keywords for the original's; keys that are not the original's are kept.

    Args:
        settings: Contents of a ``config.json`` of format A, B or C.

    Raises:
        ValueError: If the checkpoint holds another mixer than an LSTM, or too many layers.

    Example:
        >>> convert_legacy_settings({"AR": False, "pxby_dim": 6, "embed_size": 24, "hidden_size": 20})["objective"]
        'predictive'
    """
    if settings.get("custom_model"):
        raise ValueError(
            f"custom_model must be None, an LSTM, in a legacy checkpoint, got {settings['custom_model']!r}"
        )
    num_layers = settings.get("num_layers", 2)
    if num_layers > MAX_LEGACY_LAYERS:
        raise ValueError(f"num_layers must be at most {MAX_LEGACY_LAYERS} in a legacy checkpoint, got {num_layers}")
    cells = settings.get("pxby_dim", 6)
    width = settings["pxby_emb"] * cells if "pxby_emb" in settings else settings.get("embed_size", 128)
    bidirectional = bool(settings.get("bidirection", settings.get("bidirectionnal", False)))
    return {key: value for key, value in settings.items() if key not in LEGACY_KEYS} | {
        "vocab_size": settings.get("vocab_size", 151),
        "context_size": cells,
        "embedding_dim": width,
        "objective": _read_objective(settings),
        "allow_future": bidirectional,
        "mixer_config": {
            "model_type": "pixelbytes_lstm",
            "input_size": width // cells * cells,
            "hidden_size": settings.get("hidden_size", 512),
            "num_hidden_layers": num_layers,
            "bidirectional": bidirectional,
        },
    }


def _read_objective(settings: dict[str, Any]) -> str:
    if settings.get("diffusion", False):
        return "diffusion"
    default = "autoregressive" if settings.get("AR", settings.get("auto_regressive", True)) else "predict"
    name = settings.get("objective", default)
    return LEGACY_OBJECTIVES.get(name, name)


def measure_legacy_weights(settings: dict[str, Any], weights: str | Path) -> dict[str, Any]:
    """Return the settings with every size that the tensors of a weights file know better.

    Args:
        settings: Contents of a legacy ``config.json``.
        weights: The ``model.safetensors`` beside it; only its header is read.

    Raises:
        ValueError: If the tensors are not those of the original's LSTM model.
    """
    shapes = read_tensor_shapes(weights)
    missing = {"embedding.weight", "sequence_model.weight_hh_l0", "fc.weight"} - shapes.keys()
    if missing:
        raise ValueError(f"weights must be of a legacy LSTM checkpoint, {weights} lacks {sorted(missing)}")
    vocab_size, cell_width = shapes["embedding.weight"]
    layers = {int(found[1]) for key in shapes if (found := re.fullmatch(r"sequence_model\.weight_ih_l(\d+)", key))}
    measured: dict[str, Any] = {
        "vocab_size": vocab_size,
        "pxby_emb": cell_width,
        "hidden_size": shapes["sequence_model.weight_hh_l0"][1],
        "num_layers": len(layers),
        "bidirection": "sequence_model.weight_ih_l0_reverse" in shapes,
    }
    objective = _read_objective(settings)
    predicts_one_cell = shapes["fc.weight"][0] == vocab_size
    if predicts_one_cell != (objective == "predictive"):
        measured |= {"objective": "predict" if predicts_one_cell else "autoregressive"}
    return settings | measured


def read_tensor_shapes(weights: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a safetensors file, from its header alone.

    Raises:
        ValueError: If the file does not begin with a safetensors header.
    """
    with Path(weights).open("rb") as file:
        num_bytes = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(num_bytes)) if num_bytes < 2**27 else None
        except ValueError as error:
            raise ValueError(f"weights must be a safetensors file, the header of {weights} is broken") from error
    if not isinstance(header, dict):
        raise ValueError(f"weights must be a safetensors file, {weights} has no header")
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
