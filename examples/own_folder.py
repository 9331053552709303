"""A source of one's own: a folder of sprites becomes a corpus that `load_dataset` opens.

    python examples/own_folder.py my-sprites --out my-corpus
    pixelbytes train --dataset my-corpus --preset mini --output-dir runs/mine

Every picture (GIF, PNG, WebP, BMP, JPEG) in the folder or below it is a record. What it shows is said by a text file
of the same name beside it, or by the name itself; a sound file (WAV, FLAC, OGG) of the same name is its cry. Pictures
that differ in a number only (``slime_1.png``, ``slime_2.png``) are one family, and a family is never torn between
training and test. A file that cannot be read is left out, and named.
"""

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.pixelize import pixelize_frames
from dataset_builder.record import Drop, MediaFile, Record, UnusableRecordError, encode_flac, record_features
from dataset_builder.splits import SPLITS, assign_splits
from pixelbytes_hf.tokens.media import read_frames, read_sound, write_gif

PICTURES = (".gif", ".png", ".webp", ".bmp", ".jpg", ".jpeg")
SOUNDS = (".wav", ".flac", ".ogg")
MAX_SIDE = 24  # pixels; a sprite of 24 x 24 is 600 tokens a frame
STILL_MS = 100


def read_record(record_id: int, picture: Path, *, family_id: int, max_side: int = MAX_SIDE) -> Record:
    """Return a picture, and what lies beside it, as a record.

    Args:
        record_id: Id.
        picture: The file.
        family_id: Of pictures that belong together.
        max_side: Longest side in pixels; a larger picture is shrunk.

    Raises:
        UnusableRecordError: If the picture or its sound cannot be read.
    """
    try:
        frames = read_frames(picture.read_bytes())
        small = pixelize_frames(frames.array, max_size=min(max_side, max(frames.array.shape[1:3])))
    except ValueError as error:
        raise UnusableRecordError("picture unreadable", str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        write_gif(small, Path(folder) / "pixels.gif", durations_ms=frames.durations_ms or (STILL_MS,) * len(small))
        pixels = (Path(folder) / "pixels.gif").read_bytes()
    note = picture.with_suffix(".txt")
    text = note.read_text(encoding="utf-8").strip() if note.is_file() else re.sub(r"[_\W]+", " ", picture.stem).strip()
    record = Record(
        id=record_id,
        name=picture.stem,
        text=text,
        sprite=MediaFile(bytes=picture.read_bytes(), path=picture.name),
        pixels=MediaFile(bytes=pixels, path=f"{record_id}.gif"),
        types=[],
        generation=1,
        family_id=family_id,
    )
    sound = next((picture.with_suffix(kind) for kind in SOUNDS if picture.with_suffix(kind).is_file()), None)
    if sound is not None:
        try:
            samples, rate = read_sound(sound.read_bytes())
        except ValueError as error:
            raise UnusableRecordError("sound unreadable", str(error)) from error
        flac = encode_flac(samples, sampling_rate=rate)
        record |= {"audio": MediaFile(bytes=flac, path=f"{record_id}.flac"), "sampling_rate": rate}
    return record


def read_folder(folder: str | Path, *, max_side: int = MAX_SIDE) -> Iterator[Record | Drop]:
    """Yield a record for every picture below a folder, in the order of names, or why there is none.

    Args:
        folder: The folder.
        max_side: Longest side in pixels.

    Raises:
        ValueError: If it holds no picture.
    """
    pictures = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in PICTURES)
    if not pictures:
        raise ValueError(f"folder {str(folder)!r} must hold pictures {PICTURES}, got none")
    families: dict[str, int] = {}
    for record_id, picture in enumerate(pictures, 1):
        family = families.setdefault(re.sub(r"[\d_\W]+$", "", picture.stem), len(families))
        try:
            yield read_record(record_id, picture, family_id=family, max_side=max_side)
        except UnusableRecordError as error:
            yield Drop(record_id, picture.stem, error.reason, error.detail)


def build_corpus(folder: str | Path, out: str | Path, *, max_side: int = MAX_SIDE, seed: int = 0) -> list[Drop]:
    """Write a corpus that `load_dataset` opens, whole or not at all, and return what was left out.

    Args:
        folder: Of the pictures.
        out: Folder to make.
        max_side: Longest side in pixels.
        seed: Of the splits.

    Raises:
        FileExistsError: If `out` exists.
        ValueError: If there are too few families to fill the splits.
    """
    target = Path(out)
    if target.exists():
        raise FileExistsError(f"folder {str(target)!r} exists: expected a free name")
    results = list(read_folder(folder, max_side=max_side))
    drops = [result for result in results if isinstance(result, Drop)]
    records = [result for result in results if not isinstance(result, Drop)]
    split_of_family = assign_splits([record["family_id"] for record in records], seed=seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        part = Path(temporary) / "corpus"
        (part / "data").mkdir(parents=True)
        for split in SPLITS:
            rows = [record for record in records if split_of_family[record["family_id"]] == split]
            # not `Dataset.from_list`, which wants torchcodec to write sounds that are bytes already
            table = pa.Table.from_pylist(rows, schema=record_features(with_attributes=False).arrow_schema)
            pq.write_table(table, part / "data" / f"{split}-00000-of-00001.parquet")
        (part / "left_out.json").write_text(json.dumps([vars(drop) for drop in drops], indent=1))
        shutil.move(part, target)
    return drops


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="your pictures")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--max-side", type=int, default=MAX_SIDE, help="longest side in pixels (default: %(default)s)")
    options = parser.parse_args()
    drops = build_corpus(options.folder, options.out, max_side=options.max_side)
    print(f"{options.out}: {len(drops)} pictures were left out")
    for drop in drops:
        print(f"  {drop.name}: {drop.reason} ({drop.detail})")


if __name__ == "__main__":
    main()
