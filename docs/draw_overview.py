"""Draw the README's picture: a creature that a run made, as media, as one stream, and as six cells and a guess.

    python docs/draw_overview.py outputs/quickstart/run --out docs/overview.png

Nothing in it is staged: the run makes the creature from the sentence, the stream is what its tokenizer says, and the
bars are the run's own probabilities at the position shown.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.grid import LEVEL, PIXEL, TEXT, flatten
from pixelbytes_hf.tokens.six_cells import NEIGHBOURS
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SENTENCE = "a large round green leaf beast walking with a low cry."
COLUMNS = 39  # tokens in a line of the stream
MARK, PAPER, INK, ACCENT = (0.25, 0.25, 0.28), (1.0, 0.97, 0.86), "#222222", "#d1495b"
NUM_BARS = 5
NUM_SAMPLES = 80  # of a cry, in the drawing
Picture = NDArray[np.float64]


def colour_of(token_id: int, vocabulary: Vocabulary) -> tuple[float, ...]:
    """Return the colour of a token: a pixel's own, a blue that deepens with the amplitude, paper for letters."""
    kind = vocabulary.kind_of_id[token_id]
    if kind == PIXEL:
        return tuple(value / 255 for value in vocabulary.colours[token_id - vocabulary.pixel_ids.start])
    if kind == LEVEL:
        share = (token_id - vocabulary.level_ids.start) / (len(vocabulary.levels) - 1)
        return (0.93 - 0.75 * share, 0.96 - 0.55 * share, 1.0 - 0.25 * share)
    return PAPER if kind == TEXT else MARK


