"""Controllers that steer a system's state to a set-point: an optimal regulator, a PI controller, and none at all.

All have one interface: at every sample they are told the set-point and the state and give the next action, within [-1,
1].

Cost of a trajectory, per sample: (state - set-point)^2 + `ACTION_WEIGHT` * (action - action at rest)^2, where the
action at rest holds the set-point. It is what the regulator minimises where no action meets its limit.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are

from .linear_systems import LinearSystem, Plant

ACTION_WEIGHT = 0.01
ACTION_LIMIT = 1.0
SPEED_UP = 3.0  # how much faster than the system alone a PI loop around a first-order system answers


class Controller(Protocol):
    """What gives actions."""

    def act(self, setpoint: float, state: float) -> float:
        """Return the next action."""


class OpenLoop:
    """Holds the action that would bring a system of a known gain to the set-point; looks at no state.

    Args:
        gain: State at rest over constant action, of the system itself or of an average one.
    """

    def __init__(self, gain: float) -> None:
        """Keep the gain."""
        self.gain = gain

    def act(self, setpoint: float, state: float) -> float:
        """Return the next action."""
        return float(np.clip(setpoint / self.gain, -ACTION_LIMIT, ACTION_LIMIT))


class PI:
    """Action from the error and its sum; the sum stands still while the action is at its limit.

    Args:
        proportional: Action per error.
        integral: Action per error and sample.
    """

    def __init__(self, proportional: float, integral: float) -> None:
        """Begin with a sum of zero."""
        self.proportional, self.integral, self.sum = proportional, integral, 0.0

    @classmethod
    def tuned(cls, gain: float, time_constant: float, speed_up: float = SPEED_UP) -> "PI":
        """Return the controller that cancels the pole of a first-order system (internal model control).

        Args:
            gain: Of the system.
            time_constant: Of the system, samples.
            speed_up: Time constant of the system over that of the closed loop.

        Raises:
            ValueError: If an argument is not positive.
        """
        if min(gain, time_constant, speed_up) <= 0:
            raise ValueError(f"gain, time_constant and speed_up must be positive, got {gain, time_constant, speed_up}")
        return cls(speed_up / gain, speed_up / (gain * time_constant))

    def act(self, setpoint: float, state: float) -> float:
        """Return the next action."""
        error = setpoint - state
        wanted = self.proportional * error + self.integral * (self.sum + error)
        if abs(wanted) <= ACTION_LIMIT or wanted * error < 0:
            self.sum += error
        return float(np.clip(wanted, -ACTION_LIMIT, ACTION_LIMIT))


class Extrapolation:
    """Changes the action by what is missing if the state goes on as it went last: no model, one number.

    Args:
        slope: State per action in one sample, taken for all systems.
    """

    def __init__(self, slope: float) -> None:
        """Begin at rest."""
        self.slope, self.action, self.last = slope, 0.0, 0.0

    def act(self, setpoint: float, state: float) -> float:
        """Return the next action."""
        change = (setpoint - state) - (state - self.last)
        self.last = state
        self.action = float(np.clip(self.action + change / self.slope, -ACTION_LIMIT, ACTION_LIMIT))
        return self.action


class LQR:
    """The regulator of least cost for a system that it knows exactly, its inner state included.

    Args:
        plant: The system at work.
        action_weight: Weight of actions in the cost.
    """

    def __init__(self, plant: Plant, action_weight: float = ACTION_WEIGHT) -> None:
        """Solve the discrete Riccati equation and find the rest points."""
        transition, inputs, outputs = plant.system.discrete
        column = inputs[:, None]
        cost = solve_discrete_are(transition, column, np.outer(outputs, outputs), [[action_weight]])
        self.plant = plant
        self.feedback = (inputs @ cost @ transition) / (action_weight + inputs @ cost @ inputs)
        self._rest = np.linalg.solve(np.eye(len(inputs)) - transition, inputs)  # inner state per constant action

    def act(self, setpoint: float, state: float) -> float:
        """Return the next action; it reads the inner state, of which `state` is a part."""
        action = setpoint / self.plant.system.dc_gain
        wanted = action - self.feedback @ (self.plant.inner - self._rest * action)
        return float(np.clip(wanted, -ACTION_LIMIT, ACTION_LIMIT))


def run_loop(
    plant: Plant,
    controller: Controller,
    setpoints: NDArray[np.float64],
    *,
    dither: NDArray[np.float64] | None = None,
    knocks: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return actions and states of a closed loop, (T,) each.

    Args:
        plant: The system, at rest at zero.
        controller: Gives every action but the first, which is zero: nothing is known before it.
        setpoints: (T,); the one at t is told together with the state that the action at t leads to.
        dither: Added to the actions, (T,).
        knocks: Added to what a PI controller has summed up, in units of the action, (T,): mistakes for it to undo.

    Returns:
        Actions, and the states that they lead to.

    Raises:
        TypeError: If there are knocks and the controller is no PI controller.
    """
    if knocks is not None and not isinstance(controller, PI):
        raise TypeError(f"knocks need a PI controller, got {type(controller).__name__}")
    actions, states = np.zeros(len(setpoints)), np.zeros(len(setpoints))
    action = 0.0
    for t, setpoint in enumerate(setpoints):
        extra = 0.0 if dither is None else dither[t]
        actions[t] = np.clip(action + extra, -ACTION_LIMIT, ACTION_LIMIT)
        states[t] = plant.step(actions[t])
        if knocks is not None and isinstance(controller, PI):
            controller.sum += knocks[t] / controller.integral
        action = controller.act(float(setpoint), states[t])
    return actions, states


def trajectory_cost(
    system: LinearSystem, actions: NDArray[np.float64], states: NDArray[np.float64], setpoints: NDArray[np.float64]
) -> float:
    """Return the mean cost per sample of a trajectory; arguments (T,) as `run_loop` gives and takes them.

    The state at t is judged by the set-point that held before it, which is the one the action at t was chosen for.
    """
    wanted = known_setpoints(setpoints)
    at_rest = wanted / system.dc_gain
    return float(np.mean((states - wanted) ** 2 + ACTION_WEIGHT * (actions - at_rest) ** 2))


def known_setpoints(setpoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the set-point that was known when each action was chosen, same shape (..., T); zero before the first."""
    return np.concatenate([np.zeros_like(setpoints[..., :1]), setpoints[..., :-1]], axis=-1)
