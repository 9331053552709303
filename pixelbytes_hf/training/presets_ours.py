"""Our own presets: the embedded corpus, control signals, and the best that was found on real species."""

from typing import Any

from .presets_paper import SECOND_TOKENIZER, lstm

# Muon falling in a cosine, from the ordered initialisation
MUON = {"optimiser": "muon", "learning_rate": 2e-3, "betas": (0.9, 0.95), "schedule": "cosine", "max_grad_norm": 1.0}
MUON |= {"initialisation": "ordered"}

# records of the embedded corpus are short: one window holds a whole one
MINI: dict[str, Any] = {
    "model": {"objective": "predictive", "embedding_dim": 128, "mixer_config": lstm(256)},
    "tokenizer": {"preset": "paper", "slicing": {"image": 1, "audio": 2}, "sampling_rate_hz": 4000},
    "training": {
        **MUON,
        "window_length": 2048,
        "stride": 2048,
        # a sentence and a first frame: what to draw is harder to learn than how to go on
        "prefix_windows": 12,
        "prefix_length": 224,
        "batch_size": 16,
        "num_train_epochs": 1,
        "matrix_learning_rate": 0.01,
        "warmup_steps": 20,
        "hold_ratio": 0.5,
        "memory_horizon": 400,
        "eval_steps": 100,
    },
}

# signals of linear systems: 141 even levels of one scale for all records, and the bytes that a transfer function needs
CONTROL: dict[str, Any] = {
    "model": {"objective": "predictive", "embedding_dim": 48, "mixer_config": lstm(128, 1)},
    "tokenizer": {
        "vocabulary": {
            "bytes": [0, 9, 10, *b" -./0123456789[]"],
            "colours": [[0, 0, 0]],
            "levels": [step / 70 for step in range(-70, 71)],
        },
        "scaling": "none",
    },
    "training": {
        **MUON,
        "window_length": 512,
        "stride": 512,
        "batch_size": 4,
        "max_steps": 2000,
        "matrix_learning_rate": 0.01,
        "warmup_steps": 20,
        "hold_ratio": 0.3,
        "eval_steps": 1000,
        "save_steps": 2000,
        "logging_steps": 50,
    },
}

# fewer bits than the paper's at the same tokens, with a third of its parameters; what each part gives is in RESULTS.md
BEST: dict[str, Any] = {
    "model": {
        "objective": "predictive",
        "context_size": 30,
        "embedding_dim": 360,
        "dropout": 0.15,
        "mixer_config": {
            "model_type": "lfm2",
            "hidden_size": 128,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "intermediate_size": 384,
            "block_auto_adjust_ff_dim": False,
            # eight tokens: four samples of both channels of a cry
            "conv_L_cache": 8,
        },
    },
    "tokenizer": {**SECOND_TOKENIZER, "context_size": 30},
    "training": {
        **MUON,
        "window_length": 512,
        "stride": 256,
        "batch_size": 4,
        "max_steps": 2400,
        "repeats": {"text": 4},
        "mirror": True,
        "invert": True,
        "matrix_learning_rate": 0.015,
        "matrix_dtype": "bfloat16",
        "warmup_steps": 30,
    },
}
