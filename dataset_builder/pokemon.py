"""Species of PokeAPI as records: description, animated sprite, cry, types, generation and evolution family.

A species that lacks something is a `Drop` with a reason, never a guess.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound

from .pixelize import pixelize_gif
from .record import MediaFile, Record, UnusableRecordError, encode_flac
from .signals import add_speaker_channel
from .sources import FileSource, Location

ENGLISH = "9"
# The game whose descriptions are taken, Sword; where a species is not in it, the newest game that has it.
DESCRIPTION_VERSION_ID = 33
# Generations 1 to 4. The sprites of generation 5, up to 649, are animated too; later ones are drawn by fans.
DEFAULT_NUM_SPECIES = 493
CSV_FOLDER = "data/v2/csv"
SPRITE_FOLDER = "sprites/pokemon/versions/generation-v/black-white/animated"
CRY_FOLDER = "cries/pokemon/latest"

Table = list[dict[str, str]]


class Species(NamedTuple):
    """A species as the tables describe it; empty where they say nothing."""

    id: int
    name: str
    text: str
    types: tuple[str, ...]
    generation: int
    family_id: int

    @property
    def locations(self) -> tuple[Location, Location]:
        """Its sprite and its cry."""
        return (
            Location("sprites", f"{SPRITE_FOLDER}/{self.id}.gif"),
            Location("cries", f"{CRY_FOLDER}/{self.id}.ogg"),
        )


def clean_description(text: str) -> str:
    r"""Return a description without the line breaks of a game's small screen.

    A soft hyphen divides a word only at a line's end, a hard one stays; form feeds and breaks become spaces.

    Example:
        >>> clean_description("It is able to con\u00ad\nvert sun\nlight.\fA steel-\nhard shell.")
        'It is able to convert sun light. A steel-hard shell.'
    """
    whole_words = re.sub("\u00ad[\\s]*", "", text)
    hyphens = re.sub(r"(?<=\w)-[\n\f\r]+(?=\w)", "-", whole_words)
    return re.sub(r"\s+", " ", hyphens).strip()


def read_species(source: FileSource, *, num_species: int = DEFAULT_NUM_SPECIES) -> Iterator[Species]:
    """Yield the species with ids 1 to `num_species`, in order.

    Raises:
        ValueError: If `num_species` is under 1, or a table lacks a column or holds a cell that is no number.
        FileNotFoundError: If a table does not exist.
        ConnectionError: If the host does not answer.
    """
    if num_species < 1:
        raise ValueError(f"num_species must be at least 1, got {num_species}")
    species = _read_table(source, "pokemon_species", ("id", "generation_id", "evolution_chain_id"))
    names = {
        row["pokemon_species_id"]: row["name"]
        for row in _read_table(source, "pokemon_species_names", ("pokemon_species_id", "local_language_id", "name"))
        if row["local_language_id"] == ENGLISH
    }
    descriptions, types = _read_descriptions(source), _read_types(source)
    for row in sorted(species, key=lambda row: _number(row["id"], "pokemon_species")):
        identifier = row["id"]
        if not 1 <= int(identifier) <= num_species:
            continue
        yield Species(
            id=int(identifier),
            name=names.get(identifier, ""),
            text=descriptions.get(identifier, ""),
            types=tuple(types.get(identifier, ())),
            generation=_number(row["generation_id"], "pokemon_species"),
            family_id=_number(row["evolution_chain_id"], "pokemon_species"),
        )


def make_record(species: Species, sprite: bytes | None, cry: bytes | None) -> Record:
    """Return a species and its files as a record.

    Args:
        species: The species.
        sprite: Bytes of its GIF, None if there is none.
        cry: Bytes of its sound file, None if there is none.

    Raises:
        UnusableRecordError: If anything is missing or unreadable; its reason says what.
    """
    for reason, found in (
        ("sprite missing", sprite is not None),
        ("cry missing", cry is not None),
        ("name missing", species.name),
        ("description missing", species.text),
        ("types missing", species.types),
    ):
        if not found:
            raise UnusableRecordError(reason, f"species {species.id} {species.name!r}")
    assert sprite is not None
    assert cry is not None
    sprite_file, cry_file = (
        MediaFile(bytes=content, path=Path(location.path).name)
        for content, location in zip((sprite, cry), species.locations, strict=True)
    )
    try:
        pixels = pixelize_gif(read_frames(sprite_file))
    except ValueError as error:
        raise UnusableRecordError("sprite unreadable", str(error)) from error
    try:
        samples, sampling_rate = read_sound(cry_file)
        audio = encode_flac(add_speaker_channel(samples, sampling_rate=sampling_rate), sampling_rate=sampling_rate)
    except ValueError as error:
        raise UnusableRecordError("cry unreadable", str(error)) from error
    return Record(
        id=species.id,
        name=species.name,
        text=species.text,
        sprite=sprite_file,
        pixels=MediaFile(bytes=pixels, path=f"{species.id}.gif"),
        audio=MediaFile(bytes=audio, path=f"{species.id}.flac"),
        types=list(species.types),
        generation=species.generation,
        family_id=species.family_id,
        sampling_rate=sampling_rate,
    )


def _read_descriptions(source: FileSource) -> dict[str, str]:
    columns = ("species_id", "version_id", "language_id", "flavor_text")
    chosen: dict[str, tuple[tuple[bool, int], str]] = {}
    for row in _read_table(source, "pokemon_species_flavor_text", columns):
        if row["language_id"] != ENGLISH:
            continue
        version = _number(row["version_id"], "pokemon_species_flavor_text")
        candidate = ((version == DESCRIPTION_VERSION_ID, version), row["flavor_text"])
        chosen[row["species_id"]] = max(chosen.get(row["species_id"], candidate), candidate)
    return {identifier: clean_description(text) for identifier, (_, text) in chosen.items()}


def _read_types(source: FileSource) -> dict[str, list[str]]:
    names = {row["id"]: row["identifier"] for row in _read_table(source, "types", ("id", "identifier"))}
    rows = _read_table(source, "pokemon_types", ("pokemon_id", "type_id", "slot"))
    types: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: _number(row["slot"], "pokemon_types")):
        if row["type_id"] not in names:
            raise ValueError(f"table pokemon_types names type {row['type_id']!r}, which table types does not know")
        types.setdefault(row["pokemon_id"], []).append(names[row["type_id"]])
    return types


def _read_table(source: FileSource, name: str, columns: tuple[str, ...]) -> Table:
    location = Location("pokeapi", f"{CSV_FOLDER}/{name}.csv")
    content = source.read(location)
    if content is None:
        raise FileNotFoundError(f"source has no table {location.repository}/{location.path}")
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    lacking = sorted(set(columns) - set(reader.fieldnames or ()))
    if lacking:
        raise ValueError(f"table {location.path} lacks columns {lacking}, has {reader.fieldnames}")
    rows = list(reader)
    if any(row[column] is None for row in rows for column in columns):
        raise ValueError(f"table {location.path} has a row that is cut short: expected columns {list(columns)}")
    return rows


def _number(cell: str, table: str) -> int:
    if not cell.isdecimal():
        raise ValueError(f"table {table} holds {cell!r} where a number was expected")
    return int(cell)
