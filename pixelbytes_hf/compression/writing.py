"""Contents to files: PNG, GIF where it holds all, WAV, and what a document was."""

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media.apng_writer import write_animation, write_still
from ..media.gif_writer import write_gif
from ..media.pictures import read_frames
from .contents import FOREVER, Content, Document, Picture, SampledSound
from .picture_formats import STILL

# by type and bits of a sample, as libsndfile names them; others of the type take the last
_ENCODINGS = {
    "uint8": {8: "PCM_U8"},
    "int16": {8: "PCM_U8", 16: "PCM_16"},
    "int32": {24: "PCM_24", 32: "PCM_32"},
    "float32": {32: "FLOAT"},
    "float64": {64: "DOUBLE"},
}


def write_content(content: Content, suffix: str) -> bytes:
    """Return a content as a file.

    Args:
        content: What was read from a ``.pxb`` file.
        suffix: Of the file's name; see `suffixes_of` for what can be written.

    Raises:
        ValueError: If it is not one of those, or that sort of file cannot hold all of it.
    """
    if suffix not in (known := suffixes_of(content)):
        raise ValueError(f"a {type(content).__name__} cannot be written as {suffix!r}: expected {' or '.join(known)}")
    if isinstance(content, Document):
        return content.data
    if isinstance(content, SampledSound):
        return _write_sound(content)
    return _write_gif(content) if suffix == ".gif" else _write_png(content)


def suffixes_of(content: Content) -> tuple[str, ...]:
    """Return the suffixes of files that a content can be written as, the usual one first."""
    if isinstance(content, Document):
        return (content.suffix,)
    return (".wav",) if isinstance(content, SampledSound) else (".png", ".gif")


def _write_png(picture: Picture) -> bytes:
    array: Any = picture.array
    if (picture.durations_ms, picture.num_plays) == STILL:
        return write_still(array[0])
    if array.dtype != np.uint8:
        raise ValueError("an animation of 16 bits a value cannot be written as PNG")
    return write_animation(array, picture.durations_ms, picture.num_plays)


def _write_gif(picture: Picture) -> bytes:
    """Return a GIF file, which is read again to see whether it holds all."""
    array: Any = picture.array
    if array.dtype == np.uint8 and picture.num_plays == FOREVER:
        file = io.BytesIO()
        write_gif(array, file, durations_ms=picture.durations_ms)
        again = read_frames(file.getvalue())
        if again.durations_ms == picture.durations_ms and _look_alike(again.array, array):
            return file.getvalue()
    raise ValueError(
        "a GIF cannot hold all of this picture (over 255 colours, soft edges, times that are no 10 ms, or an end): "
        "expected .png"
    )


def _look_alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Tell whether frames are equal but for the colours of pixels that are not seen, which a GIF has no place for."""
    visible = other[..., 3:] > 0
    return np.array_equal(one[..., 3], other[..., 3]) and np.array_equal(one * visible, other * visible)


def _write_sound(sound: SampledSound) -> bytes:
    import soundfile

    array: Any = sound.array
    encodings = _ENCODINGS[array.dtype.name]
    encoding = encodings.get(sound.num_bits, list(encodings.values())[-1])
    if array.dtype == np.uint8:
        array = (array.astype(np.int16) - 128) << 8
    file = io.BytesIO()
    soundfile.write(file, array, sound.sampling_rate_hz, format="WAV", subtype=encoding)
    return file.getvalue()


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file in one step: a reader sees all of it, or what was there before."""
    target = Path(path)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        part = Path(folder) / target.name
        part.write_bytes(data)
        os.replace(part, target)
