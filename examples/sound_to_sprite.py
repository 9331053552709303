"""Hear a cry, draw who cried: a model that begins from sound and makes the picture.

    python examples/sound_to_sprite.py --out outputs/sound-to-sprite

In the embedded corpus a cry says nothing about the sprite, so this example keeps the creatures of which it does: large
ones with a low voice, small ones with a high one. The tokenizer's order puts the sound first and leaves the sentence
out. For every held-out cry a sprite is drawn, and the size of its body is measured: a third of them would be right by
chance.
"""

import argparse
from pathlib import Path
from typing import Any

from datasets import Audio, Image, load_dataset

from dataset_builder import build
from dataset_builder.measures import measure_sprite
from pixelbytes_hf import ActionPixelBytesTokenizer, get_preset, train
from pixelbytes_hf.runs.run_folder import Run, write_media

SIZE_OF_PITCH = {"low": "large", "middle": "medium", "high": "small"}
FIRST_FRAME = 576  # tokens of a cry (402) and of the first frame (12 rows of 13), and some


def open_voices(folder: Path, *, num_creatures: int = 2048) -> Any:
    """Return the embedded corpus without the creatures whose voice does not fit their size."""
    if not folder.exists():
        build("mini", folder, num_creatures=num_creatures, progress=False)
    data = load_dataset(str(folder))
    data = data.cast_column("pixels", Image(decode=False)).cast_column("sprite", Image(decode=False))
    data = data.cast_column("audio", Audio(decode=False))
    return data.filter(lambda each: SIZE_OF_PITCH[each["pitch"]] == each["size"], input_columns=["attributes"])


def train_on_voices(data: Any, folder: Path, *, max_steps: int, model: dict[str, Any] | None = None) -> Path:
    """Train the preset ``mini`` on sound and picture alone, the sound first."""
    options = {**get_preset("mini").tokenizer, "order": ["audio", "image"]}
    return train(
        data,
        "mini",
        folder,
        tokenizer=ActionPixelBytesTokenizer(**options),
        model=model,
        max_steps=max_steps,
        num_train_epochs=1000,
        batch_size=8,
        prefix_windows=4,
        prefix_length=FIRST_FRAME,
    )


def share_of_right_sizes(run: Run, rows: Any, *, seed: int = 0) -> tuple[float, list[Any]]:
    """Return how often the sprite that is drawn for a cry has the size of who cried, and what was drawn."""
    made = run.create(audio=rows["audio"][:], do_sample=True, temperature=0.3, seed=seed)
    sizes = [measure_sprite(record.frames)["size"] for record in made]
    wanted = [each["size"] for each in rows["attributes"]]
    return sum(size == right for size, right in zip(sizes, wanted, strict=True)) / len(wanted), made


def main() -> None:
    """Parse the command line, train, listen and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--max-steps", type=int, default=400, help="optimiser steps (default: %(default)s)")
    options = parser.parse_args()
    out = Path(options.out)
    data = open_voices(out / "pixelbytes-mini")
    run = Run.load(train_on_voices(data, out / "run", max_steps=options.max_steps))
    share, made = share_of_right_sizes(run, data["test"])
    write_media(made[0], out)
    print(f"{len(made)} cries that were never heard: {share:.0%} of the sprites have the right size (chance: 33%)")


if __name__ == "__main__":
    main()
