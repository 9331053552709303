"""What the page's HTML components are given: a stream for the stage, a pixel's colours with their probabilities."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media.gif_writer import DEFAULT_DURATION_MS
from ..runs.run_folder import Run
from ..tokens.grid import Ids
from .inputs import background_index, blank_drawing, layout_of, picture_data
from .partial_records import decode_partial

ASSETS = Path(__file__).parent / "assets"
NUM_COLOURS_NAMED = 5
MAX_CURVE_POINTS = 600
MEDIUM_NAMES = {"text": "Sentence", "image": "Sprite", "audio": "Cry"}
PLURALS = {"text": "sentences", "image": "sprites", "audio": "cries"}


def read_asset(name: str) -> str:
    """Return a file of the page: a template, a script, a style sheet."""
    return (ASSETS / name).read_text(encoding="utf-8")


def name_media(run: Run) -> str:
    """Return what a run makes, in words: ``sentences, sprites and cries``."""
    *first, last = (PLURALS[name] for name in dict.fromkeys(segment.modality for segment in run.layout.segments))
    return f"{', '.join(first)} and {last}" if first else last


def palette_of(run: Run) -> list[str | None]:
    """Return the run's colours as CSS writes them, None for transparent, in the order of the pixel ids."""
    tables = run.tokenizer.tables
    colours: list[str | None] = [f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in tables.colours]
    return [None, *colours] if tables.has_transparent else colours


def header_view(run: Run) -> dict[str, Any]:
    """Return what the top of the page says of a run."""
    size, ids = f"{run.model.num_parameters() / 1e6:.1f}", run.model.config.vocab_size
    return {"millions": size, "media": name_media(run), "vocab_size": ids, "palette": palette_of(run)}


def editor_view(run: Run) -> dict[str, Any]:
    """Return what the editor is given: the colours, an empty drawing, and the first colour that is seen on it."""
    palette, background = palette_of(run), background_index(run)
    ink = next(index for index, colour in enumerate(palette) if colour and index != background)
    return {"palette": palette, "blank": blank_drawing(run), "ink": ink}


def stage_view(run: Run, ids: Ids, *, num_frames: int = 0, busy: bool) -> dict[str, Any]:
    """Return what the stage shows of a stream.

    Args:
        run: Whose stream it is.
        ids: The stream so far, (L,).
        num_frames: Frames that the picture will have.
        busy: Whether more comes.
    """
    picture, sound = layout_of(run, "image"), layout_of(run, "audio")
    size = (picture.height, picture.width) if picture and picture.height and picture.width else None
    partial = decode_partial(ids, run.tokenizer.tables, num_channels=sound.channels if sound else 1, size=size)
    view: dict[str, Any] = {"busy": busy, "stopped": False, "text": partial.text, "sprite": None, "cry": None}
    if partial.pixels is not None:
        sprite = picture_data(partial.pixels)
        view["sprite"] = sprite | {"expected": max(len(partial.pixels), num_frames), "duration": DEFAULT_DURATION_MS}
    if partial.levels:
        most = (sound.samples or sound.max_samples or 0) if sound else 0
        view["cry"] = _curves(partial.levels, max(most, *map(len, partial.levels)))
    return view


def _curves(levels: list[NDArray[np.float64]], total: int) -> dict[str, Any]:
    """Return a sound of `total` samples as curves; of a long one the lowest and highest value of every stretch."""
    stretch = -(-total // MAX_CURVE_POINTS)
    if stretch > 1:
        whole = [values[: len(values) // stretch * stretch].reshape(-1, stretch) for values in levels]
        levels = [np.stack([part.min(1), part.max(1)], 1).ravel() if len(part) else part[:, 0] for part in whole]
        total = 2 * (total // stretch)
    return {"channels": [values.round(3).tolist() for values in levels], "samples": total}


def colours_view(run: Run, probabilities: NDArray[np.float64], drawn: int) -> dict[str, Any]:
    """Return a pixel's colours, all of them and the likeliest, among which is the one that stands there.

    Args:
        run: Whose palette it is.
        probabilities: Of each colour, (K,).
        drawn: Index of the colour that stands there.
    """
    colours = [
        {
            "name": colour or "transparent",
            "paint": colour or "none",
            "probability": round(float(probability), 4),
            "percent": _percent(probability),
            "drawn": index == drawn,
        }
        for index, (colour, probability) in enumerate(zip(palette_of(run), probabilities, strict=True))
    ]
    likeliest = np.argsort(-probabilities, kind="stable")[:NUM_COLOURS_NAMED].tolist()
    named = likeliest if drawn in likeliest else [*likeliest[:-1], drawn]
    return {
        "colours": colours,
        "named": [colours[index] for index in named],
        "drawn": colours[drawn],
        "bits": f"{-math.log2(max(probabilities[drawn], 1e-12)):.2f}",
    }


def _percent(probability: float) -> str:
    if probability < 0.001:
        return "< 0.1%"
    return "> 99.9%" if probability > 0.999 else f"{probability:.1%}"
