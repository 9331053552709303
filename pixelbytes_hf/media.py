"""Files to arrays and back: animated pictures as RGBA frames, sounds as channels of samples.

Knows file formats; knows nothing about ids. A source is a path, raw bytes, a binary file object, a PIL image, or the
``{"bytes": ..., "path": ...}`` dictionary that `datasets` stores.

Shapes: T frames (or samples), H rows, W columns, C channels.
"""

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

Source = str | os.PathLike[str] | bytes | BinaryIO | dict[str, Any] | Image.Image
MAX_TOTAL_PIXELS = 64 * 1024 * 1024  # of all frames together: 256 MiB as RGBA
DEFAULT_DURATION_MS = 100
GIF_END = b";"
# a cut file makes PIL raise almost anything
_PICTURE_ERRORS = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
)


class Frames(NamedTuple):
    """An animation.

    Attributes:
        array: RGBA, (T, H, W, 4) uint8.
        durations_ms: Time each frame is shown, (T,) int, milliseconds; 0 where the file does not say.
    """

    array: NDArray[np.uint8]
    durations_ms: tuple[int, ...]


class Sound(NamedTuple):
    """A sound.

    Attributes:
        array: (T, C) float32, in [-1, 1] for files of integer samples.
        sampling_rate_hz: Samples per second and channel.
    """

    array: NDArray[np.float32]
    sampling_rate_hz: int


def read_frames(source: Source, *, step: int = 1) -> Frames:
    """Return the frames of a picture or animation, the first one included.

    Args:
        source: See the module.
        step: Keep every `step`-th frame; the duration of a kept frame covers the frames left out after it.

    Raises:
        ValueError: If the data is no picture, is cut short, has no frame, or is larger than `MAX_TOTAL_PIXELS`.
    """
    name = describe_source(source)
    try:
        if isinstance(source, Image.Image):
            shown = source.tell()
            try:
                return _collect_frames(source, name, step)
            finally:
                source.seek(shown)  # the caller's image is left at the frame it was at
        return _collect_frames(Image.open(_open(source)), name, step)
    except FileNotFoundError:
        raise
    except _PICTURE_ERRORS as error:
        raise ValueError(f"{name} is not a readable picture: {error}") from error


def _collect_frames(image: Image.Image, name: str, step: int) -> Frames:
    count = getattr(image, "n_frames", 1)
    if count * image.width * image.height > MAX_TOTAL_PIXELS:
        raise ValueError(
            f"{name} holds {count} frames of {image.width} x {image.height}: expected at most "
            f"{MAX_TOTAL_PIXELS} pixels in all (a decompression bomb?)"
        )
    arrays, durations = [], []
    for index in range(count):
        image.seek(index)
        image.load()
        duration = round(image.info.get("duration", 0))
        if index % step == 0:
            arrays.append(np.asarray(image.convert("RGBA")))
            durations.append(duration)
        else:
            durations[-1] += duration
    if not arrays or not arrays[0].size:
        raise ValueError(f"{name} has no frame: expected at least one of at least 1 x 1 pixel")
    return Frames(np.stack(arrays), tuple(durations))