def draw_media(figure: Any, cell: Any, record: Any) -> None:
    """Draw sentence, frames and both channels of the cry, one under the other."""
    parts = cell.subgridspec(3, 1, height_ratios=(0.9, 1.3, 2.0), hspace=0.25)
    axes = figure.add_subplot(parts[0])
    words = record.text.split()
    half = len(words) // 2 + 1
    axes.text(
        0, 0.5, f"“{' '.join(words[:half])}\n  {' '.join(words[half:])}”", fontsize=10, style="italic", va="center"
    )
    axes.set_title("a sentence, a sprite, a cry", fontsize=12, loc="left", weight="bold")
    axes.set_axis_off()
    frames = parts[1].subgridspec(1, 4, wspace=0.1)
    for index, frame in enumerate(record.frames[:4]):
        axes = figure.add_subplot(frames[index])
        axes.imshow(frame, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
    axes = figure.add_subplot(parts[2])
    for channel, (signal, colour) in enumerate(zip(record.sound["array"], ("#2d6a9f", "#7fb2dd"), strict=True)):
        axes.plot(signal[:NUM_SAMPLES] + 3.4 * (1 - channel), color=colour, linewidth=1.2)
    axes.text(0, 4.7, "the cry", fontsize=8, color="#2d6a9f")
    axes.text(0, 1.3, "the same through a small speaker", fontsize=8, color="#5b93c4")
    axes.set_axis_off()


def draw_stream(axes: Axes, ids: NDArray[Any], vocabulary: Vocabulary, here: int) -> None:
    """Draw every token of the record as a square, in the order in which the model reads them."""
    lines = -(-len(ids) // COLUMNS)
    picture = np.ones((lines * COLUMNS, 3))
    picture[: len(ids)] = [colour_of(int(each), vocabulary) for each in ids]
    axes.imshow(picture.reshape(lines, COLUMNS, 3), interpolation="nearest")
    for edge in range(max(lines, COLUMNS)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.4)
        axes.axvline(edge - 0.5, color="white", linewidth=0.4)
    for place, each in enumerate(ids.tolist()):
        if vocabulary.kind_of_id[each] == TEXT:
            letter = chr(vocabulary.byte_values[each - vocabulary.byte_ids.start])
            axes.text(place % COLUMNS, place // COLUMNS, letter, fontsize=5.5, ha="center", va="center", color=INK)
    row, column = divmod(here, COLUMNS)
    axes.add_patch(Rectangle((column - 0.9, row - 0.9), 1.8, 1.8, fill=False, edgecolor=ACCENT, linewidth=2))
    axes.set_xlim(-0.5, COLUMNS - 0.5)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_title(f"one stream of {len(ids)} ids, each from one vocabulary", fontsize=12, loc="left", weight="bold")
    axes.set_axis_off()


def draw_cells(axes: Axes, frames: NDArray[Any], place: tuple[int, int, int], vocabulary: Vocabulary) -> None:
    """Draw the frame before and this one up to the position, with the six cells that the position sees."""
    frame, row, column = place
    height, width = frames.shape[1:]
    picture = np.ones((height, 2 * width + 2, 3))
    for shown, number in enumerate((frame - 1, frame)):
        for (y, x), each in np.ndenumerate(frames[number]):
            if number < frame or (y, x) < (row, column):
                picture[y, x + shown * (width + 2)] = colour_of(int(each), vocabulary)
            else:
                picture[y, x + shown * (width + 2)] = (0.94, 0.94, 0.94)
    axes.imshow(picture, interpolation="nearest")
    cells = [(row + o.row, column + o.column + (0 if o.frame else width + 2)) for o in NEIGHBOURS]
    cells.append((row, column - 1 + width + 2))
    for number, (y, x) in enumerate(cells, 1):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=ACCENT, linewidth=1.8))
        axes.text(x, y, str(number), fontsize=8, ha="center", va="center", color=ACCENT, weight="bold")
    axes.text(column + width + 2, row, "?", fontsize=11, ha="center", va="center", color=INK, weight="bold")
    axes.text(width / 2 - 0.5, height + 0.2, "frame before", fontsize=8, ha="center", va="top")
    axes.text(width * 1.5 + 1.5, height + 0.2, "this frame", fontsize=8, ha="center", va="top")
    axes.set_title("each position sees six cells", fontsize=12, loc="left", weight="bold")
    axes.set_axis_off()


def draw_guess(axes: Axes, chances: NDArray[Any], actual: int, vocabulary: Vocabulary) -> None:
    """Draw the likeliest ids as bars in their colours."""
    best = np.argsort(chances)[::-1][:NUM_BARS]
    for height, each in enumerate(best[::-1].tolist()):
        colour = colour_of(each, vocabulary)
        axes.barh(height, max(chances[each], 0.004), color=colour, edgecolor=INK, linewidth=0.6)
        told = f" {vocabulary.tokens[each]}  {chances[each]:.1%}" + ("  ✓" if each == actual else "")
        axes.text(chances[each] + 0.01, height, told, fontsize=8, va="center", family="DejaVu Sans Mono")
    axes.set_xlim(0, 1.75)
    axes.set_title("the model says what comes next", fontsize=12, loc="left", weight="bold")
    axes.set_axis_off()


def choose_place(chances: NDArray[Any], shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the position of the second frame, borders left out, of which the model is least certain.

    Args:
        chances: Of every id at every position of the picture, (T * H * W, V).
        shape: (T, H, W).
    """
    entropies = -(chances * np.log2(chances + 1e-12)).sum(-1).reshape(shape)
    inner = entropies[1, 2:-2, 2:-3]
    row, column = np.unravel_index(inner.argmax(), inner.shape)
    return 1, int(row) + 2, int(column) + 2


def draw_overview(run_folder: str, path: str, *, sentence: str = SENTENCE, seed: int = 0) -> None:
    """Draw the picture.

    Args:
        run_folder: Run that makes the creature; one trained on the embedded corpus.
        path: PNG to write.
        sentence: To begin from.
        seed: Of the creature.
    """
    run = Run.load(run_folder)
    [record] = run.create(text=[sentence], do_sample=True, temperature=0.3, seed=seed)
    vocabulary = run.tokenizer.tables
    tokens = run.tokenizer(text=[sentence], return_tensors="pt")
    ids = run.model.generate(**tokens, layout=run.layout_after(["text"]), do_sample=True, temperature=0.3, seed=seed)[
        0
    ].numpy()
    segments, _ = run.tokenizer.encode_record(text=sentence, image=record.frames)
    frames, offset = segments[1].ids, segments[0].ids.size
    assert (flatten(segments)[0] == ids[: offset + frames.size]).all()
    rows = run.tokenizer(text=sentence, image=record.frames, return_tensors="pt")
    with torch.no_grad():
        chances = run.model(input_ids=rows["input_ids"]).logits[0].softmax(-1).numpy()
    place = choose_place(chances[offset : offset + frames.size], frames.shape)
    here = offset + int(np.ravel_multi_index(place, frames.shape))
    figure = plt.figure(figsize=(13, 4.3), dpi=110, facecolor="white")
    grid = figure.add_gridspec(
        1, 3, width_ratios=(1.0, 2.1, 1.25), left=0.02, right=0.985, top=0.92, bottom=0.04, wspace=0.1
    )
    draw_media(figure, grid[0], record)
    stream = figure.add_subplot(grid[1])
    draw_stream(stream, ids, vocabulary, here)
    right = grid[2].subgridspec(2, 1, height_ratios=(1.3, 1), hspace=0.35)
    cells = figure.add_subplot(right[0])
    draw_cells(cells, frames, place, vocabulary)
    draw_guess(figure.add_subplot(right[1]), chances[here], int(ids[here]), vocabulary)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    parser.add_argument("--out", default=str(Path(__file__).with_name("overview.png")), help="PNG to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw_overview(options.run, options.out, seed=options.seed)


if __name__ == "__main__":
    main()
