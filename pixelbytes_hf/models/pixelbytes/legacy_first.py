"""The first approach's own checkpoints: their ``config.json``, and the names of their weights.

Three architectures share one ``model_type``; a setting that has its default value is not in the file.

Source: `ModelConfig`, `SimpleRNNModel`, `SimpleTransformerModel` and `bMamba`, pixelbytes/modules/model.py of
fabienfrfr/PixelBytes@7646d6a.
"""

from typing import Any

from ...tokens.contexts import WINDOW_SIZE

FIRST_MODEL_TYPE = "sequence-generator"
FIRST_KEYS = {
    *("architectures", "bidirectional", "d_conv", "d_state", "depth", "dim", "expand"),
    *("model_type", "pembed", "pxby_embed", "vocab_size"),
}
NUM_HEADS = 4
MAX_FIRST_LAYERS = 16
FIRST_WEIGHT_NAMES = {
    r"^embedding\.linear_embedding\.weight$": "embedding.weight",
    r"^embedding\.(alpha|projection|norm|patch_embedding)": r"join.\1",
    r"^_lstm\.": "mixer.layers.0.lstm.",
    **{rf"^lstm\.(\w+)_l{n}$": rf"mixer.layers.{n + 1}.lstm.\1_l0" for n in range(MAX_FIRST_LAYERS)},
    r"^transformer_encoder\.layers\.": "mixer.layers.",
    r"^_mamba\.": "mixer.layers.0.mamba.",
    r"^norm\.": "mixer.layers.0.norm.",
    **{rf"^layers\.{n}\.": f"mixer.layers.{n + 1}.mamba." for n in range(MAX_FIRST_LAYERS)},
    r"^lm_head\.": "fc.",
}


def is_first(settings: dict[str, Any]) -> bool:
    """Return whether a ``config.json`` was written by the original code's first approach.

    Example:
        >>> is_first({"model_type": "sequence-generator", "dim": 81}), is_first({"pxby_dim": 6})
        (True, False)
    """
    return settings.get("model_type") == FIRST_MODEL_TYPE


def convert_first_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return our keywords for the original's; keys that are not the original's are kept.

    Args:
        settings: Contents of a ``config.json``; ``architectures`` names the model.

    Raises:
        ValueError: If the architecture is unknown, the width is missing, or there are too many layers.

    Example:
        >>> convert_first_settings({"architectures": ["SimpleTransformerModel"], "dim": 81})["embedding_dim"]
        80
    """
    readers = {"SimpleRNNModel": _read_rnn, "SimpleTransformerModel": _read_attention, "bMamba": _read_ssm}
    names = settings.get("architectures") or [None]
    if len(names) != 1 or names[0] not in readers:
        raise ValueError(
            f"architectures must name one of {[*readers]} in a checkpoint of the first approach, got {names}"
        )
    name = names[0]
    if "dim" not in settings:
        raise ValueError(f"dim must be in a config of the first approach, got {sorted(settings)}")
    filled = {"d_state": 64, "d_conv": 4, "expand": 2, "depth": 2, "bidirectional": True} | settings
    if filled["depth"] > MAX_FIRST_LAYERS:
        raise ValueError(f"depth must be at most {MAX_FIRST_LAYERS}, got {filled['depth']}")
    width = filled["dim"] // NUM_HEADS * NUM_HEADS if name == "SimpleTransformerModel" else filled["dim"]
    convolves = "conv" if settings.get("pembed", True) else "noconv"
    return {key: value for key, value in settings.items() if key not in FIRST_KEYS} | {
        "vocab_size": settings.get("vocab_size", 113),
        "context_size": WINDOW_SIZE,
        "embedding": convolves if settings.get("pxby_embed", True) else "center",
        "embedding_dim": width,
        "objective": "last",
        "head_bias": name != "bMamba",
        "mixer_config": {"num_hidden_layers": filled["depth"], **readers[name](filled, width)},
    }


def _read_rnn(settings: dict[str, Any], width: int) -> dict[str, Any]:
    return {
        "model_type": "pixelbytes_lstm",
        "input_size": width,
        "hidden_size": settings["d_state"],
        "bidirectional": "first" if settings["bidirectional"] else False,
    }


def _read_attention(settings: dict[str, Any], width: int) -> dict[str, Any]:
    return {"model_type": "pixelbytes_first_attention", "hidden_size": width, "num_attention_heads": NUM_HEADS}


def _read_ssm(settings: dict[str, Any], width: int) -> dict[str, Any]:
    return {
        "model_type": "pixelbytes_first_ssm",
        "hidden_size": width,
        "state_size": settings["d_state"],
        "conv_kernel": settings["d_conv"],
        "expand": settings["expand"],
        "bidirectional": settings["bidirectional"],
    }
