"""Presets: named settings of a whole run; a variant is one row of `PRESETS`.

Knows names and numbers; builds nothing. The paper's rows are in `presets_paper`, those of a comparison between
architectures of one size in `presets_small`. A preset holds what the tokenizer, the model's configuration and the
training are made from; `Preset.replace` changes single values and refuses names that do not exist.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from ..objectives.objective import Objective

from .presets_paper import lstm, paper_rows
from .presets_small import small_rows
from .schedules import SCHEDULES, Schedule

_DEFAULT_MIXER, _DEFAULT_OBJECTIVE = "pixelbytes_lstm", "predictive"  # of a configuration that names none
Initialisation = Literal["default", "ordered"]
Optimiser = Literal["adamw", "muon"]
MatrixType = Literal["float32", "bfloat16"]
TokenizerClass = Literal["ActionPixelBytesTokenizer", "PixelBytesTokenizer"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of a training run; the defaults are the paper's.

    Args:
        window_length: Tokens of a window, at most.
        stride: Tokens from one window's start to the next.
        repeats: Visits of a window in an epoch by modality it holds; see `WindowDataset`.
        jitter: Whether windows' places vary from epoch to epoch; see `WindowDataset`.
        mirror: Whether sprites are turned left to right in half of the visits; see `augmentation`.
        invert: Whether sounds change their sign in half of the visits; see `augmentation`.
        openings: Further visits of each record's first `opening_length` tokens in an epoch; see `WindowDataset`.
        opening_length: Tokens of such a visit.
        batch_size: Windows of a batch, in each process.
        accumulation: Batches whose gradients are added before a step.
        num_epochs: Passes over the windows.
        max_steps: Optimiser steps in place of `num_epochs`, or None.
        max_seconds: Seconds of training steps, validation and checkpoints not counted, after which the run ends if
            it has not before, or None. The schedule then goes by the share of these seconds.
        optimiser: AdamW, or Muon for the mixer's matrices with AdamW for the rest.
        learning_rate: Largest learning rate of AdamW.
        matrix_learning_rate: Largest learning rate of Muon.
        matrix_dtype: In which Muon multiplies matrices; bfloat16, as published, is faster where the processor has it.
        betas: Decay rates of AdamW's two moments.
        weight_decay: AdamW's, of weights but not of biases.
        schedule: How the learning rate falls after the warm-up.
        warmup_steps: Steps over which the learning rate rises from zero.
        hold_ratio: Share of the steps after the warm-up before the learning rate begins to fall, in [0, 1).
        final_ratio: Learning rate at the end over the largest one, for ``cosine`` and ``linear``.
        max_gradient_norm: Gradients of a larger norm are scaled down to it; None leaves them.
        initialisation: torch's own, or ``ordered``; see `initialise_ordered`.
        memory_horizon: Positions that an ``ordered`` LSTM remembers from the start; see `initialise_ordered`.
        eval_steps: Steps between validations, or None for one at each epoch's end.
        save_steps: Steps between checkpoints, or None for one at each epoch's end.
        keep_checkpoints: Number of checkpoints kept.
        logging_steps: Steps between points of the training curve.
        seed: Of the initial weights, the order of windows and the jitter.
        bf16: Whether to compute in bfloat16 where that is safe.
        report_to: Trackers to report to, for example ``("tensorboard",)``.

    Raises:
        ValueError: If a number leaves its range or a name is not among the choices.
    """

    window_length: int = 1024
    stride: int = 512
    repeats: Mapping[str, int] = field(default_factory=dict)
    jitter: bool = False
    mirror: bool = False
    invert: bool = False
    openings: int = 0
    opening_length: int = 256
    batch_size: int = 32
    accumulation: int = 1
    num_epochs: float = 100
    max_steps: int | None = None
    max_seconds: float | None = None
    optimiser: Optimiser = "adamw"
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 0.02
    matrix_dtype: MatrixType = "float32"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    hold_ratio: float = 0.0
    final_ratio: float = 0.05
    max_gradient_norm: float | None = None
    initialisation: Initialisation = "default"
    memory_horizon: int | None = None
    eval_steps: int | None = 200
    save_steps: int | None = 100
    keep_checkpoints: int = 2
    logging_steps: int = 10
    seed: int = 0
    bf16: bool = False
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check ranges and choices."""
        for name, choices in (
            ("optimiser", get_args(Optimiser)),
            ("matrix_dtype", get_args(MatrixType)),
            ("schedule", SCHEDULES),
            ("initialisation", get_args(Initialisation)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        positive = ("batch_size", "accumulation", "keep_checkpoints", "logging_steps", "num_epochs")
        for name in (*positive, "learning_rate", "matrix_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.stride > self.window_length:
            raise ValueError(f"stride must be at most window_length ({self.window_length}), got {self.stride}")
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {self.betas!r}")
        if isinstance(self.report_to, str):
            raise ValueError(f"report_to must be a list of names, got {self.report_to!r}")
        for name in ("max_steps", "max_seconds", "eval_steps", "save_steps", "max_gradient_norm"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive or None, got {getattr(self, name)}")
        if self.keep_checkpoints < 2:
            raise ValueError(
                f"keep_checkpoints must be at least 2, so that a cut write leaves one, got {self.keep_checkpoints}"
            )
        if not 0 <= self.final_ratio <= 1:
            raise ValueError(f"final_ratio must be in [0, 1], got {self.final_ratio}")
        if not 0 <= self.hold_ratio < 1:
            raise ValueError(f"hold_ratio must be in [0, 1), got {self.hold_ratio}")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything a run is made from.

    Args:
        model: Keywords of `PixelBytesConfig`, but for those that the vocabulary gives.
        tokenizer: Keywords of the tokenizer.
        training: Settings of the run.
        tokenizer_class: Name of the tokenizer's class.
        source: Where the settings stand: a table of the paper, or ``ours``.
        note: What a reader of the list has to know.
        size_limit: Parameters that its source says it stays under, or None.
    """

    model: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    training: TrainingConfig
    tokenizer_class: TokenizerClass = "ActionPixelBytesTokenizer"
    source: str = "ours"
    note: str = ""
    size_limit: int | None = None

    def __post_init__(self) -> None:
        """Check the name of the tokenizer's class."""
        if self.tokenizer_class not in get_args(TokenizerClass):
            raise ValueError(
                f"tokenizer_class must be one of {get_args(TokenizerClass)}, got {self.tokenizer_class!r}"
            )

    @property
    def objective(self) -> "type[Objective]":
        """The class of the model's objective, whose declarations say what the run needs."""
        # the command line lists presets without torch
        from ..objectives.objectives import find_objective

        return find_objective(self.model.get("objective", _DEFAULT_OBJECTIVE))

    def replace(
        self, *, model: Mapping[str, Any] | None = None, tokenizer: Mapping[str, Any] | None = None, **training: Any
    ) -> "Preset":
        """Return the preset with single values changed; a nested mapping is merged.

        Args:
            model: Keywords of `PixelBytesConfig`; ``mixer_config`` is merged into the preset's, but replaces it where
                it names another ``model_type``, of which the preset's sizes say nothing.
            tokenizer: Keywords of the tokenizer.
            training: Fields of `TrainingConfig`.

        Raises:
            ValueError: If `training` names no field of `TrainingConfig`.
        """
        fields = {item.name for item in dataclasses.fields(TrainingConfig)}
        if unknown := sorted(training.keys() - fields):
            raise ValueError(f"training settings have no {unknown}: expected names among {sorted(fields)}")
        changed = dict(model or {})
        if "mixer_config" in changed:
            before, given = self.model.get("mixer_config", {}), changed["mixer_config"]
            kind = before.get("model_type", _DEFAULT_MIXER)
            if given.get("model_type", kind) == kind:
                changed["mixer_config"] = {**before, **given}
        return dataclasses.replace(
            self,
            model={**self.model, **changed},
            tokenizer={**self.tokenizer, **(tokenizer or {})},
            training=dataclasses.replace(self.training, **training),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the preset as JSON-able settings; the inverse of `from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Preset":
        """Return the preset that `to_dict` described; lists of its training settings become tuples."""
        items = settings["training"].items()
        training: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in items}
        return cls(**{**settings, "training": TrainingConfig(**training)})


# records of the embedded corpus are short: one window holds a whole one
_MINI: dict[str, Any] = {
    "model": {"objective": "predictive", "embedding_dim": 128, "mixer_config": lstm(256)},
    "tokenizer": {"preset": "paper", "slicing": {"image": 1, "audio": 2}, "sampling_rate_hz": 4000},
    "training": {
        "window_length": 2048,
        "stride": 2048,
        # a sentence and a first frame: what to draw is harder to learn than how to go on
        "openings": 12,
        "opening_length": 224,
        "batch_size": 16,
        "num_epochs": 1,
        "optimiser": "muon",
        "learning_rate": 2e-3,
        "matrix_learning_rate": 0.01,
        "betas": (0.9, 0.95),
        "schedule": "cosine",
        "warmup_steps": 20,
        "hold_ratio": 0.5,
        "max_gradient_norm": 1.0,
        "initialisation": "ordered",
        "memory_horizon": 400,
        "eval_steps": 100,
    },
}

# signals of linear systems: 141 even levels of one scale for all records, and the bytes that a transfer function needs
_CONTROL: dict[str, Any] = {
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
        "window_length": 512,
        "stride": 512,
        "batch_size": 4,
        "max_steps": 2000,
        "optimiser": "muon",
        "learning_rate": 2e-3,
        "matrix_learning_rate": 0.01,
        "betas": (0.9, 0.95),
        "schedule": "cosine",
        "warmup_steps": 20,
        "hold_ratio": 0.3,
        "max_gradient_norm": 1.0,
        "initialisation": "ordered",
        "eval_steps": 1000,
        "save_steps": 2000,
        "logging_steps": 50,
    },
}

# fewer bits than the paper's at the same tokens, with a third of its parameters; what each part gives is in RESULTS.md
_BEST: dict[str, Any] = {
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
    "tokenizer": {
        "preset": "paper",
        "slicing": {"image": 2, "audio": 2},
        "sampling_rate_hz": 16_000,
        "context_size": 30,
    },
    "training": {
        "window_length": 512,
        "stride": 256,
        "batch_size": 4,
        "max_steps": 2400,
        "repeats": {"text": 4},
        "mirror": True,
        "invert": True,
        "optimiser": "muon",
        "learning_rate": 2e-3,
        "matrix_learning_rate": 0.015,
        "matrix_dtype": "bfloat16",
        "betas": (0.9, 0.95),
        "schedule": "cosine",
        "warmup_steps": 30,
        "max_gradient_norm": 1.0,
        "initialisation": "ordered",
    },
}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        name: Preset(**{**row, "training": TrainingConfig(**row["training"])})
        for name, row in {**paper_rows(), **small_rows(), "mini": _MINI, "best": _BEST, "control": _CONTROL}.items()
    }
)


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        ValueError: If there is none.

    Example:
        >>> get_preset("paper-lstm-predictive").training.window_length
        1024
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {name!r}")
    return PRESETS[name]
