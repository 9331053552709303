"""The table of objectives: adding one means one file and one row here."""

from typing import Any

from .corruption import Corruption
from .objective import Objective
from .objective_autoregressive import AutoregressiveObjective
from .objective_diffusion import DiffusionObjective
from .objective_last import LastObjective
from .objective_masked import MaskedObjective
from .objective_predictive import PredictiveObjective

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective
    for objective in (
        PredictiveObjective,
        AutoregressiveObjective,
        LastObjective,
        DiffusionObjective,
        MaskedObjective,
    )
}


def find_objective(name: str) -> type[Objective]:
    """Return the class of an objective, whose declarations hold for any configuration.

    Raises:
        ValueError: If there is none of that name.

    Example:
        >>> find_objective("masked").decoding
        'parallel'
    """
    if name not in tuple(OBJECTIVES):  # a name from a file may be no str
        raise ValueError(f"objective must be one of {tuple(OBJECTIVES)}, got {name!r}")
    return OBJECTIVES[name]


def build_objective(config: Any) -> Objective:
    """Return the objective that a `PixelBytesConfig` names, with its settings.

    Example:
        >>> from types import SimpleNamespace
        >>> build_objective(SimpleNamespace(objective="predictive", newest_cell=5)).predicted_cells
        1
    """
    return find_objective(config.objective).from_config(config)


def build_corruption(config: Any) -> Corruption | None:
    """Return what draws the corruption of windows for the objective that a `PixelBytesConfig` names, or None."""
    return find_objective(config.objective).corruption(config)
