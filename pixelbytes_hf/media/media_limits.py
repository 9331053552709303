"""What may be read: where the bytes of a medium come from, and how much it may hold.

Bounds are checked on what a file's header says, before memory is taken for what it claims to hold. A source is a path,
raw bytes, a binary file object, a PIL image, or the ``{"bytes": ..., "path": ...}`` dictionary that `datasets` stores.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

Source = str | os.PathLike[str] | bytes | BinaryIO | Mapping[str, Any] | Image.Image


@dataclass(frozen=True)
class MediaLimits:
    """The most that a medium may hold; what holds more is refused with a `ValueError`.

    Attributes:
        max_file_bytes: Of a file.
        max_frames: Of a picture.
        max_pixels: Of all frames of a picture together: 256 MiB as RGBA.
        max_samples: Of all channels of a sound together: 64 MiB as float32.
        max_channels: Of a sound.
        max_rate_hz: Samples per second and channel.
        max_seconds: Of a sound file.
        max_tokens: Of a record; a token takes 64 bytes in tensors with six cells of context, more in lists.

    Raises:
        ValueError: If a bound is no whole number from 1 up.
    """

    max_file_bytes: int = 1 << 28
    max_frames: int = 10_000
    max_pixels: int = 1 << 26
    max_samples: int = 1 << 24
    max_channels: int = 64
    max_rate_hz: int = 768_000
    max_seconds: int = 1_800
    max_tokens: int = 1 << 22

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{field.name} must be an int >= 1, got {value!r}")

    def check_picture(self, num_frames: int, height: int, width: int) -> None:
        """Refuse a picture that is too large.

        Raises:
            ValueError: If it has too many frames or pixels.
        """
        size = f"{num_frames:,} frames of {width:,} x {height:,} pixels (a decompression bomb?)"
        self._check("max_frames", num_frames, size)
        self._check("max_pixels", num_frames * height * width, size)

    def check_sound(self, num_samples: int, num_channels: int, rate_hz: float | None) -> None:
        """Refuse a sound that is too large.

        Args:
            num_samples: Of each channel.
            num_channels: Channels.
            rate_hz: Samples per second; None where it is not known.

        Raises:
            ValueError: If it has too many channels or samples, or too high a rate.
        """
        size = f"{num_samples:,} samples of {num_channels:,} channels"
        self._check("max_channels", num_channels, size)
        self._check("max_samples", num_samples * num_channels, size)
        self._check("max_rate_hz", rate_hz or 0, f"a sampling rate of {rate_hz:,} Hz" if rate_hz else "")

    def check_seconds(self, seconds: float) -> None:
        """Refuse a sound file that lasts too long.

        Raises:
            ValueError: If it does.
        """
        self._check("max_seconds", seconds, f"{seconds:,.0f} s of sound")

    def check_file(self, num_bytes: int) -> None:
        """Refuse a file that is too large.

        Raises:
            ValueError: If it is.
        """
        self._check("max_file_bytes", num_bytes, f"a file of {num_bytes:,} bytes")

    def check_tokens(self, num_tokens: Mapping[str, int]) -> None:
        """Refuse a record that would cost too much.

        Args:
            num_tokens: Of each modality.

        Raises:
            ValueError: If they are too many together.
        """
        total = sum(num_tokens.values())
        parts = ", ".join(f"{name} {count:,}" for name, count in num_tokens.items())
        self._check("max_tokens", total, f"a record of {total:,} tokens ({parts})")

    def _check(self, name: str, value: float, found: str) -> None:
        most = getattr(self, name)
        if value > most:
            raise ValueError(f"{found} is over the limit: expected at most {name}={most:,} (see MediaLimits)")


DEFAULT_LIMITS = MediaLimits()


def describe_source(source: Source) -> str:
    """Return a short name of a source for messages: its path where it has one."""
    if isinstance(source, Mapping):
        return str(source.get("path") or f"{len(source.get('bytes') or b'')} bytes")
    if isinstance(source, bytes):
        return f"{len(source)} bytes"
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "filename", None) or getattr(source, "name", None) or source)


@contextmanager
def naming(source: Source, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a `ValueError` that names the source.

    Decoders raise almost anything on broken files: SyntaxError, struct.error, MemoryError, NotImplementedError...
    """
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{describe_source(source)} is not a readable {kind}: {reason}") from error


def read_source(source: Source, kind: str, *, limits: MediaLimits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes of a file.

    Args:
        source: See the module; not a PIL image.
        kind: What it should be, for messages.
        limits: Of which `max_file_bytes` counts.

    Raises:
        FileNotFoundError: If the path leads to no file.
        TypeError: If the source is nothing that can be read.
        ValueError: If the file is too large, or may not be read.
    """
    content = source
    if isinstance(source, Mapping):
        if source.get("bytes") is None and not source.get("path"):
            raise ValueError(f"a media dictionary must hold 'bytes' or 'path', got {sorted(source)}")
        content = source["path"] if source.get("bytes") is None else source["bytes"]
    if isinstance(content, str | os.PathLike) and not Path(content).is_file():
        raise FileNotFoundError(f"no file at {os.fspath(content)!r}")
    if not (isinstance(content, str | os.PathLike | bytes) or hasattr(content, "read")):
        raise TypeError(
            f"source must be a path, bytes, a file, a PIL image or a dictionary, got {type(content).__name__}"
        )
    with naming(source, kind):
        data = _read(content, limits.max_file_bytes + 1)
        limits._check("max_file_bytes", len(data), "the file")
    if not isinstance(data, bytes):
        raise TypeError(f"source must be opened for bytes ('rb'), got a file of {type(data).__name__}")
    return data


def _read(content: Any, most: int) -> Any:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str | os.PathLike):
        with open(content, "rb") as file:
            return file.read(most)
    if getattr(content, "seekable", lambda: True)():
        content.seek(0)
    return content.read(most)
