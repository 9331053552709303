"""Bytes of pictures, animations and cries as ``.pxb`` files, beside those of other lossless formats, in one run.

Every file by itself, with all that its format puts around it. What is measured:

- sprites of a free game (``tuxemon_fronts``), first frames and whole animations of real sprites of held-out families
  (the builder's test split, seed 0), creatures of the embedded corpus, cries, and creatures' cries;
- all formats get the same arrays: RGBA whose transparent pixels are cleared (what WebP does by itself), and sounds of
  16 bits; `.pxb` files are read back and compared in every bit;
- the settings are each format's slowest that is lossless; of several ways to write one format the shortest counts. PNG
  is PIL's, with a palette and without, optimised; GIF likewise; APNG and animated WebP are PIL's; JPEG XL is that of
  imagecodecs at effort 9, of animations all frames in one file; xz and zpaq get the palette and one byte a pixel;
  FLAC is the best of libsndfile's and the tool's. A format whose package or tool is absent is left out, by name.

With ``--with RUN --dataset CORPUS`` the creatures are those of the corpus' test split, and a run of it foretells them
in one more row; its weights' bytes, which every reader needs too, are said beside.

Run: ``python benchmarks/compression.py --shared ../shared/data [--most 24] [--smallest N] [--sets SET ...]
[--skip FORMAT ...] [--with RUN --dataset CORPUS]``.
"""

import argparse
import csv
import io
import json
import lzma
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from datasets import load_dataset
from PIL import Image
from tqdm import tqdm

from dataset_builder.creatures import CRY_RATE_HZ, cry, draw
from dataset_builder.mini import draw_attributes
from dataset_builder.splits import assign_splits
from pixelbytes_hf.compression.compress import compress, decompress
from pixelbytes_hf.compression.contents import FOREVER, Picture, SampledSound
from pixelbytes_hf.compression.counts.compiled import IS_COMPILED
from pixelbytes_hf.compression.palettes import index_colours
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import Frames, read_frames
from pixelbytes_hf.media.sounds import read_sound

SPRITES = "pokeapi/sprites/sprites/pokemon/versions/generation-v/black-white/animated"
SPECIES = "pokeapi/pokeapi/data/v2/csv/pokemon_species.csv"
CRIES = "pokeapi/cries/cries/pokemon/latest"
CREATURES = "creatures"
SETS = ("fronts", "first-frames", "animations", CREATURES, "cries", "creature-cries")
Writer = Callable[[Any], int | None]
seconds = {"write": 0.0, "read": 0.0, "units": 0}


def size_of_pxb(content: Any) -> int:
    start = time.process_time()
    data = compress(content)
    middle = time.process_time()
    again = decompress(data)
    seconds["write"] += middle - start
    seconds["read"] += time.process_time() - middle
    seconds["units"] += content.array.size // (4 if isinstance(content, Picture) else 1)
    assert again.array.tobytes() == content.array.tobytes() and again[1:] == content[1:]
    return len(data)


def size_with(run: Path) -> Writer:
    from pixelbytes_hf.compression.run_coder import RunCoder

    coder = RunCoder.load(run)
    print(f"{run.name}: a network of {(run / 'model.safetensors').stat().st_size:,} bytes")

    def size(content: Picture) -> int:
        data = compress(content, helper=coder)
        assert decompress(data, helper=coder).array.tobytes() == content.array.tobytes()
        return len(data)

    return size


def images_of(picture: Picture) -> list[list[Image.Image]]:
    """Return the frames as RGBA, and with one palette where they have few colours."""
    ways = [[Image.fromarray(frame) for frame in picture.array]]
    found = index_colours(picture.array, 256)
    if found is not None:
        frames = [Image.fromarray(frame.astype(np.uint8), "P") for frame in found[0]]
        for frame in frames:
            frame.putpalette(found[1].tobytes(), "RGBA")
        ways.append(frames)
    return ways


def size_of_pil(picture: Picture, kind: str, **settings: Any) -> int | None:
    """Return the size of the shortest file of a format that PIL writes, and that shows the same frames."""
    sizes = []
    for first, *more in images_of(picture):
        file = io.BytesIO()
        times = {"duration": list(picture.durations_ms), "loop": 0, "append_images": more} if more else {}
        try:
            first.save(file, kind, save_all=bool(more), **times, **settings)
        except (OSError, ValueError):  # a mode that this format does not have
            continue
        if shown(read_frames(file.getvalue())) == shown(Frames(*picture[:2])):
            sizes.append(len(file.getvalue()))
    return min(sizes, default=None)


