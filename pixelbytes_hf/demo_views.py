"""What the page shows: scenes for the stage, the files to take home, the palette with its probabilities.

Knows sketches, records and HTML; knows nothing about gradio.
"""

import html
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .demo_inputs import layout_of
from .demo_sketch import Sketch, sketch
from .grid import Ids
from .media import DEFAULT_DURATION_MS, Sound, write_gif, write_sound
from .record import DecodedRecord
from .runs import CRY_NAME, DEFAULT_RATE_HZ, LARGE_NAME, LARGE_SCALE, SPRITE_NAME, TEXT_NAME, Run

ASSETS = Path(__file__).parent / "demo_assets"
PLAYABLE_RATE_HZ = 16000  # browsers refuse rates under 3000 Hz, and a cry of the embedded corpus has 2000
NUM_NAMED = 5
MOST_POINTS = 600  # of a curve
MEDIUM_NAMES = {"text": "Sentence", "image": "Sprite", "audio": "Cry"}


def palette_of(run: Run) -> list[str | None]:
    """Return the run's colours as CSS writes them, None for transparent, in the order of the pixel ids."""
    tables = run.tokenizer.tables
    colours: list[str | None] = [f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in tables.colours]
    return [None, *colours] if tables.has_transparent else colours


def scene(run: Run, ids: Ids, *, given: tuple[str, ...] = (), num_frames: int | None = None, busy: bool) -> str:
    """Return what the stage shows of a stream, as JSON.

    Args:
        run: Whose stream it is.
        ids: The stream so far, (L,).
        given: Media that the visitor brought.
        num_frames: Frames that the picture will have.
        busy: Whether more comes.
    """
    picture, cry = layout_of(run, "image"), layout_of(run, "audio")
    size = (picture.height, picture.width) if picture and picture.height and picture.width else None
    shown = sketch(ids, run.tokenizer.tables, num_channels=cry.channels if cry else 1, size=size)
    return json.dumps(
        {
            "busy": busy,
            "given": list(given),
            "text": shown.text,
            "sprite": _sprite_data(shown, num_frames),
            "cry": _cry_data(shown, (cry.samples or cry.max_samples or 0) if cry else 0),
        }
    )


def _cry_data(shown: Sketch, most: int) -> dict[str, Any] | None:
    """Return the cry as a curve of bounded length; of a long one the lowest and highest value of every stretch."""
    if not shown.levels:
        return None
    total = max(most, *map(len, shown.levels))
    stretch = -(-total // MOST_POINTS)
    curves = []
    for values in shown.levels:
        if stretch > 1:
            whole = values[: len(values) // stretch * stretch].reshape(-1, stretch)
            values = np.stack([whole.min(1), whole.max(1)], 1).ravel() if len(whole) else values[:0]
        curves.append(values.round(3).tolist())
    return {"channels": curves, "samples": total if stretch == 1 else 2 * (total // stretch)}


def _sprite_data(shown: Sketch, num_frames: int | None) -> dict[str, Any] | None:
    if shown.pixels is None:
        return None
    frames, height, width = shown.pixels.shape
    return {
        "width": width,
        "height": height,
        "frames": shown.pixels.reshape(frames, -1).tolist(),
        "expected": max(frames, num_frames or 0),
        "duration": DEFAULT_DURATION_MS,
    }


def write_files(record: DecodedRecord, folder: str | Path) -> dict[str, str]:
    """Write what a visitor takes home: ``sprite``, ``large``, ``cry`` and ``text``, those that there are.

    The sound has a rate that browsers play: a whole multiple of the model's, band limited.

    Returns:
        Paths by those names.
    """
    target, paths = Path(folder), {}
    if record.frames is not None:
        for name, file_name, scale in (("sprite", SPRITE_NAME, 1), ("large", LARGE_NAME, LARGE_SCALE)):
            paths[name] = str(target / file_name)
            write_gif(record.frames, paths[name], scale=scale)
    if record.sound is not None:
        paths["cry"] = str(target / CRY_NAME)
        write_sound(make_playable(record.sound), paths["cry"])
    if record.text is not None:
        paths["text"] = str(target / TEXT_NAME)
        Path(paths["text"]).write_text(record.text + "\n", encoding="utf-8")
    return paths


def make_playable(sound: dict[str, Any]) -> Sound:
    """Return a sound at a whole multiple of its rate that is at least `PLAYABLE_RATE_HZ`."""
    from scipy.signal import resample_poly

    rate = round(sound["sampling_rate"] or DEFAULT_RATE_HZ)
    times = max(1, math.ceil(PLAYABLE_RATE_HZ / rate))
    array = np.asarray(resample_poly(sound["array"].T, times, 1, axis=0) if times > 1 else sound["array"].T)
    return Sound(np.clip(array, -1, 1).astype(np.float32), rate * times)


def palette_view(run: Run, probabilities: NDArray[np.float64], drawn: int, *, where: str, given: bool) -> str:
    """Return HTML of the palette as the model saw it at one pixel.

    Args:
        run: Whose palette it is.
        probabilities: Of each colour, (K,).
        drawn: Index of the colour that stands there.
        where: The pixel, in words.
        given: Whether the visitor drew it, rather than the model.
    """
    colours = palette_of(run)
    surprise = -math.log2(max(probabilities[drawn], 1e-12))
    order = np.argsort(-probabilities, kind="stable")[:NUM_NAMED].tolist()
    named = order if drawn in order else [*order[:-1], drawn]
    rows = "".join(_bar(colours[index], probabilities[index], index == drawn) for index in named)
    swatches = "".join(
        f'<i style="{_paint(colour)};--p:{probability:.4f}" class="{"pb-drawn" if index == drawn else ""}" '
        f'title="{_name(colour)}: {html.escape(_percent(probability))}"></i>'
        for index, (colour, probability) in enumerate(zip(colours, probabilities, strict=True))
    )
    verb = "You drew" if given else "The model drew"
    return (
        f'<section class="pb-odds" aria-live="polite"><h3>{html.escape(where)}</h3>'
        f"<p>{verb} <b>{_name(colours[drawn])}</b>, which had {html.escape(_percent(probabilities[drawn]))}: "
        f"{surprise:.2f} bits of surprise.</p><ul>{rows}</ul>"
        f'<div class="pb-swatches" aria-hidden="true">{swatches}</div></section>'
    )


def _bar(colour: str | None, probability: float, is_drawn: bool) -> str:
    return (
        f'<li><i class="pb-chip" style="{_paint(colour)}"></i><code>{_name(colour)}</code>'
        f'<span class="pb-bar"><span style="width:{100 * probability:.1f}%"></span></span>'
        f"<span>{html.escape(_percent(probability))}</span><b>{'◂ drawn' if is_drawn else ''}</b></li>"
    )


def _paint(colour: str | None) -> str:
    return "" if colour is None else f"background:{colour}"


def _name(colour: str | None) -> str:
    return colour or "transparent"


def _percent(probability: float) -> str:
    if probability < 0.001:
        return "< 0.1%"
    return "> 99.9%" if probability > 0.999 else f"{probability:.1%}"


def trouble(message: str) -> str:
    """Return HTML of something that went wrong, which screen readers say at once."""
    return f'<p class="pb-status pb-trouble" role="alert">{html.escape(message)}</p>'


def status(message: str) -> str:
    """Return HTML of how things stand."""
    return f'<p class="pb-status" role="status">{html.escape(message)}</p>'


def read_asset(name: str) -> str:
    """Return a file of the page: scripts, styles."""
    return (ASSETS / name).read_text(encoding="utf-8")
