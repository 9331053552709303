"""Sound files to samples and back, through libsndfile; a cut file, which it reads as a shorter one, is refused.

Shapes: T samples, C channels.
"""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .media_limits import DEFAULT_LIMITS, MediaLimits, Source, naming, read_source
from .mpeg_frames import with_frame_count

CUT = "the file is cut short: it ends before its samples do"
# sizes from here on mean that a program wrote into a pipe and did not know better
STREAMED = 0x7FFF0000
# of a ratio of sampling rates: a filter of 2.6 million taps; all ratios of rates up to 131,072 Hz stay exact
MAX_DOWNSAMPLING = 1 << 17
OGG_ENDS = 4  # bit of a page that is the last of its stream
# libsndfile guesses the length of an MP3 file whose header has no count
MP3_TOLERANCE = 2 * 1152
# by the mark of a file: the head of a chunk, where the first one begins, and which one holds the samples
_CONTAINERS = {
    b"RIFF": ("<4sI", 12, (b"data",)),
    b"RIFX": (">4sI", 12, (b"data",)),
    b"RF64": ("<4sI", 12, (b"data",)),
    b"FORM": (">4sI", 12, (b"SSND", b"BODY")),
    b"caff": (">4sq", 8, (b"data",)),
}


# of the encodings that hold whole or floating samples: bits of a sample, and the type that takes them exactly
_EXACT_TYPES = {
    "PCM_S8": (8, "int16"),
    "PCM_U8": (8, "int16"),
    "PCM_16": (16, "int16"),
    "PCM_24": (24, "int32"),
    "PCM_32": (32, "int32"),
    "FLOAT": (32, "float32"),
    "DOUBLE": (64, "float64"),
    "ULAW": (16, "int16"),
    "ALAW": (16, "int16"),
}
_DECODED = (32, "float32")  # of all others, MP3 and Vorbis among them


class ExactSamples(NamedTuple):
    """A sound with the samples of its file.

    Attributes:
        array: (T, C) int16, int32, float32 or float64; fewer bits than the type has are the high ones.
        sampling_rate_hz: Samples per second and channel.
        num_bits: Of a sample in the file; 32 of files that do not keep samples, such as MP3.
    """

    array: NDArray[Any]
    sampling_rate_hz: int
    num_bits: int


class Sound(NamedTuple):
    """A sound.

    Attributes:
        array: (T, C) float32, in [-1, 1] for files of integer samples.
        sampling_rate_hz: Samples per second and channel.
    """

    array: NDArray[np.float32]
    sampling_rate_hz: int


def read_sound(source: Source, *, limits: MediaLimits = DEFAULT_LIMITS) -> Sound:
    """Return the samples of a sound file (WAV, FLAC, OGG, MP3 and what else libsndfile reads).

    Args:
        source: See `media_limits`.
        limits: What the sound may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data is no sound, is cut short, is empty, holds NaN or infinity, or is over the limits;
            names the source.
        TypeError: If the source is nothing that can be read.
    """
    with _opened(source, limits) as file:
        sound = Sound(_read_samples(file, limits, "float32"), int(file.samplerate))
        if not np.isfinite(sound.array).all():
            raise ValueError("it holds NaN or infinity as float32: expected finite samples")
    return sound


def read_exact_samples(source: Source, *, limits: MediaLimits = DEFAULT_LIMITS) -> ExactSamples:
    """Return the samples of a sound file as they are in it; of a file that keeps none, as they are decoded.

    Args:
        source: See `media_limits`.
        limits: What the sound may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data is no sound, is cut short, is empty, or is over the limits; names the source.
        TypeError: If the source is nothing that can be read.
    """
    with _opened(source, limits) as file:
        num_bits, dtype = _EXACT_TYPES.get(file.subtype, _DECODED)
        return ExactSamples(_read_samples(file, limits, dtype), int(file.samplerate), num_bits)


@contextmanager
def _opened(source: Source, limits: MediaLimits) -> Iterator[Any]:
    """Open a sound; whatever goes wrong while it is read names the source."""
    soundfile = _import_soundfile()
    data = read_source(source, "sound", limits=limits)
    with naming(source, "sound"):
        try:
            with soundfile.SoundFile(io.BytesIO(_check_whole(data))) as file:
                yield file
        except soundfile.LibsndfileError as error:
            raise ValueError(error.error_string) from error


