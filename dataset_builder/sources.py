"""Files of PokeAPI's three public repositories, from a local copy or over HTTP, pinned to one commit each.

Knows where files are and what can go wrong on the way; nothing of what they hold. A file that does not exist is None.
A network that does not answer is a `ConnectionError`: taking it for a missing file would build an empty corpus.

A local copy has the layout ``<folder>/<repository>/<path>``, the host ``<base url>/<repository>/<revision>/<path>``.
"""

import http.client
import os
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

DEFAULT_BASE_URL = "https://raw.githubusercontent.com/PokeAPI"
# Commits at which a public index of these repositories saw the files we read; any other commit can be given.
REVISIONS = {
    "pokeapi": "8f8d9132748c26ffa64dee93611f055ce050580e",
    "sprites": "7969fbaeb2cbe3be640d5f9510f6eae0e36fd4c2",
    "cries": "207d003260b3bcdcf0611f4290ed58151af6230e",
}
MISSING_STATUSES = {404, 410}
RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}
MAX_WAIT_SECONDS = 60.0


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


@dataclass(frozen=True)
class RemoteSource:
    """The repositories on a host, with a cache of whole files on disk.

    Args:
        cache: Folder of the cache; a file in it is complete, whatever happened to the process that wrote it.
        base_url: Address under which ``<repository>/<revision>/<path>`` lies.
        revisions: Commit of each repository.
        attempts: How often a file is asked for before giving up.
        backoff_seconds: Wait before the second attempt; doubles with each further one.
        timeout_seconds: Longest silence of the host.

    Raises:
        ValueError: If a repository has no revision or `attempts` is under 1.
    """

    cache: Path
    base_url: str = DEFAULT_BASE_URL
    revisions: dict[str, str] = field(default_factory=lambda: dict(REVISIONS))
    attempts: int = 5
    backoff_seconds: float = 1.0
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        if set(self.revisions) != set(REVISIONS) or not all(self.revisions.values()):
            raise ValueError(f"revisions must name a commit of each of {[*REVISIONS]}, got {self.revisions}")
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")

    def read(self, location: Location) -> bytes | None:
        """Return the bytes of a file, from the cache or the host, or None if the host says it does not exist.

        Raises:
            ConnectionError: If the host refuses the file, or does not give it in `attempts` attempts.
        """
        revision = self.revisions[location.repository]
        cached = self.cache / location.repository / revision / location.path
        if cached.is_file():
            return cached.read_bytes()
        content = self._download(f"{self.base_url.rstrip('/')}/{location.repository}/{revision}/{location.path}")
        if content is not None:
            _write_whole(cached, content)
        return content

    @property
    def description(self) -> dict[str, str]:
        """Where files come from, for reports and cards."""
        return {"kind": "download", "base_url": self.base_url, **self.revisions}

    def _download(self, url: str) -> bytes | None:
        for attempt in range(1, self.attempts + 1):
            wait = self.backoff_seconds * 2 ** (attempt - 1)
            try:
                with urllib.request.urlopen(url, timeout=self.timeout_seconds) as response:
                    return bytes(response.read())
            except urllib.error.HTTPError as error:
                error.close()  # it is the response as well, and holds the connection
                if error.code in MISSING_STATUSES:
                    return None
                if error.code not in RETRIED_STATUSES:
                    raise ConnectionError(f"host refused {url}: status {error.code}") from error
                failure: Exception = error
                asked = error.headers.get("Retry-After", "")
                wait = max(wait, float(asked)) if asked.isdigit() else wait
            # a body shorter than announced is an IncompleteRead, which is an HTTPException
            except (OSError, http.client.HTTPException) as error:
                failure = error
            if attempt < self.attempts:
                time.sleep(min(wait, MAX_WAIT_SECONDS))
        raise ConnectionError(f"no answer for {url} in {self.attempts} attempts, the last one: {failure}") from failure


def open_source(source: str | os.PathLike[str] | None, *, cache: Path | None = None) -> LocalSource | RemoteSource:
    """Return the source that a user names.

    Args:
        source: Folder of a local copy, ``http(s)://`` address of a host, or None for PokeAPI's own.
        cache: Folder for downloads; by default below ``~/.cache/pixelbytes_hf``.

    Raises:
        FileNotFoundError: If the folder is no local copy.
    """
    cache = cache or Path.home() / ".cache" / "pixelbytes_hf" / "pokeapi"
    if source is None:
        return RemoteSource(cache)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        # two hosts may serve different files under the same revision
        return RemoteSource(cache / urllib.parse.quote(source, safe=""), base_url=source)
    return LocalSource(Path(source))


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it exists under its name only once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
