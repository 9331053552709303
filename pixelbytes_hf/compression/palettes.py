"""Colours of a picture, numbered by first use, and their coding.

Shapes: T frames, H rows, W columns, K colours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts.network import Network
from .counts.numbers import code_number

OPAQUE = 255
ALPHA, RED, GREEN, BLUE, IS_OPAQUE = 2, 3, 4, 5, 6  # kinds of numbers


def index_colours(array: NDArray[np.uint8], most: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]] | None:
    """Return the colour of every pixel, (T, H, W) int32, and the colours by first use, (K, 4) uint8.

    Args:
        array: RGBA, (T, H, W, 4).
        most: Colours that are allowed; None is returned where there are more.
    """
    codes = np.ascontiguousarray(array).view(">u4").reshape(-1)
    found, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    if len(found) > most:
        return None
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse].astype(np.int32).reshape(array.shape[:3]), found[order].view(np.uint8).reshape(-1, 4)


def code_palette(net: Network, end: Any, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Code colours (K, 4) and return them; what they are is ignored where `end` is a reader."""
    out: list[tuple[int, int, int, int]] = []
    for colour in colours.tolist():
        out.append(_code_colour(net, end.coder, colour, out[-1] if out else (0, 0, 0, 0)))
        end.flush()
    return np.array(out, np.uint8).reshape(-1, 4)


def _code_colour(net: Network, coder: Any, colour: list[int], last: tuple[int, ...]) -> tuple[int, int, int, int]:
    red, green, blue, alpha = colour
    if code_number(net, coder, int(alpha == OPAQUE), 1, IS_OPAQUE, int(last[3] > 0), 0):
        alpha = OPAQUE
    else:
        alpha = code_number(net, coder, alpha, 8, ALPHA, 0, 0)
    green = code_number(net, coder, green, 8, GREEN, alpha, last[1] >> 5)
    red = code_number(net, coder, red, 8, RED, green >> 5, green >> 3)
    blue = code_number(net, coder, blue, 8, BLUE, green >> 5, red >> 5)
    return red, green, blue, alpha
