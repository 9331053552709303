"""The commands on files: ``pixelbytes compress | decompress``."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .option_readers import positive

SOME_FAILED = 1
LARGER = " (of what a lossy file was decoded to; --bytes keeps the file itself)"


def add_compress(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``compress``."""
    _add_common(command, "pictures, sounds, texts or any other files")
    command.add_argument("--bytes", action="store_true", help="keep the files themselves, not their pixels or samples")
    command.add_argument("--fit-tables", metavar="FILE", help="write start tables that the pictures teach, and stop")


def add_decompress(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``decompress``."""
    _add_common(command, ".pxb files")


def _add_common(command: argparse.ArgumentParser, files: str) -> None:
    command.add_argument("files", nargs="+", metavar="FILE", help=files)
    command.add_argument("--out", help="file to write, or folder for several (default: beside each file)")
    command.add_argument("--force", action="store_true", help="replace files that are there")
    command.add_argument("--with", dest="run_folder", metavar="RUN", help="folder of a run that foretells pixels")
    command.add_argument("--tables", metavar="FILE", help="start tables, which --fit-tables wrote, in its place")
    command.add_argument("--jobs", type=positive, default=1, help="files at a time (default: %(default)s)")


def compress(options: argparse.Namespace) -> int:
    """Write files as .pxb files: lossless, by an adaptive count coder, or by a run."""
    from ..compression.files import compress_file

    if options.fit_tables:
        return _fit_tables(options)
    return _run(compress_file, options, as_bytes=options.bytes)


def _fit_tables(options: argparse.Namespace) -> int:
    """Write start tables; raises ValueError where an option has no part in that, or no file teaches."""
    from ..compression.files import check_target
    from ..compression.start_tables import StartTables

    useless = {
        "--out": options.out,
        "--bytes": options.bytes,
        "--with": options.run_folder,
        "--tables": options.tables,
    }
    useless["--jobs"] = options.jobs > 1
    if given := [name for name, value in useless.items() if value]:
        raise ValueError(
            f"--fit-tables takes no {', '.join(given)}: it writes no .pxb files, and learns in one process"
        )
    for path in options.files:
        try:
            check_target(Path(options.fit_tables), options.force, Path(path))
        except FileExistsError as error:
            raise FileExistsError(str(error).replace("force=True", "--force")) from error
    left_out: Counter[str] = Counter()
    StartTables.fit(_teachers(options, left_out)).save(options.fit_tables)
    reasons = "".join(f"; {count} left out: {reason}" for reason, count in left_out.items())
    print(f"{options.fit_tables}: learnt from {len(options.files) - left_out.total()} files{reasons}")
    return 0


def _teachers(options: argparse.Namespace, left_out: "Counter[str]") -> Iterator[Any]:
    """Yield the pictures that can teach, and count the other files by reason."""
    from ..compression.reading import read_content
    from ..compression.start_tables import can_teach

    for path in options.files:
        try:
            content = read_content(path)
        except (ValueError, OSError) as error:
            print(f"pixelbytes {options.command}: {error}", file=sys.stderr)
            left_out["not readable"] += 1
            continue
        if can_teach(content):
            yield content
        else:
            left_out["no pictures of up to 256 colours"] += 1


def decompress(options: argparse.Namespace) -> int:
    """Write what .pxb files hold: pictures as PNG (or GIF), sounds as WAV, other files as they were."""
    from ..compression.files import decompress_file

    return _run(decompress_file, options)


def _run(work: Any, options: argparse.Namespace, **more: Any) -> int:
    from ..compression.files import run_on_files
    from ..compression.reading import LOSSY

    if len(options.files) > 1 and options.out:
        Path(options.out).mkdir(parents=True, exist_ok=True)
    failed = 0
    common = {"out": options.out, "force": options.force, "jobs": options.jobs, "run": options.run_folder}
    common["tables"] = options.tables
    for done in run_on_files(work, options.files, **common, **more):
        if done.target is None:
            failed += 1
            print(f"pixelbytes {options.command}: {done.reason.replace('force=True', '--force')}", file=sys.stderr)
        else:
            decoded = not more.get("as_bytes", True) and done.source.suffix.lower() in LOSSY
            hint = LARGER if done.sizes[1] > done.sizes[0] and decoded else ""
            print(f"{done.target}: {done.sizes[0]:,} bytes became {done.sizes[1]:,}{hint}")
    return SOME_FAILED if failed else 0