def shown(frames: Frames) -> list[tuple[bytes, int]]:
    """Return what is seen for how long; equal frames in a row are one, and a single one has no time."""
    out: list[tuple[bytes, int]] = []
    for frame, duration in zip(frames.array, frames.durations_ms, strict=True):
        pixels = (frame * (frame[..., 3:] > 0)).tobytes()
        if out and out[-1][0] == pixels:
            out[-1] = pixels, out[-1][1] + duration
        else:
            out.append((pixels, duration))
    return out if len(frames.array) > 1 else [(pixels, 0)]


def size_of_gif(picture: Picture) -> int | None:
    file = io.BytesIO()
    write_gif(picture.array, file, durations_ms=picture.durations_ms)
    exact = shown(read_frames(file.getvalue())) == shown(Frames(*picture[:2]))
    ways = [size_of_pil(picture, "GIF", optimize=True), len(file.getvalue()) if exact else None]
    return min((size for size in ways if size is not None), default=None)


def size_of_jxl(picture: Picture) -> int:
    import imagecodecs

    array = picture.array if len(picture.array) > 1 else picture.array[0]
    data = imagecodecs.jpegxl_encode(array, lossless=True, effort=9)
    assert np.array_equal(imagecodecs.jpegxl_decode(data), array)
    return len(data)


def raw_of(picture: Picture) -> bytes:
    found = index_colours(picture.array, 256)
    return picture.array.tobytes() if found is None else found[1].tobytes() + found[0].astype(np.uint8).tobytes()


def size_of_xz(data: bytes) -> int:
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": lc, "lp": 0, "pb": 0} for lc in (0, 4)
    ]
    return min(len(lzma.compress(data, check=lzma.CHECK_CRC32, filters=[one])) for one in filters)


def size_by_tool(data: bytes, *command: str, name: str = "x") -> int:
    """Return the size of what a tool makes of a file: {} in the command is its name, {out} that of the result."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / name, Path(folder) / "out"
        source.write_bytes(data)
        subprocess.run([part.format(source, out=out) for part in command], check=True, capture_output=True)
        return next(path.stat().st_size for path in Path(folder).iterdir() if path != source)


def size_of_zpaq(data: bytes) -> int:
    return size_by_tool(data, "zpaq", "add", "{out}.zpaq", "{}", "-method", "5")


def size_of_flac(sound: SampledSound) -> int:
    file, wave = io.BytesIO(), io.BytesIO()
    soundfile.write(file, sound.array, sound.sampling_rate_hz, format="FLAC", compression_level=1.0)
    sizes = [len(file.getvalue())]
    if shutil.which("flac"):
        soundfile.write(wave, sound.array, sound.sampling_rate_hz, format="WAV")
        tool = ("flac", "-8", "-e", "-p", "--no-padding", "--silent", "-o", "{out}.flac", "{}")
        sizes.append(size_by_tool(wave.getvalue(), *tool, name="x.wav"))
    return min(sizes)


def formats_of(kind: str) -> dict[str, Writer]:
    """Return the formats of a kind of content whose package or tool is here."""
    webp = {"lossless": True, "quality": 100, "method": 6}
    found: dict[str, Writer] = {".pxb": size_of_pxb}
    if kind == "sound":
        found |= {"FLAC": size_of_flac, "xz": lambda sound: size_of_xz(sound.array.tobytes())}
        found |= {"zpaq": lambda sound: size_of_zpaq(sound.array.tobytes())} if shutil.which("zpaq") else {}
        return found
    found["PNG" if kind == "still" else "APNG"] = lambda picture: size_of_pil(picture, "PNG", optimize=True)
    found["GIF"] = size_of_gif
    found["WebP"] = lambda picture: size_of_pil(picture, "WEBP", **webp)
    if find_spec("imagecodecs"):
        found["JPEG XL"] = size_of_jxl
    found["xz"] = lambda picture: size_of_xz(raw_of(picture))
    if shutil.which("zpaq"):
        found["zpaq"] = lambda picture: size_of_zpaq(raw_of(picture))
    return found


def clear(frames: Frames) -> Picture:
    array = frames.array * (frames.array[..., 3:] > 0)
    return Picture(array) if len(array) == 1 else Picture(array, frames.durations_ms, FOREVER)


def held_out(shared: Path, most: int) -> list[int]:
    """Return ids of species of held-out families that have an animation, evenly over all."""
    with (shared / SPECIES).open(newline="", encoding="utf-8") as file:
        families = {int(row["id"]): int(row["evolution_chain_id"]) for row in csv.DictReader(file)}
    there = [name for name in sorted(families) if (shared / SPRITES / f"{name}.gif").is_file()]
    splits = assign_splits([families[name] for name in there])
    found = [name for name in there if splits[families[name]] == "test"]
    return [found[index] for index in np.linspace(0, len(found) - 1, min(most, len(found))).astype(int)]


def collect(shared: Path, most: int, corpus: str | None) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield name, kind and contents of every set, in the order of `SETS`."""
    fronts = sorted((shared / "tuxemon_fronts").glob("*.png"))
    yield "tuxemon_fronts", "still", [clear(read_frames(path)) for path in fronts]
    names = held_out(shared, most)
    gifs = [read_frames(shared / SPRITES / f"{name}.gif") for name in names]
    yield "real sprites, first frame", "still", [clear(Frames(gif.array[:1], (0,))) for gif in gifs]
    yield "real sprites, animated", "moving", [clear(gif) for gif in gifs]
    creatures = [attributes for _, attributes in draw_attributes(most)]
    if corpus:
        records = load_dataset(corpus, split="test").select(range(most))
        yield CREATURES, "moving", [clear(read_frames(record["pixels"])) for record in records]
    else:
        drawn = [draw(attributes, number) for number, attributes in enumerate(creatures)]
        opaque = [np.concatenate([frames, np.full_like(frames[..., :1], 255)], -1)[..., :4] for frames in drawn]
        yield CREATURES, "moving", [Picture(frames, (100,) * len(frames), FOREVER) for frames in opaque]
    sounds = [read_sound(path) for name in names if (path := shared / CRIES / f"{name}.ogg").is_file()]
    yield "real cries", "sound", [to_16_bits(sound.array, sound.sampling_rate_hz) for sound in sounds]
    made = [cry(attributes, number) for number, attributes in enumerate(creatures)]
    yield "creatures' cries", "sound", [to_16_bits(array.T, CRY_RATE_HZ) for array in made]


