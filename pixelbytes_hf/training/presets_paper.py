"""The paper's rows as data: 15 of its first table, 3 of its second, 2 of its control runs.

`presets` makes presets of the rows. What a row leaves out has the default of `Preset` and `TrainingConfig`.

Source: Furfaro 2024; training settings of the first table from its notebook (sequences of 256, stride 32), of the
second from its own (windows of 1024, stride 512, gradients of 4 batches added).
"""

from typing import Any

Row = dict[str, Any]

FIRST_SOURCE, SECOND_SOURCE, CONTROL_SOURCE = "paper, table 1", "paper, table 2", "paper, control"
FIRST_SIZE_LIMIT = 100_000  # parameters of each row, as printed

# mixer, direction, embedding, width of an embedded window, state, depth; in the order of the paper
FIRST_TABLE = (
    ("ssm", "bi", "conv", 81, 64, 1),
    ("ssm", "bi", "conv", 81, 64, 2),
    ("ssm", "uni", "conv", 81, 64, 2),
    ("attention", "", "conv", 81, 64, 1),
    ("attention", "", "conv", 81, 64, 2),
    ("rnn", "bi", "center", 81, 64, 2),
    ("rnn", "bi", "conv", 81, 64, 2),
    ("rnn", "bi", "conv", 162, 64, 2),
    ("rnn", "bi", "conv", 36, 64, 2),
    ("rnn", "bi", "conv", 81, 128, 2),
    ("rnn", "bi", "conv", 81, 32, 2),
    ("rnn", "bi", "conv", 81, 64, 1),
    ("rnn", "bi", "conv", 81, 64, 3),
    ("rnn", "bi", "noconv", 81, 64, 2),
    ("rnn", "uni", "conv", 81, 64, 2),
)
FIRST_TRAINING = {"window_length": 256, "stride": 32, "num_train_epochs": 200}
SECOND_TRAINING = {"gradient_accumulation_steps": 4}

# one rate for all cries, as in protocol R1, so that generated sound has a known one: 8 kHz after slicing
SECOND_TOKENIZER = {"preset": "paper", "slicing": {"image": 2, "audio": 2}, "sampling_rate_hz": 16_000}
# pad, row end, segment end and two digits; five hues, which control signals do not use; levels 1/70 apart
CONTROL_TABLES = {
    "bytes": [0x00, 0x09, 0x0A, 0x30, 0x31],
    "colours": [[229, 45, 45], [192, 229, 45], [45, 229, 119], [45, 119, 229], [192, 45, 229]],
    "levels": [step / 70 for step in range(-70, 71)],
}


def lstm(hidden_size: int, num_layers: int = 2, **settings: Any) -> dict[str, Any]:
    """Return the settings of an LSTM mixer; `hidden_size` is that of one direction."""
    shape = {"hidden_size": hidden_size, "num_hidden_layers": num_layers}
    return {"model_type": "pixelbytes_lstm", **shape, **settings}


def paper_rows() -> dict[str, Row]:
    """Return keywords of `Preset` by name, with ``training`` as keywords of `TrainingConfig`."""
    rows = {_first_name(*row): _first_row(*row) for row in FIRST_TABLE}
    rows["paper-lstm-predictive"] = _second_row("predictive", lstm(512))
    rows["paper-lstm-autoregressive"] = _second_row("autoregressive", lstm(512))
    rows["paper-lstm-autoregressive-2-4"] = _second_row("autoregressive", lstm(512), audio_slicing=4)
    rows["control-lstm-autoregressive"] = _control_row({"objective": "autoregressive", "mixer_config": lstm(512)})
    both_ways = lstm(256, bidirectional=True)
    rows["control-lstm-diffusion"] = _control_row({"objective": "diffusion", "mixer_config": both_ways})
    return rows


def _first_name(mixer: str, direction: str, embedding: str, width: int, state: int, depth: int) -> str:
    return "-".join(["first", mixer, *([direction] if direction else []), embedding, f"{width}-{state}-{depth}"])


def _first_row(mixer: str, direction: str, embedding: str, width: int, state: int, depth: int) -> Row:
    is_bidirectional = direction == "bi"
    # the printed state is no size of an attention layer; its width is cut to what four heads divide
    width = width // 4 * 4 if mixer == "attention" else width
    model = {"objective": "last", "context_size": 9, "embedding": embedding, "embedding_dim": width}
    if mixer == "rnn":
        model["mixer_config"] = lstm(state, depth, bidirectional="first" if is_bidirectional else False)
    else:
        sizes = {"hidden_size": width, "num_hidden_layers": depth}
        model["mixer_config"] = {"model_type": f"pixelbytes_first_{mixer}", **sizes}
    if mixer == "ssm":
        model["mixer_config"] |= {"state_size": state, "bidirectional": is_bidirectional}
        model["head_bias"] = False
    return {
        "model": model,
        "tokenizer": {},
        "tokenizer_class": "PixelBytesTokenizer",
        "training": FIRST_TRAINING,
        "source": FIRST_SOURCE,
        "size_limit": FIRST_SIZE_LIMIT,
    }


def _second_row(objective: str, mixer: dict[str, Any], *, audio_slicing: int = 2) -> Row:
    slicing = {"image": 2, "audio": audio_slicing}
    return {
        "model": {"objective": objective, "embedding_dim": 128, "mixer_config": mixer},
        "tokenizer": {**SECOND_TOKENIZER, "slicing": slicing},
        "training": SECOND_TRAINING,
        "source": SECOND_SOURCE,
    }


def _control_row(model: dict[str, Any]) -> Row:
    return {
        "model": {"embedding_dim": 128, **model},
        # signals alone: the tables have no letters for text
        "tokenizer": {"vocabulary": CONTROL_TABLES, "scaling": "none", "order": ["audio"]},
        "training": SECOND_TRAINING,
        "source": CONTROL_SOURCE,
    }
