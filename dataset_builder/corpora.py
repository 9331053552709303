"""What each corpus consists of: its columns, its records, and the split of each of them.

A folder and `PixelBytesPokemon` take their rows from here, so that both hold the same ones.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, get_args

from tqdm.auto import tqdm

from . import control, mini, pokemon
from .own_folder import OwnFolder
from .record import Change, Drop, Record, UnusableRecordError, record_features
from .report import Config
from .sources import FileSource
from .splits import SPLITS, assign_splits

if TYPE_CHECKING:
    from datasets import Features

CONFIGS: tuple[Config, ...] = get_args(Config)
# the corpora whose media belong to others
THIRD_PARTY_CONFIGS = ("full", "sprites")
# those that are published where others see them only on the word of who publishes
PRIVATE_CONFIGS = (*THIRD_PARTY_CONFIGS, "folder")
OLD_NAMES: Mapping[str, Config] = {"pokemon": "full"}
DEFAULT_SIZES: Mapping[Config, int] = {
    "full": pokemon.DEFAULT_NUM_SPECIES,
    "sprites": pokemon.DEFAULT_NUM_SPECIES,
    "mini": mini.DEFAULT_NUM_CREATURES,
    "control": control.DEFAULT_NUM_SYSTEMS,
    "folder": 0,
}
# the argument of `build` that says how many
SIZE_NAMES: Mapping[Config, str] = {
    "full": "num_species",
    "sprites": "num_species",
    "mini": "num_creatures",
    "control": "num_systems",
    "folder": "num_pictures",
}
# configs that a folder offers besides its own, as fewer columns of the same files
VIEWS: Mapping[Config, tuple[Config, ...]] = {
    "full": ("sprites",),
    "sprites": (),
    "mini": (),
    "control": (),
    "folder": (),
}


@dataclass(frozen=True)
class CorpusRecords:
    """The records of a corpus.

    Attributes:
        records: Records of each split, in the order of ids.
        drops: Records left out.
        changes: What was done to media so that they fit.
    """

    records: dict[str, list[Record]]
    drops: tuple[Drop, ...]
    changes: tuple[Change, ...] = ()


def resolve_config(config: str) -> Config:
    """Return the name of a corpus; ``pokemon`` is what ``full`` was called.

    Raises:
        ValueError: If there is no such corpus.

    Example:
        >>> resolve_config("pokemon")
        'full'
    """
    resolved = OLD_NAMES.get(config, config)
    for known in CONFIGS:
        if resolved == known:
            return known
    raise ValueError(f"config must be one of {(*CONFIGS, *OLD_NAMES)}, got {config!r}")


def corpus_features(config: Config) -> "Features":
    """Return the columns of a corpus as `datasets` describes them."""
    return record_features(with_attributes=config == "mini", with_sound=config != "sprites")


def read_records(
    config: Config, *, source: FileSource | OwnFolder | None, size: int, seed: int, num_threads: int, progress: bool
) -> CorpusRecords:
    """Return the records of a corpus, by split.

    Args:
        config: Which corpus. ``sprites`` has the records of ``full``, so that a species is in the same split in both.
        source: Where files come from; None for what code makes.
        size: Largest species id, creatures, or systems.
        seed: Seed of the splits, and of what code makes.
        num_threads: Threads that fetch and convert.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If an argument or a table is wrong, or too few records are left to fill the splits.
        ConnectionError: If the host does not answer.
        FileNotFoundError: If a table does not exist.
    """
    if seed < 0 or num_threads < 1:
        raise ValueError(f"seed must be at least 0, and num_threads at least 1, got {seed} and {num_threads}")
    results: Iterator[Record | Drop | Change]
    if config == "mini":
        results = mini_records(size, seed=seed, progress=progress)
    elif config == "control":
        results = control_records(size, seed=seed, progress=progress)
    elif isinstance(source, OwnFolder):
        results = source.read(progress=progress)
    else:
        if source is None:
            raise ValueError(f"source must be given for config {config!r}")
        results = pokemon_records(source, num_species=size, num_threads=num_threads, progress=progress)
    return split_records(results, seed=seed)


def split_records(results: Iterator[Record | Drop | Change], *, seed: int) -> CorpusRecords:
    """Return records by split, whole families together.

    Raises:
        ValueError: If no record is left, or there are fewer families than splits.
    """
    records: list[Record] = []
    drops: list[Drop] = []
    changes: list[Change] = []
    for result in results:
        if isinstance(result, Drop):
            drops.append(result)
        elif isinstance(result, Change):
            changes.append(result)
        else:
            records.append(result)
    if not records:
        raise ValueError(f"no record is left of {len(drops)}: {dict(Counter(drop.reason for drop in drops))}")
    split_of_family = assign_splits([record["family_id"] for record in records], seed=seed)
    by_split: dict[str, list[Record]] = {split: [] for split in SPLITS}
    for record in records:
        by_split[split_of_family[record["family_id"]]].append(record)
    return CorpusRecords(by_split, tuple(drops), tuple(changes))


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
    known = {each.id for each in species}
    for absent in range(1, num_species + 1):
        if absent not in known:
            yield Drop(absent, "", "not in the table", f"table pokemon_species has no row with id {absent}")
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


def _read_record(source: FileSource, species: pokemon.Species) -> Record | Drop:
    try:
        return pokemon.make_record(species, *(source.read(location) for location in species.locations))
    except UnusableRecordError as error:
        return Drop(species.id, species.name, error.reason, error.detail)
    except PermissionError as error:
        return Drop(species.id, species.name, "file unreadable", str(error))
