"""Records: text, pictures and sounds to segments of ids and back, with what decoding needs to restore them.

Puts the three codecs and the grid together; knows nothing about Hugging Face or models.

Shapes: T frames or samples, H rows, W columns, C channels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import (
    MODALITIES,
    Ids,
    Modality,
    Problem,
    Segment,
    audio_segment,
    image_segment,
    parse,
    text_segment,
)
from .level_codec import UNIT_SCALE, Scale, Scaling, check_scaling, decode_levels, encode_levels
from .media import Frames, Source, read_frames, read_sound
from .pixel_codec import decode_pixels, encode_pixels
from .text_codec import TextErrors, check_text_errors, decode_text, encode_text
from .vocabulary import Vocabulary

ImageInput = Source | NDArray[np.uint8]
AudioInput = Source | Mapping[str, Any]


@dataclass(frozen=True)
class SegmentInfo:
    """What the ids of one segment do not say.

    Attributes:
        modality: Of the segment.
        num_replaced: Text: characters outside the vocabulary that became a space or id 0.
        num_dropped: Text: characters outside ASCII that normalisation left out.
        durations_ms: Image: milliseconds per kept frame.
        scale: Sound: amplitude = level * gain + offset.
        sampling_rate_hz: Sound: samples per second after slicing, or None where it was not given.
    """

    modality: Modality
    num_replaced: int = 0
    num_dropped: int = 0
    durations_ms: tuple[int, ...] = ()
    scale: Scale = UNIT_SCALE
    sampling_rate_hz: float | None = None


class DecodedSegment(NamedTuple):
    """A str, (T, H, W, 3 | 4) uint8 frames, or ``{"array": (C, T) float32, "sampling_rate": hz or None}``."""

    modality: Modality
    value: Any
    durations_ms: tuple[int, ...] = ()


@dataclass(frozen=True)
class DecodedRecord:
    """All media of a stream, in order.

    Attributes:
        segments: Every segment.
        problems: Spans of the stream that are not well formed.
    """

    segments: list[DecodedSegment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        """Return ``record["text"]``, ``["frames"]`` or ``["sound"]``, as the attribute of that name."""
        if name not in ("text", "frames", "sound"):
            raise KeyError(f"a decoded record has 'text', 'frames' and 'sound', got {name!r}")
        return getattr(self, name)

    @property
    def text(self) -> str | None:
        """The text, several joined by a newline; None if there is none."""
        texts = self._all("text")
        return "\n".join(texts) if texts else None

    @property
    def frames(self) -> NDArray[np.uint8] | None:
        """The frames of the only picture, (T, H, W, 3 | 4) uint8; None if there is none."""
        frames: NDArray[np.uint8] | None = self._only("image")
        return frames

    @property
    def sound(self) -> dict[str, Any] | None:
        """The only sound, ``{"array": (C, T) float32, "sampling_rate": hz or None}``; None if there is none."""
        sound: dict[str, Any] | None = self._only("audio")
        return sound

    def _all(self, modality: Modality) -> list[Any]:
        return [segment.value for segment in self.segments if segment.modality == modality]

    def _only(self, modality: Modality) -> Any:
        values = self._all(modality)
        if len(values) > 1:
            raise ValueError(f"the stream holds {len(values)} segments of {modality}: read them from 'segments'")
        return values[0] if values else None


@dataclass(frozen=True)
class RecordCodec:
    """Encodes media as segments and decodes them.

    Args:
        vocabulary: The tables.
        slicing: Keep every n-th cell: an int per modality for all its axes, or one per axis (frame, row, column).
        errors: See `encode_text`.
        scaling: See `encode_levels`.
        sampling_rate_hz: Sounds are resampled to this rate before slicing; None takes them as they are.

    Raises:
        ValueError: If an option is malformed.
    """

    vocabulary: Vocabulary
    slicing: Mapping[str, int | Sequence[int]]
    errors: TextErrors = "replace"
    scaling: Scaling = "min-max"
    sampling_rate_hz: int | None = None

    def __post_init__(self) -> None:
        check_text_errors(self.errors)
        check_scaling(self.scaling)
        if set(self.slicing) - {"image", "audio"}:
            raise ValueError(f"slicing may have keys 'image' and 'audio', got {sorted(self.slicing)}")
        self.image_steps, self.audio_step  # noqa: B018  (refuse malformed steps now rather than at the first picture)

    @property
    def image_steps(self) -> tuple[int, int, int]:
        """Steps along (frame, row, column)."""
        return _steps(self.slicing.get("image", 1), 3, "image")  # type: ignore[return-value]

    @property
    def audio_step(self) -> int:
        """Step along the samples."""
        return _steps(self.slicing.get("audio", 1), 1, "audio")[0]

    @property
    def level_rate_hz(self) -> float | None:
        """Samples per second of the encoded sound, None if any rate is accepted."""
        return None if self.sampling_rate_hz is None else self.sampling_rate_hz / self.audio_step

    def encode(
        self,
        *,
        text: str | None = None,
        image: ImageInput | None = None,
        audio: AudioInput | None = None,
        order: Iterable[Modality] = MODALITIES,
    ) -> tuple[list[Segment], list[SegmentInfo]]:
        """Return the segments of one record, in `order`, and what decoding needs beside the ids.

        Args:
            text: Any string.
            image: A picture file, PIL image, or RGB(A) frames (H, W, 3 | 4) or (T, H, W, 3 | 4) uint8.
            audio: ``{"array": (N,) or (C, N), "sampling_rate": hz}``, or a sound file.
            order: Modalities in the order of the stream.

        Raises:
            ValueError: If nothing is given, or an input is malformed.
        """
        given: dict[Modality, Any] = {"text": text, "image": image, "audio": audio}
        order = check_order(order)
        if missing := [modality for modality, value in given.items() if value is not None and modality not in order]:
            raise ValueError(f"order must name each given modality, got {order} without {missing}")
        encode: dict[Modality, Callable[[Any], tuple[Segment, SegmentInfo]]]
        encode = {"text": self._encode_text, "image": self._encode_image, "audio": self._encode_audio}
        pairs = [encode[modality](given[modality]) for modality in order if given[modality] is not None]
        if not pairs:
            raise ValueError("text, image and audio are all None: expected at least one")
        segments, infos = zip(*pairs, strict=True)
        return list(segments), list(infos)

    def decode(self, ids: Ids, infos: Sequence[SegmentInfo] | None = None) -> DecodedRecord:
        """Return the media of a stream (L,), restored with `infos` where they are given: the inverse of `encode`.

        Raises:
            ValueError: If an id is outside the vocabulary, or `infos` does not describe the segments found.
        """
        found, problems = parse(ids, self.vocabulary)
        if infos is not None and [info.modality for info in infos] != [segment.modality for segment in found]:
            got = [segment.modality for segment in found]
            raise ValueError(f"infos must describe the segments {got}, got {[info.modality for info in infos]}")
        infos = infos or [SegmentInfo(segment.modality, sampling_rate_hz=self.level_rate_hz) for segment in found]
        return DecodedRecord([self._decode(*pair) for pair in zip(found, infos, strict=True)], problems)

    def _encode_text(self, text: str) -> tuple[Segment, SegmentInfo]:
        ids, num_replaced, num_dropped = encode_text(text, self.vocabulary, errors=self.errors)
        return text_segment(ids, self.vocabulary), SegmentInfo("text", num_replaced, num_dropped)

    def _encode_image(self, image: ImageInput) -> tuple[Segment, SegmentInfo]:
        frame_step, row_step, column_step = self.image_steps
        if isinstance(image, np.ndarray):
            if image.ndim not in (3, 4) or image.shape[-1] not in (3, 4):
                raise ValueError(f"image must be (H, W, 3 | 4) or (T, H, W, 3 | 4), got shape {image.shape}")
            frames = Frames((image[None] if image.ndim == 3 else image)[::frame_step], ())
        else:
            frames = read_frames(image, step=frame_step)
        ids = encode_pixels(np.ascontiguousarray(frames.array[:, ::row_step, ::column_step]), self.vocabulary)
        return image_segment(ids, self.vocabulary), SegmentInfo("image", durations_ms=frames.durations_ms)

    def _encode_audio(self, audio: AudioInput) -> tuple[Segment, SegmentInfo]:
        signal, rate = _signal_of(audio)
        if self.sampling_rate_hz is not None and rate != self.sampling_rate_hz:
            signal, rate = _resample(signal, rate, self.sampling_rate_hz), self.sampling_rate_hz
        ids, scale = encode_levels(signal, self.vocabulary, scaling=self.scaling, step=self.audio_step)
        rate = None if rate is None else rate / self.audio_step
        return audio_segment(ids, self.vocabulary), SegmentInfo("audio", scale=scale, sampling_rate_hz=rate)

    def _decode(self, segment: Segment, info: SegmentInfo) -> DecodedSegment:
        if segment.modality == "text":
            return DecodedSegment("text", decode_text(segment.ids[0, 0, :-1], self.vocabulary))
        if segment.modality == "image":
            return DecodedSegment("image", decode_pixels(segment.ids[:, :, :-1], self.vocabulary), info.durations_ms)
        signal = decode_levels(segment.ids[:-1, 0], self.vocabulary, info.scale)
        return DecodedSegment("audio", {"array": signal.T, "sampling_rate": info.sampling_rate_hz})


def check_order(order: Iterable[str]) -> tuple[Modality, ...]:
    """Return the modalities of `order`.

    Raises:
        ValueError: If one is unknown or named twice.
    """
    order = tuple(order)
    if set(order) - set(MODALITIES) or len(set(order)) != len(order):
        raise ValueError(f"order must name modalities of {MODALITIES}, each once, got {order}")
    return order  # type: ignore[return-value]


def _steps(value: int | Sequence[int], num_axes: int, name: str) -> tuple[int, ...]:
    steps: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,) * num_axes
    if len(steps) != num_axes or not all(type(step) is int and step >= 1 for step in steps):
        raise ValueError(f"slicing[{name!r}] must be an int >= 1 or {num_axes} of them, got {value!r}")
    return steps


def _signal_of(audio: AudioInput) -> tuple[NDArray[Any], float | None]:
    if not (isinstance(audio, Mapping) and "array" in audio):
        if isinstance(audio, Mapping) and not {"bytes", "path"} & set(audio):
            raise ValueError(f"audio must hold 'array' and 'sampling_rate', or 'bytes' or 'path', got {sorted(audio)}")
        if hasattr(audio, "ndim"):
            raise TypeError("audio must be {'array': samples, 'sampling_rate': hz} or a sound file, got a bare array")
        sound = read_sound(audio)  # type: ignore[arg-type]
        return sound.array, sound.sampling_rate_hz
    array = np.asarray(audio["array"])
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"audio['array'] must be non-empty (N,) or (C, N), got shape {array.shape}")
    rate = audio.get("sampling_rate")
    if rate is not None and (isinstance(rate, str | bool) or not rate > 0):
        raise ValueError(f"audio['sampling_rate'] must be a positive number of hertz, got {rate!r}")
    return np.atleast_2d(array).T, rate


def _resample(signal: NDArray[Any], rate: float | None, target: int) -> NDArray[np.float64]:
    from math import gcd

    from scipy.signal import resample_poly

    if rate is None or int(rate) != rate:
        raise ValueError(f"audio['sampling_rate'] must be a positive whole number of hertz to resample, got {rate!r}")
    signal = signal.astype(np.float64)
    if not np.isfinite(signal).all():
        raise ValueError("audio holds NaN or infinity: expected finite samples")
    common = gcd(int(rate), target)
    resampled: NDArray[np.float64] = resample_poly(signal, target // common, int(rate) // common, axis=0)
    return resampled
