"""Frames to PNG files, moving or still: every value, frame, time and repetition exact.

Shapes: T frames, H rows, W columns.

Source: PNG, third edition, 11.3.6.
"""

import io
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .animations import PNG_SIGNATURE, make_chunk, read_chunks

_MOST = (1 << 16) - 1  # of a delay's numerator
_REPLACE = 0  # blend: what is drawn takes the place of what was there, transparent or not


def write_still(array: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return a picture, RGBA (H, W, 4) uint8 or greys (H, W, 1) uint16, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(file, "PNG", optimize=True)
    return file.getvalue()


def write_animation(array: NDArray[np.uint8], durations_ms: Sequence[int], num_plays: int) -> bytes:
    """Return RGBA frames (T, H, W, 4) as an animated PNG file.

    PIL's own writer joins frames that are equal, and rounds.

    Args:
        array: The frames.
        durations_ms: Time of each, milliseconds; over 65,535 they must be tenths, hundredths or whole seconds, which
            is what the format holds.
        num_plays: How often it is shown, 0 for ever.

    Raises:
        ValueError: If a time is none that the format holds.
    """
    stills = [write_still(frame) for frame in array]
    parts = [
        PNG_SIGNATURE,
        make_chunk(b"IHDR", _bodies(stills[0], b"IHDR")[0]),
        make_chunk(b"acTL", struct.pack(">II", len(array), num_plays)),
    ]
    number = 0
    for index, (still, duration) in enumerate(zip(stills, durations_ms, strict=True)):
        box = struct.pack(">5I", number, array.shape[2], array.shape[1], 0, 0)
        parts.append(make_chunk(b"fcTL", box + struct.pack(">HHBB", *_as_fraction(duration), 0, _REPLACE)))
        number += 1
        for body in _bodies(still, b"IDAT"):
            parts.append(make_chunk(b"fdAT", struct.pack(">I", number) + body) if index else make_chunk(b"IDAT", body))
            number += index > 0
    return b"".join([*parts, make_chunk(b"IEND", b"")])


def _as_fraction(duration_ms: int) -> tuple[int, int]:
    """Return a time as numerator and denominator of seconds.

    Example:
        >>> _as_fraction(100_000)
        (10000, 100)
    """
    for base in (1000, 100, 10, 1):
        numerator, rest = divmod(duration_ms * base, 1000)
        if not rest and numerator <= _MOST:
            return numerator, base
    raise ValueError(
        f"a frame of {duration_ms} ms cannot be written as PNG, which holds 65,535 units of a 1, 10, 100 or "
        "1,000th second"
    )


def _bodies(still: bytes, wanted: bytes) -> list[bytes]:
    return [body for kind, body in read_chunks(still) if kind == wanted]
