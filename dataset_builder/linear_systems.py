"""Linear systems with one input and one output: drawn at random, discretised exactly, simulated.

A system is a transfer function with coefficients in descending powers of s, of order 1 to 3; time is counted in
sampling periods, so a time constant of 8 is 8 samples. Between two samples the action is held constant, for which the
discretisation (zero-order hold) is exact.

Every drawn system is stable, controllable and observable, and the sum of the magnitudes of its impulse response is at
most one: an action within [-1, 1] can never lead to a state beyond [-1, 1], so one full scale holds for all signals of
all systems, and no amplitude is ever rescaled.

Axes: n order, T samples.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

ORDERS = (1, 2, 3)
TIME_CONSTANTS = (4.0, 12.0)  # of every pole, samples
DAMPINGS = (0.4, 0.95)  # of a pair of complex poles
ZERO_TIME_CONSTANTS = (0.5, 3.0)  # faster than any pole, so that no pole is cancelled
GAINS = (0.25, 1.0)  # state at rest over constant action
NUM_DIGITS = 4
SETTLED = 400  # samples after which every impulse response has died away

_NUMBER = r"-?\d+(?:\.\d*)?"
_ROW = rf"{_NUMBER}(?: {_NUMBER})*"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearSystem:
    """A proper transfer function without feedthrough.

    Args:
        numerator: Coefficients in descending powers of s; shorter than the denominator.
        denominator: The same; the first is not zero.

    Raises:
        ValueError: If the denominator's first coefficient is zero, or the numerator is empty or too long.

    Example:
        >>> round(LinearSystem((0.5,), (8.0, 1.0)).dc_gain, 3)
        0.5
    """

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.numerator) < len(self.denominator) or self.denominator[0] == 0:
            raise ValueError(
                "a system needs a numerator shorter than its denominator, whose first coefficient is not zero: got "
                f"{self.numerator} over {self.denominator}"
            )

    @property
    def order(self) -> int:
        """Number of poles, n."""
        return len(self.denominator) - 1

    @property
    def dc_gain(self) -> float:
        """State at rest over a constant action; infinite where it never rests."""
        last = self.denominator[-1]
        return self.numerator[-1] / last if last else float("inf")

    @property
    def time_constant(self) -> float:
        """Time that the answer to a step lags behind it, samples: sum of the poles' minus that of the zeros'."""
        zeros = self.numerator[-2] / self.numerator[-1] if len(self.numerator) > 1 else 0.0
        return self.denominator[-2] / self.denominator[-1] - zeros

    @cached_property
    def discrete(self) -> tuple[Floats, Floats, Floats]:
        """Matrices (n, n), (n,), (n,) of x[t+1] = A x[t] + B u[t], y[t] = C x[t], for an action held per sample."""
        continuous = signal.tf2ss(self.numerator, self.denominator)
        transition, inputs, outputs, *_ = signal.cont2discrete(continuous, 1.0, method="zoh")
        return transition, inputs[:, 0], outputs[0]

    @property
    def is_stable(self) -> bool:
        """Whether every discrete pole lies within the unit circle."""
        return bool(np.abs(np.linalg.eigvals(self.discrete[0])).max() < 1)

    @property
    def is_minimal(self) -> bool:
        """Whether the sampled system is controllable and observable: both matrices of Kalman have rank n."""
        transition, inputs, outputs = self.discrete
        powers = [np.linalg.matrix_power(transition, k) for k in range(self.order)]
        reached = np.stack([power @ inputs for power in powers], axis=1)
        seen = np.stack([outputs @ power for power in powers])
        return all(np.linalg.matrix_rank(matrix) == self.order for matrix in (_scaled(reached), _scaled(seen.T)))

    @property
    def peak_gain(self) -> float:
        """Largest state that actions within [-1, 1] can lead to: the sum of the impulse response's magnitudes."""
        pulse = np.zeros(SETTLED)
        pulse[0] = 1.0
        return float(np.abs(simulate(self, pulse)).sum())


class Plant:
    """A system at work: takes one action after another.

    Args:
        system: The system; it begins at rest at zero.
    """

    def __init__(self, system: LinearSystem) -> None:
        """Begin at rest."""
        self.system = system
        self._transition, self._inputs, self._outputs = system.discrete
        self.inner = np.zeros(system.order)

    @property
    def state(self) -> float:
        """The measured state, y."""
        return float(self._outputs @ self.inner)

    def step(self, action: float) -> float:
        """Hold an action for one sample and return the state that it leads to."""
        self.inner = self._transition @ self.inner + self._inputs * action
        return self.state


