"""Mixtures of tasks: how often each is drawn, and from which epoch on.

Shapes: K tasks.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tasks import find_task


class Phase(NamedTuple):
    """Weights that hold from an epoch on.

    Attributes:
        start: The epoch, of which a fraction may have passed.
        weights: By task, over 0.
    """

    start: float
    weights: Mapping[str, float]


class TaskMixture:
    """Weights of tasks, in phases.

    Args:
        settings: Weights by task; or, for phases, such weights by the epoch that a phase begins with. The first begins
            at 0; epochs may be fractions, and text, as JSON has them.

    Raises:
        TypeError: If a weight or an epoch is no number.
        ValueError: If a task is unknown, a number leaves its range, there is none, or no phase begins at 0.

    Example:
        >>> mixture = TaskMixture({"0": {"text-to-image": 9, "text-to-video": 1}, "0.5": {"text-to-video": 1}})
        >>> mixture.names, mixture.weights_at(0.25).tolist(), mixture.weights_at(3).tolist()
        (('text-to-image', 'text-to-video'), [9.0, 1.0], [0.0, 1.0])
    """

    def __init__(self, settings: Mapping[Any, Any]) -> None:
        """Check and order the phases."""
        if not isinstance(settings, Mapping) or not settings:
            raise ValueError(f"tasks must be weights by name, at least one, got {settings!r:.100}")
        has_phases = any(isinstance(value, Mapping) for value in settings.values())
        phases = settings if has_phases else {0: settings}
        self.phases = sorted(
            (Phase(_number("epoch", start), _weights(weights)) for start, weights in phases.items()),
            key=lambda phase: phase.start,
        )
        starts = [phase.start for phase in self.phases]
        if starts[0] != 0 or len({*starts}) < len(starts):
            raise ValueError(f"tasks must have phases that begin at epoch 0 and differ, got {starts}")
        self.names = tuple(dict.fromkeys(name for phase in self.phases for name in phase.weights))
        self._weights = np.array([[phase.weights.get(name, 0.0) for name in self.names] for phase in self.phases])

    def phase_at(self, epochs: float) -> int:
        """Return the index of the phase that holds after so many epochs."""
        return sum(phase.start <= epochs for phase in self.phases) - 1

    def weights_at(self, epochs: float) -> NDArray[np.float64]:
        """Return the weight of every task after so many epochs, (K,)."""
        return self.phase_weights(self.phase_at(epochs))

    def phase_weights(self, phase: int) -> NDArray[np.float64]:
        """Return the weight of every task in a phase, (K,)."""
        weights: NDArray[np.float64] = self._weights[phase]
        return weights

    def leaves_out(self, fits: Sequence[Any] | NDArray[np.bool_]) -> bool:
        """Return whether in some phase no task of those that fit, (K,) bool, is ever drawn."""
        return not (self._weights[:, np.asarray(fits, np.bool_)] > 0).any(1).all()


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"tasks must have numbers for each {name}, got {value!r:.100}") from error
    if not 0 <= number < math.inf:
        raise ValueError(f"tasks must have a {name} of at least 0, got {value!r}")
    return number


def _weights(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise TypeError(f"tasks must have weights by name in every phase, got {weights!r:.100}")
    found = {find_task(name).name: _number("weight", weight) for name, weight in weights.items()}
    kept = {name: weight for name, weight in found.items() if weight}
    if not kept:
        raise ValueError(f"tasks must have a weight over 0 in every phase, got {dict(weights)}")
    return kept
