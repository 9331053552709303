"""Layouts: which segments of which extents a generated record consists of, as data.

A layout is a sequence of bounded segments. `grammar.LayoutGrammar` turns it into "which ids are legal next", so that
every output of any model ends, and decodes with rectangular frames.

In any vocabulary two images of one size that follow each other read as one image, and in the ``paper`` preset two
texts as one text (see `grid.parse`). A layout that could write either is refused. What the prompt holds is not looked
at: an image of the prompt's last image's size reads as further frames of that image.

Axes: T frames or samples, H rows, W columns (separators not included), C channels.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Integral
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..pretrained.setting_checks import check_bound
from ..tokens.modalities import Modality

DEFAULT_TEXT_LENGTH = 256
DEFAULT_IMAGE_SIDE = 50  # the builder's sprites are at most this high and wide
DEFAULT_NUM_SAMPLES = 1024
DEFAULT_NUM_LEVELS = 4  # of residual quantisation
UNBOUNDED = 2**62
Extents = NDArray[np.int64]  # T, H and W of segments without marks, (S, 3)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text of free length.

    Args:
        max_length: Most bytes, the separator not counted.
        continues: Whether the prompt's last text is continued rather than a new one begun.
    """

    modality: ClassVar[Modality] = "text"
    min_length: ClassVar[int] = 0
    max_length: int = DEFAULT_TEXT_LENGTH
    continues: bool = False

    def __post_init__(self) -> None:
        _check_counts(self, "max_length")

    given_columns: ClassVar[Mapping[int, Sequence[int]]] = MappingProxyType({})

    @property
    def extent(self) -> tuple[int, int, int]:
        """Largest (T, H, W), marks left out."""
        return 1, 1, self.max_length

    @classmethod
    def of_extents(cls, extents: Extents) -> Self:
        """Return the layout that holds any of them."""
        return cls(max_length=max(int(extents[:, 2].max()), 1))

    @classmethod
    def of_any_extent(cls, columns: int) -> Self:
        """Return the layout of a segment of any extent."""
        return cls(max_length=UNBOUNDED)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of known or free size; the first row fixes a free width, the first frame a free height.

    Args:
        frames: T.
        height: H, or None for 1..`max_height`.
        width: W, or None for 1..`max_width`.
        max_height: Bound of a free height.
        max_width: Bound of a free width.
        continues: Whether the prompt's last image is continued: `frames` counts the frames it has already.
    """

    modality: ClassVar[Modality] = "image"
    frames: int = 1
    height: int | None = None
    width: int | None = None
    max_height: int = DEFAULT_IMAGE_SIDE
    max_width: int = DEFAULT_IMAGE_SIDE
    continues: bool = False

    def __post_init__(self) -> None:
        _check_counts(self, "frames", "max_height", "max_width")
        _check_counts(self, *(name for name in ("height", "width") if getattr(self, name) is not None))

    given_columns: ClassVar[Mapping[int, Sequence[int]]] = MappingProxyType({})

    @property
    def extent(self) -> tuple[int, int, int]:
        """Largest (T, H, W), marks left out."""
        return self.frames, self.height or self.max_height, self.width or self.max_width

    @classmethod
    def of_extents(cls, extents: Extents) -> Self:
        """Return the layout of the median number of frames; a side is fixed where all have the same."""
        (_, most_rows, most_columns), (_, least_rows, least_columns) = extents.max(0).tolist(), extents.min(0).tolist()
        return cls(
            frames=int(np.median(extents[:, 0])),
            height=most_rows if most_rows == least_rows else None,
            width=most_columns if most_columns == least_columns else None,
            max_height=most_rows,
            max_width=most_columns,
        )

    @classmethod
    def of_any_extent(cls, columns: int) -> Self:
        """Return the layout of a segment of any extent."""
        return cls(frames=UNBOUNDED, max_height=UNBOUNDED, max_width=UNBOUNDED)


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A sound, or signals of a control system, of known or free length.

    Args:
        channels: C.
        samples: T, or None for 1..`max_samples`.
        max_samples: Bound of a free length; `DEFAULT_NUM_SAMPLES` if neither it nor `samples` nor `given` is there.
        given: For some channels, counted from 0, all of their ids: the model generates the others to match. Their
            number of ids is the number of samples.
        continues: Whether the prompt's last sound is continued: `samples` and `given` count what it has already.
    """

    modality: ClassVar[Modality] = "audio"
    channels: int = 2
    samples: int | None = None
    max_samples: int | None = None
    given: Mapping[int, Sequence[int]] | None = None
    continues: bool = False

    def __post_init__(self) -> None:
        _check_counts(self, "channels", *(n for n in ("samples", "max_samples") if getattr(self, n) is not None))
        if self.samples is not None and self.max_samples is not None:
            raise ValueError(f"give samples or max_samples, not both: got {self.samples} and {self.max_samples}")
        if not isinstance(self.given, Mapping | None):
            raise TypeError(f"given must be ids by channel, got {self.given!r:.100}")
        for ids in (self.given or {}).values():
            if not isinstance(ids, Iterable) or not all(isinstance(value, Integral) for value in ids):
                raise TypeError(f"given must hold lists of ids, got {ids!r:.100}")
        given = {_channel(key): tuple(map(int, ids)) for key, ids in (self.given or {}).items()}
        object.__setattr__(self, "given", given or None)
        if given:
            self._fix_samples(given)
        elif self.samples is None and self.max_samples is None:
            object.__setattr__(self, "max_samples", DEFAULT_NUM_SAMPLES)

    @property
    def given_columns(self) -> Mapping[int, Sequence[int]]:
        """Ids of the columns that are given."""
        return self.given or {}

    @property
    def extent(self) -> tuple[int, int, int]:
        """Largest (T, H, W), marks left out."""
        return self.samples or self.max_samples or 1, 1, self.channels

    @classmethod
    def of_extents(cls, extents: Extents) -> Self:
        """Return the layout of the median number of channels; the length is fixed where all have the same."""
        channels, most = int(np.median(extents[:, 2])), int(extents[:, 0].max())
        is_fixed = (extents[:, 0] == most).all()
        return cls(channels=channels, samples=most if is_fixed else None, max_samples=None if is_fixed else most)

    @classmethod
    def of_any_extent(cls, columns: int) -> Self:
        """Return the layout of a segment of any length and so many channels."""
        return cls(channels=columns, max_samples=UNBOUNDED)

    def _fix_samples(self, given: dict[int, tuple[int, ...]]) -> None:
        if not all(0 <= channel < self.channels for channel in given):
            raise ValueError(f"given must name channels in 0..{self.channels - 1}, got {sorted(given)}")
        lengths = {len(ids) for ids in given.values()} | ({self.samples} if self.samples is not None else set())
        samples = max(lengths)
        if len(lengths) > 1 or samples == 0 or (self.max_samples is not None and samples > self.max_samples):
            raise ValueError(
                f"given channels must have one length, equal to samples or within max_samples: got lengths "
                f"{ {channel: len(ids) for channel, ids in given.items()} }, samples {self.samples}, "
                f"max_samples {self.max_samples}"
            )
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "max_samples", None)


