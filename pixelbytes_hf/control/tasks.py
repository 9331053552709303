"""Two tasks for a model of control signals: predict what a system will do, and steer it.

Signals are the levels of an audio segment with a channel each: action, state and, where something is steered, the
error. A sample t holds the action u[t], the state y[t + 1] that it leads to, and the error r[t + 1] - y[t + 1],
set-point minus state, for the next action to answer; so a model that reads sample by sample never meets a state before
its action, or an action before what it answers.

The model names levels; everything else (the true system, the controllers and predictors beside it) is the caller's.

Shapes: B sequences, T samples.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from ..pretrained.sequence_model import SteppingModel
from ..tokens.vocabulary import Vocabulary
from .signal_stream import Floats, SignalStream, expected_amplitudes, to_amplitudes, to_ids

ACTION, STATE = range(2)
NUM_TRIALS = 29
TRIALS = np.linspace(-1.0, 1.0, NUM_TRIALS)
SLOPE_MEMORY = 0.9  # part of the slope that is kept from sample to sample
LEAST_SLOPE = 0.08  # state per action in one sample; drawn systems of order 1 have 0.02 to 0.22: caution with the slow


class Environment(Protocol):
    """A system at work."""

    def step(self, action: float) -> float:
        """Hold an action for one sample and return the state that it leads to."""


def predict_next_states(model: SteppingModel, signals: Floats, vocabulary: Vocabulary) -> Floats:
    """Return every state as expected from all samples before it and its own action: one step ahead.

    Args:
        model: In evaluation mode.
        signals: Actions and states, (B, T, 2); the model reads their levels.
        vocabulary: The tables.

    Returns:
        Mean amplitudes, (B, T).
    """
    probabilities = SignalStream(model, 2, vocabulary).read_known(to_ids(signals, vocabulary))
    return expected_amplitudes(probabilities[:, :, STATE], vocabulary)


def simulate_states(model: SteppingModel, signals: Floats, vocabulary: Vocabulary, *, num_known: int) -> Floats:
    """Return the states after the first `num_known` samples from actions alone: the model reads its own states.

    Args:
        model: In evaluation mode.
        signals: Actions and states, (B, T, 2); of the states only the first `num_known` are looked at.
        vocabulary: The tables.
        num_known: Samples given whole, from which to find out what system it is.

    Returns:
        Mean amplitudes, (B, T - num_known).

    Raises:
        ValueError: If `num_known` is not in 1..T - 1.
    """
    if not 1 <= num_known < signals.shape[1]:
        raise ValueError(f"num_known must be in 1..{signals.shape[1] - 1}, got {num_known}")
    stream = SignalStream(model, 2, vocabulary)
    stream.read_known(to_ids(signals[:, :num_known], vocabulary))
    states = []
    for ids in to_ids(signals[:, num_known:, ACTION], vocabulary).T:
        stream.read_given(ids)
        expected = stream.expect(len(ids))
        stream.push(stream.choose(expected))
        states.append(expected_amplitudes(expected, vocabulary))
    return np.stack(states, axis=1)


def steer(
    model: SteppingModel, environments: Sequence[Environment], setpoints: Floats, vocabulary: Vocabulary
) -> tuple[Floats, Floats]:
    """Let the model steer systems of which it knows what it has read: it gives the action it expects.

    Args:
        model: In evaluation mode.
        environments: B systems at rest at zero.
        setpoints: (B, T); the one at t is read together with the state that the action at t leads to.
        vocabulary: The tables.

    Returns:
        Actions (levels' amplitudes; the first is zero, as nothing is known before it) and true states, (B, T) each.
        The model reads the levels of states and errors.
    """
    stream = SignalStream(model, 3, vocabulary)
    return _drive(
        stream, environments, setpoints, lambda expected, *_: to_amplitudes(stream.choose(expected), vocabulary)
    )


def steer_by_prediction(
    model: SteppingModel, environments: Sequence[Environment], setpoints: Floats, vocabulary: Vocabulary
) -> tuple[Floats, Floats]:
    """Steer with a model's predictions: the next action is the one whose expected state is nearer the set-point.

    At every sample the model is asked what state each of `NUM_TRIALS` actions would lead to. A line through its
    answers, its slope averaged over time, gives the action that takes the error away at once. What it knows
    of the system is what the model has seen so far; states and errors are known as levels.

    Args:
        model: In evaluation mode.
        environments: B systems at rest at zero.
        setpoints: (B, T), as in `steer`.
        vocabulary: The tables.

    Returns:
        Actions and true states, as `steer`.
    """
    stream = SignalStream(model, 3, vocabulary)
    slope: Floats | None = None

    def correct(expected: Tensor, action: Floats, state: Floats, error: Floats) -> Floats:
        nonlocal slope
        answers = _try_actions(stream, len(environments))
        steepness = np.polyfit(TRIALS, answers.T, 1)[0]
        slope = steepness if slope is None else SLOPE_MEMORY * slope + (1 - SLOPE_MEMORY) * steepness
        at_last = np.array([np.interp(last, TRIALS, row) for last, row in zip(action, answers, strict=True)])
        corrected: Floats = action + (state + error - at_last) / np.maximum(slope, LEAST_SLOPE)
        return corrected

    return _drive(stream, environments, setpoints, correct)


def _drive(
    stream: SignalStream,
    environments: Sequence[Environment],
    setpoints: Floats,
    choose: Callable[[Tensor, Floats, Floats, Floats], Floats],
) -> tuple[Floats, Floats]:
    """Apply the actions that are chosen and let the stream read what comes of them; returns actions and true states.

    `choose` gets what the stream expects of the action, and the last action, state and error, each (B,).
    """
    size, vocabulary = len(environments), stream.vocabulary
    actions, states = np.zeros_like(setpoints), np.zeros_like(setpoints)
    action = state = error = np.zeros(size)
    for t in range(setpoints.shape[1]):
        expected = stream.expect(size)
        ids = to_ids(choose(expected, action, state, error) if t else action, vocabulary)
        stream.push(ids)
        action = actions[:, t] = to_amplitudes(ids, vocabulary)
        states[:, t] = [system.step(float(u)) for system, u in zip(environments, action, strict=True)]
        seen = [to_ids(signal, vocabulary) for signal in (states[:, t], setpoints[:, t] - states[:, t])]
        for token in seen:
            stream.read_given(token)
        state, error = (to_amplitudes(token, vocabulary) for token in seen)
    return actions, states


def _try_actions(stream: SignalStream, size: int) -> Floats:
    """Return the expected state after each of the trial actions, (B, NUM_TRIALS)."""
    branch = stream.fork(NUM_TRIALS)
    branch.push(to_ids(np.tile(TRIALS, size), stream.vocabulary))
    return expected_amplitudes(branch.expect(size * NUM_TRIALS), stream.vocabulary).reshape(size, NUM_TRIALS)
