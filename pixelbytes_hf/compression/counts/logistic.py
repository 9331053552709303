"""The logistic function and its inverse in whole numbers, the same on every machine.

A probability p is a number of 65536ths, from 1 to 65535. Its stretched form is 256 ln(p / (1 - p)), from -3071 to
3071.
"""

import numpy as np
from numpy.typing import NDArray

from .compiled import as_table, compiled

ONE = 1 << 16  # probability 1
LIMIT = 3071  # largest stretched probability, 12 * 256 - 1
_SCALE = 1 << 60
# e^(-1/256) * 2^60; its digits are all that a machine has to agree on
_DECAY = 1148426689630428644


def _squash_table() -> NDArray[np.int32]:
    """Return the probability of every stretched value, (2 * LIMIT + 1,), from the smallest on."""
    falls = [_SCALE]  # e^(-x / 256) * 2^60
    for _ in range(LIMIT):
        falls.append(falls[-1] * _DECAY >> 60)
    # 1 / (1 + e^-x) for x >= 0, rounded to nearest; the other half mirrors it
    upper = [min((2 * ONE * _SCALE // (_SCALE + fall) + 1) >> 1, ONE - 1) for fall in falls]
    return np.array([ONE - p for p in upper[:0:-1]] + upper, np.int32)


SQUASH = as_table(_squash_table())
# of every probability the stretched value that comes nearest from below
STRETCH = as_table(
    (np.searchsorted(_squash_table(), np.arange(ONE), side="right") - 1 - LIMIT).clip(-LIMIT).astype(np.int32)
)


@compiled
def squash(stretched: int) -> int:
    """Return the probability of a stretched value, which may lie beyond the limits."""
    return SQUASH[max(-LIMIT, min(LIMIT, stretched)) + LIMIT]
