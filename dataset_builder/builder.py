"""From records to a folder that `load_dataset` opens, complete or not there at all.

Knows how a corpus is written: Parquet per split, a card with counts, and a report of what was left out. Everything is
written into a hidden sibling folder that is renamed at the very end, so that a build that is killed, or runs out of
disk, leaves nothing that looks whole.
"""

import json
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from tqdm.auto import tqdm

from pixelbytes_hf.version import __version__

from . import control, mini, pokemon
from .card import SplitSize, render_card
from .record import Drop, Record, UnusableRecordError, record_features
from .sources import FileSource, open_source
from .splits import SPLITS, assign_splits

Config = Literal["pokemon", "mini", "control"]
ROWS_PER_GROUP = 64
REPORT_NAME = "build_report.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        config: ``pokemon``, ``mini`` or ``control``.
        seed: Seed of the splits, and of what code makes.
        source: Where the files came from; empty for what code makes.
        splits: What was counted in each split.
        drops: Records left out, each named, with the reason.
        seconds: Duration of the build.
    """

    config: Config
    seed: int
    source: dict[str, str]
    splits: dict[str, SplitSize]
    drops: tuple[Drop, ...]
    seconds: float

    @property
    def drops_by_reason(self) -> dict[str, int]:
        """How many records were left out, by reason."""
        return dict(Counter(drop.reason for drop in self.drops))

    def __str__(self) -> str:
        """Return a few lines for a terminal, every record left out named."""
        counts = ", ".join(f"{size.num_records} {split}" for split, size in self.splits.items())
        lines = [f"{self.config}: {counts} records in {self.seconds:.1f} s; left out: {len(self.drops)}"]
        return "\n".join(lines + [f"  {drop.id} {drop.name}: {drop.reason} ({drop.detail})" for drop in self.drops])


def build(
    config: Config,
    out: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    seed: int = 0,
    num_creatures: int = mini.DEFAULT_NUM_CREATURES,
    num_species: int = pokemon.DEFAULT_NUM_SPECIES,
    num_systems: int = control.DEFAULT_NUM_SYSTEMS,
    num_threads: int = 4,
    progress: bool = True,
) -> BuildReport:
    """Build a corpus.

    Args:
        config: ``pokemon``, from PokeAPI, ``mini``, procedural creatures, or ``control``, signals of linear systems.
        out: Folder to make; it must not exist.
        source: Local copy of PokeAPI's repositories or address of a host; None downloads. Only for ``pokemon``.
        seed: Seed of the splits, and of what code makes, at least 0.
        num_creatures: Size of ``mini``.
        num_species: Largest species id of ``pokemon``.
        num_systems: Systems of ``control``; each is a family of a record per kind of input.
        num_threads: Threads that fetch and convert; few, because hosts limit the rate of bulk downloads.
        progress: Whether to show a progress bar.

    Returns:
        What was written and what was left out.

    Raises:
        FileExistsError: If `out` exists.
        ValueError: If an argument is wrong, or too few records are left to fill the splits.
        FileNotFoundError: If `source` is no local copy, or a table is not in it.
        ConnectionError: If the host does not answer.
        OSError: If writing fails, for example because the disk is full; nothing is left then.
    """
    if config not in get_args(Config):
        raise ValueError(f"config must be one of {get_args(Config)}, got {config!r}")
    if config != "pokemon" and source is not None:
        raise ValueError(f"source is only for config 'pokemon', got {os.fspath(source)!r} with {config!r}")
    if seed < 0 or num_threads < 1:
        raise ValueError(f"seed must be at least 0 and num_threads at least 1, got {seed} and {num_threads}")
    started = time.monotonic()
    target = Path(out)
    if target.exists():
        raise FileExistsError(f"output folder {str(target)!r} exists: give another one, or remove it")
    files = open_source(source) if config == "pokemon" else None
    with _appears_when_whole(target) as folder:
        # an `ArrowBasedBuilder` would take its tables from these generators
        if files is not None:
            records = pokemon_records(files, num_species=num_species, num_threads=num_threads, progress=progress)
        elif config == "mini":
            records = mini_records(num_creatures, seed=seed, progress=progress)
        else:
            records = control_records(num_systems, seed=seed, progress=progress)
        sizes, drops = _write_parquet(folder, records, with_attributes=config == "mini", seed=seed)
        report = BuildReport(
            config=config,
            seed=seed,
            source=files.description if files is not None else {},
            splits=sizes,
            drops=drops,
            seconds=round(time.monotonic() - started, 3),
        )
        _write_texts(folder, report, name=target.name)
    return report


def pokemon_records(
    source: FileSource, *, num_species: int, num_threads: int, progress: bool
) -> Iterator[Record | Drop]:
    """Yield records and drops in the order of ids; a few threads fetch and convert.

    Args:
        source: Where files come from.
        num_species: Largest species id.
        num_threads: Threads.
        progress: Whether to show a progress bar.

    Raises:
        ConnectionError: If the host does not answer.
        FileNotFoundError: If a table does not exist.
        ValueError: If a table is broken.
    """
    species = list(pokemon.read_species(source, num_species=num_species))
    with ThreadPoolExecutor(num_threads) as pool:
        results = pool.map(partial(_read_record, source), species)
        yield from tqdm(results, total=len(species), desc="species", unit="species", disable=not progress)


def mini_records(num_creatures: int, *, seed: int, progress: bool) -> Iterator[Record | Drop]:
    """Yield procedural creatures in the order of ids.

    Args:
        num_creatures: How many.
        seed: Seed, at least 0.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If `num_creatures` is under 1 or over the number of different creatures.
    """
    drawn = mini.draw_attributes(num_creatures, seed=seed)
    bar = tqdm(drawn, total=num_creatures, desc="creatures", unit="creature", disable=not progress)
    for creature_id, (family_id, attributes) in enumerate(bar, start=1):
        yield mini.make_record(creature_id, family_id, attributes, seed=seed)


def control_records(num_systems: int, *, seed: int, progress: bool) -> Iterator[Record | Drop]:
    """Yield the signals of linear systems in the order of ids.

    Args:
        num_systems: How many systems; each has a record per kind of input.
        seed: Seed, at least 0.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If `num_systems` is under 1.
    """
    drawn = control.draw_members(num_systems, seed=seed)
    bar = tqdm(drawn, total=num_systems * len(control.KINDS), desc="signals", unit="record", disable=not progress)
    for record_id, (family_id, system, kind) in enumerate(bar, start=1):
        yield control.make_record(record_id, family_id, system, kind, seed=seed)


@contextmanager
def _appears_when_whole(target: Path) -> Iterator[Path]:
    """Yield a hidden sibling folder; rename it to `target` if all went well, remove it otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.building-"
    leftovers = [path.name for path in target.parent.glob(f"{prefix}*")]
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


