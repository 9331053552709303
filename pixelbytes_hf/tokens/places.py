"""What the shapes of a record tell about each of its positions: the kind of id, the segment, the place in the grid.

Shapes: L positions of a record.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import Shape
from .modalities import KINDS, ROW_END, SEGMENT_END, TRAITS

Mask = NDArray[np.bool_]


class Places(NamedTuple):
    """What the shapes of a record tell about its positions.

    Attributes:
        slots: What the id at each position must be, `Vocabulary.slot_of_id` of it, (L,).
        segments: Which segment each belongs to, (L,).
        frames: Frame or sample within the segment, (L,).
        rows: Row within the frame, (L,).
        columns: Column or channel within the row, (L,).
    """

    slots: NDArray[np.int64]
    segments: NDArray[np.int64]
    frames: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def kinds(self) -> NDArray[np.int64]:
        """Index into `KINDS` of the id at each position, (L,)."""
        return self.slots % len(KINDS)

    @property
    def is_separator(self) -> Mask:
        """Whether a separator stands at each position, (L,)."""
        return np.isin(self.slots, (ROW_END, SEGMENT_END))


def locate_places(shapes: Sequence[Shape]) -> Places:
    """Return what the shapes of a record tell about its positions.

    Raises:
        ValueError: If there is no shape.

    Example:
        >>> [KINDS[kind] for kind in locate_places([Shape("image", 1, 2, 2)]).kinds]
        ['pixel', 'row_end', 'pixel', 'segment_end']
    """
    if not shapes:
        raise ValueError("shapes must not be empty: a record has at least one segment")
    columns = []
    for number, shape in enumerate(shapes):
        traits = TRAITS[shape.modality]
        data = traits.data_shape(shape[1:])
        slots = traits.enclose(np.broadcast_to(traits.slots(data[2]), data))
        frame, row, column = np.indices(shape[1:]).reshape(3, -1)
        columns.append((slots.reshape(-1), np.full(shape.size, number), frame, row, column))
    return Places(*(np.concatenate(column) for column in zip(*columns, strict=True)))
