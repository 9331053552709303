"""PokeAPI's repositories on a host: files are downloaded, checked, and only then kept in a cache on disk.

A status of 200 says little: a login page, an empty or a cut body come with it too. Files are compared with the git
hashes of the pinned commit where the host lists them, and otherwise with what every file of their kind begins and ends
with (`file_checks`). What is damaged, on the way or in the cache, is fetched again.
"""

import hashlib
import http.client
import json
import logging
import os
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from threading import Lock

from .file_checks import problem_of
from .sources import DEFAULT_BASE_URL, REVISIONS, Location

logger = logging.getLogger(__name__)
PUBLIC_TREE_URL = "https://api.github.com/repos/PokeAPI"
MISSING_STATUSES = {404, 410}
RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}
MAX_WAIT_SECONDS = 60.0
MOST_BYTES = 64 << 20  # of one file; the largest table has 20 MB


@dataclass(frozen=True)
class RemoteSource:
    """The repositories on a host, with a cache of whole files on disk.

    Args:
        cache: Folder of the cache.
        base_url: Address under which ``<repository>/<revision>/<path>`` lies.
        revisions: Commit of each repository.
        tree_url: Address under which ``<repository>/git/trees/<revision>:<folder>`` lists the files of a folder with
            their git hashes, as GitHub's interface does; None where there is none.
        attempts: How often a file is asked for before giving up.
        backoff_seconds: Wait before the second attempt; doubles with each further one.
        timeout_seconds: Longest silence of the host.
        deadline_seconds: Longest time that one attempt may take, however steadily bytes drip.

    Raises:
        ValueError: If a repository has no revision or `attempts` is under 1.
    """

    cache: Path
    base_url: str = DEFAULT_BASE_URL
    revisions: dict[str, str] = field(default_factory=lambda: dict(REVISIONS))
    tree_url: str | None = None
    attempts: int = 5
    backoff_seconds: float = 1.0
    timeout_seconds: float = 30.0
    deadline_seconds: float = 300.0

    def __post_init__(self) -> None:
        if set(self.revisions) != set(REVISIONS) or not all(self.revisions.values()):
            raise ValueError(f"revisions must name a commit of each of {[*REVISIONS]}, got {self.revisions}")
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")

    def read(self, location: Location) -> bytes | None:
        """Return the bytes of a file, from the cache or the host, or None if the host says it does not exist.

        Raises:
            ConnectionError: If the host refuses the file, or does not give it whole in `attempts` attempts.
        """
        revision = self.revisions[location.repository]
        cached = self.cache / location.repository / revision / location.path
        wanted = self._hashes.find(location)
        if cached.is_file():
            kept = cached.read_bytes()
            problem = _problem_of(location, kept, wanted)
            if problem is None:
                return kept
            logger.warning("%s in the cache of downloads %s: fetched again", cached, problem)
        url = f"{self.base_url.rstrip('/')}/{location.repository}/{revision}/{location.path}"
        content = self._download(url, location, wanted)
        if content is not None:
            _write_whole(cached, content)
        return content

    @property
    def description(self) -> dict[str, str]:
        """Where files come from, for reports and cards."""
        return {"kind": "download", "base_url": self.base_url, **self.revisions}

    @cached_property
    def _hashes(self) -> "_Listings":
        return _Listings(self)

    def _download(self, url: str, location: Location, wanted: str | None) -> bytes | None:
        for attempt in range(1, self.attempts + 1):
            wait = self.backoff_seconds * 2 ** (attempt - 1)
            try:
                content = self.fetch(url)
                problem = _problem_of(location, content, wanted)
                if problem is None:
                    return content
                failure: Exception = ValueError(f"the file {problem}")
            except urllib.error.HTTPError as error:
                error.close()  # it is the response as well, and holds the connection
                if error.code in MISSING_STATUSES:
                    return None
                if error.code not in RETRIED_STATUSES:
                    raise ConnectionError(f"host refused {url}: status {error.code}") from error
                failure = error
                asked = error.headers.get("Retry-After", "")
                wait = max(wait, float(asked)) if asked.isdigit() else wait
            # a body shorter than announced is an IncompleteRead, which is an HTTPException
            except (OSError, http.client.HTTPException) as error:
                failure = error
            if attempt < self.attempts:
                time.sleep(min(wait, MAX_WAIT_SECONDS))
        raise ConnectionError(
            f"no answer for {url} in {self.attempts} attempts that could be kept in the cache {self.cache}, "
            f"the last one: {failure}"
        ) from failure

    def fetch(self, url: str) -> bytes:
        """Return a body, read in parts so that neither its length nor its pace is without bound.

        Raises:
            OSError: If the host does not answer, or takes longer or gives more than allowed.
        """
        deadline, parts, size = time.monotonic() + self.deadline_seconds, [], 0
        with urllib.request.urlopen(url, timeout=self.timeout_seconds) as response:
            # one read of the system a turn: a full buffer may be waited for as long as bytes drip
            while part := response.read1(1 << 16):
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise OSError(f"the body is longer than {MOST_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{size} bytes came in {self.deadline_seconds:.0f} s")
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        return b"".join(parts)


class _Listings:
    """The git hashes of the files of a folder, asked for once a folder."""

    def __init__(self, source: RemoteSource) -> None:
        self._source, self._folders, self._lock = source, dict[tuple[str, str], dict[str, str]](), Lock()

    def find(self, location: Location) -> str | None:
        """Return the hash of a file; None where the host lists none."""
        if self._source.tree_url is None:
            return None
        path = PurePosixPath(location.path)
        key = location.repository, path.parent.as_posix()
        with self._lock:
            if key not in self._folders:
                self._folders[key] = self._read(*key)
            return self._folders[key].get(path.name)

    def _read(self, repository: str, folder: str) -> dict[str, str]:
        place = f"{repository}/git/trees/{self._source.revisions[repository]}:{folder}"
        try:
            listing = json.loads(self._source.fetch(f"{str(self._source.tree_url).rstrip('/')}/{place}"))
            return {entry["path"]: entry["sha"] for entry in listing["tree"]}
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            # a limit of requests, most often; files are then checked by what they begin and end with
            logger.warning(
                "no hashes of %s/%s from the host, files are checked by their form: %s", repository, folder, error
            )
            return {}


def _problem_of(location: Location, content: bytes, wanted: str | None) -> str | None:
    """Return what is wrong with a file, as the end of a sentence, or None."""
    if wanted is None:
        return problem_of(PurePosixPath(location.path).name, content)
    found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return None if found == wanted else f"has git hash {found}, expected {wanted}"


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
