"""Frames to animated GIF files: every frame kept, and up to 256 colours exact.

Shapes: T frames, H rows, W columns.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEFAULT_DURATION_MS = 100
MAX_DURATION_MS = 655_350


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
        durations_ms: Time per frame, one for all or one each, milliseconds; 0 becomes `DEFAULT_DURATION_MS`, others
            the nearest 10 ms that a GIF can hold.
        scale: Enlargement by repetition, so that pixels stay square and sharp.

    Raises:
        ValueError: If the array is not as described or the durations do not match.
    """
    if array.ndim != 4 or array.shape[-1] not in (3, 4) or array.dtype != np.uint8 or not array.size:
        raise ValueError(f"array must be non-empty uint8 (T, H, W, 3 | 4), got {array.dtype} {array.shape}")
    durations = np.atleast_1d(np.asarray(durations_ms, np.float64))
    if durations.shape not in ((1,), (len(array),)) or not ((durations >= 0) & (durations <= MAX_DURATION_MS)).all():
        raise ValueError(
            f"durations_ms must be 0 to {MAX_DURATION_MS}, one for all or one per frame, got {durations_ms!r} for "
            f"{len(array)} frames"
        )
    images = _to_palette(array.repeat(scale, axis=1).repeat(scale, axis=2))
    pairs = zip(images, np.broadcast_to(durations, len(array)).tolist(), strict=True)
    content = _join_frames([_one_frame(image, _centiseconds(duration) * 10) for image, duration in pairs])
    if isinstance(target, str | os.PathLike):
        Path(target).write_bytes(content)
    else:
        target.write(content)


def _centiseconds(duration_ms: float) -> int:
    # under one, viewers would show the frame for as long as they like
    return max(1, round((duration_ms or DEFAULT_DURATION_MS) / 10))


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
