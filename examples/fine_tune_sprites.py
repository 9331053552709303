"""Fine-tune a trained model on your own folder of sprites, and see what it makes of the held-out descriptions.

    python examples/fine_tune_sprites.py --run outputs/quickstart/run --sprites my-sprites --out outputs/mine

The folder is read as `own_folder` says: a picture is described by a text file of its name, or by its name. The run's
model and tokenizer go on learning (`train(..., start_from=...)`), at half the learning rate of the preset ``mini``.
The bits of the held-out pictures are printed before and after, and ``contact_sheet.png`` shows real and made ones side
by side.
"""

import argparse
from pathlib import Path
from typing import Any

from datasets import Audio, Image, load_dataset
from own_folder import build_corpus

from pixelbytes_hf import Run, evaluate_model, get_preset, tokenize_dataset, train
from pixelbytes_hf.evaluation.figures import SheetRow, draw_contact_sheet
from pixelbytes_hf.media.pictures import composite_on_white, read_frames

NUM_SHOWN = 8
RATE_SHARE = 0.5


def fine_tune(
    run_folder: str, sprites: str, out: str, *, max_steps: int = 100, max_side: int = 24
) -> dict[str, float]:
    """Train a run further on a folder of sprites and return bits per new token of its test split, before and after.

    Args:
        run_folder: Run to start from.
        sprites: Folder of pictures.
        out: Folder to make, with the corpus, the run and the contact sheet.
        max_steps: Optimiser steps.
        max_side: Longest side of a sprite in pixels.
    """
    for drop in build_corpus(sprites, Path(out) / "corpus", max_side=max_side):
        print(f"left out: {drop.name}, {drop.reason} ({drop.detail})")
    data = load_dataset(str(Path(out) / "corpus"))
    data = data.cast_column("pixels", Image(decode=False)).cast_column("audio", Audio(decode=False))
    settings = get_preset("mini").training
    rates = {name: getattr(settings, name) * RATE_SHARE for name in ("learning_rate", "matrix_learning_rate")}
    new_folder = train(
        data, "mini", Path(out) / "run", start_from=run_folder, max_steps=max_steps, batch_size=8, mirror=True, **rates
    )
    bits = {}
    for name, folder in (("before", run_folder), ("after", new_folder)):
        run = Run.load(folder)
        corpus = tokenize_dataset(data["test"], run.tokenizer)
        bits[name] = evaluate_model(run.model, corpus)["matched"]["all"]["bits"]
    draw_sheet(run, data["test"], Path(out) / "contact_sheet.png")
    return bits


def draw_sheet(run: Run, rows: Any, path: Path) -> None:
    """Draw real pictures and those that the model makes of their descriptions."""
    shown = rows.select(range(min(NUM_SHOWN, len(rows))))
    made = run.create(text=shown["text"][:], do_sample=True, temperature=0.5, seed=0)
    real = [composite_on_white(read_frames(picture).array) for picture in shown["pixels"]]
    frames = [record.frames for record in made]
    draw_contact_sheet([SheetRow(*row) for row in zip(shown["text"], real, frames, strict=True)], path)


def main() -> None:
    """Parse the command line, fine-tune and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="run folder to start from")
    parser.add_argument("--sprites", required=True, help="your pictures")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--max-steps", type=int, default=200, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--max-side", type=int, default=24, help="longest side in pixels (default: %(default)s)")
    options = parser.parse_args()
    bits = fine_tune(options.run, options.sprites, options.out, max_steps=options.max_steps, max_side=options.max_side)
    print(f"bits per new token of the test pictures: {bits['before']:.3f} before, {bits['after']:.3f} after")


if __name__ == "__main__":
    main()
