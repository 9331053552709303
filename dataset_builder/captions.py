"""What a folder says of its pictures: text files of common encodings, and tables as `datasets`' imagefolder has them.

A table is a CSV, JSON Lines or Parquet file with a column that names pictures, relative to the table's folder.
"""

import codecs
import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
TEXT_COLUMNS = ("text", "caption", "description", "prompt", "sentence")
# the longer mark first: that of UTF-32 begins as that of UTF-16 does
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Decoded(NamedTuple):
    """A text and the encoding it was read in."""

    text: str
    encoding: str


def decode(data: bytes) -> Decoded:
    r"""Return a text file's content without a byte order mark.

    Without a mark, it is UTF-16 where bytes are zero, as every other one of Latin letters is, otherwise UTF-8, or what
    Windows writes in western Europe.

    Raises:
        ValueError: If it is none of them.

    Example:
        >>> decode("\ufeffred".encode("utf-16-le")), decode("Pokémon".encode("cp1252")).text
        (Decoded(text='red', encoding='utf-16'), 'Pokémon')
    """
    marked = [encoding for mark, encoding in _MARKS if data.startswith(mark)]
    wide = ["utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"] if b"\0" in data else []
    for encoding in (marked or wide or ["utf-8", "cp1252"])[:2]:
        try:
            return Decoded(data.decode(encoding), encoding)
        except UnicodeDecodeError as error:
            problem = error
    raise ValueError(f"it is no text in UTF-8, UTF-16 or Windows-1252: {problem}") from problem


class Row(NamedTuple):
    """What a table says of a picture.

    Attributes:
        text: Its description, None if the table has none.
        values: All columns.
    """

    text: str | None
    values: dict[str, Any]


def read_table(table: Path) -> dict[Path, Row]:
    """Return what a table says, by the paths of the pictures.

    Raises:
        ValueError: If it cannot be read, or no column names pictures.
    """
    try:
        rows = list(_rows(table))
    except csv.Error as error:
        raise ValueError(f"it is no table: {error}") from error
    columns = {str(name).strip().lower(): name for row in rows for name in row if name is not None}
    file_column = next((columns[name] for name in FILE_COLUMNS if name in columns), None)
    text_column = next((columns[name] for name in TEXT_COLUMNS if name in columns), None)
    if file_column is None:
        raise ValueError(f"no column names pictures: expected one of {FILE_COLUMNS}, got {[*columns.values()]}")
    found = {}
    for row in rows:
        name, text = row.get(file_column), row.get(text_column) if text_column else None
        if name:
            place = os.path.normpath(table.parent / str(name).replace("\\", "/"))
            found[Path(place)] = Row(str(text).strip() if text is not None else None, row)
    return found


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    if table.suffix.lower() == ".parquet":
        yield from _parquet_rows(table)
        return
    text = decode(table.read_bytes()).text
    if table.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield _json_row(line, number)
        return
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)


def _json_row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} must be a JSON object, got {line[:40]!r}")
    return row


def _parquet_rows(table: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(table).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(f"it is no whole Parquet file: {error}") from error
    return rows
