"""What visitors bring: drawings, picture files and sound files, as the media that a run reads.

Files of any size come in; what the model reads is what its training records looked like: pictures of that size in the
colours of the vocabulary, sounds of that length. Each function also says in plain words what became of the file.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from ..generation.layout import Audio, Image
from ..runs.run_folder import Run
from ..tokens.media import DEFAULT_LIMITS, composite_on_white, read_frames, read_sound
from ..tokens.pixel_codec import decode_pixels, encode_pixels

MAX_SIDE = 64  # of a drawing, whatever a page sends
MAX_FRAMES = 32
SILENCE = 0.02  # of the peak: a sound begins where it is louder


class VisitorError(ValueError):
    """What a visitor gave cannot be used; the message is shown to them, in plain words and without paths."""


class Brought(NamedTuple):
    """A medium as the run reads it, and what became of the file."""

    value: Any
    note: str


class Drawing(NamedTuple):
    """A picture as the page's editor keeps it.

    Attributes:
        pixels: Indices into the vocabulary's pixel ids, (T, H, W).
        is_touched: Whether anything was drawn.
    """

    pixels: NDArray[np.int64]
    is_touched: bool

    def to_json(self) -> str:
        """Return the drawing as the editor takes it."""
        frames = [frame.ravel().tolist() for frame in self.pixels]
        _, height, width = self.pixels.shape
        return json.dumps({"width": width, "height": height, "frames": frames, "touched": self.is_touched})


def layout_of(run: Run, modality: str) -> Any:
    """Return the run's segment layout of a modality, or None."""
    return next((segment for segment in run.layout.segments if segment.modality == modality), None)


def sprite_size(run: Run) -> tuple[int, int]:
    """Return rows and columns of the run's pictures; of a free size the largest."""
    layout = layout_of(run, "image") or Image(height=16, width=16)
    return layout.height or layout.max_height, layout.width or layout.max_width


def blank_drawing(run: Run) -> Drawing:
    """Return an empty picture of the run's size."""
    height, width = sprite_size(run)
    return Drawing(np.full((1, height, width), background_index(run)), False)


def background_index(run: Run) -> int:
    """Return the index of the colour of nothing: transparent where the vocabulary has that, otherwise white."""
    tables = run.tokenizer.tables
    if tables.has_transparent:
        return 0
    white = encode_pixels(np.full((1, 1, 1, 3), 255, np.uint8), tables)
    return int(white[0, 0, 0]) - tables.pixel_ids.start


def read_drawing(content: str, run: Run) -> Drawing:
    """Return what the page's editor sent.

    Raises:
        VisitorError: If it is not a drawing in the run's colours.
    """
    try:
        data = json.loads(content)
        height, width = int(data["height"]), int(data["width"])
        pixels = np.array(data["frames"], np.int64).reshape(-1, height, width)
        is_touched = bool(data["touched"])
    except (ValueError, TypeError, KeyError) as error:
        raise VisitorError("the drawing cannot be read: reload the page and draw it again") from error
    num_colours = len(run.tokenizer.tables.pixel_ids)
    if max(height, width) > MAX_SIDE or not 1 <= len(pixels) <= MAX_FRAMES:
        raise VisitorError(
            f"the drawing must have 1 to {MAX_FRAMES} frames of at most {MAX_SIDE} x {MAX_SIDE} pixels, got "
            f"{len(pixels)} of {width} x {height}"
        )
    if pixels.min() < 0 or pixels.max() >= num_colours:
        raise VisitorError(f"the drawing must hold colours 0 to {num_colours - 1}, got {pixels.min()}..{pixels.max()}")
    return Drawing(pixels, is_touched)


def drawing_frames(drawing: Drawing, run: Run) -> NDArray[np.uint8]:
    """Return a drawing as frames, (T, H, W, 3 | 4); one frame is repeated until there are as many as in training."""
    frames = decode_pixels(drawing.pixels + run.tokenizer.tables.pixel_ids.start, run.tokenizer.tables)
    layout = layout_of(run, "image")
    if len(frames) == 1 and layout is not None:
        frames = frames.repeat(layout.frames, axis=0)
    return frames


