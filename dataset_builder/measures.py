"""What a sentence, a sprite and a cry say about a creature's attributes.

The inverses of `creatures.describe`, `creatures.draw` and `creatures.cry`, exact on what those make and usable on what
a model makes. A measure never guesses: what it cannot tell is None.

Shapes: T frames, H rows, W columns, N samples, C channels.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .attributes import (
    ATTRIBUTES,
    COLOURS,
    CRY_RATE_HZ,
    ELEMENTS,
    FRAME_SIZE,
    PITCHES,
    SHAPES,
    SIZES,
    Measure,
    body_mask,
)

BACKGROUND_LEVEL = 240  # a pixel whose three values reach this is background: 0xF8F8F8 and whiter
COLOUR_TOLERANCE = 60  # largest RGB distance to an attribute colour, half the smallest distance between two of them
MIN_COLOUR_PIXELS = 4
MIN_COLOUR_SHARE = 0.6
MIN_OVERLAP = 0.6
MIN_FUNDAMENTAL_SHARE = 0.3
MIN_LOUDNESS_COSINE = 0.9


def read_attributes(text: str) -> Measure:
    """Return the attributes that a text states; one stated twice differently, or not at all, is None.

    Example:
        >>> stated = read_attributes("A small round red fire beast walking with a low cry.")
        >>> stated["colour"], stated["element"], read_attributes("red and blue")["colour"]
        ('red', 'fire', None)
    """
    letters = "".join(letter if letter.isalpha() else " " for letter in text.lower())
    words = set(letters.split())
    stated = {name: [value for value in values if value in words] for name, values in ATTRIBUTES.items()}
    return {name: values[0] if len(values) == 1 else None for name, values in stated.items()}


def measure_sprite(frames: NDArray[np.uint8]) -> Measure:
    """Return colour, size, shape and pose as a sprite shows them; exact on clean sprites, robust to some wrong pixels.

    Args:
        frames: RGB frames, (T, H, W, 3); transparent pixels must have been composited on white.

    Returns:
        Attribute or None, under the keys ``colour``, ``size``, ``shape`` and ``pose``.

    Raises:
        ValueError: If `frames` is not uint8 (T, H, W, 3) with at least one pixel.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or frames.size == 0:
        raise ValueError(f"frames must be uint8 (T, H, W, 3) and not empty, got {frames.dtype} {frames.shape}")
    figure = np.asarray((frames < BACKGROUND_LEVEL).any(axis=-1))
    return {"colour": _measure_colour(frames)} | _fit_body(figure)


def _measure_colour(frames: NDArray[np.uint8]) -> str | None:
    palette = np.array([*COLOURS.values()], np.int64)
    distances = np.linalg.norm(frames.reshape(-1, 1, 3).astype(np.int64) - palette, axis=-1)
    near = distances.min(axis=1) <= COLOUR_TOLERANCE
    votes = np.bincount(distances.argmin(axis=1)[near], minlength=len(palette))
    winner = int(votes.argmax())
    if votes[winner] < MIN_COLOUR_PIXELS or votes[winner] < MIN_COLOUR_SHARE * votes.sum():
        return None
    return [*COLOURS][winner]


def _fit_body(figure: NDArray[np.bool_]) -> Measure:
    """Fit every size and shape at every place of every frame, figure (T, H, W); the best on average wins."""
    unknown: Measure = {"size": None, "shape": None, "pose": None}
    margin = max(0, FRAME_SIZE - figure.shape[1]), max(0, FRAME_SIZE - figure.shape[2])
    figure = np.pad(figure, ((0, 0), (0, margin[0]), (0, margin[1])))
    fits = {(size, shape): _overlaps(figure, body_mask(size, shape)) for size in SIZES for shape in SHAPES}
    scores = {body: overlaps.max(axis=(1, 2)).mean() for body, overlaps in fits.items()}
    best = max(scores, key=lambda body: scores[body])
    if scores[best] < MIN_OVERLAP or sum(score == scores[best] for score in scores.values()) > 1:
        return unknown
    overlaps = fits[best]
    places = np.array([np.unravel_index(frame.argmax(), frame.shape) for frame in overlaps])
    return {"size": best[0], "shape": best[1], "pose": _measure_pose(places)}


def _overlaps(figure: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return intersection over union of `mask` at every place, (T, H - h + 1, W - w + 1)."""
    covered = sliding_window_view(figure, mask.shape, axis=(1, 2))
    shared = np.einsum("tyxhw,hw->tyx", covered.astype(np.float64), mask.astype(np.float64))
    overlaps: NDArray[np.float64] = shared / (figure.sum(axis=(1, 2))[:, None, None] + mask.sum() - shared)
    return overlaps


def _measure_pose(places: NDArray[np.intp]) -> str | None:
    """Return the pose whose displacements fit places (T, 2) of a body, or None for one frame or another movement."""
    if len(places) < 2:
        return None
    moves = (places.max(axis=0) - places.min(axis=0) > 0).tolist()
    return {(False, False): "resting", (False, True): "walking", (True, False): "jumping"}.get(tuple(moves))


def measure_cry(array: NDArray[np.floating], sampling_rate: int) -> Measure:
    """Return element and pitch as the first channel of a sound carries them, at any rate, length and scale.

    Args:
        array: Amplitudes, (C, N) or (N,).
        sampling_rate: Rate in Hz.

    Returns:
        Attribute or None, under the keys ``element`` and ``pitch``.

    Raises:
        ValueError: If `array` has another rank or `sampling_rate` is not above 0.
    """
    if array.ndim not in (1, 2) or sampling_rate <= 0:
        raise ValueError(f"expected array (C, N) or (N,) at over 0 Hz, got {array.shape} at {sampling_rate} Hz")
    samples = np.asarray(array if array.ndim == 1 else array[0], np.float64)
    if len(samples) < 4 * max(PITCHES.values()) or not np.isfinite(samples).all() or np.ptp(samples) == 0:
        return {"element": None, "pitch": None}
    samples = samples - samples.mean()
    pitch = _measure_pitch(samples, sampling_rate)
    return {"element": None if pitch is None else _measure_element(samples), "pitch": pitch}


def _measure_pitch(samples: NDArray[np.float64], sampling_rate: int) -> str | None:
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / sampling_rate)
    strongest = frequencies[power.argmax()]
    share = power[np.abs(frequencies - strongest) <= 0.25 * strongest].sum() / power.sum()
    octaves = {name: abs(np.log2(max(strongest, 1.0) * period / CRY_RATE_HZ)) for name, period in PITCHES.items()}
    nearest = min(octaves, key=lambda name: octaves[name])
    return nearest if octaves[nearest] <= 0.5 and share >= MIN_FUNDAMENTAL_SHARE else None


def _measure_element(samples: NDArray[np.float64]) -> str | None:
    quarters = np.array([np.sqrt(np.mean(quarter**2)) for quarter in np.array_split(samples, 4)])
    profiles = {name: np.array(profile) for name, profile in ELEMENTS.items()}
    cosines = {name: quarters @ p / np.linalg.norm(quarters) / np.linalg.norm(p) for name, p in profiles.items()}
    nearest = max(cosines, key=lambda name: cosines[name])
    return nearest if cosines[nearest] >= MIN_LOUDNESS_COSINE else None
