"""Augmentation of records: pictures mirrored left to right, sounds of the opposite polarity.

A sprite seen in a mirror is a sprite, and a sound of the opposite polarity sounds the same. Shapes and separators stay
where they are, so that contexts are computed from an augmented record as from any other.

Shapes: L positions of a record, T frames, H rows, W columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..tokens.grid import Ids, Shape
from ..tokens.modalities import TRAITS
from ..tokens.vocabulary import Vocabulary

_STREAM = 3  # which stream of random numbers


class Augmentation(NamedTuple):
    """What may be done to records, each with probability one half, or what is done to one.

    Attributes:
        mirror: Turn pictures left to right. A text that says where something is would become false.
        invert: Turn the sign of every amplitude.
    """

    mirror: bool = False
    invert: bool = False

    def draw(self, seed: int, epoch: int, index: int) -> "Augmentation":
        """Return what is done to the record of a window in an epoch, a pure function of the arguments."""
        if not any(self):
            return self
        first, second = np.random.default_rng((seed, epoch, index, _STREAM)).random(2) < 0.5
        return Augmentation(self.mirror and bool(first), self.invert and bool(second))


def flip_record(ids: Ids, shapes: Sequence[Shape], flips: Augmentation, vocabulary: Vocabulary) -> Ids:
    """Return a record with all its pictures or sounds flipped; flipping twice gives the record.

    Args:
        ids: Its raster stream, (L,).
        shapes: Its segments' shapes.
        flips: What to do.
        vocabulary: The tables; its levels must lie symmetrically about zero for `invert`.

    Returns:
        (L,), dtype of `ids`; `ids` itself where there is nothing to do.

    Raises:
        ValueError: If amplitudes are to be inverted and the levels are not symmetrical.
    """
    if not any(flips):
        return ids
    result = ids.copy()
    stop = 0
    for shape in shapes:
        start, stop = stop, stop + shape.size
        if flips.mirror and TRAITS[shape.modality].can_mirror:
            grid = result[start:stop].reshape(shape[1:])
            # the last column holds the separators
            grid[:, :, :-1] = grid[:, :, -2::-1].copy()
    return _invert_levels(result, vocabulary) if flips.invert else result


def _invert_levels(ids: Ids, vocabulary: Vocabulary) -> Ids:
    levels, table = vocabulary.level_ids, np.asarray(vocabulary.levels)
    if not np.allclose(table, -table[::-1]):
        raise ValueError("the vocabulary's levels must be symmetrical about zero to invert sounds, got others")
    is_level = (ids >= levels.start) & (ids < levels.stop)
    return np.where(is_level, levels.start + levels.stop - 1 - ids.astype(np.int64), ids).astype(ids.dtype)
