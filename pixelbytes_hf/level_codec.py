"""Signals to amplitude-level ids and back, with the scale that restores the amplitude.

Source: `process_audio`, pixelbytes/tokenizer.py:115 of fabienfrfr/PixelBytes@7646d6a. Different on purpose: the scale
is returned, and a constant signal, which is 0/0 there, maps to the middle level.
"""

from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grid import Ids
from .vocabulary import Vocabulary

Scaling = Literal["min-max", "peak", "none"]


class Scale(NamedTuple):
    """Affine map between amplitudes and levels: amplitude = level * `gain` + `offset`, in the signal's unit."""

    gain: float = 1.0
    offset: float = 0.0


UNIT_SCALE = Scale()


def encode_levels(
    signal: ArrayLike, vocabulary: Vocabulary, *, scaling: Scaling = "min-max", step: int = 1
) -> tuple[Ids, Scale]:
    """Return the nearest level id of every sample.

    Args:
        signal: (T, C), any real dtype and unit. The scale is taken over all samples and channels, before slicing.
        vocabulary: The tables.
        scaling: ``min-max`` fills [-1, 1] as in the paper; ``peak`` divides by the largest magnitude, so that zero
            stays zero; ``none`` takes the signal as it is, beyond [-1, 1] at the outermost level.
        step: Keep every `step`-th sample (no low-pass filter, as in the paper).

    Returns:
        Ids (ceil(T / step), C), and the scale for `decode_levels`.

    Raises:
        ValueError: If the signal is not 2-D, is empty, holds NaN or infinity, or an option is unknown.
    """
    values = np.asarray(signal)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"signal must be non-empty (T, C), got shape {values.shape}")
    if values.dtype.kind not in "iuf":
        raise ValueError(f"signal must be real numbers, got {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("signal holds NaN or infinity: expected finite samples")
    scale = _measure(values, scaling)
    unit = (values[::step].astype(np.float64) - scale.offset) / (scale.gain or 1.0)
    index = np.searchsorted(_midpoints(vocabulary), unit, side="right")
    return (index + vocabulary.level_ids.start).astype(vocabulary.id_dtype), scale


def decode_levels(ids: Ids, vocabulary: Vocabulary, scale: Scale = UNIT_SCALE) -> NDArray[np.float32]:
    """Return the amplitudes of level ids, same shape, float32, in the unit of `scale`.

    Raises:
        ValueError: If an id is not that of a level.
    """
    ids = np.asarray(ids, np.int64)
    outside = ids[(ids < vocabulary.level_ids.start) | (ids >= vocabulary.level_ids.stop)]
    if outside.size:
        raise ValueError(f"level ids must be in {vocabulary.level_ids}, got {int(outside[0])}")
    levels = np.array(vocabulary.levels)[ids - vocabulary.level_ids.start]
    return (levels * scale.gain + scale.offset).astype(np.float32)


def check_scaling(scaling: str) -> Scaling:
    """Return `scaling` if it names a way to scale.

    Raises:
        ValueError: If it does not.
    """
    if scaling not in get_args(Scaling):
        raise ValueError(f"scaling must be one of {get_args(Scaling)}, got {scaling!r}")
    return scaling  # type: ignore[return-value]


def _measure(values: NDArray[Any], scaling: Scaling) -> Scale:
    if scaling == "min-max":
        low, high = float(values.min()), float(values.max())
        return Scale((high - low) / 2, (high + low) / 2)
    if scaling == "peak":
        return Scale(float(np.abs(values.astype(np.float64)).max()), 0.0)
    check_scaling(scaling)
    return UNIT_SCALE


@cache
def _midpoints(vocabulary: Vocabulary) -> NDArray[np.float64]:
    levels = np.array(vocabulary.levels)
    midpoints: NDArray[np.float64] = (levels[1:] + levels[:-1]) / 2
    return midpoints
