"""Checks that the codecs share: a choice among names, ids of one part of the vocabulary."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from .grid import Ids


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Make sure that a setting is one of the names of a `Literal`; raises ValueError."""
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {get_args(choices)}, got {value!r}")


def check_mapping(name: str, value: Any) -> dict[str, Any]:
    """Return a setting that is a mapping, or none, as a dictionary; raises TypeError."""
    if not isinstance(value, Mapping | None):
        raise TypeError(f"{name} must be a dictionary or None, got {value!r:.100}")
    return dict(value or {})


def index_ids(name: str, ids: Ids, part: range) -> NDArray[np.int64]:
    """Return ids of one part of the vocabulary, counted from its first; same shape.

    Args:
        name: What the part holds.
        ids: Any shape.
        part: Its ids.

    Raises:
        ValueError: If an id lies outside it.

    Example:
        >>> index_ids("level", np.array([113, 115]), range(113, 151)).tolist()
        [0, 2]
    """
    index: NDArray[np.int64] = np.asarray(ids, np.int64) - part.start
    outside = index[(index < 0) | (index >= len(part))]
    if outside.size:
        raise ValueError(f"{name} ids must be in {part}, got {int(outside[0]) + part.start}")
    return index
