"""Presets of one size, half a million parameters within a tenth, for comparing architectures and objectives.

`presets` makes presets of the rows. All have the tokenizer of the paper's second table and one recipe, the learning
rate included.
"""

from typing import Any

from .presets_paper import SECOND_TOKENIZER, Row, lstm

SMALL_SOURCE = "ours, small"
TRAINING = {"window_length": 512, "stride": 512, "batch_size": 8, "num_train_epochs": 1, "learning_rate": 3e-3}
TRAINING |= {"betas": (0.9, 0.95), "schedule": "cosine", "warmup_steps": 20, "max_grad_norm": 1.0}
MASKED_CONTEXT_SIZE = 7  # the six cells and the position's own

_ATTENTION = {"hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 288}
_LLAMA = {"model_type": "llama", **_ATTENTION}
_LFM2 = {"model_type": "lfm2", **_ATTENTION, "num_key_value_heads": 4, "block_auto_adjust_ff_dim": False}
_MAMBA2 = {"model_type": "mamba2", "hidden_size": 128, "num_hidden_layers": 4, "head_dim": 32}
_XLSTM = {"model_type": "xlstm", "hidden_size": 96, "num_hidden_layers": 4, "num_heads": 4}
_XLSTM |= {"ffn_proj_factor": 3.0, "ffn_round_up_to_multiple_of": 32}


def small_rows() -> dict[str, Row]:
    """Return keywords of `Preset` by name, with ``training`` as keywords of `TrainingConfig`."""
    return {
        "small-lstm-predictive": _row("predictive", lstm(176)),
        "small-lstm-autoregressive": _row("autoregressive", lstm(152)),
        "small-lstm-autoregressive-w0": _row("autoregressive", lstm(152), copy_loss_weight=0.0),
        "small-lstm-masked": _masked_row(lstm(104, bidirectional=True)),
        "small-mamba2-predictive": _row("predictive", _MAMBA2),
        "small-llama-predictive": _row("predictive", _LLAMA),
        "small-llama-nopos-predictive": _row("predictive", {**_LLAMA, "positions": "none"}),
        "small-llama-masked": _masked_row({**_LLAMA, "is_causal": False}),
        "small-lfm2-predictive": _row("predictive", _LFM2),
        "small-xlstm-predictive": _row("predictive", _XLSTM),
    }


def _row(objective: str, mixer: dict[str, Any], **model: Any) -> Row:
    return {
        "model": {"objective": objective, "embedding_dim": 128, "mixer_config": mixer, **model},
        "tokenizer": SECOND_TOKENIZER,
        "training": TRAINING,
        "source": SMALL_SOURCE,
    }


def _masked_row(mixer: dict[str, Any]) -> Row:
    return _row("masked", mixer, context_size=MASKED_CONTEXT_SIZE)
