"""The files of one picture of one's own, made to fit: what is stored, and in words what was changed of it.

Shapes: T frames or samples, H rows, W columns.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelbytes_hf.media.fitting import find_sound, harden, pick_frames, shrink
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.media_limits import naming
from pixelbytes_hf.media.pictures import inspect_picture, read_frames
from pixelbytes_hf.media.sounds import rate_ratio, read_sound, resample

from .captions import decode
from .record import UnusableRecordError, encode_flac
from .signals import add_speaker_channel

MAX_RATE_HZ = 48_000
SHORTEST_CUT = 0.01  # seconds that are worth a word
MAX_COLOURS = 255  # of a GIF that has a transparent one


@dataclass(frozen=True)
class Fitting:
    """How media are made to fit, and which pictures belong together.

    Args:
        families: ``name``: pictures whose names differ in a number at their end only; ``folder``: pictures of one
            folder; or a column of the table. The splits never tear a family apart.
        max_side: Longest side of a picture in pixels; a larger one is shrunk.
        max_frames: Frames of an animation; of a longer one so many are taken, evenly.
        max_seconds: Length of a sound from where it begins.

    Raises:
        ValueError: If a bound is not positive.
    """

    families: str = "name"
    max_side: int = 24
    max_frames: int = 32
    max_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_side", "max_frames", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")


DEFAULT_FITTING = Fitting()


class FittedPicture(NamedTuple):
    """A picture file as it is, as a GIF that fits, and what was changed."""

    original: bytes
    gif: bytes
    notes: list[str]


class FittedSound(NamedTuple):
    """The part of a sound that is heard, in mono and through the speaker, as FLAC, its rate, and what was changed."""

    flac: bytes
    rate_hz: int
    notes: list[str]


def fit_picture(path: Path, fitting: Fitting) -> FittedPicture:
    """Return a picture of as many frames and pixels as are asked for, at most.

    Raises:
        UnusableRecordError: If it cannot be read.
    """
    try:
        frames = read_frames(path)
        original = path.read_bytes()
        notes = inspect_picture(original)
    except (ValueError, OSError) as error:
        raise UnusableRecordError("picture unreadable", str(error)) from error
    kept = pick_frames(frames, fitting.max_frames)
    if len(kept.array) < len(frames.array):
        notes.append(f"{len(frames.array)} frames became {len(kept.array)}")
    small = shrink(kept.array, fitting.max_side, fitting.max_side)
    if small.shape != kept.array.shape:
        (height, width), (rows, columns) = kept.array.shape[1:3], small.shape[1:3]
        notes.append(f"{width} x {height} pixels became {columns} x {rows}")
    elif ((small[..., 3] > 0) & (small[..., 3] < 255)).any():
        notes.append("half transparent pixels became opaque or transparent")
    small = harden(small)
    num_colours = len(np.unique(small[small[..., 3] > 0], axis=0))
    if num_colours > MAX_COLOURS:
        notes.append(f"{num_colours} colours became {MAX_COLOURS}")
    target = io.BytesIO()
    write_gif(small, target, durations_ms=kept.durations_ms)
    return FittedPicture(original, target.getvalue(), notes)


def read_text(path: Path) -> tuple[str, list[str]]:
    """Return what a text file says, and what is worth a word about it.

    Raises:
        UnusableRecordError: If it is no text.
    """
    try:
        text, encoding = decode(path.read_bytes())
    except (ValueError, OSError) as error:
        raise UnusableRecordError("caption unreadable", f"{path}: {error}") from error
    notes = [] if encoding == "utf-8" else [f"{path.name} was read as {encoding}"]
    return text.strip(), notes if text.strip() else [*notes, f"{path.name} is empty: the text is the name"]


def name_as_text(path: Path) -> str:
    """Return the name of a file in words.

    Example:
        >>> name_as_text(Path("red_slime-2.png")), name_as_text(Path("🔥.png"))
        ('red slime 2', '🔥')
    """
    return re.sub(r"[_\W]+", " ", path.stem).strip() or path.stem


def fit_sound(path: Path, fitting: Fitting) -> FittedSound:
    """Return a sound from where it begins, of as many seconds as are asked for, at most.

    Raises:
        UnusableRecordError: If it cannot be read, is silent or too short.
    """
    try:
        array, rate = read_sound(path)
        with naming(path, "sound"):
            mono = array.mean(axis=1)
            start = find_sound(mono)
            heard = mono[start : start + max(round(fitting.max_seconds * rate), 1)]
            kept_rate = min(rate, MAX_RATE_HZ)
            if rate != kept_rate:
                heard = resample(heard, rate_ratio(rate, kept_rate)).astype(np.float32)
            flac = encode_flac(add_speaker_channel(heard, sampling_rate=kept_rate), sampling_rate=kept_rate)
    except (ValueError, OSError) as error:
        raise UnusableRecordError("sound unreadable", str(error)) from error
    notes = [f"the {array.shape[1]} channels of {path.name} became their mean"] if array.shape[1] > 1 else []
    if rate != kept_rate or len(mono) / rate - len(heard) / kept_rate > SHORTEST_CUT:
        kept = f"{len(heard) / kept_rate:.2f} s at {kept_rate} Hz, from {start / rate:.2f} s on"
        notes.append(f"the {len(mono) / rate:.2f} s at {rate} Hz of {path.name} became {kept}")
    return FittedSound(flac, kept_rate, notes)