def read_picture(path: str | Path, run: Run) -> Brought:
    """Return a picture file as a `Drawing` of the run's size and colours.

    Raises:
        VisitorError: If the file is no picture, or a huge one.
    """
    bound = f"at most {DEFAULT_LIMITS.max_pixels // 10**6} million pixels"
    frames = _read(read_frames, path, "picture", f"a PNG, GIF, WebP or JPEG file of {bound}").array
    name, (num_frames, height, width) = Path(path).name, frames.shape[:3]
    layout, tables = layout_of(run, "image"), run.tokenizer.tables
    most = min(MAX_FRAMES, layout.frames if layout is not None else 1)
    kept = frames[np.linspace(0, num_frames - 1, min(most, num_frames)).round().astype(int)]
    small = _fit(kept, *sprite_size(run), is_fixed=layout is None or layout.height is not None)
    if not tables.has_transparent:
        small = composite_on_white(small)
    pixels = encode_pixels(small, tables).astype(np.int64) - tables.pixel_ids.start
    note = f"{name}: {_count(num_frames, 'frame')} of {width} x {height}"
    if pixels.shape != (num_frames, height, width):
        note += f", read as {_count(len(pixels), 'frame')} of {pixels.shape[2]} x {pixels.shape[1]}"
    return Brought(Drawing(pixels, True), note + f", in {len(np.unique(pixels))} of the model's colours")


def _fit(frames: NDArray[np.uint8], height: int, width: int, *, is_fixed: bool) -> NDArray[np.uint8]:
    """Return RGBA frames that fit into `height` x `width`: shrunk by averaging, never enlarged, set at the foot."""
    scale = min(1.0, height / frames.shape[1], width / frames.shape[2])
    if scale < 1:
        size = max(1, round(frames.shape[2] * scale)), max(1, round(frames.shape[1] * scale))
        frames = np.stack([_shrink(frame, size) for frame in frames])
    if not is_fixed:
        return frames
    fitted = np.zeros((len(frames), height, width, 4), np.uint8)
    top, left = height - frames.shape[1], (width - frames.shape[2]) // 2
    fitted[:, top:, left : left + frames.shape[2]] = frames
    return fitted


def _shrink(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    small = np.array(PILImage.fromarray(frame).resize(size, PILImage.Resampling.BOX))
    small[..., 3] = np.where(small[..., 3] >= 128, 255, 0)  # pixels of a sprite are there or not
    return small


def read_cry(path: str | Path, run: Run) -> Brought:
    """Return a sound file as the tokenizer takes it: as long as in training, with as many channels.

    Raises:
        VisitorError: If the file is no sound, is silent or too short.
    """
    from dataset_builder.signals import add_speaker_channel

    sound = _read(read_sound, path, "sound", "a WAV, FLAC, OGG or MP3 file")
    rate, mono = sound.sampling_rate_hz, sound.array.mean(axis=1)
    peak = float(np.abs(mono).max())
    if peak == 0:
        raise VisitorError(f"{Path(path).name} is silent: choose a sound that can be heard")
    start = int(np.argmax(np.abs(mono) > SILENCE * peak))
    layout, seconds = layout_of(run, "audio"), longest_cry_seconds(run)
    length = len(mono) - start if seconds is None else round(seconds * rate)
    heard = mono[start : start + length]
    heard = np.pad(heard, (0, max(0, length - len(heard))))
    channels = 1 if layout is None else layout.channels
    array = add_speaker_channel(heard, sampling_rate=rate).T if channels == 2 else np.stack([heard] * channels)
    note = f"{Path(path).name}: {len(mono) / rate:.2f} s at {rate} Hz; the model hears {length / rate:.2f} s"
    return Brought({"array": array, "sampling_rate": rate}, f"{note} from {start / rate:.2f} s on")


def longest_cry_seconds(run: Run) -> float | None:
    """Return how long the run's sounds last; None if that is left open."""
    layout, rate = layout_of(run, "audio"), run.tokenizer.level_rate_hz
    if not isinstance(layout, Audio) or rate is None:
        return None
    length = layout.samples or layout.max_samples
    return None if length is None else length / rate


def read_sentence(text: str, run: Run) -> Brought:
    """Return a sentence as the run reads it.

    Raises:
        VisitorError: If it is empty, or longer than any in training.
    """
    layout, text = layout_of(run, "text"), " ".join(text.split())
    if not text:
        raise VisitorError("the sentence is empty: type one, or choose something else to begin with")
    [_], [info] = run.tokenizer.encode_record(text=text)
    if layout is not None and len(text) > 4 * layout.max_length:
        raise VisitorError(
            f"the sentence has {len(text)} letters: the longest the model ever read had {layout.max_length}"
        )
    lost = info.num_replaced + info.num_dropped
    note = f"{_count(lost, 'letter')} of the sentence are not in the model's alphabet" if lost else ""
    return Brought(text, note)


def _read(read: Any, path: str | Path, kind: str, expected: str) -> Any:
    """Read a visitor's file, and put it in plain words if that fails."""
    try:
        return read(Path(path))
    except (ValueError, FileNotFoundError) as error:
        name = Path(path).name
        raise VisitorError(f"{name} is not a {kind} that can be read: try {expected}") from error


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
