"""What a creature is made of: the values of its attributes, and what each of them means in pixels and samples.

Shapes: H rows, W columns.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

Attributes = Mapping[str, str]
Measure = dict[str, str | None]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (0xF8, 0x38, 0x00),
    "yellow": (0xF8, 0xB8, 0x00),
    "green": (0x00, 0xA8, 0x00),
    "cyan": (0x00, 0xE8, 0xD8),
    "blue": (0x00, 0x58, 0xF8),
    "purple": (0x94, 0x00, 0x84),
    "pink": (0xF8, 0x78, 0xF8),
    "gray": (0x7C, 0x7C, 0x7C),
}
SIZES: dict[str, int] = {"small": 5, "medium": 7, "large": 9}  # width of the body in pixels
SHAPES: tuple[str, ...] = ("round", "square", "pointed", "flat")
# displacement (down, right) of the body in each frame
POSES: dict[str, tuple[tuple[int, int], ...]] = {
    "resting": ((0, 0), (0, 0), (0, 0), (0, 0)),
    "walking": ((0, 0), (0, 1), (0, 0), (0, -1)),
    "jumping": ((0, 0), (-1, 0), (-2, 0), (-1, 0)),
}
# loudness in each quarter of the cry
ELEMENTS: dict[str, tuple[float, float, float, float]] = {
    "fire": (1.0, 0.6, 0.35, 0.2),
    "water": (0.2, 0.35, 0.6, 1.0),
    "leaf": (1.0, 0.2, 1.0, 0.2),
    "spark": (1.0, 1.0, 1.0, 1.0),
}
PITCHES: dict[str, int] = {"low": 24, "middle": 12, "high": 6}  # period in samples
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "shape": SHAPES,
    "pose": tuple(POSES),
    "element": tuple(ELEMENTS),
    "pitch": tuple(PITCHES),
}

FRAME_SIZE = 12
NUM_FRAMES = 4
FRAME_DURATION_MS = 120
CRY_RATE_HZ = 4000
CRY_SAMPLES = 400
BACKGROUND = (0xFC, 0xFC, 0xFC)
BLACK = (0x00, 0x00, 0x00)


@cache
def body_mask(size: str, shape: str) -> NDArray[np.bool_]:
    r"""Return the pixels of a creature without its displacement: outlined body, and two feet below it, (H, W) bool.

    Example:
        >>> print("\n".join("".join(".#"[int(pixel)] for pixel in row) for row in body_mask("small", "round")))
        .###.
        #####
        #####
        #####
        .###.
        .#.#.
    """
    width = SIZES[size]
    rows, columns = np.mgrid[:width, :width] - width // 2
    reach = width // 2
    body = {
        "round": rows**2 + columns**2 <= (reach + 0.5) ** 2,
        "square": np.ones((width, width), bool),
        "pointed": np.abs(columns) <= (rows + reach + 1) // 2,
        "flat": np.ones((width // 2 + 2, width), bool),
    }[shape]
    feet = np.zeros((1, width), bool)
    feet[0, [1, -2]] = True
    return np.concatenate([body, feet])
