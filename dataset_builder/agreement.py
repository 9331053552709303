"""How often a sprite and a cry show what their sentence says.

It takes triples of sentence, frames and sound, generated or real. What is missing, cannot be decoded or cannot be told
counts as disagreement, so silence is never an advantage.

Shapes: R records, T frames, H rows, W columns, C channels, N samples.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .creatures import ATTRIBUTES, Measure, measure_cry, measure_sprite, read_attributes

SPRITE_ATTRIBUTES: tuple[str, ...] = ("colour", "size", "shape", "pose")
CRY_ATTRIBUTES: tuple[str, ...] = ("element", "pitch")

Sprites = Sequence[NDArray[np.uint8] | None]
Sounds = Sequence[NDArray[np.floating] | None]
Item = TypeVar("Item")
Agreement = dict[str, float]


def attribute_agreement(
    texts: Sequence[str], frames: Sprites | None, sounds: Sounds | None, sampling_rates: Sequence[int] | int | None
) -> Agreement:
    """Return, for every attribute, the share of records whose sprite or cry shows what their sentence says.

    Args:
        texts: Sentences, R of them.
        frames: RGB sprites (T, H, W, 3) uint8, None where one is missing; None altogether if not asked for.
        sounds: Amplitudes (C, N) or (N,), None where one is missing; None altogether if not asked for.
        sampling_rates: Rate of each sound in Hz, or one for all; may be None if `sounds` is.

    Returns:
        Shares in [0, 1]: colour, size, shape and pose if `frames` is given, element and pitch if `sounds` is.

    Raises:
        ValueError: If the sequences differ in length, are empty, or sounds come without rates.

    Example:
        >>> attribute_agreement(["a red beast"], [None], None, None)["colour"]
        0.0
    """
    if not texts:
        raise ValueError("texts must name at least one record, got none")
    stated = [read_attributes(text) for text in texts]
    agreement: Agreement = {}
    if frames is not None:
        shown = [_measured_sprite(sprite) for sprite in _of_length("frames", frames, len(texts))]
        agreement |= _shares(stated, shown, SPRITE_ATTRIBUTES)
    if sounds is not None:
        if sampling_rates is None:
            raise ValueError("sampling_rates must be given with sounds, got None")
        rates = [sampling_rates] * len(texts) if isinstance(sampling_rates, int) else sampling_rates
        pairs = zip(
            _of_length("sounds", sounds, len(texts)), _of_length("sampling_rates", rates, len(texts)), strict=True
        )
        heard = [_measured_cry(sound, rate) for sound, rate in pairs]
        agreement |= _shares(stated, heard, CRY_ATTRIBUTES)
    return agreement


def agreement_bounds(
    texts: Sequence[str],
    frames: Sprites | None,
    sounds: Sounds | None,
    sampling_rates: Sequence[int] | int | None,
    *,
    seed: int = 0,
) -> dict[str, Agreement]:
    """Return what real records reach and what pairs torn apart reach: the range in which agreement means something.

    Args:
        texts: Sentences of real records, R of them, at least 2.
        frames: Their sprites, as in `attribute_agreement`.
        sounds: Their cries, as in `attribute_agreement`.
        sampling_rates: Rates of the cries in Hz.
        seed: Seed of the shuffle that gives every sprite and cry another record's sentence.

    Returns:
        ``ceiling``: agreement of the records as they are; ``floor``: with shuffled sentences.

    Raises:
        ValueError: If fewer than 2 records are given, or as in `attribute_agreement`.
    """
    if len(texts) < 2:
        raise ValueError(f"texts must hold at least 2 records to shuffle, got {len(texts)}")
    order = np.random.default_rng(seed).permutation(len(texts))
    # a cyclic shift of a random order leaves no record with its own sentence
    donor = np.empty_like(order)
    donor[order] = np.roll(order, 1)
    shuffled = [texts[index] for index in donor]
    return {
        "ceiling": attribute_agreement(texts, frames, sounds, sampling_rates),
        "floor": attribute_agreement(shuffled, frames, sounds, sampling_rates),
    }


def _of_length(name: str, items: Sequence[Item], expected: int) -> Sequence[Item]:
    if len(items) != expected:
        raise ValueError(f"{name} must have one entry for each of the {expected} texts, got {len(items)}")
    return items


def _measured_sprite(sprite: NDArray[np.uint8] | None) -> Measure:
    return {} if sprite is None or sprite.size == 0 else measure_sprite(sprite)


def _measured_cry(sound: NDArray[np.floating] | None, sampling_rate: int) -> Measure:
    return {} if sound is None or sound.size == 0 else measure_cry(sound, sampling_rate)


def _shares(stated: Sequence[Measure], shown: Sequence[Measure], names: tuple[str, ...]) -> Agreement:
    assert set(names) <= ATTRIBUTES.keys()
    pairs = list(zip(stated, shown, strict=True))
    return {name: float(np.mean([s[name] is not None and s[name] == m.get(name) for s, m in pairs])) for name in names}
