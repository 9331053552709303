"""The times of an animation, and which earlier frame each frame resembles.

Shapes: T frames, H rows, W columns.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts.network import Network
from .counts.numbers import code_any_number, code_number

MOST_BACK = 64  # frames that are compared
ARE_EQUAL, DURATION, PLAYS, IS_LAST, BACK = 7, 8, 10, 12, 13  # kinds of numbers; durations and plays take two each


def code_times(net: Network, end: Any, durations_ms: Sequence[int], num_plays: int) -> tuple[tuple[int, ...], int]:
    """Code durations and plays and return them; of what is given a reader uses the number of frames."""
    num_plays = code_any_number(net, end.coder, num_plays, PLAYS, 0)
    are_equal = code_number(net, end.coder, int(len(set(durations_ms)) == 1), 1, ARE_EQUAL, 0, 0)
    out: list[int] = []
    for duration in durations_ms:
        again = are_equal and out
        out.append(out[0] if again else code_any_number(net, end.coder, duration, DURATION, out[-1] if out else 0))
        end.flush()
    return tuple(out), num_plays


def choose_references(image: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the earlier frame that each frame of (T, H, W) equals in most pixels, -1 for the first, (T,)."""
    references = np.arange(-1, len(image) - 1)
    small = image.astype(np.uint8).reshape(len(image), -1)
    for frame in range(2, len(image)):
        first = max(frame - MOST_BACK, 0)
        differing = np.array([np.count_nonzero(small[frame] != other) for other in small[first:frame]])
        # of equals the nearest
        references[frame] = frame - 1 - int(np.argmin(differing[::-1]))
    return references


def code_references(net: Network, end: Any, references: NDArray[np.int64]) -> NDArray[np.int64]:
    """Code references (T,) and return them; what they are is ignored where `end` is a reader."""
    out = np.arange(-1, len(references) - 1)
    back = 0
    for frame in range(2, len(references)):
        before = back
        back = frame - 1 - int(references[frame])
        if code_number(net, end.coder, int(back == 0), 1, IS_LAST, min(before, 2), 0):
            back = 0
        else:
            back = code_number(net, end.coder, back, MOST_BACK.bit_length() - 1, BACK, before, 0)
        out[frame] = max(frame - 1 - back, 0)
        end.flush()
    return out
