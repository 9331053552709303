"""Learning-rate schedules."""

import pytest

from pixelbytes_hf.training.schedules import SCHEDULES, learning_rate_factor


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup_steps", [0, 1, 5])
def test_factor_rises_then_falls_to_its_end(schedule, warmup_steps):
    options = {"schedule": schedule, "num_steps": 40, "warmup_steps": warmup_steps, "final_ratio": 0.1}
    factors = [learning_rate_factor(step, **options) for step in range(50)]
    rise, fall = factors[: warmup_steps + 1], factors[warmup_steps:]
    assert rise == sorted(rise) and fall == sorted(fall, reverse=True)
    assert max(factors) == factors[warmup_steps] == 1.0 and min(factors) > 0
    assert factors[40:] == pytest.approx([1.0 if schedule == "constant" else 0.1] * 10)


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="staircase"):
        learning_rate_factor(0, schedule="staircase", num_steps=3)


def test_held_rate_falls_later_and_to_the_same_end():
    options = {"schedule": "cosine", "num_steps": 40, "final_ratio": 0.1}
    held = [learning_rate_factor(step, hold_ratio=0.5, **options) for step in range(41)]
    assert held[:21] == [1.0] * 21 and held[21] < 1.0
    assert held[20::2] == pytest.approx([learning_rate_factor(step, **options) for step in range(0, 41, 4)])
