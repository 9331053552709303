"""What all runs of a comparison share; names and numbers only."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """What all runs of a comparison share.

    Args:
        tokens: Budget: tokens that training reads, padding not counted; the step that reaches them is the last.
        seconds: Budget in place of `tokens`: seconds of training steps.
        seeds: Of the runs of each preset.
        window_length: Tokens of a window, in training and evaluation.
        stride: Tokens from one window's start to the next, or None for each preset's own, at most `window_length`.
        batch_size: Windows of a batch.
        accumulation: Batches of a step.
        split: That is evaluated.
        state: What a window of the evaluation starts from; see `evaluation`.
        evaluation_batch_size: Records or windows read together.
        num_draws: How often a masked model reads a window in the evaluation.
        every: With the objective ``last``, one token of so many is evaluated.
        max_records: Records that are evaluated, evenly spaced over the split, or None for all.
        validation_records: The same of the split ``validation``, for the curves.
        validations: Points of the curves, at most, with a budget of tokens; with one of seconds there are ten.
        continuations: Windows of the test to continue greedily, for Hamming distance, cosine and BLEU, or None.
        baselines: Whether to evaluate the predictors without a network.
        tokenizer: Settings of the second approach's tokenizer, in place of every preset's that has it.
        training: Further fields of `TrainingConfig`, in place of every preset's.

    Raises:
        ValueError: If there is not exactly one budget, or a number is not positive.
    """

    tokens: int | None = None
    seconds: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    window_length: int = 512
    stride: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    split: str = "test"
    state: Literal["carried", "zero"] = "zero"
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
            raise ValueError(f"expected a budget of tokens or of seconds, got {self.tokens} and {self.seconds}")
        for item in dataclasses.fields(self):
            name, value = item.name, getattr(self, item.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different and at least one, got {self.seeds}")
        own = {item.name for item in dataclasses.fields(self)} | {"seed", "max_steps", "max_seconds", "num_epochs"}
        if taken := sorted(own & self.training.keys()):
            raise ValueError(f"training must not hold {taken}: the comparison sets them")
