"""From records to a folder that `load_dataset` opens, complete or not there at all.

A corpus is Parquet per split, a card with counts, and a report of what was left out. Everything is written
into a hidden sibling folder that is renamed at the very end, so that a build that is killed, or runs out of
disk, leaves nothing that looks whole.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pixelbytes_hf.version import __version__

from . import control, mini, pokemon
from .card import render_card
from .corpora import DEFAULT_SIZES, PRIVATE_CONFIGS, THIRD_PARTY_CONFIGS, corpus_features, read_records, resolve_config
from .own_folder import OwnFolder
from .own_media import DEFAULT_FITTING, Fitting
from .record import Record, record_table
from .report import REPORT_NAME, BuildReport, Config, SplitSize, data_paths, read_built, write_report
from .sources import FileSource, open_source
from .splits import SPLITS

if TYPE_CHECKING:
    from datasets import Features

ROWS_PER_GROUP = 64
__all__ = ["REPORT_NAME", "BuildReport", "build"]

logger = logging.getLogger(__name__)


def build(
    config: str,
    out: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    seed: int = 0,
    num_creatures: int = mini.DEFAULT_NUM_CREATURES,
    num_species: int = pokemon.DEFAULT_NUM_SPECIES,
    num_systems: int = control.DEFAULT_NUM_SYSTEMS,
    fitting: Fitting | None = None,
    num_shards: int = 1,
    num_threads: int = 4,
    progress: bool = True,
) -> BuildReport:
    """Build a corpus.

    Args:
        config: ``full``, from PokeAPI (once called ``pokemon``; its folder has the config ``sprites`` too, as fewer
            columns of the same files), ``sprites``, the same without sound, ``mini``, procedural creatures,
            ``control``, signals of linear systems, or ``folder``, pictures of one's own.
        out: Folder to make; it must not exist.
        source: Local copy of PokeAPI's repositories or address of a host; None downloads. Of ``folder`` the pictures.
        seed: Seed of the splits, and of what code makes, at least 0.
        num_creatures: Size of ``mini``.
        num_species: Largest species id of ``full`` and ``sprites``.
        num_systems: Systems of ``control``; each is a family of a record per kind of input.
        fitting: How the media of ``folder`` are made to fit; None as by default.
        num_shards: Parquet files of each split, of equal numbers of records or one apart: a multiple of the processes
            that stream the corpus gives each of them as many files.
        num_threads: Threads that fetch and convert; few, because hosts limit the rate of bulk downloads.
        progress: Whether to show a progress bar.

    Returns:
        What was written, what was left out and, of ``folder``, what was changed.

    Raises:
        FileExistsError: If `out` exists.
        ValueError: If an argument is wrong, or too few records are left to fill the splits or shards.
        FileNotFoundError: If `source` is no local copy, or a table is not in it.
        ConnectionError: If the host does not answer.
        OSError: If writing fails, for example because the disk is full; nothing is left then.
    """
    corpus = resolve_config(config)
    if num_shards < 1:
        raise ValueError(f"num_shards must be at least 1, got {num_shards}")
    started = time.monotonic()
    target = Path(out)
    if target.exists():
        raise FileExistsError(f"output folder {str(target)!r} exists: give another one, or remove it")
    size = {"mini": num_creatures, "control": num_systems, "folder": 0}.get(corpus, num_species)
    files = open_corpus_source(corpus, source, fitting)
    with _appears_when_whole(target) as folder:
        found = read_records(
            corpus,
            source=files,
            size=size,
            seed=seed,
            num_threads=num_threads,
            progress=progress,
        )
        sizes = _write_parquet(folder, found.records, corpus_features(corpus), num_shards)
        report = BuildReport(
            config=corpus,
            size=size,
            seed=seed,
            source=files.description if files is not None else {},
            splits=sizes,
            drops=found.drops,
            seconds=round(time.monotonic() - started, 3),
            num_shards=num_shards,
            version=__version__,
            changes=found.changes,
        )
        write_report(report, folder)
        # the card is what makes a folder a dataset, so it comes last
        (folder / "README.md").write_text(render_card(report, folder, name=target.name), encoding="utf-8")
    return report


def find_built(
    config: str,
    folder: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    seed: int = 0,
    fitting: Fitting | None = None,
    num_shards: int = 1,
) -> BuildReport | None:
    """Return the report of a folder that `build` made from these very arguments, None if there is no such folder.

    Local copies of PokeAPI's repositories, and folders of one name, are not told from each other.

    Args:
        config: As for `build`, like all others.
        folder: Folder that may be there.
        source: Source of the files.
        seed: Seed.
        fitting: How media of one's own are made to fit.
        num_shards: Parquet files of each split.

    Raises:
        FileExistsError: If the folder is there and is something else.
        ValueError: If there is no such corpus.
    """
    if not Path(folder).exists():
        return None
    corpus = resolve_config(config)
    files = open_corpus_source(corpus, source, fitting)
    asked = {
        "config": corpus,
        "size": DEFAULT_SIZES[corpus],
        "seed": seed,
        "source": files.description if files is not None else {},
        "num_shards": num_shards,
        "version": __version__,
    }
    try:
        report = read_built(folder)
    except (FileNotFoundError, ValueError) as error:
        raise FileExistsError(f"{error}: give another folder, or remove it") from error
    found = {name: getattr(report, name) for name in asked}
    if different := [f"{name} {found[name]!r}, not {asked[name]!r}" for name in asked if found[name] != asked[name]]:
        raise FileExistsError(
            f"folder {os.fspath(folder)!r} holds another corpus, with {'; '.join(different)}: give another one, or "
            "remove it"
        )
    return report


def open_corpus_source(
    config: Config, source: str | os.PathLike[str] | None, fitting: Fitting | None = None
) -> FileSource | OwnFolder | None:
    """Return where the files of a corpus come from; None for a corpus that code makes.

    Raises:
        ValueError: If a source is given for a corpus that needs none, or lacks for one of one's own.
        FileNotFoundError: If `source` is no local copy.
        NotADirectoryError: If `source` is no folder of pictures.
    """
    if fitting is not None and config != "folder":
        raise ValueError(f"fitting is only for 'folder', got {fitting} with {config!r}")
    if config == "folder":
        if source is None:
            raise ValueError("source must be a folder of pictures for 'folder', got None")
        return OwnFolder(Path(source), fitting or DEFAULT_FITTING)
    if config in THIRD_PARTY_CONFIGS:
        return open_source(source)
    if source is not None:
        raise ValueError(f"source is only for {PRIVATE_CONFIGS}, got {os.fspath(source)!r} with {config!r}")
    return None


def cut(records: list[Record], num_shards: int, *, split: str) -> list[list[Record]]:
    """Return the records of a split in parts of equal size or one apart, in order.

    Raises:
        ValueError: If there are fewer records than parts, or no part is asked for.

    Example:
        >>> [len(shard) for shard in cut([Record(id=number) for number in range(7)], 3, split="test")]
        [2, 2, 3]
    """
    if not 1 <= num_shards <= len(records):
        raise ValueError(
            f"num_shards must be 1 to {len(records)}, the number of records in split {split!r}, got {num_shards}"
        )
    bounds = [len(records) * index // num_shards for index in range(num_shards + 1)]
    return [records[start:end] for start, end in pairwise(bounds)]


@contextmanager
def _appears_when_whole(target: Path) -> Iterator[Path]:
    """Yield a hidden sibling folder; rename it to `target` if all went well, remove it otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.building-"
    leftovers = [path.name for path in target.parent.iterdir() if path.name.startswith(prefix)]
    if leftovers:
        logger.warning("folders of unfinished builds lie in %s and can be removed: %s", target.parent, leftovers)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        if target.exists():
            raise FileExistsError(f"output folder {str(target)!r} appeared during the build")
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_parquet(
    folder: Path, records: dict[str, list[Record]], features: "Features", num_shards: int
) -> dict[str, SplitSize]:
    """Write the Parquet files of each split; return what was counted."""
    shards = {split: cut(records[split], num_shards, split=split) for split in SPLITS}
    (folder / "data").mkdir()
    sizes = {}
    for split, rows in records.items():
        num_bytes = 0
        for path, shard in zip(data_paths(split, num_shards), shards[split], strict=True):
            num_bytes += _write_shard(folder / path, shard, features)
        sizes[split] = SplitSize(len(rows), len({row["family_id"] for row in rows}), num_bytes)
    return sizes


def _write_shard(path: Path, rows: Sequence[Record], features: "Features") -> int:
    """Write a file; return the size of its columns in memory, bytes."""
    import pyarrow.parquet as pq

    num_bytes = 0
    with pq.ParquetWriter(path, features.arrow_schema) as writer:
        for start in range(0, len(rows), ROWS_PER_GROUP):
            table = record_table(rows[start : start + ROWS_PER_GROUP], features)
            writer.write_table(table)
            num_bytes += table.nbytes
    return num_bytes