def simulate(system: LinearSystem, actions: ArrayLike) -> Floats:
    """Return the state that each action leads to, from rest at zero.

    Args:
        system: The system.
        actions: (T,); the action at t is held from sample t to t + 1.

    Returns:
        (T,); the entry at t is the state at sample t + 1.

    Example:
        >>> simulate(LinearSystem((1.0,), (4.0, 1.0)), [1.0, 1.0]).round(4).tolist()
        [0.2212, 0.3935]
    """
    transition, inputs, outputs = system.discrete
    numerator, denominator = signal.ss2tf(transition, inputs[:, None], outputs[None], np.zeros((1, 1)))
    # the numerator begins with the feedthrough, zero: leaving it out moves the answer to the action that causes it
    return np.asarray(signal.lfilter(numerator[0, 1:], denominator, np.asarray(actions, np.float64)), np.float64)


def draw_system(rng: np.random.Generator, order: int) -> LinearSystem:
    """Return a stable, controllable and observable system whose state never leaves [-1, 1] if its action does not.

    Poles are real, or from order 2 on perhaps one complex pair; from order 2 on half of the systems have a zero.

    Args:
        rng: Source of randomness.
        order: 1, 2 or 3.

    Raises:
        ValueError: If `order` is another.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {ORDERS}, got {order}")
    while True:
        system = _draw_candidate(rng, order)
        if system.is_stable and system.is_minimal and GAINS[0] <= system.dc_gain and system.peak_gain <= 1.0:
            return system


def draw_systems(num_systems: int, *, seed: int = 0) -> Iterator[LinearSystem]:
    """Yield different systems, orders 1, 2 and 3 in turn; each depends on the seed and those before it alone.

    Raises:
        ValueError: If `num_systems` is under 1.
    """
    if num_systems < 1:
        raise ValueError(f"num_systems must be at least 1, got {num_systems}")
    seen: set[LinearSystem] = set()
    for index in range(num_systems):
        rng = np.random.default_rng((seed, index))
        system = draw_system(rng, ORDERS[index % len(ORDERS)])
        while system in seen:
            system = draw_system(rng, ORDERS[index % len(ORDERS)])
        seen.add(system)
        yield system


def write_system(system: LinearSystem) -> str:
    """Return a system as text, the inverse of `read_system` to four significant digits; drawn systems have no more.

    Example:
        >>> write_system(LinearSystem((0.5,), (8.25, 1.0)))
        '[0.5] / [8.25 1]'
    """
    return f"{_write_row(system.numerator)} / {_write_row(system.denominator)}"


def read_system(text: str) -> LinearSystem:
    """Return the system that `write_system` wrote.

    Raises:
        ValueError: If the text is not ``[numbers] / [numbers]``.

    Example:
        >>> read_system("[0.5] / [8.25 1]")
        LinearSystem(numerator=(0.5,), denominator=(8.25, 1.0))
    """
    match = re.fullmatch(rf"\[({_ROW})\] / \[({_ROW})\]", text)
    if match is None:
        raise ValueError(f"text must read '[numerator] / [denominator]', got {text!r}")
    numerator, denominator = (tuple(map(float, row.split())) for row in match.groups())
    return LinearSystem(numerator, denominator)


def _draw_candidate(rng: np.random.Generator, order: int) -> LinearSystem:
    has_pair = order > 1 and rng.random() < 0.5
    denominator: NDArray[Any] = np.ones(1)
    if has_pair:
        period, damping = rng.uniform(*TIME_CONSTANTS), rng.uniform(*DAMPINGS)
        denominator = np.array([period**2, 2 * damping * period, 1.0])
    while len(denominator) <= order:
        denominator = np.polymul(denominator, [rng.uniform(*TIME_CONSTANTS), 1.0])
    gain = np.exp(rng.uniform(*np.log(GAINS)))
    has_zero = order > 1 and rng.random() < 0.5
    numerator = gain * np.array([rng.uniform(*ZERO_TIME_CONSTANTS), 1.0] if has_zero else [1.0])
    # rounded first and checked afterwards, so that the text says exactly which system it is
    return LinearSystem(_round_row(numerator), _round_row(denominator))


def _round_row(row: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.{NUM_DIGITS}g}") for value in row)


def _write_row(row: tuple[float, ...]) -> str:
    digits = (np.format_float_positional(float(f"{value:.{NUM_DIGITS}g}"), trim="-") for value in row)
    return f"[{' '.join(digits)}]"


def _scaled(columns: Floats) -> Floats:
    """Return columns with every coordinate (row) scaled to at most one: coordinates have very different units."""
    scale = np.abs(columns).max(axis=1, keepdims=True)
    return columns / np.where(scale > 0, scale, 1.0)
