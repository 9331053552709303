"""What the shapes of a record tell about each of its positions: the kind of id, the segment, the place in the grid.

Shapes: L positions of a record.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import LEVEL, PIXEL, ROW_END, SEGMENT_END, TEXT, Shape

Mask = NDArray[np.bool_]
_KIND_OF_MODALITY = {"text": TEXT, "image": PIXEL, "audio": LEVEL}


class Places(NamedTuple):
    """What the shapes of a record tell about its positions.

    Attributes:
        kinds: Index into `KINDS` of the id at each position, (L,).
        segments: Which segment each belongs to, (L,).
        frames: Frame or sample within the segment, (L,).
        rows: Row within the frame, (L,).
        columns: Column or channel within the row, (L,).
    """

    kinds: NDArray[np.int64]
    segments: NDArray[np.int64]
    frames: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def is_separator(self) -> Mask:
        """Whether a separator stands at each position, (L,)."""
        return np.isin(self.kinds, (ROW_END, SEGMENT_END))


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
        frame, row, column = np.indices(shape[1:]).reshape(3, -1)
        kind = np.full(shape.size, _KIND_OF_MODALITY[shape.modality])
        is_last_column = column == shape.columns - 1
        if shape.modality == "audio":
            kind[frame == shape.frames - 1] = ROW_END
            kind[-1] = SEGMENT_END
        elif shape.modality == "image":
            kind[is_last_column] = ROW_END
            kind[is_last_column & (row == shape.rows - 1)] = SEGMENT_END
        else:
            kind[-1] = SEGMENT_END
        columns.append((kind, np.full(shape.size, number), frame, row, column))
    return Places(*(np.concatenate(column) for column in zip(*columns, strict=True)))
