"""Creatures made of attributes: a sprite, a sentence and a cry.

`draw`, `describe` and `cry` make the three media from attributes and a seed; `measure_sprite`, `read_attributes` and
`measure_cry`, of the module `measures`, read the attributes back. Sprites show colour, size, shape and pose; cries
carry element and pitch; sentences state all six. So "the sentence says red, is the sprite red?" has an exact answer.

A sprite uses the background, black (outline, eyes, feet) and one attribute colour, all of them exact NES colours.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from .attributes import (
    ATTRIBUTES,
    BACKGROUND,
    BLACK,
    COLOURS,
    CRY_RATE_HZ,
    CRY_SAMPLES,
    ELEMENTS,
    FRAME_DURATION_MS,
    FRAME_SIZE,
    NUM_FRAMES,
    PITCHES,
    POSES,
    SHAPES,
    SIZES,
    Attributes,
    Measure,
    body_mask,
)
from .measures import measure_cry, measure_sprite, read_attributes
from .signals import add_speaker_channel

__all__ = [
    "ATTRIBUTES",
    "BACKGROUND",
    "BLACK",
    "COLOURS",
    "CRY_RATE_HZ",
    "CRY_SAMPLES",
    "ELEMENTS",
    "FRAME_DURATION_MS",
    "FRAME_SIZE",
    "NUM_FRAMES",
    "PITCHES",
    "POSES",
    "SHAPES",
    "SIZES",
    "Attributes",
    "Measure",
    "cry",
    "describe",
    "draw",
    "measure_cry",
    "measure_sprite",
    "read_attributes",
]

NOUNS = ("creature", "beast", "critter", "monster")
SENTENCES = (
    "a {size} {shape} {colour} {element} {noun} {pose} with a {pitch} cry.",
    "this {element} {noun} is {size}, {shape}, {colour} and {pose}. {pitch} cry.",
    "{pose} {noun} with a {pitch} cry: {size}, {shape}, {colour}, {element}.",
)


def draw(attributes: Attributes, seed: int) -> NDArray[np.uint8]:
    """Draw a creature as an animation; the seed places it, turns its eyes and chooses the frame in which it blinks.

    Args:
        attributes: A value of `ATTRIBUTES` for each name.
        seed: Seed, at least 0.

    Returns:
        RGB frames of NES colours on `BACKGROUND`, (4, 12, 12, 3).

    Raises:
        ValueError: If an attribute is missing or unknown.
    """
    _require(attributes)
    random = np.random.default_rng((seed, 0))
    left, turn, blink = random.integers(0, 2), random.choice((-1, 1)), random.integers(1, NUM_FRAMES)
    mask = body_mask(attributes["size"], attributes["shape"])
    height, width = mask.shape
    inside = binary_erosion(mask[:-1])
    creature = np.full((height, width, 3), BLACK, np.uint8)
    creature[:-1][inside] = COLOURS[attributes["colour"]]
    top, start = FRAME_SIZE - height, (FRAME_SIZE - width) // 2 + left
    frames = np.full((NUM_FRAMES, FRAME_SIZE, FRAME_SIZE, 3), BACKGROUND, np.uint8)
    for index, (down, right) in enumerate(POSES[attributes["pose"]]):
        picture = creature.copy()
        if index != blink:
            picture[_eyes(inside, turn)] = BLACK
        frames[index, top + down : top + down + height, start + right : start + right + width][mask] = picture[mask]
    return frames


def _eyes(inside: NDArray[np.bool_], turn: int) -> tuple[list[int], list[int]]:
    """Return (rows, columns) of two eyes in the first row with room for them, turned aside where they can be."""
    widths = inside.sum(axis=1)
    room = min(5, int(widths.max()))
    row = int(np.flatnonzero(widths >= room)[0])
    middle = int(np.flatnonzero(inside[row]).mean()) + (turn if room == 5 else 0)
    return [row, row], [middle - 1, middle + 1]


def describe(attributes: Attributes, seed: int) -> str:
    """Return a sentence that states every attribute; the seed chooses its form and its noun.

    Args:
        attributes: A value of `ATTRIBUTES` for each name.
        seed: Seed, at least 0.

    Returns:
        Lower case ASCII, made of the paper's bytes.

    Raises:
        ValueError: If an attribute is missing or unknown.
    """
    _require(attributes)
    random = np.random.default_rng((seed, 1))
    sentence, noun = SENTENCES[random.integers(len(SENTENCES))], NOUNS[random.integers(len(NOUNS))]
    return sentence.format(noun=noun, **attributes)


def cry(attributes: Attributes, seed: int) -> NDArray[np.float32]:
    """Return a creature's cry: pitch is its period, element the course of its loudness; the seed sets the phase.

    Args:
        attributes: A value of `ATTRIBUTES` for each name.
        seed: Seed, at least 0.

    Returns:
        Amplitudes in [-1, 1] at `CRY_RATE_HZ`, (2, 400): the cry, and the cry through a Game Boy's speaker.

    Raises:
        ValueError: If an attribute is missing or unknown.
    """
    _require(attributes)
    period = PITCHES[attributes["pitch"]]
    phase = np.random.default_rng((seed, 2)).integers(0, 2) / 2
    position = np.arange(CRY_SAMPLES) / period + phase
    loudness = np.repeat(ELEMENTS[attributes["element"]], CRY_SAMPLES // 4)
    # a fundamental and its octave: the fundamental always is the strongest line of the spectrum
    wave = np.sin(2 * np.pi * position) + 0.4 * np.sin(4 * np.pi * position)
    return add_speaker_channel(wave * loudness, sampling_rate=CRY_RATE_HZ).T


def _require(attributes: Attributes) -> None:
    wrong = {name: attributes.get(name) for name, values in ATTRIBUTES.items() if attributes.get(name) not in values}
    if wrong:
        expected = {name: ATTRIBUTES[name] for name in wrong}
        raise ValueError(f"attributes must state one known value each, got {wrong}, expected one of {expected}")
