"""Sequences of different lengths as one array, padded on the right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def stack_padded(sequences: Sequence[NDArray[Any]], fill: Any) -> NDArray[Any]:
    """Return sequences as one array, (B, L, ...), L being that of the longest.

    Args:
        sequences: At least one; each (its length, ...), the further axes alike.
        fill: What stands at padding.

    Example:
        >>> stack_padded([np.array([1, 2]), np.array([3])], 0).tolist()
        [[1, 2], [3, 0]]
    """
    first = np.asarray(sequences[0])
    stacked = np.full((len(sequences), max(map(len, sequences)), *first.shape[1:]), fill, first.dtype)
    for row, sequence in zip(stacked, sequences, strict=True):
        row[: len(sequence)] = sequence
    return stacked
