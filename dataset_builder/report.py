"""What a build did, as a file beside the data: what was counted, what was left out, and what it was made from.

The card is written from these fields, so that no number in it is a second account.
"""

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .record import Change, Drop

Config = Literal["full", "sprites", "mini", "control", "folder"]
REPORT_NAME = "build_report.json"
MOST_SHOWN = 40  # changes on a terminal


@dataclass(frozen=True)
class SplitSize:
    """What was counted in a split.

    Attributes:
        num_records: Records.
        num_families: Families.
        num_bytes: Size of the columns in memory, bytes.
    """

    num_records: int
    num_families: int
    num_bytes: int


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        config: ``full``, ``sprites``, ``mini``, ``control`` or ``folder``.
        size: What was asked for: largest species id, creatures, or systems; 0: a folder's pictures, all of them.
        seed: Seed of the splits, and of what code makes.
        source: Where the files came from; empty for what code makes.
        splits: What was counted in each split.
        drops: Records left out, each named, with the reason.
        seconds: Duration of the build.
        num_shards: Parquet files of each split.
        version: Version of pixelbytes_hf.
        changes: What was done to media of one's own so that they fit.
    """

    config: Config
    size: int
    seed: int
    source: dict[str, str]
    splits: dict[str, SplitSize]
    drops: tuple[Drop, ...]
    seconds: float
    num_shards: int
    version: str
    changes: tuple[Change, ...] = ()

    @property
    def data_files(self) -> list[str]:
        """Paths of all Parquet files in the folder."""
        return [path for split in self.splits for path in data_paths(split, self.num_shards)]

    @property
    def drops_by_reason(self) -> dict[str, int]:
        """How many records were left out, by reason."""
        return dict(Counter(drop.reason for drop in self.drops))

    def __str__(self) -> str:
        """Return a few lines for a terminal, every record left out named."""
        counts = ", ".join(f"{size.num_records} {split}" for split, size in self.splits.items())
        lines = [f"{self.config}: {counts} records in {self.seconds:.1f} s; left out: {len(self.drops)}"]
        lines += [f"  {drop.id} {drop.name}: {drop.reason} ({drop.detail})" for drop in self.drops]
        if self.changes:
            lines.append(f"changed: {len(self.changes)}")
            lines += [f"  {change.id} {change.name}: {change.detail}" for change in self.changes[:MOST_SHOWN]]
        if len(self.changes) > MOST_SHOWN:
            lines.append(f"  and {len(self.changes) - MOST_SHOWN} more, which {REPORT_NAME} names")
        return "\n".join(lines)


def write_report(report: BuildReport, folder: Path) -> None:
    """Write the report into the folder of a corpus."""
    content = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    (folder / REPORT_NAME).write_text(f"{content}\n", encoding="utf-8")


def data_paths(split: str, num_shards: int) -> list[str]:
    """Return where the Parquet files of a split lie in the folder of a corpus.

    Example:
        >>> data_paths("test", 2)
        ['data/test-00000-of-00002.parquet', 'data/test-00001-of-00002.parquet']
    """
    return [f"data/{split}-{index:05d}-of-{num_shards:05d}.parquet" for index in range(num_shards)]


def read_built(folder: str | os.PathLike[str]) -> BuildReport:
    """Return the report of a built corpus, after its files were found to hold the records that it counts.

    Raises:
        FileNotFoundError: If the folder holds no report, or lacks a file.
        ValueError: If the report is not one that this version writes, or a file holds something else.
    """
    report = read_report(folder)
    absent = [path for path in report.data_files if not (Path(folder) / path).is_file()]
    if absent:
        raise FileNotFoundError(f"folder {os.fspath(folder)!r} is no whole corpus: it lacks {', '.join(absent)}")
    for split, size in report.splits.items():
        num_records = sum(_num_rows(Path(folder) / path) for path in data_paths(split, report.num_shards))
        if num_records != size.num_records:
            raise ValueError(
                f"folder {os.fspath(folder)!r} holds {num_records} records of split {split!r}, "
                f"and its {REPORT_NAME} counts {size.num_records}: build the corpus again"
            )
    return report


def read_report(folder: str | os.PathLike[str]) -> BuildReport:
    """Return the report of a built corpus.

    Raises:
        FileNotFoundError: If the folder holds none: no build made it.
        ValueError: If the report is not one that this version writes.
    """
    path = Path(folder) / REPORT_NAME
    if not path.is_file():
        raise FileNotFoundError(f"folder {os.fspath(folder)!r} is no built corpus: it has no {REPORT_NAME}")
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["splits"] = {split: SplitSize(**size) for split, size in fields["splits"].items()}
        fields["drops"] = tuple(Drop(**drop) for drop in fields["drops"])
        fields["changes"] = tuple(Change(**change) for change in fields.get("changes", ()))
        if fields["config"] not in get_args(Config):
            raise ValueError(f"config {fields['config']!r}")
        return BuildReport(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a report of this version: build the corpus again ({error})") from error


def _num_rows(path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no whole Parquet file: build the corpus again") from error
