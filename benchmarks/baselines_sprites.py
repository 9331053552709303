"""What counting alone reaches on held-out real sprites: the adaptive n-gram model and the other baselines.

The pictures only, all frames, NES colours, slicing 2: 28 sprites to count, 4 held out. The first split takes the first
32 files by name; how hard four sprites are varies a lot, so more splits are drawn from all sprites, no evolution
family on both sides, and mean and range are printed beside it.

Run: ``python benchmarks/baselines_sprites.py --source ../shared/data/pokeapi [--draws 10] [--json FILE]``.
"""

import argparse
import csv
import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pixelbytes_hf.evaluation.adaptive_ngram import AdaptiveNgram
from pixelbytes_hf.evaluation.baselines import CopyBaseline, TableBaseline
from pixelbytes_hf.evaluation.evaluation import evaluate_baselines
from pixelbytes_hf.tokens.grid import Ids, Shape, flatten
from pixelbytes_hf.tokens.record import RecordCodec
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SPRITES = "sprites/sprites/pokemon/versions/generation-v/black-white/animated"
SPECIES = "pokeapi/data/v2/csv/pokemon_species.csv"
NUM_TRAIN, NUM_TEST = 28, 4
CODEC = RecordCodec(Vocabulary.from_preset("paper"), {"image": 2, "audio": 2})


@dataclass
class SpriteCorpus:
    """Sprites as a corpus, encoded when they are first read."""

    paths: list[Path]
    vocabulary: Vocabulary = CODEC.vocabulary

    @property
    def num_records(self) -> int:
        """Number of sprites."""
        return len(self.paths)

    def record(self, index: int) -> tuple[Ids, tuple[Shape, ...]]:
        """Return the stream of one sprite."""
        return encode(self.paths[index])


@cache
def encode(path: Path) -> tuple[Ids, tuple[Shape, ...]]:
    return flatten(CODEC.encode(image=path)[0])


def read_families(path: Path) -> dict[int, int]:
    """Return the evolution chain of every species."""
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["id"]): int(row["evolution_chain_id"]) for row in csv.DictReader(file)}


def draw_split(paths: list[Path], families: dict[int, int], seed: int) -> tuple[list[Path], list[Path]]:
    """Return 28 and 4 sprites drawn at random, no family in both."""
    order = [paths[index] for index in np.random.default_rng(seed).permutation(len(paths))]
    test = order[:NUM_TEST]
    held_out = {families[int(path.stem)] for path in test}
    train = [path for path in order[NUM_TEST:] if families[int(path.stem)] not in held_out]
    return train[:NUM_TRAIN], test


def measure(train: list[Path], test: list[Path]) -> dict[str, dict[str, float]]:
    """Return figures of each baseline on the held-out sprites."""
    baselines = [
        AdaptiveNgram(),
        TableBaseline((1, 4, 5), "counts over cells 1, 4, 5"),
        CopyBaseline((1,), "copy the frame before"),
    ]
    found = evaluate_baselines(SpriteCorpus(train), SpriteCorpus(test), baselines=baselines, progress=False)
    return {
        name: {
            "bits": result["matched"]["all"]["bits"],
            "pixel_bits": result["matched"]["pixel"]["bits"],
            "pixel_accuracy": result["matched"]["pixel"]["accuracy"],
            "tokens": result["matched"]["all"]["tokens"],
            "seconds": result["seconds"],
        }
        for name, result in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = sorted((options.source / SPRITES).glob("*.gif"), key=lambda path: path.name)
    if len(paths) < NUM_TRAIN + NUM_TEST:
        raise FileNotFoundError(f"{len(paths)} sprites in {options.source / SPRITES}: expected {NUM_TRAIN + NUM_TEST}")
    families = read_families(options.source / SPECIES)
    start = time.monotonic()
    first = measure(paths[:NUM_TRAIN], paths[NUM_TRAIN : NUM_TRAIN + NUM_TEST])
    draws = [measure(*draw_split(paths, families, seed)) for seed in tqdm(range(options.draws), desc="splits")]
    print(f"{'bits per token, held-out sprites':36} {'first':>6} {'mean':>6} {'range':>12} accuracy seconds")
    for name, row in first.items():
        bits = [draw[name]["bits"] for draw in draws]
        summary = f"{np.mean(bits):6.3f} {min(bits):5.2f}-{max(bits):5.2f} " if bits else " " * 19
        print(f"{name:36} {row['bits']:6.3f} {summary} {row['pixel_accuracy']:8.1%} {row['seconds']:7.1f}")
    if options.json:
        content = {"first": first, "draws": draws, "seconds": time.monotonic() - start}
        options.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
