"""What the page shows: scenes for the stage, the palette with its probabilities.

Knows sketches and HTML; knows nothing about gradio.
"""

import html
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runs.run_folder import Run
from ..tokens.grid import Ids
from ..tokens.media import DEFAULT_DURATION_MS
from .inputs import layout_of
from .partial_records import Sketch, sketch

ASSETS = Path(__file__).parent / "assets"
NUM_NAMED = 5
MOST_POINTS = 600  # of a curve
MEDIUM_NAMES = {"text": "Sentence", "image": "Sprite", "audio": "Cry"}
PLURALS = {"text": "sentences", "image": "sprites", "audio": "cries"}


def name_media(run: Run) -> str:
    """Return what a run makes, in words: ``sentences, sprites and cries``."""
    *first, last = (PLURALS[name] for name in dict.fromkeys(segment.modality for segment in run.layout.segments))
    return f"{', '.join(first)} and {last}" if first else last


def palette_of(run: Run) -> list[str | None]:
    """Return the run's colours as CSS writes them, None for transparent, in the order of the pixel ids."""
    tables = run.tokenizer.tables
    colours: list[str | None] = [f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in tables.colours]
    return [None, *colours] if tables.has_transparent else colours


def scene(run: Run, ids: Ids, *, num_frames: int | None = None, busy: bool, stopped: bool = False) -> str:
    """Return what the stage shows of a stream, as JSON.

    Args:
        run: Whose stream it is.
        ids: The stream so far, (L,).
        num_frames: Frames that the picture will have.
        busy: Whether more comes.
        stopped: Whether the visitor stopped it, so that there are no probabilities to look up.
    """
    picture, cry = layout_of(run, "image"), layout_of(run, "audio")
    size = (picture.height, picture.width) if picture and picture.height and picture.width else None
    shown = sketch(ids, run.tokenizer.tables, num_channels=cry.channels if cry else 1, size=size)
    return json.dumps(
        {
            "busy": busy,
            "stopped": stopped,
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


def palette_view(run: Run, probabilities: NDArray[np.float64], drawn: int, *, where: str, given: bool) -> str:
    """Return HTML of the palette as the model saw it at one pixel.

    Args:
        run: Whose palette it is.
        probabilities: Of each colour, (K,).
        drawn: Index of the colour that stands there.
        where: The pixel, in words.
        given: Whether the visitor brought it, rather than the model drew it.
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
    verb = "You gave" if given else "The model drew"
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