def _read_record(source: FileSource, species: pokemon.Species) -> Record | Drop:
    sprite, cry = (source.read(location) for location in species.locations)
    try:
        return pokemon.make_record(species, sprite, cry)
    except UnusableRecordError as error:
        return Drop(species.id, species.name, error.reason, error.detail)


def _write_parquet(
    folder: Path, results: Iterator[Record | Drop], *, with_attributes: bool, seed: int
) -> tuple[dict[str, SplitSize], tuple[Drop, ...]]:
    """Write one Parquet file per split; return what was counted, and the drops."""
    records: list[Record] = []
    drops: list[Drop] = []
    for result in results:
        if isinstance(result, Drop):
            drops.append(result)
        else:
            records.append(result)
    if not records:
        raise ValueError(f"no record is left of {len(drops)}: {dict(Counter(drop.reason for drop in drops))}")
    split_of_family = assign_splits([record["family_id"] for record in records], seed=seed)
    (folder / "data").mkdir()
    sizes = {}
    for split in SPLITS:
        rows = [record for record in records if split_of_family[record["family_id"]] == split]
        sizes[split] = _write_split(folder / "data" / f"{split}-00000-of-00001.parquet", rows, with_attributes)
    return sizes, tuple(drops)


def _write_split(path: Path, rows: Sequence[Record], with_attributes: bool) -> SplitSize:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = record_features(with_attributes=with_attributes).arrow_schema
    num_bytes = 0
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(rows), ROWS_PER_GROUP):
            table = pa.Table.from_pylist(list(rows[start : start + ROWS_PER_GROUP]), schema=schema)
            writer.write_table(table)
            num_bytes += table.nbytes
    return SplitSize(len(rows), len({row["family_id"] for row in rows}), num_bytes)


def _write_texts(folder: Path, report: BuildReport, *, name: str) -> None:
    """Write the card and the report; the card is what makes a folder a dataset, so it comes last."""
    content = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    (folder / REPORT_NAME).write_text(f"{content}\n", encoding="utf-8")
    card = render_card(
        report.config,
        folder=name,
        features=record_features(with_attributes=report.config == "mini"),
        sizes=report.splits,
        drops=report.drops_by_reason,
        download_size=sum(path.stat().st_size for path in (folder / "data").iterdir()),
        source=report.source,
        seed=report.seed,
        version=__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