def _read_samples(file: Any, limits: MediaLimits, dtype: str) -> NDArray[Any]:
    """Return all samples of an opened file, (T, C), never more than the limits allow."""
    # a header may leave the length open; libsndfile then says 2^63 - 1
    is_known = file.frames < 1 << 62
    limits.check_sound(file.frames if is_known else 0, file.channels, file.samplerate)
    # soundfile would look for its place after reading, which fails where the length is open
    file.seekable = lambda: False
    most = min(limits.max_samples // file.channels, limits.max_seconds * file.samplerate)
    array: NDArray[Any] = file.read(min(file.frames, most + 1), dtype=dtype, always_2d=True)
    limits.check_sound(len(array), file.channels, file.samplerate)
    limits.check_seconds(len(array) / file.samplerate)
    missing = file.frames - len(array) if is_known else 0
    if missing > (MP3_TOLERANCE if file.format == "MP3" else 0):
        raise ValueError(f"{CUT}: {len(array):,} of the {file.frames:,} that its header counts are there")
    if not array.size:
        raise ValueError("it is an empty sound: expected at least one sample")
    return array if is_known else array.copy()  # lets go of the memory beyond


def _check_whole(data: bytes) -> bytes:
    """Return a file that holds what its container promises, the size put in where a pipe left it at zero.

    Raises:
        ValueError: If there is less.
    """
    if data[:4] == b"OggS" and ogg_is_cut(data):
        raise ValueError(CUT)
    start, size = _find_samples(data)
    if len(data) < start + size < start + STREAMED:
        raise ValueError(CUT)
    outer = int.from_bytes(data[4:8], "little")
    if data[:4] == b"RIFF" and start and not size and not start <= outer + 8 == len(data):
        return data[: start - 4] + (len(data) - start).to_bytes(4, "little") + data[start:]
    return with_frame_count(data)


def _find_samples(data: bytes) -> tuple[int, int]:
    """Return where the samples of a container begin, and how many bytes of them it promises; 0 and 0 of others."""
    if data[:4] == b".snd" and len(data) >= 12:  # AU
        return struct.unpack_from(">II", data, 4)
    layout, at, names = _CONTAINERS.get(data[:4], ("", 0, ()))
    head = struct.calcsize(layout)
    while layout and at + head <= len(data):
        name, size = struct.unpack_from(layout, data, at)
        at += head
        if name in names:
            is_long = data[:4] == b"RF64" and size == 0xFFFFFFFF  # the size is in the first chunk, in 64 bits
            return at, int.from_bytes(data[28:36], "little") if is_long else max(size, 0)
        at += size + size % 2 * (head == 8)
        if size < 0:
            break
    return 0, 0


def ogg_is_cut(data: bytes) -> bool:
    """Tell whether a page of an Ogg file is not whole, or a stream has no last page."""
    at = 0
    unfinished: set[bytes] = set()
    while data[at : at + 4] == b"OggS" and len(data) > at + 26:
        flags, stream, num_parts = data[at + 5], data[at + 14 : at + 18], data[at + 26]
        (unfinished.discard if flags & OGG_ENDS else unfinished.add)(stream)
        at += 27 + num_parts + sum(data[at + 27 : at + 27 + num_parts])
        if at > len(data):
            return True
    return bool(unfinished)


def write_sound(
    sound: Sound, target: str | os.PathLike[str] | BinaryIO, *, file_format: str | None = None, subtype: str = "PCM_16"
) -> None:
    """Write a sound; samples beyond [-1, 1] are clipped by the file format.

    Args:
        sound: Samples (T, C) and their rate.
        target: Path or binary file object.
        file_format: ``"WAV"``, ``"FLAC"``...; needed for a file object, otherwise read off the path.
        subtype: Sample encoding, as soundfile names it.

    Raises:
        ValueError: If the sound is empty, not 2-D, holds NaN or infinity, or has more channels or a higher rate than
            the format holds.
    """
    soundfile = _import_soundfile()
    if sound.array.ndim != 2 or not sound.array.size or not np.isfinite(sound.array).all():
        raise ValueError(f"sound must be non-empty finite samples (T, C), got shape {sound.array.shape}")
    if sound.sampling_rate_hz != (rate_hz := int(sound.sampling_rate_hz)):
        raise ValueError(f"a file's sampling rate must be a whole number of Hz, got {sound.sampling_rate_hz}")
    target = target if hasattr(target, "write") else os.fspath(target)
    try:
        soundfile.write(target, sound.array, rate_hz, format=file_format, subtype=subtype)
    except soundfile.LibsndfileError as error:
        channels, rate = sound.array.shape[1], sound.sampling_rate_hz
        raise ValueError(
            f"a sound of {channels} channels at {rate} Hz cannot be written: {error.error_string}"
        ) from error


def _import_soundfile() -> Any:
    # transformers refuses a checkpoint's code over packages that are imported outside of `try`, even within functions
    try:
        import soundfile
    except ImportError as error:
        raise ImportError("sound files need the package soundfile: pip install soundfile") from error
    return soundfile


def rate_ratio(rate_hz: float | None, target_hz: int) -> Fraction:
    """Return the ratio by which a sound of one sampling rate is resampled to another.

    Raises:
        ValueError: If the rate is not known, or no whole number.
    """
    if rate_hz is None or int(rate_hz) != rate_hz:
        raise ValueError(f"sampling_rate must be a positive whole number of hertz to resample, got {rate_hz!r}")
    return Fraction(target_hz, int(rate_hz)).limit_denominator(MAX_DOWNSAMPLING)


def resample(signal: NDArray[Any], ratio: Fraction) -> NDArray[np.float64]:
    """Return a signal (T, ...) at another rate, band limited.

    Raises:
        ValueError: If it holds NaN or infinity.
    """
    # transformers refuses a checkpoint's code over packages that are imported outside of `try`, even within functions
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise ImportError("another sampling rate needs the package scipy: pip install scipy") from error
    signal = signal.astype(np.float64)
    if not np.isfinite(signal).all():
        raise ValueError("audio holds NaN or infinity: expected finite samples")
    resampled: NDArray[np.float64] = resample_poly(signal, ratio.numerator, ratio.denominator, axis=0)
    return resampled
