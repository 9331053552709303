"""Read what visitors enter, drawings, picture files, sound files and sentences, as the media that a run reads.

Files of any size come in; what the model reads is what its training records looked like: pictures of that size in the
colours of the vocabulary, sounds of that length. Each function also says in plain words what became of the file.

Shapes: T frames, H rows, W columns.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..generation.layout import Image
from ..media.fitting import find_sound, pick_frames, place, shrink
from ..media.pictures import read_frames
from ..media.sounds import read_sound
from ..runs.run_folder import Run
from ..tokens.pixel_codec import decode_pixels, encode_pixels
from .limits import MAX_DRAWING_FRAMES, MAX_DRAWING_SIDE, MAX_SENTENCE_LENGTH, UPLOAD_LIMITS


class VisitorError(ValueError):
    """What a visitor gave cannot be used; the message is shown to them, in plain words and without paths."""


class ReadInput(NamedTuple):
    """What was entered as the run, or the page's editor, takes it, and what became of it in words."""

    value: Any
    note: str = ""


def layout_of(run: Run, modality: str) -> Any:
    """Return the run's segment layout of a modality, or None."""
    return next((segment for segment in run.layout.segments if segment.modality == modality), None)


def sprite_size(run: Run) -> tuple[int, int]:
    """Return rows and columns of the run's pictures; of a free size the largest."""
    layout = layout_of(run, "image") or Image(height=16, width=16)
    return layout.height or layout.max_height, layout.width or layout.max_width


def background_index(run: Run) -> int:
    """Return the index of the colour of nothing: transparent where the vocabulary has that, otherwise white."""
    tables = run.tokenizer.tables
    return int(encode_pixels(np.zeros((1, 1, 1, 4), np.uint8), tables).item()) - tables.pixel_ids.start


def picture_data(pixels: NDArray[np.int64]) -> dict[str, Any]:
    """Return a picture, (T, H, W) indices into the vocabulary's pixel ids, as the page's scripts take it."""
    num_frames, height, width = pixels.shape
    return {"width": width, "height": height, "frames": pixels.reshape(num_frames, -1).tolist()}


def blank_drawing(run: Run) -> str:
    """Return an empty picture of the run's size, as the page's editor takes it."""
    return json.dumps(picture_data(np.full((1, *sprite_size(run)), background_index(run))))


def read_drawing(content: str, run: Run) -> NDArray[np.uint8]:
    """Return what the page's editor sent as frames, (T, H, W, 3 | 4); one frame is repeated as often as in training.

    Raises:
        VisitorError: If it is not a drawing in the run's colours, or an empty one.
    """
    try:
        data = json.loads(content)
        pixels = np.array(data["frames"], np.int64).reshape(-1, int(data["height"]), int(data["width"]))
    except (ValueError, TypeError, KeyError) as error:
        raise VisitorError("the drawing cannot be read: reload the page and draw it again") from error
    tables, layout = run.tokenizer.tables, layout_of(run, "image")
    if not 1 <= len(pixels) <= MAX_DRAWING_FRAMES or max(pixels.shape[1:]) > MAX_DRAWING_SIDE:
        size = f"1 to {MAX_DRAWING_FRAMES} frames of at most {MAX_DRAWING_SIDE} x {MAX_DRAWING_SIDE} pixels"
        raise VisitorError(f"the drawing must have {size}: reload the page and draw it again")
    if pixels.min() < 0 or pixels.max() >= len(tables.pixel_ids):
        raise VisitorError("the drawing must be in the model's colours: reload the page and draw it again")
    if (pixels == background_index(run)).all():
        raise VisitorError("the sprite is empty: draw one, upload one, or choose something else to begin with")
    frames = decode_pixels(pixels + tables.pixel_ids.start, tables)
    return frames.repeat(layout.frames, axis=0) if len(frames) == 1 and layout is not None else frames


