"""ARX models: the next state as a weighted sum of past states and actions, the weights by least squares.

The reference beside a model that predicts control signals.

Shapes: T samples; states and actions before the first are zero.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_arx(actions: Floats, states: Floats, order: int) -> Floats:
    """Return the least-squares coefficients of y[t+1] = sum a[i] y[t-i] + sum b[i] u[t-i], i = 0..order - 1.

    Args:
        actions: (T,), zero before the first.
        states: (T,), each led to by the action beside it; zero before the first.
        order: Past states, and actions, looked at.

    Returns:
        (2 * order,): a, then b.

    Raises:
        ValueError: If there are fewer samples than coefficients, or `order` is under 1.

    Example:
        >>> fit_arx(np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.25, 0.125]), 1).round(3).tolist()
        [0.5, 0.5]
    """
    if order < 1 or len(states) < 2 * order:
        raise ValueError(f"order must be at least 1 and at most half the {len(states)} samples, got {order}")
    return np.asarray(np.linalg.lstsq(_arx_inputs(actions, states, order), states, rcond=None)[0], np.float64)


def predict_next_arx(coefficients: Floats, actions: Floats, states: Floats) -> Floats:
    """Return every state as an ARX model expects it from all samples before it and its own action, (T,)."""
    return _arx_inputs(actions, states, len(coefficients) // 2) @ coefficients


def simulate_arx(coefficients: Floats, actions: Floats, states: Floats) -> Floats:
    """Return the states after the known ones, from actions alone, held within [-1, 1].

    Args:
        coefficients: From `fit_arx`.
        actions: (T,).
        states: The known ones, (T0,).

    Returns:
        (T - T0,).
    """
    order = len(coefficients) // 2
    past = np.concatenate([np.zeros(order), states, np.zeros(len(actions) - len(states))])
    inputs = np.concatenate([np.zeros(order - 1), actions])
    for t in range(len(states), len(actions)):
        row = np.concatenate([past[t : t + order][::-1], inputs[t : t + order][::-1]])
        past[t + order] = np.clip(row @ coefficients, -1.0, 1.0)
    return past[order + len(states) :]


def _arx_inputs(actions: Floats, states: Floats, order: int) -> Floats:
    """Return the rows (T, 2 * order) of past states, the newest first, then actions."""
    past = np.concatenate([np.zeros(order), states])
    inputs = np.concatenate([np.zeros(order - 1), actions])
    count = len(actions)
    columns = [past[order - 1 - i : order - 1 - i + count] for i in range(order)]
    return np.stack(columns + [inputs[order - 1 - i : order - 1 - i + count] for i in range(order)], axis=1)
