"""A folder of one's own as a source: which files belong to a picture, and which are left over.

Every picture in the folder or below it is a record. What it shows is said by a table (`captions`), by a text file of
the same name beside it, or by its name; a sound file of the same name is its cry. Whatever the folder holds ends up in
a record, or is named: as a `Drop`, or as a `Change` where it was made to fit (`own_media`).
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from .captions import TABLES, Row, read_table
from .own_media import DEFAULT_FITTING, Fitting, fit_picture, fit_sound, name_as_text, read_text
from .record import Change, Drop, MediaFile, Record, UnusableRecordError

PICTURES = (
    *(".gif", ".png", ".apng", ".webp", ".avif", ".jpg", ".jpeg", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".ico"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx"),
)
SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf")
NOTES = (".txt", ".caption")

Tables = dict[Path, Row]


@dataclass(frozen=True)
class OwnFolder:
    """A folder of pictures.

    Args:
        folder: The folder.
        fitting: How its media are made to fit.

    Raises:
        NotADirectoryError: If there is no such folder.
    """

    folder: Path
    fitting: Fitting = DEFAULT_FITTING

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise NotADirectoryError(f"source {str(self.folder)!r} is no folder: expected one of pictures")

    @property
    def description(self) -> dict[str, str]:
        """Where files come from, for reports and cards."""
        settings = {name: str(value) for name, value in asdict(self.fitting).items()}
        return {"kind": "folder", "folder": self.folder.resolve().name, **settings}

    def read(self, *, progress: bool) -> Iterator[Record | Drop | Change]:
        """Yield a record for every picture, in the order of paths, what was changed, and what is left out.

        Args:
            progress: Whether to show a progress bar.

        Raises:
            ValueError: If there is no picture, or no table has the column that names families.
        """
        files = list_files(self.folder)
        pictures = [path for path in files if _kind(path) in PICTURES]
        if not pictures:
            raise ValueError(f"folder {str(self.folder)!r} must hold pictures {PICTURES}, got none")
        table_files = [path for path in files if _kind(path) in TABLES]
        tables: Tables = {}
        for path in table_files:
            try:
                tables |= read_table(path)
            except (ValueError, OSError) as error:
                yield Drop(0, path.name, "table unreadable", f"{path}: {error}")
        family_of = self._families(tables)
        beside = defaultdict(list)
        for path in files:
            beside[path.parent, path.stem].append(path)
        used = {*pictures, *table_files}
        for record_id, path in enumerate(tqdm(pictures, desc="pictures", unit="picture", disable=not progress), 1):
            row, others = tables.pop(path, None), beside[path.parent, path.stem]
            note, sound = (_first_of(others, kinds) for kinds in (NOTES, SOUNDS))
            used |= {path for path in (note, sound) if path is not None}
            yield from self._read_record(record_id, path, row, note, sound, family_of(path, row))
        yield from (Drop(0, path.stem, "not used", f"{path}: {_why_not(path)}") for path in files if path not in used)
        yield from (Drop(0, path.stem, "not there", f"{path}: a table names it") for path in sorted(tables))

    def _read_record(
        self, record_id: int, path: Path, row: Row | None, note: Path | None, sound: Path | None, family_id: int
    ) -> Iterator[Record | Drop | Change]:
        try:
            picture = fit_picture(path, self.fitting)
            text, said = _find_text(row, note)
            record = Record(
                id=record_id,
                name=path.stem,
                text=text or name_as_text(path),
                sprite=MediaFile(bytes=picture.original, path=path.name),
                pixels=MediaFile(bytes=picture.gif, path=f"{record_id}.gif"),
                types=[],
                generation=1,
                family_id=family_id,
            )
            heard = None if sound is None else fit_sound(sound, self.fitting)
        except UnusableRecordError as error:
            yield Drop(record_id, path.stem, error.reason, error.detail)
            return
        if heard is not None:
            record["audio"] = MediaFile(bytes=heard.flac, path=f"{record_id}.flac")
            record["sampling_rate"] = heard.rate_hz
        yield record
        for detail in (*picture.notes, *said, *(() if heard is None else heard.notes)):
            yield Change(record_id, path.stem, detail)

    def _families(self, tables: Tables) -> "partial[int]":
        """Return what numbers the family of a picture."""
        columns = {str(name) for row in tables.values() for name in row.values}
        if self.fitting.families not in {"name", "folder", *columns}:
            raise ValueError(
                f"families must be 'name', 'folder' or a column of a table, got {self.fitting.families!r}: the tables "
                f"have {sorted(columns)}"
            )
        return partial(_family_id, {}, self.fitting.families)


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder and below it that are not hidden, dead links included, in the order of paths."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in names if not name.startswith(".")]
    return sorted(found)


def holds_pictures(folder: Path) -> bool:
    """Tell whether a folder is one of pictures, and no corpus."""
    kinds = {_kind(path) for path in list_files(folder)}
    return bool(kinds & set(PICTURES)) and not kinds & {".parquet", ".arrow"}


def _find_text(row: Row | None, note: Path | None) -> tuple[str, list[str]]:
    """Return what a table or else a text file says, nothing if neither does, and what is worth a word about it."""
    if row is not None and row.text:
        return row.text, [] if note is None else [f"{note.name} gave way to what a table says"]
    return ("", []) if note is None else read_text(note)


def _family_id(known: dict[str, int], families: str, path: Path, row: Row | None) -> int:
    if families == "name":
        family = re.sub(r"[\d\s_().#-]+$", "", path.stem) or path.stem
    elif families == "folder":
        family = str(path.parent)
    else:  # a picture of which no table tells the family is one of its own
        family = str((row.values.get(families) if row is not None else None) or path)
    return known.setdefault(family, len(known))


def _first_of(paths: list[Path], kinds: tuple[str, ...]) -> Path | None:
    found = [path for path in paths if _kind(path) in kinds]
    return min(found, key=lambda path: kinds.index(_kind(path)), default=None)


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _why_not(path: Path) -> str:
    if _kind(path) in (*SOUNDS, *NOTES):
        return "no picture of that name lies beside it, or another file is used in its place"
    return f"the ending {path.suffix!r} is none of a picture, sound, caption or table"
