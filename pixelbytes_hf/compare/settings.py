"""Settings that all runs of a comparison share."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

State = Literal["carried", "zero"]


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """What all runs of a comparison share.

    Args:
        tokens: Budget of each run: tokens that training reads, padding not counted; it ends with the step that reaches
            them.
        seconds: Budget of each run in place of `tokens`: seconds of training steps, validation not counted.
        seeds: Every preset is trained once with each.
        window_length: Tokens of a window, in training and evaluation.
        stride: Tokens from one training window's start to the next, or None for each preset's own, at most
            `window_length`.
        batch_size: Windows of a batch, in training.
        gradient_accumulation_steps: Batches whose gradients are added for a step.
        split: Split that is evaluated.
        state: What a window of the evaluation starts from: what the model kept of the record's earlier ones
            (``carried``), or nothing (``zero``), as always with the objectives ``last``, ``masked`` and ``diffusion``.
        evaluation_batch_size: Records or windows that the evaluation reads together.
        num_draws: With the objectives ``masked`` and ``diffusion``, how often the evaluation reads a window, each time
            with other tokens masked.
        every: With the objective ``last``, the evaluation scores one token of so many.
        max_records: Records that are evaluated, evenly spaced over the split, or None for all.
        validation_records: Records of the split ``validation`` that the curves are made from, or None for all.
        validations: Points of a curve, at most, with a budget of tokens; with one of seconds there are ten.
        continuations: Windows of the evaluated records that each model continues greedily, for Hamming distance,
            cosine and BLEU, or None for none.
        baselines: Whether to evaluate the predictors without a network too.
        tokenizer: Settings of the tokenizer, over those of every preset but the paper's first table.
        training: Further settings of the training, fields of `TrainingConfig`, over every preset's.

    Raises:
        ValueError: If there is not exactly one budget, a number is not positive and finite, `stride` is more than
            `window_length`, `state` is unknown, seeds repeat, or `training` holds what the comparison sets.
    """

    tokens: int | None = None
    seconds: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    window_length: int = 512
    stride: int | None = None
    batch_size: int = 8
    gradient_accumulation_steps: int = 1
    split: str = "test"
    state: State = "zero"
    evaluation_batch_size: int = 16
    num_draws: int = 64
    every: int = 16
    max_records: int | None = None
    validation_records: int | None = 64
    validations: int = 10
    continuations: int | None = None
    baselines: bool = True
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the budget and the numbers."""
        if (self.tokens is None) == (self.seconds is None):
            raise ValueError(
                f"expected a budget of tokens or of seconds, one of them, got {self.tokens} and {self.seconds}"
            )
        for item in dataclasses.fields(self):
            name, value = item.name, getattr(self, item.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if self.state not in get_args(State):
            raise ValueError(f"state must be one of {get_args(State)}, got {self.state!r}")
        if self.stride is not None and self.stride > self.window_length:
            raise ValueError(f"stride must be at most window_length ({self.window_length}), got {self.stride}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different and at least one, got {self.seeds}")
        own = {"seed", "max_steps", "max_seconds", "num_train_epochs", *(f.name for f in dataclasses.fields(self))}
        if taken := sorted(own & self.training.keys()):
            raise ValueError(f"training must not hold {taken}: the comparison sets them")