def to_16_bits(array: Any, rate: int) -> SampledSound:
    return SampledSound(np.rint(array.clip(-1, 1) * 32767).astype(np.int16), rate, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with tuxemon_fronts and pokeapi")
    parser.add_argument("--most", type=int, default=24, help="real sprites and creatures (default: %(default)s)")
    parser.add_argument("--with", dest="run", type=Path, help="run folder, of the corpus that --dataset names")
    parser.add_argument("--dataset", help="folder of a corpus of creatures, for its test split")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="what is measured (default: all)")
    parser.add_argument("--smallest", type=int, help="of each set so many, those of the fewest pixels or samples")
    parser.add_argument("--skip", nargs="+", default=(), metavar="FORMAT", help="formats left out, as 'JPEG XL'")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    absent = [name for name in ("zpaq", "flac") if not shutil.which(name)]
    absent += [] if find_spec("imagecodecs") else ["imagecodecs (JPEG XL)"]
    print(f"left out as absent: {', '.join(absent) or 'nothing'}; loops compiled: {IS_COMPILED}")
    report = {}
    for key, (name, kind, contents) in zip(SETS, collect(options.shared, options.most, options.dataset), strict=True):
        if key not in options.sets:
            continue
        contents = sorted(contents, key=lambda content: content.array.size)[: options.smallest]
        formats = {title: writer for title, writer in formats_of(kind).items() if title not in options.skip}
        if name == CREATURES and options.run:
            formats[f".pxb with {options.run.name}"] = size_with(options.run)
        report[name] = measure(name, kind, contents, formats)
    print(
        f".pxb: {seconds['units'] / seconds['write']:,.0f} pixels or samples a second of processor time written, "
        f"{seconds['units'] / seconds['read']:,.0f} read"
    )
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


def measure(name: str, kind: str, contents: list[Any], formats: dict[str, Writer]) -> dict[str, Any]:
    """Print and return the bytes of every format."""
    units = sum(content.array.size // (1 if kind == "sound" else 4) for content in contents)
    totals: dict[str, int] = {}
    for title, writer in formats.items():
        sizes = [writer(content) for content in tqdm(contents, desc=f"{name}: {title}", leave=False)]
        if None in sizes:
            print(f"{name}: {title} cannot hold {sizes.count(None)} of {len(sizes)} exactly, and is left out")
        else:
            totals[title] = sum(size for size in sizes if size is not None)
    unit = "sample" if kind == "sound" else "pixel"
    print(f"\n{name}: {len(contents)} files, {units:,} {unit}s")
    print(f"| format | bytes | bits a {unit} | of .pxb |\n|---|---|---|---|")
    for title, total in sorted(totals.items(), key=lambda item: item[1]):
        print(f"| {title} | {total:,} | {8 * total / units:.3f} | {total / totals['.pxb']:.3f} |", flush=True)
    return {"files": len(contents), unit: units, "bytes": totals}


if __name__ == "__main__":
    main()
