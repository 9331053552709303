"""Learning-rate schedules as functions of the step."""

import math
from typing import Literal, get_args

Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)


def learning_rate_factor(
    step: int,
    *,
    schedule: Schedule,
    num_steps: int,
    warmup_steps: int = 0,
    hold_ratio: float = 0.0,
    final_ratio: float = 0.0,
) -> float:
    """Return the learning rate at a step over the largest one.

    It rises linearly from `1 / warmup_steps` to 1, stays for `hold_ratio` of the steps that are left, then falls to
    `final_ratio` at step `num_steps`, and stays.

    Args:
        step: From 0.
        schedule: How it falls; ``constant`` does not.
        num_steps: Steps of the whole run.
        warmup_steps: Steps that rise.
        hold_ratio: Fraction of the steps after the warm-up before the fall begins, in [0, 1).
        final_ratio: Least factor, in [0, 1].

    Raises:
        ValueError: If the schedule is unknown.

    Example:
        >>> options = {"schedule": "cosine", "num_steps": 8, "warmup_steps": 2}
        >>> [round(learning_rate_factor(step, **options), 2) for step in (0, 1, 2, 5, 8)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {SCHEDULES}, got {schedule!r}")
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    elapsed = min((step - warmup_steps) / max(num_steps - warmup_steps, 1), 1.0)
    progress = max(elapsed - hold_ratio, 0.0) / (1.0 - hold_ratio)
    if schedule == "constant":
        return 1.0
    remaining = 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
    return final_ratio + (1.0 - final_ratio) * remaining
