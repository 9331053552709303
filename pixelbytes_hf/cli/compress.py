"""The commands on files: ``pixelbytes compress | decompress``."""

import argparse
import sys
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
    from ..compression.contents import Picture
    from ..compression.reading import read_content
    from ..compression.start_tables import StartTables

    contents = (read_content(path) for path in options.files)
    StartTables.fit(content for content in contents if isinstance(content, Picture)).save(options.fit_tables)
    print(options.fit_tables)
    return 0


def decompress(options: argparse.Namespace) -> int:
    """Write what .pxb files hold: pictures as PNG (or GIF), sounds as WAV, other files as they were."""
    from ..compression.files import decompress_file

    return _run(decompress_file, options)


def _run(work: Any, options: argparse.Namespace, **more: Any) -> int:
    from ..compression.files import run_on_files

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
            hint = LARGER if done.sizes[1] > done.sizes[0] and options.command == "compress" else ""
            print(f"{done.target}: {done.sizes[0]:,} bytes became {done.sizes[1]:,}{hint}")
    return SOME_FAILED if failed else 0
