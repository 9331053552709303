"""Animated GIF and PNG files as browsers show them: patches laid one by one on a canvas that begins transparent.

PIL decodes the patches. Its own composition differs where a GIF covers a part of its screen, disposes of an area
without a transparent colour, or draws beyond the screen, and where an animated PNG has soft edges, disposes of an area
without an alpha channel, or begins with a picture that is not part of the animation.

Sources: the GIF89a specification; PNG, third edition, 11.3.6; what Chromium's ImageDecoder gives.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from .media_limits import DEFAULT_LIMITS, MediaLimits

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CUT = "the file is cut short: it ends before its end mark"
Disposal = Literal["keep", "clear", "restore"]
# GIF's values 2 and 3; some writers count the bits from the other end
_GIF_DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore", 4: "restore"}
_PNG_DISPOSALS: dict[int, Disposal] = {1: "clear", 2: "restore"}
GRAPHIC_CONTROL = 0xF9
COLOUR_TABLE, INTERLACED = 0x80, 0x40  # flags
CLEAR = (0, 0, 0, 0)
NO_CONTROL = (0, 0, 0)  # flags, centiseconds, transparent index


class Patch(NamedTuple):
    """What one frame draws, and what becomes of it before the next.

    Attributes:
        box: Left, upper, right and lower edge on the canvas, pixels.
        open: Returns the patch as a picture of that size.
        duration_ms: Time it is shown.
        disposal: Whether the area is kept, made transparent, or given back what was there.
        is_laid_over: Whether transparent pixels show what lies beneath, or replace it.
        clear: RGBA of a pixel that it makes transparent; alpha is 0.
    """

    box: tuple[int, int, int, int]
    open: Callable[[], Image.Image]
    duration_ms: int
    disposal: Disposal = "keep"
    is_laid_over: bool = True
    clear: tuple[int, ...] = CLEAR

    @property
    def num_pixels(self) -> int:
        """Pixels of the patch, whether on the canvas or beyond."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True)
class Animation:
    """A canvas and what is drawn on it.

    Attributes:
        size: Width and height of the canvas, pixels.
        patches: One per frame.
    """

    size: tuple[int, int]
    patches: list[Patch]

    def compose(self, to_rgba: Callable[[Image.Image], Image.Image]) -> Iterator[tuple[Image.Image, int]]:
        """Yield the canvas, which the next frame draws on, and the duration of every frame.

        Args:
            to_rgba: Turns a patch into RGBA.
        """
        canvas = Image.new("RGBA", self.size, self.patches[0].clear)
        for patch in self.patches:
            before = canvas.copy() if patch.disposal == "restore" else canvas
            if patch.num_pixels and patch.is_laid_over:
                canvas.alpha_composite(to_rgba(patch.open()), patch.box[:2])
            elif patch.num_pixels:
                canvas.paste(to_rgba(patch.open()), patch.box)
            yield canvas, patch.duration_ms
            canvas = before
            if patch.disposal == "clear":
                canvas.paste(patch.clear, patch.box)


def read_animation(data: bytes, *, limits: MediaLimits = DEFAULT_LIMITS) -> Animation | None:
    """Return a GIF file, or an animated PNG file, as patches; None of any other file.

    Args:
        data: The file.
        limits: What the animation may hold.

    Raises:
        ValueError: If the file is cut short, not well formed, or over the limits.
    """
    try:
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _read_gif(data, limits)
        return _read_png(data, limits) if data.startswith(PNG_SIGNATURE) else None
    except (IndexError, struct.error) as error:
        raise ValueError(CUT) from error


