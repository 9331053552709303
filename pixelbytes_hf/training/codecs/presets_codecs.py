"""Presets of learned codecs: pictures by LFQ, BSQ or FSQ, sounds by residual codes; embedded and real corpora."""

from typing import Any

# records of the embedded corpus: sprites of 4 frames of 12 x 12, cries of 200 samples a channel
_MINI = {"slicing": {"image": 1, "audio": 2}, "sampling_rate_hz": 4000}
_REAL = {"slicing": {"image": 2, "audio": 2}, "sampling_rate_hz": 16_000}
_TRAINING = {
    "batch_size": 16,
    "learning_rate": 2e-3,
    "betas": (0.9, 0.99),
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup_steps": 50,
    "max_grad_norm": 1.0,
    "eval_steps": 250,
    "save_steps": 250,
    "logging_steps": 25,
}


def codec_rows() -> dict[str, dict[str, Any]]:
    """Return keywords of `Preset` by name, with ``training`` as keywords of the kind's settings."""
    rows = {f"codec-{name}": _picture_row(name, _MINI, [24, 48], [[2, 2, 2]], 1000) for name in ("lfq", "bsq", "fsq")}
    strides = [[1, 2, 2], [2, 2, 2]]
    real = {f"codec-{name}-real": _picture_row(name, _REAL, [32, 64, 96], strides, 6000) for name in ("lfq", "fsq")}
    # of the embedded cries, which differ little, a larger first level would say everything
    few = {"strides": [8], "widths": [32, 64], "num_blocks": [0, 0], "quantiser_settings": {"codebook_size": 16}}
    rows["codec-sound"] = _sound_row(_MINI, few, 1000)
    rows["codec-sound"]["training"] |= {"batch_size": 32}  # the last levels' averages are over few vectors
    rows["codec-sound-real"] = _sound_row(_REAL, {"strides": [4, 4], "widths": [32, 64, 64]}, 6000)
    rows["codec-sound-real"]["training"] |= {"clip_length": 8192, "batch_size": 4}
    real["codec-lfq-real"]["training"] |= {"clip_length": 9}
    real["codec-fsq-real"]["training"] |= {"clip_length": 9}
    return rows | real


def _picture_row(
    quantiser: str, tokenizer: dict[str, Any], widths: list[int], strides: list[list[int]], steps: int
) -> dict[str, Any]:
    return {
        "kind": "video codec",
        "model": {
            "quantiser": quantiser,
            "widths": widths,
            "strides": strides,
            "foreground_weight": 2.0,
            "entropy_anneal_steps": steps // 3,
        },
        "tokenizer": {"preset": "paper", **tokenizer, "order": ["image"]},
        "training": {**_TRAINING, "max_steps": steps, "mirror": True},
    }


def _sound_row(tokenizer: dict[str, Any], model: dict[str, Any], steps: int) -> dict[str, Any]:
    return {
        "kind": "audio codec",
        "model": model,
        "tokenizer": {"preset": "paper", **tokenizer, "order": ["audio"]},
        "training": {**_TRAINING, "max_steps": steps},
    }
