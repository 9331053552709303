"""Files of pictures, sounds and texts to contents; what pixels or samples do not say in full is kept as bytes."""

import os
from pathlib import Path

from ..media.media_limits import DEFAULT_LIMITS, MediaLimits, read_source
from ..media.pictures import DEEP, inspect_picture, read_deep_grey, read_frames, read_num_plays
from ..media.sounds import read_exact_samples
from .contents import Content, Document, Picture, SampledSound

PICTURES = {".png", ".apng", ".gif", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ico", ".ppm"}
PICTURES |= {".pgm", ".pnm", ".pbm", ".tga", ".pcx"}
SOUNDS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"}
# files that do not hold the pixels or samples that they are decoded to, or need not
LOSSY = {".jpg", ".jpeg", ".webp", ".avif", ".ogg", ".oga", ".opus", ".mp3"}
# of what `inspect_picture` says: no viewer would show the picture otherwise
_HARMLESS = {"turned upright as its EXIF says"}


def read_content(path: str | os.PathLike[str], *, limits: MediaLimits = DEFAULT_LIMITS) -> Content:
    """Return the pixels of a picture file, the samples of a sound file, or the bytes of any other.

    What a file is, its suffix says. A picture whose pixels are not all that it holds (16 bits a channel, CMYK, several
    pages or sizes) becomes a `Document`.

    Args:
        path: The file.
        limits: What it may hold.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not what its suffix says, is cut short, or is over the limits; names the file.
    """
    suffix = Path(path).suffix.lower()
    if suffix in PICTURES:
        return _read_picture(path, limits)
    if suffix in SOUNDS:
        return SampledSound(*read_exact_samples(path, limits=limits))
    return read_document(path, limits=limits)


def read_document(path: str | os.PathLike[str], *, limits: MediaLimits = DEFAULT_LIMITS) -> Document:
    """Return the bytes of a file, whatever it holds.

    Args:
        path: The file.
        limits: How large it may be.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is over the limits; names the file.
    """
    return Document(read_source(path, "file", limits=limits), Path(path).suffix)


def _read_picture(path: str | os.PathLike[str], limits: MediaLimits) -> Content:
    frames = read_frames(path, limits=limits)
    data = read_source(path, "picture", limits=limits)
    notes = set(inspect_picture(data)) - _HARMLESS
    grey = read_deep_grey(data) if notes <= {DEEP} else None
    if grey is not None:
        return Picture(grey)
    if notes:
        return Document(data, Path(path).suffix)
    return Picture(frames.array, frames.durations_ms, read_num_plays(data))
