"""Files to ``.pxb`` files and back, many at a time in processes of their own."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..media.media_limits import DEFAULT_LIMITS, MediaLimits, read_source
from .compress import compress, decompress
from .reading import read_content, read_document
from .start_tables import StartTables
from .writing import suffixes_of, write_content, write_whole

SUFFIX = ".pxb"


@dataclass(frozen=True)
class Done:
    """What became of a file.

    Attributes:
        source: The file read.
        target: The file written; None if it was refused.
        sizes: Bytes of both.
        reason: Why it was refused.
    """

    source: Path
    target: Path | None = None
    sizes: tuple[int, int] = (0, 0)
    reason: str = ""


def compress_file(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    as_bytes: bool = False,
    force: bool = False,
    run: str | os.PathLike[str] | None = None,
    tables: str | os.PathLike[str] | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Done:
    """Write a picture, sound, text or any other file as a ``.pxb`` file.

    Args:
        path: The file.
        out: File to write, or a folder for one of the same name; by default beside the file.
        as_bytes: Keep the file itself, whatever it holds, and not pixels or samples.
        force: Replace a file that is there.
        run: Folder of a run that foretells the pixels of pictures.
        tables: File of `StartTables`, in its place.
        limits: What it may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        FileExistsError: If there is one to be replaced.
        ValueError: If it cannot be read; names the file.
    """
    source = Path(path)
    target = _target(source, out, SUFFIX)
    check_target(target, force, source)
    content = read_document(source, limits=limits) if as_bytes else read_content(source, limits=limits)
    try:
        data = compress(content, helper=_helper(run, tables))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    write_whole(target, data)
    return Done(source, target, (source.stat().st_size, len(data)))


def decompress_file(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    run: str | os.PathLike[str] | None = None,
    tables: str | os.PathLike[str] | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Done:
    """Write what a ``.pxb`` file holds: a picture as PNG, a sound as WAV, any other file as it was.

    Args:
        path: The file.
        out: File to write, of a suffix that holds the content (a picture also as ``.gif``), or a folder.
        force: Replace a file that is there.
        run: Folder of the run that it was written with, if it was.
        tables: File of the `StartTables` likewise.
        limits: What it may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        FileExistsError: If there is one to be replaced.
        ValueError: If it is no such file, or is cut or changed; names the file.
    """
    source = Path(path)
    data = read_source(source, SUFFIX + " file", limits=limits)
    try:
        content = decompress(data, helper=_helper(run, tables), limits=limits)
        target = _target(source, out, suffixes_of(content)[0])
        check_target(target, force, source)
        written = write_content(content, target.suffix)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    write_whole(target, written)
    return Done(source, target, (len(data), len(written)))


def _helper(run: str | os.PathLike[str] | None, tables: str | os.PathLike[str] | None) -> Any:
    if run and tables:
        raise ValueError(f"give run or tables, not both: got {os.fspath(run)} and {os.fspath(tables)}")
    return _load_helper(os.fspath(run or ""), os.fspath(tables or ""), _state_of(run or tables))


def _state_of(path: str | os.PathLike[str] | None) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file, or one of a folder, is written anew: real paths, times in ns, bytes."""
    place = None if path is None else Path(path).resolve()
    if place is None or not place.exists():
        return ()  # whoever loads it says what is missing
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    states = [(file, file.stat()) for file in files]
    return tuple((os.fspath(file), state.st_mtime_ns, state.st_size) for file, state in states)


@lru_cache(maxsize=1)
def _load_helper(run: str, tables: str, state: tuple[tuple[str, int, int], ...]) -> Any:
    """Return the coder of a run's folder or the start tables of a file, kept for the next file; None of neither."""
    if run:
        from .run_coder import RunCoder  # brings torch

        return RunCoder.load(run)
    return StartTables.load(tables) if tables else None


def _target(source: Path, out: str | os.PathLike[str] | None, suffix: str) -> Path:
    if out is not None and not Path(out).is_dir():
        return Path(out)
    return (source.parent if out is None else Path(out)) / (source.stem + suffix)


def check_target(target: Path, force: bool, source: Path) -> None:
    """Refuse to write over the file that is read, or over another one unless that is wanted.

    Raises:
        ValueError: If the target is the source.
        FileExistsError: If it is there, and `force` is not set.
    """
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} would be written over itself: name another file or folder")
    if target.exists() and not force:
        raise FileExistsError(f"{target} is there already: name another file, or force=True to replace it")


def run_on_files(
    work: Callable[..., Done], paths: Sequence[str | os.PathLike[str]], *, jobs: int = 1, **options: object
) -> Iterator[Done]:
    """Yield what became of each file, in no order; one that is refused does not stop the others.

    Args:
        work: `compress_file` or `decompress_file`.
        paths: The files.
        jobs: Processes.
        options: Of `work`.

    Raises:
        ValueError: If two of them would be written to one place.
    """
    names = [Path(path).stem if options.get("out") else Path(path).with_suffix("") for path in paths]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two files of one name would become one, got {', '.join(twice)}: give them one at a time")
    attempt = partial(_attempt, work, options)
    with tqdm(total=len(paths), unit=" files", leave=False, disable=len(paths) < 2) as bar:
        for done in _run(attempt, paths, min(jobs, len(paths))):
            bar.update()
            yield done


def _run(attempt: Callable[..., Done], paths: Sequence[str | os.PathLike[str]], jobs: int) -> Iterator[Done]:
    if jobs < 2:
        yield from map(attempt, paths)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(attempt, path) for path in paths]):
            yield future.result()


def _attempt(work: Callable[..., Done], options: dict[str, object], path: str | os.PathLike[str]) -> Done:
    try:
        return work(path, **options)
    except (ValueError, TypeError, OSError) as error:
        return Done(Path(path), reason=str(error))
