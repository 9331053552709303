"""Colours of a picture, numbered by first use, and their coding.

Shapes: T frames, H rows, W columns, K colours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counts.network import Network
from .counts.numbers import code_number
from .counts.streams import SPOILT

OPAQUE = 255
ALPHA, RED, GREEN, BLUE, IS_OPAQUE, KNOWN, IS_KNOWN = 2, 3, 4, 5, 6, 14, 15  # kinds of numbers


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


def code_palette(
    net: Network, end: Any, colours: NDArray[np.uint8], known: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Code colours (K, 4) and return them; what they are is ignored where `end` is a reader.

    Args:
        net: Of `make_number_network`.
        end: Writer or reader.
        colours: The colours.
        known: Colours that both sides know, (n, 4): those among them are coded by their number.
    """
    table = [] if known is None else [tuple(colour) for colour in known.tolist()]
    out: list[tuple[int, ...]] = []
    for colour in map(tuple, colours.tolist()):
        out.append(_code_known(net, end.coder, colour, table) if table else ())
        if not out[-1]:
            out[-1] = _code_colour(net, end.coder, colour, out[-2] if len(out) > 1 else (0, 0, 0, 0))
        end.flush()
    return np.array(out, np.uint8).reshape(-1, 4)


def _code_known(net: Network, coder: Any, colour: tuple[int, ...], table: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Code a colour by its number in a table and return it; nothing if it is not there."""
    if not code_number(net, coder, int(colour in table), 1, IS_KNOWN, 0, 0):
        return ()
    index = table.index(colour) if colour in table else 0
    index = code_number(net, coder, index, (len(table) - 1).bit_length(), KNOWN, 0, 0)
    if index >= len(table):
        raise ValueError(SPOILT)
    return table[index]


def _code_colour(
    net: Network, coder: Any, colour: tuple[int, ...], last: tuple[int, ...]
) -> tuple[int, int, int, int]:
    red, green, blue, alpha = colour
    if code_number(net, coder, int(alpha == OPAQUE), 1, IS_OPAQUE, int(last[3] > 0), 0):
        alpha = OPAQUE
    else:
        alpha = code_number(net, coder, alpha, 8, ALPHA, 0, 0)
    green = code_number(net, coder, green, 8, GREEN, alpha, last[1] >> 5)
    red = code_number(net, coder, red, 8, RED, green >> 5, green >> 3)
    blue = code_number(net, coder, blue, 8, BLUE, green >> 5, red >> 5)
    return red, green, blue, alpha