class ImageCodes(Image):
    """Codes of a picture, T', H' and W' of them: all that is said of pixels holds of codes."""

    modality: ClassVar[Modality] = "image_code"


@dataclass(frozen=True, kw_only=True)
class AudioCodes(Audio):
    """Codes of a sound: channels are the residual levels, Q, samples the times, T'."""

    modality: ClassVar[Modality] = "audio_code"
    channels: int = DEFAULT_NUM_LEVELS


class Task(Text):
    """Task and border ids, at least one: a mark alone reads as a text of no letters."""

    modality: ClassVar[Modality] = "task"
    min_length: ClassVar[int] = 1


SegmentLayout: TypeAlias = Text | Image | Audio
SEGMENT_LAYOUTS: dict[Modality, type[SegmentLayout]] = {
    layout.modality: layout for layout in (Text, Image, Audio, ImageCodes, AudioCodes, Task)
}


@dataclass(frozen=True)
class Layout:
    """The segments to generate, in order.

    Args:
        segments: At least one; only the first may continue what the prompt began.

    Raises:
        ValueError: If there is no segment, a later one continues, or two images that could have one size are adjacent.

    Example:
        >>> Layout((Text(max_length=80), Image(frames=4, height=12, width=12))).to_dict()["segments"][0]
        {'modality': 'text', 'max_length': 80, 'continues': False}
    """

    segments: tuple[SegmentLayout, ...]

    def __post_init__(self) -> None:
        for segment in self.segments:
            if not isinstance(segment, SegmentLayout):
                raise TypeError(
                    f"a layout consists of Text, Image, Audio and their like, got {type(segment).__name__}"
                )
        if not self.segments:
            raise ValueError("layout must have at least one segment, got none")
        if any(segment.continues for segment in self.segments[1:]):
            raise ValueError("only the first segment of a layout can continue the prompt's last one")
        for first, second in pairwise(self.segments):
            if isinstance(first, Image) and isinstance(second, Image) and _may_coincide(first, second):
                raise ValueError(
                    f"two adjacent images of one size read as one: got {first} and {second}; "
                    "give one image more frames, give both different sizes, or put a text between them"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as JSON-able data; the inverse of `from_dict`."""
        return {"segments": [{"modality": segment.modality, **_to_json(segment)} for segment in self.segments]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Layout":
        """Return the layout that `to_dict` described.

        Raises:
            ValueError: If a modality or a key is unknown, or an extent absurd.
            TypeError: If a value is of another type.
        """
        segments = data.get("segments") if isinstance(data, Mapping) else None
        if not isinstance(segments, list | tuple) or len(data) != 1:
            raise ValueError(f"a layout's dictionary must have the key 'segments' alone, a list, got {data!r:.100}")
        return cls(tuple(map(_segment_from_dict, segments)))


LayoutLike: TypeAlias = str | SegmentLayout | Layout | Mapping[str, Any] | Sequence[str | SegmentLayout]


def as_layout(layout: LayoutLike) -> Layout:
    """Return the layout that a name, a segment, a dictionary or a sequence of names and segments stands for.

    Raises:
        TypeError: If `layout` is none of these.
        ValueError: If a name is not a modality.

    Example:
        >>> as_layout(["text", Image(frames=2)]).segments
        (Text(max_length=256, continues=False), Image(frames=2, height=None, width=None, max_height=50, max_width=50, \
continues=False))
    """
    if isinstance(layout, Layout):
        return layout
    if isinstance(layout, Mapping):
        return Layout.from_dict(layout)
    if isinstance(layout, str | SegmentLayout):
        layout = [layout]
    if not isinstance(layout, Sequence):
        raise TypeError(f"layout must be a name, Text, Image, Audio, a sequence of them or a Layout, got {layout!r}")
    return Layout(tuple(_named(segment) if isinstance(segment, str) else segment for segment in layout))


def _named(name: str) -> SegmentLayout:
    for modality, segment in SEGMENT_LAYOUTS.items():
        if modality == name:
            return segment()
    raise ValueError(f"layout must name {', '.join(map(repr, SEGMENT_LAYOUTS))}, got {name!r}")


def _segment_from_dict(data: Mapping[str, Any]) -> SegmentLayout:
    if not isinstance(data, Mapping):
        raise TypeError(f"a layout's segments must be dictionaries, got {data!r:.100}")
    options = dict(data)
    segment = type(_named(options.pop("modality", "")))
    unknown = sorted(options.keys() - segment.__dataclass_fields__.keys())
    if unknown:
        raise ValueError(f"{segment.__name__} layout has no {unknown}: it has {sorted(segment.__dataclass_fields__)}")
    if not isinstance(options.get("continues", False), bool):
        raise TypeError(f"continues must be a bool, got {options['continues']!r}")
    made = segment(**options)
    for name, value in vars(made).items():
        if type(value) is int:
            check_bound(name, value)
    return made


def _channel(key: Any) -> int:
    """Return the number of a channel, which JSON writes as text."""
    if not re.fullmatch(r"-?\d{1,9}", str(key)):
        raise ValueError(f"given must name channels by number, got {key!r:.100}")
    return int(key)


def _to_json(segment: SegmentLayout) -> dict[str, Any]:
    options = asdict(segment)
    if options.get("given"):
        options["given"] = {str(channel): list(ids) for channel, ids in options["given"].items()}
    return options


def _check_counts(segment: SegmentLayout, *names: str) -> None:
    for name in names:
        value = getattr(segment, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, got {type(value).__name__}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _may_coincide(first: Image, second: Image) -> bool:
    extents = (first.height, second.height), (first.width, second.width)
    same_size = all(a is None or b is None or a == b for a, b in extents)
    return first.modality == second.modality and same_size