def read_picture(path: str | Path, run: Run) -> ReadInput:
    """Return a picture file as a drawing of the run's size and colours, for the page's editor.

    Raises:
        VisitorError: If the file is no picture, or a huge one.
    """
    bound = f"at most {UPLOAD_LIMITS.max_pixels // 10**6} million pixels"
    frames = _read(read_frames, path, "picture", f"a PNG, GIF, WebP or JPEG file of {bound}")
    layout, tables = layout_of(run, "image"), run.tokenizer.tables
    most = min(MAX_DRAWING_FRAMES, layout.frames if layout is not None else 1)
    small = shrink(pick_frames(frames, most).array, *sprite_size(run))
    if layout is None or layout.height is not None:
        small = place(small, *sprite_size(run))
    pixels = encode_pixels(small, tables).astype(np.int64) - tables.pixel_ids.start
    note = f"{Path(path).name}: {_describe_size(frames.array)}"
    if pixels.shape != frames.array.shape[:3]:
        note += f", read as {_describe_size(pixels)}"
    note += f", in {len(np.unique(pixels))} of the model's colours"
    return ReadInput(json.dumps(picture_data(pixels)), note)


def read_cry(path: str | Path, run: Run) -> ReadInput:
    """Return a sound file as the tokenizer takes it: as long as in training, with as many channels.

    Raises:
        VisitorError: If the file is no sound, is silent or too short.
    """
    from dataset_builder.signals import add_speaker_channel

    sound = _read(read_sound, path, "sound", "a WAV, FLAC, OGG or MP3 file")
    rate, mono = sound.sampling_rate_hz, sound.array.mean(axis=1)
    try:
        start = find_sound(mono)
    except ValueError as error:
        raise VisitorError(f"{Path(path).name} is silent: choose a sound that can be heard") from error
    layout, seconds = layout_of(run, "audio"), longest_cry_seconds(run)
    length = len(mono) - start if seconds is None else round(seconds * rate)
    heard = mono[start : start + length]
    heard = np.pad(heard, (0, length - len(heard)))
    channels = 1 if layout is None else layout.channels
    array = add_speaker_channel(heard, sampling_rate=rate).T if channels == 2 else np.stack([heard] * channels)
    note = f"{Path(path).name}: {len(mono) / rate:.2f} s at {rate} Hz; the model hears {length / rate:.2f} s"
    return ReadInput({"array": array, "sampling_rate": rate}, f"{note} from {start / rate:.2f} s on")


def longest_cry_seconds(run: Run) -> float | None:
    """Return how long the run's sounds last; None if that is left open."""
    layout, rate = layout_of(run, "audio"), run.tokenizer.level_rate_hz
    return None if layout is None or rate is None else (layout.samples or layout.max_samples) / rate


def read_sentence(text: str, run: Run) -> ReadInput:
    """Return a sentence as the run reads it.

    Raises:
        VisitorError: If it is empty, or too long.
    """
    text = " ".join(text.split())
    if not text:
        raise VisitorError("the sentence is empty: type one, or choose something else to begin with")
    if len(text) > MAX_SENTENCE_LENGTH:
        raise VisitorError(f"the sentence has {len(text)} letters: at most {MAX_SENTENCE_LENGTH} are read")
    _, [info] = run.tokenizer.encode_record(text=text)
    lost = info.num_replaced + info.num_dropped
    return ReadInput(text, f"{_count(lost, 'letter')} of the sentence are not in the model's alphabet" if lost else "")


def _read(read: Any, path: str | Path, kind: str, expected: str) -> Any:
    """Read a visitor's file; what readers say of it names paths and objects, and is kept from visitors."""
    try:
        return read(Path(path), limits=UPLOAD_LIMITS)
    except (ValueError, FileNotFoundError) as error:
        raise VisitorError(f"{Path(path).name} is not a {kind} that can be read: try {expected}") from error


def _describe_size(picture: NDArray[Any]) -> str:
    return f"{_count(len(picture), 'frame')} of {picture.shape[2]} x {picture.shape[1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
