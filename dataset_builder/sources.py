"""Files of PokeAPI's three public repositories, from a local copy or over HTTP, pinned to one commit each.

A file that does not exist is None. A network that does not answer is a `ConnectionError`: taking it for a missing file
would build an empty corpus.

A local copy has the layout ``<folder>/<repository>/<path>``, the host ``<base url>/<repository>/<revision>/<path>``.
"""

import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

DEFAULT_BASE_URL = "https://raw.githubusercontent.com/PokeAPI"
# Commits at which a public index of these repositories saw the files we read; any other commit can be given.
REVISIONS = {
    "pokeapi": "8f8d9132748c26ffa64dee93611f055ce050580e",
    "sprites": "7969fbaeb2cbe3be640d5f9510f6eae0e36fd4c2",
    "cries": "207d003260b3bcdcf0611f4290ed58151af6230e",
}


class Location(NamedTuple):
    """A file of one of the repositories."""

    repository: str
    path: str


class FileSource(Protocol):
    """Anything that gives the bytes of a `Location`."""

    def read(self, location: Location) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""
        ...

    @property
    def description(self) -> dict[str, str]:
        """Where files come from, for reports and cards."""
        ...


@dataclass(frozen=True)
class LocalSource:
    """A local copy.

    Args:
        folder: Folder with the subfolders ``pokeapi``, ``sprites`` and ``cries``.

    Raises:
        FileNotFoundError: If one of them does not exist.
    """

    folder: Path

    def __post_init__(self) -> None:
        absent = [name for name in REVISIONS if not (self.folder / name).is_dir()]
        if absent:
            raise FileNotFoundError(f"source {str(self.folder)!r} must hold folders {[*REVISIONS]}, lacks {absent}")

    def read(self, location: Location) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""
        path = self.folder / location.repository / location.path
        return path.read_bytes() if path.is_file() else None

    @property
    def description(self) -> dict[str, str]:
        """Where files come from, for reports and cards."""
        return {"kind": "local copy"}


def open_source(source: str | os.PathLike[str] | None, *, cache: Path | None = None) -> FileSource:
    """Return the source that a user names.

    Args:
        source: Folder of a local copy, ``http(s)://`` address of a host, or None for PokeAPI's own.
        cache: Folder for downloads; by default below ``~/.cache/pixelbytes_hf``.

    Raises:
        FileNotFoundError: If the folder is no local copy.
    """
    # the download source needs this module's table of revisions
    from .remote_source import PUBLIC_TREE_URL, RemoteSource

    cache = cache or Path.home() / ".cache" / "pixelbytes_hf" / "pokeapi"
    if source is None:
        return RemoteSource(cache, tree_url=PUBLIC_TREE_URL)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        # two hosts may serve different files under the same revision
        return RemoteSource(cache / urllib.parse.quote(source, safe=""), base_url=source)
    return LocalSource(Path(source))
