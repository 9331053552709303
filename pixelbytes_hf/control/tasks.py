"""Two tasks for a model of control signals: say what a system will do, and steer it.

Signals are the levels of an audio segment with a channel each: action, state and, where something is steered, the
error. A row t holds the action u[t], the state y[t + 1] that it leads to, and the error r[t + 1] - y[t + 1], set-point
minus state, for the next action to answer; so a model that reads row by row never meets a state before its action, or
an action before what it answers.

The model names levels; everything else (the true system, the controllers and predictors beside it) is the caller's.

Shapes: B sequences, T samples.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..tokens.vocabulary import Vocabulary
from .signal_stream import Floats, Readout, SignalStream, expected_amplitudes, to_amplitudes, to_ids

ACTION, STATE, ERROR = range(3)
NUM_TRIALS = 29
TRIALS = np.linspace(-1.0, 1.0, NUM_TRIALS)
SLOPE_MEMORY = 0.9  # part of the slope that is kept from sample to sample
LEAST_SLOPE = 0.08  # state per action in one sample; drawn systems of order 1 have 0.02 to 0.22: caution with the slow


class Environment(Protocol):
    """A system at work."""

    def step(self, action: float) -> float:
        """Hold an action for one sample and return the state that it leads to."""


def predict_next_states(model: Any, signals: Floats, vocabulary: Vocabulary) -> Floats:
    """Return every state as expected from all rows before it and its own action: one step ahead.

    Args:
        model: In evaluation mode.
        signals: Actions and states, (B, T, 2); the model reads their levels.
        vocabulary: The tables.

    Returns:
        Mean amplitudes, (B, T).
    """
    probabilities = SignalStream(model, 2, vocabulary).read_known(to_ids(signals, vocabulary))
    return expected_amplitudes(probabilities[:, :, STATE], vocabulary)


def simulate_states(
    model: Any, signals: Floats, vocabulary: Vocabulary, *, num_known: int, readout: Readout = "mean"
) -> Floats:
    """Return the states after the first `num_known` rows from their actions alone: the model reads its own states.

    Args:
        model: In evaluation mode.
        signals: Actions and states, (B, T, 2); of the states only the first `num_known` are looked at.
        vocabulary: The tables.
        num_known: Rows given whole, from which to find out what system it is.
        readout: Which level goes into the stream; see `SignalStream.choose`.

    Returns:
        Mean amplitudes, (B, T - num_known); with ``mode`` those of the levels.

    Raises:
        ValueError: If `num_known` is not in 1..T - 1.
    """
    if not 1 <= num_known < signals.shape[1]:
        raise ValueError(f"num_known must be in 1..{signals.shape[1] - 1}, got {num_known}")
    stream = SignalStream(model, 2, vocabulary)
    known, actions = to_ids(signals[:, :num_known], vocabulary), to_ids(signals[:, num_known:, ACTION], vocabulary)
    stream.read_known(known)
    states = np.zeros(actions.shape)
    for t in range(actions.shape[1]):
        # the action is given: reading its row matters, not what was expected of it
        stream.expect(len(actions))
        stream.push(actions[:, t])
        expected = stream.expect(len(actions))
        ids = stream.choose(expected, readout)
        is_mean = readout == "mean"
        states[:, t] = expected_amplitudes(expected, vocabulary) if is_mean else to_amplitudes(ids, vocabulary)
        stream.push(ids)
    return states


def steer(
    model: Any,
    environments: Sequence[Environment],
    setpoints: Floats,
    vocabulary: Vocabulary,
    *,
    readout: Readout = "mean",
) -> tuple[Floats, Floats]:
    """Let the model steer systems that it knows nothing about but what it sees: it gives the action it expects.

    Args:
        model: In evaluation mode.
        environments: B systems at rest at zero.
        setpoints: (B, T); the one at t is told together with the state that the action at t leads to.
        vocabulary: The tables.
        readout: Which level of the expected action is applied; see `SignalStream.choose`.

    Returns:
        Actions (levels' amplitudes; the first is zero, as nothing is known before it) and true states, (B, T) each.
        The model reads the levels of states and errors.
    """
    stream, size = SignalStream(model, 3, vocabulary), len(environments)
    actions, states = np.zeros_like(setpoints), np.zeros_like(setpoints)
    for t in range(setpoints.shape[1]):
        expected = stream.expect(size)
        ids = stream.choose(expected, readout) if t else to_ids(np.zeros(size), vocabulary)
        actions[:, t] = to_amplitudes(ids, vocabulary)
        states[:, t] = [system.step(float(u)) for system, u in zip(environments, actions[:, t], strict=True)]
        stream.push(ids)
        for channel in (states, setpoints - states):
            stream.expect(size)
            stream.push(to_ids(channel[:, t], vocabulary))
    return actions, states


def steer_by_prediction(
    model: Any, environments: Sequence[Environment], setpoints: Floats, vocabulary: Vocabulary, *, haste: float = 1.0
) -> tuple[Floats, Floats]:
    """Steer with a model's predictions: the next action is the one whose expected state is nearer the set-point.

    At every sample the model is asked what state each of `NUM_TRIALS` actions would lead to. A line through its
    answers, its slope averaged over time, gives the action that takes a part of the error away at once. What it knows
    of the system is what the model has seen so far; states and errors are known as levels.

    Args:
        model: In evaluation mode.
        environments: B systems at rest at zero.
        setpoints: (B, T), as in `steer`.
        vocabulary: The tables.
        haste: Part of the error to take away in one sample, in (0, 1].

    Returns:
        Actions and true states, as `steer`.

    Raises:
        ValueError: If `haste` is not in (0, 1].
    """
    if not 0 < haste <= 1:
        raise ValueError(f"haste must be in (0, 1], got {haste}")
    stream, size = SignalStream(model, 3, vocabulary), len(environments)
    actions, states = np.zeros_like(setpoints), np.zeros_like(setpoints)
    action = state = error = np.zeros(size)
    slope: Any = None
    for t in range(setpoints.shape[1]):
        stream.expect(size)
        if t:
            answers = _try_actions(stream, size)
            steepness = np.polyfit(TRIALS, answers.T, 1)[0]
            slope = steepness if slope is None else SLOPE_MEMORY * slope + (1 - SLOPE_MEMORY) * steepness
            at_last = np.array([np.interp(last, TRIALS, row) for last, row in zip(action, answers, strict=True)])
            action = action + (state + haste * error - at_last) / np.maximum(slope, LEAST_SLOPE)
        ids = to_ids(action, vocabulary)
        action = to_amplitudes(ids, vocabulary)
        actions[:, t] = action
        states[:, t] = [system.step(float(u)) for system, u in zip(environments, action, strict=True)]
        stream.push(ids)
        seen = [to_ids(signal, vocabulary) for signal in (states[:, t], setpoints[:, t] - states[:, t])]
        for token in seen:
            stream.expect(size)
            stream.push(token)
        state, error = (to_amplitudes(token, vocabulary) for token in seen)
    return actions, states


def _try_actions(stream: SignalStream, size: int) -> Floats:
    """Return the expected state after each of the trial actions, (B, NUM_TRIALS)."""
    branch = stream.fork(NUM_TRIALS)
    branch.push(to_ids(np.tile(TRIALS, size), stream.vocabulary))
    expected = expected_amplitudes(branch.expect(size * NUM_TRIALS), stream.vocabulary)
    return expected.reshape(size, NUM_TRIALS)
