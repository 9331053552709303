"""Figures of results as PNG files: contact sheets of sprites, learning curves, bits by kind, waveforms, spectrograms.

Every function writes one PNG and returns its path.

Shapes: T frames or samples, H rows, W columns, C channels.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..media.pictures import composite_on_white
from ..tokens.vocabulary import KINDS

Frames = NDArray[np.uint8]
NUM_FRAMES, CELL_SIZE = 4, 96  # of a sprite on a sheet, at most; pixels that a frame may take
MARGIN, LINE_HEIGHT, LETTER_WIDTH, FONT_SIZE = 8, 16, 7, 13
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (225, 225, 225)
_KIND_LABELS = {"": "all", **{f"_{kind}": kind.replace("_", " ") for kind in KINDS}}


@dataclass(frozen=True)
class SheetRow:
    """One row of a contact sheet.

    Attributes:
        sentence: Written above the frames.
        real: RGB(A) frames, (T, H, W, 3 | 4) uint8, or None.
        generated: The same; of another size, if need be.
    """

    sentence: str
    real: Frames | None
    generated: Frames | None


def draw_contact_sheet(
    rows: Sequence[SheetRow], path: str | os.PathLike[str], *, titles: tuple[str, str] = ("real", "generated")
) -> Path:
    """Draw sentences with frames of the real and of the generated sprite side by side, or of the latter alone.

    Frames are picked evenly over the animation, and enlarged by a whole factor without smoothing, the same for the
    real and the generated sprite of a row; frames larger than `CELL_SIZE` are shown as they are.

    Args:
        rows: From top to bottom.
        path: PNG to write.
        titles: Above the two sprites.

    Raises:
        ValueError: If there is no row, or frames are not as described.
    """
    if not rows:
        raise ValueError("a sheet needs rows, got none")
    first = 1 if all(row.real is None for row in rows) else 0
    panels = [[_pick_frames(frames) for frames in (row.real, row.generated)[first:]] for row in rows]
    sides = [max((max(frame.shape[:2]) for frames in row for frame in frames), default=1) for row in panels]
    cell = max(CELL_SIZE, *sides)
    starts = [MARGIN + number * (MARGIN + NUM_FRAMES * (cell + MARGIN)) for number in range(3 - first)]
    sentences = [wrap(row.sentence, max((starts[-1] - 2 * MARGIN) // LETTER_WIDTH, 8)) or [""] for row in rows]
    heights = [len(lines) * LINE_HEIGHT + cell + 3 * MARGIN for lines in sentences]
    tops = np.cumsum([LINE_HEIGHT + MARGIN, *heights]).tolist()
    sheet = Image.new("RGB", (starts[-1], tops[-1]), PAPER)
    write = partial(ImageDraw.Draw(sheet).text, fill=INK, font=ImageFont.load_default(FONT_SIZE))
    for start, title in zip(starts, titles[first:], strict=False):
        write((start, MARGIN // 2), title)
    for top, lines, panel, side in zip(tops, sentences, panels, sides, strict=False):
        ImageDraw.Draw(sheet).line([(0, top - MARGIN // 2), (starts[-1], top - MARGIN // 2)], fill=FAINT)
        for number, line in enumerate(lines):
            write((MARGIN, top + number * LINE_HEIGHT), line)
        frame_top = top + len(lines) * LINE_HEIGHT + MARGIN
        for start, frames in zip(starts, panel, strict=False):
            for number, frame in enumerate(frames):
                _paste(sheet, frame, start + number * (cell + MARGIN), frame_top, scale=max(cell // side, 1))
    return _save(sheet.save, path)


def draw_learning_curves(
    history: Mapping[str, Any], path: str | os.PathLike[str], *, references: Mapping[str, float] | None = None
) -> Path:
    """Draw validation bits per new token of every kind against training, and the training loss.

    Args:
        history: Content of a run's ``history.json``: ``train`` and ``validation`` points.
        path: PNG to write.
        references: Bits over all tokens of other predictors, by name: horizontal lines.

    Raises:
        ValueError: If there is no point of either kind.
    """
    train, validation = history.get("train", []), history.get("validation", [])
    if not train and not validation:
        raise ValueError("history has no point of 'train' or 'validation': expected at least one")
    figure, (bits_axes, loss_axes) = _new_figure(1, 2, (11, 4.2))
    for suffix, label in _KIND_LABELS.items():
        points = [(point["step"], point[f"bits{suffix}"]) for point in validation if f"bits{suffix}" in point]
        if points:
            bold = 2.5 if not suffix else 1.2
            bits_axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=bold, label=label)
    for name, bits in (references or {}).items():
        bits_axes.axhline(bits, linestyle=":", linewidth=1, color="0.4")
        bits_axes.annotate(name, (1.0, bits), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7)
    losses = [(point["step"], point["loss"]) for point in train if "loss" in point]
    loss_axes.plot(*np.array(losses).reshape(-1, 2).T, linewidth=1)
    for axes, name in ((bits_axes, "validation, bits per new token"), (loss_axes, "training loss, nats per target")):
        axes.set(xlabel="optimizer steps", ylabel=name)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    if bits_axes.get_legend_handles_labels()[0]:
        bits_axes.legend(fontsize=8)
    return _save(figure.savefig, path)


def draw_comparison_curves(
    curves: Mapping[str, Sequence[Sequence[tuple[float, float]]]], path: str | os.PathLike[str], *, axis_label: str
) -> Path:
    """Draw validation bits of several models against what training took; one colour a model, one line a seed.

    Args:
        curves: By model, for every seed the points (amount of training, bits per new token).
        path: PNG to write.
        axis_label: What the amount is.

    Raises:
        ValueError: If there is no point.
    """
    all_bits = [bits for lines in curves.values() for line in lines for _, bits in line]
    if not all_bits:
        raise ValueError("curves have no point: expected at least one")
    figure, [axes] = _new_figure(1, 1, (9, 5))
    for number, (name, lines) in enumerate(curves.items()):
        style = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3]}
        for place, line in enumerate(filter(None, lines)):
            label = name if place == 0 else None
            axes.plot(*zip(*line, strict=True), marker="o", markersize=2.5, linewidth=1.2, label=label, **style)
    axes.set(xlabel=axis_label, ylabel="validation, bits per new token", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _save(figure.savefig, path)


def draw_bits_by_kind(
    rows: Mapping[str, Mapping[str, tuple[float, float]]], path: str | os.PathLike[str], *, kinds: Sequence[str]
) -> Path:
    """Draw a panel for every kind of token with a bar for every model.

    Args:
        rows: By model, from top to bottom: bits per new token and their deviation by kind.
        path: PNG to write.
        kinds: Panels, from left to right; those that no model has are left out.

    Raises:
        ValueError: If no model has any of the kinds.
    """
    shown = [kind for kind in kinds if any(kind in row for row in rows.values())]
    if not shown:
        raise ValueError(f"rows have none of the kinds {list(kinds)}: expected at least one")
    figure, panels = _new_figure(1, len(shown), (2.2 + 2.3 * len(shown), 1.2 + 0.3 * len(rows)))
    for column, (kind, axes) in enumerate(zip(shown, panels, strict=True)):
        for place, (name, row) in enumerate(rows.items()):
            if kind in row:
                bits, deviation = row[kind]
                colour = "0.7" if name.startswith("(") else f"C{place % 10}"
                axes.barh(place, bits, xerr=deviation or None, color=colour, height=0.7, error_kw={"linewidth": 1})
                end = (bits + deviation, place)
                axes.annotate(f"{bits:.2f}", end, xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
        axes.set(title=kind.replace("_", " "), xlabel="bits per new token", ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), list(rows) if column == 0 else [""] * len(rows))
        axes.margins(x=0.2)
        axes.grid(alpha=0.3, axis="x")
    return _save(figure.savefig, path)


def draw_sounds(sounds: Mapping[str, Mapping[str, Any]], path: str | os.PathLike[str]) -> Path:
    """Draw waveform and spectrogram of sounds side by side, for example a real and a generated cry.

    Args:
        sounds: By title, ``{"array": (C, T) or (T,), "sampling_rate": hz}``; the spectrogram is that of the first
            channel.
        path: PNG to write.

    Raises:
        ValueError: If there is no sound, or one is empty or without a rate.
    """
    if not sounds:
        raise ValueError("sounds must not be empty: expected at least one by title")
    figure, all_axes = _new_figure(2, len(sounds), (5 * len(sounds), 5))
    for column, (title, sound) in enumerate(sounds.items()):
        array, rate = np.atleast_2d(np.asarray(sound["array"], np.float64)), sound.get("sampling_rate")
        if not array.size or not rate or rate <= 0:
            raise ValueError(f"sound {title!r} must have samples and a rate, got shape {array.shape} at {rate} Hz")
        wave_axes, spectrum_axes = all_axes[column], all_axes[column + len(sounds)]
        for channel, samples in enumerate(array):
            seconds = np.arange(len(samples)) / rate
            wave_axes.plot(seconds, samples, linewidth=0.6, label=f"channel {channel}", alpha=0.8)
        wave_axes.set(title=title, ylabel="amplitude")
        if len(array) > 1:
            wave_axes.legend(fontsize=7, loc="upper right")
        times, frequencies, decibels = _spectrogram(array[0], float(rate))
        spectrum_axes.pcolormesh(times, frequencies, decibels, shading="auto", vmin=decibels.max() - 80)
        spectrum_axes.set(xlabel="seconds", ylabel="hertz")
    return _save(figure.savefig, path)


def _pick_frames(frames: Frames | None) -> list[Frames]:
    if frames is None:
        return []
    if frames.ndim != 4 or frames.shape[-1] not in (3, 4) or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(f"frames must be non-empty uint8 (T, H, W, 3 | 4), got {frames.dtype} {frames.shape}")
    chosen = frames[np.linspace(0, len(frames) - 1, min(NUM_FRAMES, len(frames))).round().astype(int)]
    return list(composite_on_white(chosen) if frames.shape[-1] == 4 else chosen)


def _paste(sheet: Image.Image, frame: Frames, left: int, top: int, *, scale: int) -> None:
    large = frame.repeat(scale, axis=0).repeat(scale, axis=1)
    sheet.paste(Image.fromarray(large), (left, top))
    # a hairline around the frame shows its extent where the background is white
    box = (left - 1, top - 1, left + large.shape[1], top + large.shape[0])
    ImageDraw.Draw(sheet).rectangle(box, outline=FAINT)


def _new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    # a figure of its own, not pyplot's: no window system, and nothing to close
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).reshape(-1))


def _spectrogram(samples: NDArray[np.float64], rate: float) -> tuple[Any, Any, Any]:
    """Return times (K,) in seconds, frequencies (J,) in hertz, and level (J, K) in decibels."""
    from scipy.signal import spectrogram

    length = int(np.clip(2 ** int(np.log2(max(len(samples) // 8, 1))), 16, 512))
    padded, overlap = np.pad(samples, length // 2), length - length // 4
    frequencies, times, power = spectrogram(padded, rate, "hann", length, overlap, detrend=False)
    return times - length / 2 / rate, frequencies, 10 * np.log10(power + 1e-15)


def _save(write: Callable[..., Any], path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, format="png")
    return target
