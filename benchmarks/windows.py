"""Memory of a windowed corpus in bytes per token, and the time to find and read a window, for 10 to 100,000 records.

Run: ``python benchmarks/windows.py [--window-length 1024] [--stride 512] [--json FILE]``. Synthetic sprites: the time
depends on shapes only.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.tokens.grid import image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary

NUM_CALLS = 2000


def make_corpus(num_records: int, frames: int) -> TokenCorpus:
    """Return records of a sentence and a sprite of 24 x 24 pixels."""
    vocabulary, rng = Vocabulary.from_preset("paper"), np.random.default_rng(0)
    text = text_segment(rng.integers(3, 58, 100), vocabulary)
    image = image_segment(rng.integers(58, 113, (frames, 24, 24)), vocabulary)
    return TokenCorpus.from_records(([text, image] for _ in range(num_records)), vocabulary)


def microseconds(call: Callable[[int], object], indices: list[int]) -> float:
    """Return the best mean time of a call over five rounds."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for index in indices:
            call(index)
        best = min(best, (time.perf_counter() - start) / len(indices))
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--window-length", type=int, default=1024)
    parser.add_argument("--stride", type=int, default=512)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print("records     tokens  windows  bytes/token  find us  read us")
    for num_records, frames in ((10, 24), (1_000, 24), (100_000, 4)):
        corpus = make_corpus(num_records, frames)
        windows = WindowDataset(corpus, options.window_length, stride=options.stride)
        indices = np.random.default_rng(0).integers(len(windows), size=NUM_CALLS).tolist()
        row = {
            "records": num_records,
            "tokens": corpus.num_tokens,
            "windows": len(windows),
            "bytes_per_token": (corpus.num_bytes + windows.num_bytes) / corpus.num_tokens,
            "find_us": microseconds(windows.locate, indices),
            "read_us": microseconds(windows.__getitem__, indices[:200]),
        }
        rows.append(row)
        layout = "{records:7d} {tokens:10d} {windows:8d} {bytes_per_token:12.3f} {find_us:8.2f} {read_us:8.1f}"
        print(layout.format(**row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
