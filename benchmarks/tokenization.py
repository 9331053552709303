"""Tokenising real sprites and cries, contexts included, as a ratio to decoding the same files.

Sprites: every frame of every GIF, slicing 2; the floor decodes each frame with PIL alone (seek, RGBA, numpy).
Cries: slicing 2; the floor is `soundfile.read` of the same bytes, once as the Vorbis files of the source and once as
two-channel 16-bit FLAC, as the corpus stores them. Files are in memory; floor and tokenizer take turns on every file,
and of each file the best round counts. The stages say where the tokenizer's time goes. And the way back: seconds to
parse a million ids in short segments.

Run: ``python benchmarks/tokenization.py --source ../shared/data/pokeapi [--limit N] [--rounds 3] [--json FILE]``.
"""

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from tqdm import tqdm

from pixelbytes_hf import ActionPixelBytesTokenizer
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound
from pixelbytes_hf.tokens.grid import image_segment
from pixelbytes_hf.tokens.level_codec import encode_levels
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.pixel_codec import encode_pixels
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SPRITES = "sprites/sprites/pokemon/versions/generation-v/black-white/animated"
CRIES = "cries/cries/pokemon/latest"
SLICING = 2
Call = Callable[[bytes], object]


def read_files(folder: Path, suffix: str, limit: int | None) -> list[bytes]:
    """Return the files' bytes, in order of their numbers."""
    paths = sorted(folder.glob(f"*{suffix}"), key=lambda path: int(path.stem))[:limit]
    if not paths:
        raise FileNotFoundError(f"no *{suffix} in {folder}: expected a copy of PokeAPI's layout")
    return [path.read_bytes() for path in paths]


def decode_frames(data: bytes) -> list[np.ndarray]:
    """Decode every frame with PIL alone."""
    image, frames = Image.open(io.BytesIO(data)), []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        frames.append(np.asarray(image.convert("RGBA")))
    return frames


def decode_sound(data: bytes) -> np.ndarray:
    """Decode with soundfile alone."""
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]


def as_flac_pair(data: bytes) -> bytes:
    """Return a cry as two channels of 16-bit FLAC."""
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    target = io.BytesIO()
    pair = np.stack([samples[:, 0], 0.5 * samples[:, 0]], axis=1)
    soundfile.write(target, pair, rate, format="FLAC", subtype="PCM_16")
    return target.getvalue()


def sprite_stages(tokenizer: ActionPixelBytesTokenizer, data: bytes) -> list[float]:
    """Return seconds of decoding, colours, grid and contexts of one sprite."""
    marks = [time.perf_counter()]
    frames = read_frames(data, step=SLICING)
    marks.append(time.perf_counter())
    ids = encode_pixels(np.ascontiguousarray(frames.array[:, ::SLICING, ::SLICING]), tokenizer.tables)
    marks.append(time.perf_counter())
    grid = image_segment(ids, tokenizer.tables).ids
    marks.append(time.perf_counter())
    gather_context(grid, pad_id=0)
    marks.append(time.perf_counter())
    return np.diff(marks).tolist()


def sound_stages(tokenizer: ActionPixelBytesTokenizer, data: bytes) -> list[float]:
    """Return seconds of decoding and levels of one cry."""
    marks = [time.perf_counter()]
    sound = read_sound(data)
    marks.append(time.perf_counter())
    encode_levels(sound.array, tokenizer.tables, step=SLICING)
    marks.append(time.perf_counter())
    return np.diff(marks).tolist()


def measure(files: Sequence[bytes], calls: Sequence[Call], rounds: int, name: str) -> list[float]:
    """Return the total of each call in seconds, of each file its best round; the calls take turns on every file."""
    best = np.full((len(files), len(calls)), np.inf)
    for _ in range(rounds):
        for row, data in enumerate(tqdm(files, desc=name, leave=False)):
            for column, call in enumerate(calls):
                start = time.perf_counter()
                call(data)
                best[row, column] = min(best[row, column], time.perf_counter() - start)
    return best.sum(0).tolist()


def parse_long_streams(rounds: int) -> dict[str, float]:
    """Return the least seconds to parse a million ids of the ``full`` vocabulary, by what they repeat."""
    tables = Vocabulary.from_preset("full")
    letter, pixel, level = (ids[-1] for ids in (tables.byte_ids, tables.pixel_ids, tables.level_ids))
    row_end, end = tables.row_end_id, tables.segment_end_id
    repeated = {
        "ends": [end],
        "texts": [letter, end],
        "pixels, texts": [pixel, end, end],
        "sounds": [level, row_end, end],
        "letters, pixels": [letter, pixel],
        "levels, row ends": [level, row_end],
        "row ends": [row_end],
        "any ids": np.random.default_rng(0).integers(0, tables.size, 1_000_000),
    }
    seconds = {}
    for name, ids in repeated.items():
        stream, best = np.resize(ids, 1_000_000), np.inf
        for _ in range(rounds):
            start = time.perf_counter()
            parse(stream, tables)
            best = min(best, time.perf_counter() - start)
        seconds[name] = best
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tokenizer = ActionPixelBytesTokenizer(slicing={"image": SLICING, "audio": SLICING})
    sprites = read_files(options.source / SPRITES, ".gif", options.limit)
    cries = read_files(options.source / CRIES, ".ogg", options.limit)
    start = time.perf_counter()
    tokenizer(image=sprites[0], return_tensors="np")
    results = {
        "first_sprite_seconds": time.perf_counter() - start,
        "num_sprites": len(sprites),
        "num_cries": len(cries),
    }
    cases = {
        "sprites": (sprites, decode_frames, "image", sprite_stages, ("decode", "colours", "grid", "contexts")),
        "cries, Vorbis": (cries, decode_sound, "audio", sound_stages, ("decode", "levels")),
        "cries, FLAC": ([as_flac_pair(c) for c in cries], decode_sound, "audio", sound_stages, ("decode", "levels")),
    }
    for name, (files, floor, modality, stages, stage_names) in cases.items():

        def tokenize(data: bytes, modality: str = modality) -> object:
            return tokenizer(**{modality: data}, return_tensors="np")

        seconds = measure(files, (floor, tokenize), options.rounds, name)
        split = np.sum([stages(tokenizer, data) for data in files], axis=0)
        row = {"floor_seconds": seconds[0], "tokenizer_seconds": seconds[1], "ratio": seconds[1] / seconds[0]}
        results[name] = row | {"stages": dict(zip(stage_names, split.tolist(), strict=True))}
        shares = ", ".join(f"{stage} {value:.2f}" for stage, value in results[name]["stages"].items())
        print(
            f"{name:14} floor {seconds[0]:6.2f} s, tokenizer {seconds[1]:6.2f} s, ratio {row['ratio']:.2f} ({shares})"
        )
    results["parse_seconds"] = parse_long_streams(options.rounds)
    print("a million ids parsed:", ", ".join(f"{n} {s:.2f} s" for n, s in results["parse_seconds"].items()))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
