"""Picture files to RGBA frames: what a viewer shows, upright, every frame whole.

Shapes: T frames, H rows, W columns.
"""

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from .animations import read_animation
from .media_limits import DEFAULT_LIMITS, MediaLimits, Source, naming, read_source

# what is opened at all: PIL would hand PostScript to Ghostscript, whatever the file is called
FORMATS = ("PNG", "GIF", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX")
# of others a second picture is a page, a thumbnail or a gain map
ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
DEEP = "16 bits a channel became 8"  # what `inspect_picture` says where `read_deep_grey` may help
SizeCheck = Callable[[int, int, int], None]


class Frames(NamedTuple):
    """An animation.

    Attributes:
        array: RGBA, (T, H, W, 4) uint8.
        durations_ms: Time each frame is shown, (T,) int, milliseconds; 0 where the file does not say.
    """

    array: NDArray[np.uint8]
    durations_ms: tuple[int, ...]


def read_frames(
    source: Source, *, step: int = 1, limits: MediaLimits = DEFAULT_LIMITS, check: SizeCheck | None = None
) -> Frames:
    """Return the frames of a picture or animation, the first one included.

    Args:
        source: See `media_limits`.
        step: Keep every `step`-th frame; the duration of a kept frame covers the frames left out after it.
        limits: What the picture may hold.
        check: Is called with frames, rows and columns before any of them is decoded; may raise a ValueError.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the data is no picture, is cut short, has no frame, or is over the limits; names the source.
        TypeError: If the source is nothing that can be read.
    """
    if not isinstance(source, Image.Image):
        data = read_source(source, "picture", limits=limits)
        with naming(source, "picture"), _open(data) as image:
            return _read_image(image, data, step, limits, check)
    with naming(source, "picture"):
        shown = source.tell()
        try:
            return _read_image(source, _file_of_animation(source), step, limits, check)
        finally:
            source.seek(shown)  # the caller's image is left at the frame it was at


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError(f"its {len(data)} bytes are of none of the formats {', '.join(FORMATS)}") from error


def read_num_plays(data: bytes) -> int:
    """Return how often an animation is shown, as its file says: 0 for ever; 1 where it says nothing, or does not move.

    Raises:
        ValueError: If it is no picture.
    """
    with naming(data, "picture"), _open(data) as image:
        loops = image.info.get("loop")
        if loops is None or image.format not in ANIMATED_FORMATS:
            return 1
        # a GIF counts how often it begins again
        return int(loops) + (image.format == "GIF" and loops > 0)


def read_deep_grey(data: bytes) -> NDArray[np.uint16] | None:
    """Return a still of greys of 16 bits, (1, H, W, 1), which `read_frames` would scale to 8; None of any other.

    Raises:
        ValueError: If it is no picture.
    """
    with naming(data, "picture"), _open(data) as image:
        if not image.mode.startswith("I;16") or "transparency" in image.info or _is_turned(image):
            return None
        if _count_pictures(image) > 1:
            return None
        DEFAULT_LIMITS.check_picture(1, image.height, image.width)
        return np.asarray(image).astype(np.uint16)[None, :, :, None]


def inspect_picture(data: bytes) -> list[str]:
    """Return what `read_frames` changes of a picture file, in words.

    Raises:
        ValueError: If it is no picture.
    """
    with naming(data, "picture"), _open(data) as image:
        largest = _largest_value(image)
        notes = {
            DEEP: ";16" in str(getattr(image, "tile", "")),
            f"values up to {largest} became values up to 255": largest != 255,
            f"{image.mode} became RGB": image.mode == "CMYK",
            "turned upright as its EXIF says": _is_turned(image),
            "the picture for viewers without animation was left out": bool(_first_frame(image)),
            "of several pictures the first was taken": _count_frames(image, b"") < _count_pictures(image)
            and not _first_frame(image),
        }
    return [note for note, is_so in notes.items() if is_so]


def _read_image(image: Image.Image, data: bytes, step: int, limits: MediaLimits, check: SizeCheck | None) -> Frames:
    animation = read_animation(data, limits=limits)
    if animation is None:
        length, (width, height), frames = _count_frames(image, data), image.size, _pil_frames(image)
    else:
        length, (width, height), frames = len(animation.patches), animation.size, animation.compose(to_rgba)
    limits.check_picture(length, height, width)
    if not length * height * width:
        raise ValueError(f"it has {length} frames of {width} x {height}: expected at least one of 1 x 1 pixel")
    if check is not None:
        check(length, height, width)
    return _stack(islice(frames, length), -(-length // step), step, image.info if _is_turned(image) else None)


def _stack(frames: Iterable[tuple[Image.Image, int]], length: int, step: int, exif: dict[Any, Any] | None) -> Frames:
    durations, arrays = [0] * length, None
    for index, (frame, duration) in enumerate(frames):
        durations[index // step] += duration
        if index % step:
            continue
        if exif is not None:
            frame.info = exif
            frame = ImageOps.exif_transpose(frame)
        if arrays is None:  # at once: a list of frames would take the memory twice
            arrays = np.empty((length, frame.height, frame.width, 4), np.uint8)
        arrays[index // step] = np.asarray(frame)
    assert arrays is not None
    return Frames(arrays, tuple(durations))


def _count_frames(image: Image.Image, data: bytes) -> int:
    if image.format not in ANIMATED_FORMATS or (data and image.format == "PNG"):
        return 1  # the header of a PNG may speak of frames that are not there
    return getattr(image, "n_frames", 1) - _first_frame(image)


def _count_pictures(image: Image.Image) -> int:
    """Return how many pictures a file has, pages and sizes of an icon among them."""
    icon = getattr(image, "ico", None)
    return int(getattr(image, "n_frames", 1)) if icon is None else len(icon.entry)


def _largest_value(image: Image.Image) -> int:
    """Return which value of a file means white, where PIL scales it to 255: a PPM file says so itself."""
    tiles = getattr(image, "tile", ()) if image.format == "PPM" else ()
    args = tiles[0].args if tiles else None
    return int(args[1]) if isinstance(args, tuple) and len(args) == 2 else 255


def _first_frame(image: Image.Image) -> int:
    return int(getattr(image, "default_image", False))


def _is_turned(image: Image.Image) -> bool:
    """Tell whether EXIF says that the camera was not held upright; `datasets` turns such pictures too."""
    try:
        return image.format != "GIF" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except (SyntaxError, struct.error):  # what is no EXIF says nothing, as viewers have it
        return False


def _pil_frames(image: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    for index in count(_first_frame(image)):
        image.seek(index)
        image.load()
        yield to_rgba(image), round(image.info.get("duration", 0))


def to_rgba(image: Image.Image) -> Image.Image:
    """Return an opened picture in RGBA; greys of 16 bits are scaled to 8.

    Raises:
        ValueError: If its values have no range in which to show them.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _scale_grey(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode!r}, numbers without a range: convert it to 'L' first")
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in transparent)  # of 16 bits, as the pixels were
    rgba = image.convert("RGBA")
    box = getattr(image, "dispose_extent", None)  # of a GIF, the part of its screen that the frame covers
    if image.format != "GIF" or image.tell() or box == (0, 0, *image.size):
        return rgba
    covered = Image.new("RGBA", image.size)
    covered.paste(rgba.crop(box), box)
    return covered


def _scale_grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    grey = ((values + 128) // 257).astype(np.uint8)
    alpha = np.where(values == image.info.get("transparency", -1), 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([grey, grey, grey, alpha], -1))


def _file_of_animation(image: Image.Image) -> bytes:
    """Return the file from which PIL reads an animation; nothing where it is closed, or there is no animation."""
    file = getattr(image, "_fp", None) if getattr(image, "is_animated", False) else None
    if not isinstance(file, io.IOBase) or file.closed:
        return b""
    shown = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(shown)
    return data


def composite_on_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB (..., 3) uint8 of RGBA (..., 4) uint8 over a white background, rounded to nearest."""
    alpha = array[..., 3:]
    if ((alpha == 0) | (alpha == 255)).all():  # the case of every GIF
        return array[..., :3] | ~alpha  # all ones where alpha is 0, the colour where it is 255
    weighted = array[..., :3].astype(np.uint16) * alpha + np.uint16(255) * (255 - alpha).astype(np.uint16)
    return ((weighted + 127) // 255).astype(np.uint8)