def composite_on_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB (..., 3) uint8 of RGBA (..., 4) uint8 over a white background, rounded to nearest."""
    alpha = array[..., 3:]
    if ((alpha == 0) | (alpha == 255)).all():  # the case of every GIF
        return array[..., :3] | ~alpha  # all ones where alpha is 0, the colour where it is 255
    weighted = array[..., :3].astype(np.uint16) * alpha + np.uint16(255) * (255 - alpha).astype(np.uint16)
    return ((weighted + 127) // 255).astype(np.uint8)


def write_gif(
    array: NDArray[np.uint8],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    durations_ms: Sequence[int] | int = DEFAULT_DURATION_MS,
    scale: int = 1,
) -> None:
    """Write frames as an animated GIF that loops; at most 256 colours in all keep their exact value.

    Args:
        array: RGB or RGBA, (T, H, W, 3 | 4) uint8; alpha under 128 is written as transparent.
        target: Path or binary file object.
        durations_ms: Time per frame, one for all or one each, milliseconds; 0 becomes `DEFAULT_DURATION_MS`.
        scale: Enlargement by repetition, so that pixels stay square and sharp.

    Raises:
        ValueError: If the array is not as described or the durations do not match.
    """
    if array.ndim != 4 or array.shape[-1] not in (3, 4) or array.dtype != np.uint8 or not array.size:
        raise ValueError(f"array must be non-empty uint8 (T, H, W, 3 | 4), got {array.dtype} {array.shape}")
    durations = [durations_ms] * len(array) if isinstance(durations_ms, int) else list(durations_ms)
    if len(durations) != len(array):
        raise ValueError(f"durations_ms must be one per frame, got {len(durations)} for {len(array)} frames")
    images = _to_palette(array.repeat(scale, axis=1).repeat(scale, axis=2))
    pairs = zip(images, durations, strict=True)
    content = _join_frames([_one_frame(image, duration or DEFAULT_DURATION_MS) for image, duration in pairs])
    if isinstance(target, str | os.PathLike):
        Path(target).write_bytes(content)
    else:
        target.write(content)


def _one_frame(image: Image.Image, duration_ms: int) -> bytes:
    """Return a palette image as a GIF of one frame whose palette is the global one."""
    content = io.BytesIO()
    transparency = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(content, "GIF", duration=duration_ms, loop=0, disposal=2, optimize=False, **transparency)
    return content.getvalue()


def _join_frames(gifs: list[bytes]) -> bytes:
    """Return GIFs of one frame and one common global palette as one animation.

    PIL's own writer leaves out every frame that equals the one before, so that a still creature would lose its frames.
    """
    header_size = 13 + 3 * 2 ** ((gifs[0][10] & 7) + 1)
    # all of them begin alike: header, palette, and the block that says how often to loop
    start = gifs[0].index(b"NETSCAPE2.0", header_size) + len(b"NETSCAPE2.0") + 5
    return gifs[0][:-1] + b"".join(gif[start:-1] for gif in gifs[1:]) + gifs[0][-1:]


def _to_palette(array: NDArray[np.uint8]) -> list[Image.Image]:
    """Return the frames as images of one palette, exact unless they have more colours than a GIF can hold."""
    opaque = array[..., 3] >= 128 if array.shape[-1] == 4 else np.ones(array.shape[:3], bool)
    codes = array[..., :3].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, most = np.unique(codes[opaque]), 256 - (not opaque.all())
    if len(colours) > most:
        # one tall picture, so that all frames get the same colours
        tall = Image.fromarray(np.ascontiguousarray(array[..., :3].reshape(-1, array.shape[2], 3))).quantize(most)
        rgb = np.asarray(tall.convert("RGB")).reshape(*array.shape[:3], 3)
        return _to_palette(np.concatenate([rgb, array[..., 3:]], -1))
    indices = np.searchsorted(colours, codes).clip(max=max(len(colours) - 1, 0)).astype(np.uint8)
    indices[~opaque] = len(colours)
    palette = [int(channel) for code in colours for channel in (code >> 16, code >> 8 & 255, code & 255)]
    images = []
    for frame in indices:
        image = Image.fromarray(frame, mode="P")
        image.putpalette(palette + [0, 0, 0] * (256 - len(colours)))
        if not opaque.all():
            image.info["transparency"] = len(colours)
        images.append(image)
    return images


def read_sound(source: Source) -> Sound:
    """Return the samples of a sound file (WAV, FLAC, OGG and what else libsndfile reads).

    Raises:
        ValueError: If the data is no sound, is empty, or holds NaN or infinity.
    """
    import soundfile

    name = describe_source(source)
    try:
        array, rate = soundfile.read(_open(source), dtype="float32", always_2d=True)
    except FileNotFoundError:
        raise
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{name} is not a readable sound: {error}") from error
    if not array.size:
        raise ValueError(f"{name} is an empty sound: expected at least one sample")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity: expected finite samples")
    return Sound(array, int(rate))


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
        ValueError: If the sound is empty, not 2-D, or holds NaN or infinity.
    """
    import soundfile

    if sound.array.ndim != 2 or not sound.array.size or not np.isfinite(sound.array).all():
        raise ValueError(f"sound must be non-empty finite samples (T, C), got shape {sound.array.shape}")
    target = target if hasattr(target, "write") else os.fspath(target)
    soundfile.write(target, sound.array, sound.sampling_rate_hz, format=file_format, subtype=subtype)


def describe_source(source: Source) -> str:
    """Return a short name of a source for messages: its path where it has one."""
    if isinstance(source, dict):
        return str(source.get("path") or f"{len(source.get('bytes') or b'')} bytes")
    if isinstance(source, bytes):
        return f"{len(source)} bytes"
    return str(getattr(source, "filename", None) or getattr(source, "name", None) or source)


def _open(source: Source) -> Any:
    """Return a source as a file in memory, or as it is where it is an open file."""
    if isinstance(source, dict):
        if source.get("bytes") is None and not source.get("path"):
            raise ValueError(f"a media dictionary must hold 'bytes' or 'path', got {sorted(source)}")
        source = source["path"] if source.get("bytes") is None else source["bytes"]
    if isinstance(source, str | os.PathLike):
        if not Path(source).is_file():
            raise FileNotFoundError(f"no file at {os.fspath(source)!r}")
        source = Path(source).read_bytes()
    if isinstance(source, bytes):
        if _is_cut(source):
            raise OSError("the file is cut short: it ends before its header or end mark says")
        return io.BytesIO(source)
    if not hasattr(source, "read"):
        raise TypeError(
            f"source must be a path, bytes, a file, a PIL image or a dictionary, got {type(source).__name__}"
        )
    return source


def _is_cut(data: bytes) -> bool:
    """Tell what decoders let pass: a GIF cut between two frames, a WAV cut within its samples."""
    if data[:4] == b"GIF8":
        return data.rstrip(b"\0")[-1:] != GIF_END
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE" and len(data) < int.from_bytes(data[4:8], "little") + 8