def _read_gif(data: bytes, limits: MediaLimits) -> Animation:
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    at = first = 13 + _table_size(packed)
    patches: list[Patch] = []
    control = NO_CONTROL
    while data[at] != ord(";"):
        if data[at] == ord("!"):
            if data[at + 1] == GRAPHIC_CONTROL:
                control = struct.unpack_from("<BHB", data, at + 3)
            at = _end_of_blocks(data, at + 2)
        elif data[at] == ord(","):
            left, top, part_width, part_height, flags = struct.unpack_from("<4HB", data, at + 1)
            start = at + 10 + _table_size(flags)
            colours = _colours(data[at + 10 : start] or data[13:first], control)
            at = _end_of_blocks(data, start + 1)
            part = partial(_open_gif_patch, (part_width, part_height), data, start, at, flags & INTERLACED, colours)
            patches.append(_gif_patch((left, top, left + part_width, top + part_height), part, control, colours))
            limits.check_picture(1, part_height, part_width)
            limits.check_picture(len(patches), height, width)
            control = NO_CONTROL
        else:  # between blocks, some writers leave a zero
            at += 1
    # the first frame may enlarge the screen, as browsers have it; later ones are cut to it
    right, lower = patches[0].box[2:] if patches else (0, 0)
    return Animation((max(width, right), max(height, lower)), patches)


def _gif_patch(box: tuple[int, int, int, int], part: Any, control: tuple[int, ...], colours: bytes) -> Patch:
    flags, centiseconds, transparent = control
    clear = tuple(colours[4 * transparent :][:4]) if flags & 1 else CLEAR
    return Patch(box, part, centiseconds * 10, _GIF_DISPOSALS.get(flags >> 2 & 7, "keep"), True, clear)


def _open_gif_patch(
    size: tuple[int, int], data: bytes, start: int, stop: int, interlaced: int, colours: bytes
) -> Image.Image:
    part = Image.frombytes("P", size, data[start + 1 : stop], "gif", data[start], interlaced, -1)
    part.putpalette(colours, "RGBA")
    return part.convert("RGBA")


def _colours(table: bytes, control: tuple[int, ...]) -> bytes:
    """Return 256 colours as RGBA; greys where the file has no table."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    colours[: len(table) // 3, :3] = np.frombuffer(table, np.uint8).reshape(-1, 3)
    if not table:
        colours[:, :3] = np.arange(256)[:, None]
    if control[0] & 1:
        colours[control[2], 3] = 0
    return colours.tobytes()


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & COLOUR_TABLE else 0


def _end_of_blocks(data: bytes, at: int) -> int:
    """Return where a chain of sub-blocks ends."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _read_png(data: bytes, limits: MediaLimits) -> Animation | None:
    header, tables, num_frames = b"", b"", 0
    frames: list[tuple[Any, list[bytes]]] = []
    for kind, body in read_chunks(data):
        if kind == b"IHDR":
            header = body
        elif kind in (b"PLTE", b"tRNS"):
            tables += make_chunk(kind, body)
        elif kind == b"acTL":
            num_frames = struct.unpack_from(">I", body)[0]
        elif kind == b"IDAT" and not num_frames:
            return None
        elif kind == b"fcTL":
            frames.append((struct.unpack(">5I2H2B", body), []))
        # what comes before the first frame's header is for viewers without animation
        elif kind in (b"IDAT", b"fdAT") and frames:
            frames[-1][1].append(body if kind == b"IDAT" else body[4:])
    if not frames:
        return None
    size = struct.unpack_from(">II", header)
    limits.check_picture(min(num_frames, len(frames)), size[1], size[0])
    return Animation(size, [_png_patch(*frame, header, tables, size) for frame in frames[:num_frames]])


def _png_patch(control: Any, parts: list[bytes], header: bytes, tables: bytes, size: tuple[int, ...]) -> Patch:
    _, width, height, left, top, delay, base, disposal, blend = control
    box = left, top, left + width, top + height
    if box[2] > size[0] or box[3] > size[1]:
        raise ValueError(f"a frame covers {box} of a picture of {size[0]} x {size[1]} pixels")
    still = (
        make_chunk(b"IHDR", struct.pack(">II", width, height) + header[8:])
        + tables
        + make_chunk(b"IDAT", b"".join(parts))
    )
    duration_ms = round(1000 * delay / (base or 100))
    file = io.BytesIO(PNG_SIGNATURE + still + make_chunk(b"IEND", b""))
    return Patch(
        box, partial(Image.open, file, formats=("PNG",)), duration_ms, _PNG_DISPOSALS.get(disposal, "keep"), blend == 1
    )


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of every chunk of a PNG file up to the last."""
    at, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size
