"""Settings of a training run: those of every kind, those of sequence models, and the names that they had before."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .schedules import SCHEDULES, Schedule

# in runs, checkpoints and scripts of before; the new names are transformers'
OLD_NAMES = {
    "accumulation": "gradient_accumulation_steps",
    "keep_checkpoints": "save_total_limit",
    "max_gradient_norm": "max_grad_norm",
    "num_epochs": "num_train_epochs",
    "opening_length": "prefix_length",
    "openings": "prefix_windows",
}
Initialisation = Literal["default", "ordered"]
Optimiser = Literal["adamw", "muon"]
MatrixType = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class OptimisationConfig:
    """Settings that trainings of every kind of system have; the defaults are the paper's.

    Args:
        batch_size: Windows of a batch, in each process.
        gradient_accumulation_steps: Batches whose gradients are added before a step.
        num_train_epochs: Passes over the windows.
        max_steps: Optimiser steps in place of `num_train_epochs`, or None.
        max_seconds: Seconds of training steps, validation and checkpoints not counted, after which the run ends if
            it has not before, or None. The schedule then goes by the fraction of these seconds.
        optimiser: AdamW, or Muon for the mixer's matrices with AdamW for the rest.
        learning_rate: Largest learning rate of AdamW.
        matrix_learning_rate: Largest learning rate of Muon.
        matrix_dtype: In which Muon multiplies matrices; bfloat16, as published, is faster where the processor has it.
        betas: Decay rates of AdamW's two moments.
        weight_decay: AdamW's, of weights but not of biases.
        schedule: How the learning rate falls after the warm-up.
        warmup_steps: Steps over which the learning rate rises from zero.
        hold_ratio: Fraction of the steps after the warm-up before the learning rate begins to fall, in [0, 1).
        final_ratio: Learning rate at the end over the largest one, for ``cosine`` and ``linear``.
        max_grad_norm: Gradients of a larger norm are scaled down to it; None leaves them.
        eval_steps: Steps between validations, or None for one at each epoch's end.
        save_steps: Steps between checkpoints, or None for one at each epoch's end.
        save_total_limit: Number of checkpoints kept.
        logging_steps: Steps between points of the training curve.
        seed: Of the initial weights, the order of windows and the jitter.
        bf16: Whether to compute in bfloat16 where that is safe.
        report_to: Trackers to report to, for example ``("tensorboard",)``.

    Raises:
        ValueError: If a number leaves its range or a name is not among the choices.
    """

    batch_size: int = 32
    gradient_accumulation_steps: int = 1
    num_train_epochs: float = 100
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
    max_grad_norm: float | None = None
    eval_steps: int | None = 200
    save_steps: int | None = 100
    save_total_limit: int = 2
    logging_steps: int = 10
    seed: int = 0
    bf16: bool = False
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check ranges and choices."""
        for name, is_allowed, expected in self._rules():
            if not is_allowed:
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name)!r}")

    def _rules(self) -> list[tuple[str, bool, str]]:
        """Return name of a setting, whether its value is allowed, and what is expected."""
        choices = {
            "optimiser": get_args(Optimiser),
            "matrix_dtype": get_args(MatrixType),
            "schedule": SCHEDULES,
        }
        positive = (
            *("batch_size", "gradient_accumulation_steps", "save_total_limit", "logging_steps", "num_train_epochs"),
            *("learning_rate", "matrix_learning_rate"),
        )
        positive_or_none = ("max_steps", "max_seconds", "eval_steps", "save_steps", "max_grad_norm")
        values = vars(self)
        return [
            *((name, values[name] in known, f"one of {known}") for name, known in choices.items()),
            *((name, 0 < values[name] < math.inf, "positive and finite") for name in positive),
            *((name, values[name] is None or values[name] > 0, "positive or None") for name in positive_or_none),
            ("betas", len(self.betas) == 2, "two numbers"),
            ("report_to", not isinstance(self.report_to, str), "a list of names"),
            ("save_total_limit", self.save_total_limit >= 2, "at least 2, so that a cut write leaves one"),
            ("final_ratio", 0 <= self.final_ratio <= 1, "in [0, 1]"),
            ("hold_ratio", 0 <= self.hold_ratio < 1, "in [0, 1)"),
        ]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(OptimisationConfig):
    """Settings of a sequence model's training, beside those of `OptimisationConfig`; the defaults are the paper's.

    Args:
        window_length: Tokens of a window, at most.
        stride: Tokens from one window's start to the next.
        repeats: Visits of a window in an epoch by modality it holds; see `WindowDataset`.
        jitter: Whether windows' places vary from epoch to epoch; see `WindowDataset`.
        mirror: Whether sprites are turned left to right in half of the visits; see `augmentation`.
        invert: Whether sounds change their sign in half of the visits; see `augmentation`.
        prefix_windows: Further visits of each record's first `prefix_length` tokens in an epoch; see `WindowDataset`.
        prefix_length: Tokens of such a visit.
        tasks: Weights of tasks by name, in place of whole records: every record is visited once in an epoch, with a
            task drawn by weight, and what is asked alone counts. Or such weights by the epoch from which they hold.
        codec: Run folder of the codec that made a corpus of codes, for tasks that cut pictures as pixels, or None.
        initialisation: torch's own, or ``ordered``; see `initialise_ordered`.
        memory_horizon: Positions that an ``ordered`` LSTM remembers from the start; see `initialise_ordered`.
    """

    window_length: int = 1024
    stride: int = 512
    repeats: Mapping[str, int] = field(default_factory=dict)
    jitter: bool = False
    mirror: bool = False
    invert: bool = False
    prefix_windows: int = 0
    prefix_length: int = 256
    tasks: Mapping[str, Any] = field(default_factory=dict)
    codec: str | None = None
    initialisation: Initialisation = "default"
    memory_horizon: int | None = None

    def _rules(self) -> list[tuple[str, bool, str]]:
        known = get_args(Initialisation)
        return [
            *super()._rules(),
            ("initialisation", self.initialisation in known, f"one of {known}"),
            ("stride", self.stride <= self.window_length, f"at most window_length ({self.window_length})"),
        ]


def rename_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under the names of today.

    Raises:
        ValueError: If one is given under both of its names.

    Example:
        >>> rename_settings({"num_epochs": 3, "seed": 1})
        {'num_train_epochs': 3, 'seed': 1}
    """
    renamed = {OLD_NAMES.get(name, name): value for name, value in settings.items()}
    if len(renamed) < len(settings):
        twice = sorted(name for name in settings if OLD_NAMES.get(name) in settings)
        raise ValueError(f"settings must be given under one name, got {[(name, OLD_NAMES[name]) for name in twice]}")
    return renamed
