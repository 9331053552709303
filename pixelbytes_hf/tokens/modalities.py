"""Modalities, a row each: which grid a segment is, and which ids may stand in it; everything else reads this table.

A grid has axes (frame, row, column) and is data and marks. The marks that end it stand in a column of their own, as in
a picture, or in a frame of their own, as in a sound.

Shapes: T frames, H rows, W columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Kind = Literal["text", "pixel", "level", "row_end", "segment_end", "special", "image_code", "audio_code", "task"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_CODES = 1 << 20  # of all media together
Modality = Literal["text", "image", "audio", "image_code", "audio_code", "task"]
Marks = Literal["column", "frame"]
Grid = NDArray[np.integer[Any]]
ROW_END, SEGMENT_END = KINDS.index("row_end"), KINDS.index("segment_end")


def slot(kind: int, level: int = 0) -> int:
    """Return a number for the places in a grid that take ids of a kind and, of the codes of a sound, of one level.

    Args:
        kind: Index into `KINDS`; the slot of level 0.
        level: Residual level, from 0.
    """
    return kind + len(KINDS) * level


def slot_name(index: int) -> str:
    """Return what messages call a slot: the kind, and the residual level but for the first.

    Example:
        >>> slot_name(slot(KINDS.index("pixel"))), slot_name(slot(KINDS.index("audio_code"), 2))
        ('pixel', 'audio_code:2')
    """
    level, kind = divmod(index, len(KINDS))
    return f"{KINDS[kind]}:{level}" if level else KINDS[kind]


class Codes(NamedTuple):
    """How many codes learned codecs have.

    Attributes:
        image: Codes of pictures, K.
        audio: Codes of every residual level of sounds, Q numbers.
    """

    image: int = 0
    audio: tuple[int, ...] = ()

    @classmethod
    def of(cls, counts: "Mapping[str, Any] | Codes") -> "Codes":
        """Return checked numbers of codes.

        Args:
            counts: ``{"image": 512, "audio": (64, 64)}``, either or both.

        Raises:
            TypeError: If a number is not an int, or the sound's are no list.
            ValueError: If a medium is unknown, a number is under 1, or there are more than `MAX_CODES`.
        """
        given = counts._asdict() if isinstance(counts, Codes) else counts
        if not isinstance(given, Mapping):
            raise TypeError(f"codes must be numbers of codes by medium, got {counts!r:.100}")
        if unknown := given.keys() - set(cls._fields):
            raise ValueError(f"codes may have {list(cls._fields)}, got {sorted(map(str, unknown))}")
        image, audio = given.get("image", 0), given.get("audio", ())
        if not isinstance(audio, list | tuple) or any(type(count) is not int for count in (image, *audio)):
            raise TypeError(f"codes must be an int of 'image' and a list of ints of 'audio', got {counts!r:.100}")
        if image < 0 or min(audio, default=1) < 1 or image + sum(audio) > MAX_CODES:
            raise ValueError(f"codes must be at least 1 of each and {MAX_CODES} in all, got {counts!r:.100}")
        return cls(image, tuple(audio))


NO_CODES = Codes()


@dataclass(frozen=True)
class Traits:
    """What a modality is to those that read grids.

    Attributes:
        title: What messages call it.
        medium: Which medium its ids stand for: that of codes is what they decode to.
        kind: Of its ids, marks left out.
        marks: Where marks stand: at the end of every row, the last row of a frame ending the frame; or in an extra
            last frame.
        has_levels: Whether each column takes ids of its own: the residual levels of a sound.
        has_frames: Whether a mark may end a frame, and not the segment.
        can_mirror: Whether the grid turned left to right is that of the medium turned left to right.
        is_default: Whether ids that open no other segment are of this one; then also those that are layout and data
            both, in a vocabulary whose layout has no ids of its own.
    """

    title: str
    medium: Modality
    kind: Kind
    marks: Marks
    has_levels: bool = False
    has_frames: bool = False
    can_mirror: bool = False
    is_default: bool = False

    def slots(self, columns: int) -> tuple[int, ...]:
        """Return the slot of each of so many columns of data; see `slot`."""
        if not self.has_levels:
            return (slot(KINDS.index(self.kind)),) * columns
        return tuple(slot(KINDS.index(self.kind), level) for level in range(columns))

    def enclose(
        self, data: ArrayLike, row_end: int = ROW_END, segment_end: int = SEGMENT_END, dtype: DTypeLike = np.int64
    ) -> Grid:
        """Return the grid of data (T, H, W) and marks: (T, H, W + 1), or (T + 1, H, W)."""
        values = np.asarray(data)
        frames, rows, columns = values.shape
        extra = (frames + 1, rows, columns) if self.marks == "frame" else (frames, rows, columns + 1)
        grid = np.full(extra, row_end, dtype)
        self.open(grid)[:] = values
        if self.marks == "frame":
            grid[-1, -1, -1] = segment_end
        else:
            grid[:, -1, -1] = segment_end
        return grid

    def open(self, grid: Grid) -> Grid:
        """Return the data of a grid, a view: the inverse of `enclose`."""
        return grid[:-1] if self.marks == "frame" else grid[:, :, :-1]

    def data_shape(self, extent: Sequence[int]) -> tuple[int, int, int]:
        """Return (T, H, W) of the data of a grid of an extent."""
        frames, rows, columns = extent
        return (frames - 1, rows, columns) if self.marks == "frame" else (frames, rows, columns - 1)


TRAITS: MappingProxyType[Modality, Traits] = MappingProxyType(
    {
        "text": Traits("text", "text", "text", "column", is_default=True),
        "image": Traits("image", "image", "pixel", "column", has_frames=True, can_mirror=True),
        "audio": Traits("sound", "audio", "level", "frame"),
        "image_code": Traits("picture of codes", "image", "image_code", "column", has_frames=True),
        "audio_code": Traits("sound of codes", "audio", "audio_code", "frame", has_levels=True),
        "task": Traits("task", "task", "task", "column"),
    }
)
MODALITIES: tuple[Modality, ...] = tuple(TRAITS)  # corpora on disk name one by its index: none is moved
MEDIA: tuple[Modality, ...] = ("text", "image", "audio")  # those that files hold, in the paper's order
