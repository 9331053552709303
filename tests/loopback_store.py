"""What a loopback Hub keeps: repositories with commits, branches, tags and large objects, in memory.

`loopback_hub.py` speaks HTTP for it. A repository is a set of commits; a commit is a whole listing of files,
path -> `Blob`, so that any revision can be read at any time. Large files (LFS) are kept by the sha256 they were
announced with: a storage that loses or changes bytes shows in the listing, which tells what is stored.
"""

import base64
import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

KINDS = ("model", "dataset", "space")
GIT_ATTRIBUTES = ".gitattributes"
LARGE_SUFFIXES = (
    *(".safetensors", ".bin", ".pt", ".pth", ".arrow", ".parquet", ".npz", ".npy", ".zip", ".gz", ".tar"),
    *(".png", ".gif", ".jpg", ".wav", ".flac", ".ogg", ".mp3", ".whl"),
)
LARGE_FROM_BYTES = 10 * 2**20


class HubError(Exception):
    """An answer other than success; `code` is the Hub's word for it, told in the header X-Error-Code."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def git_blob_id(data: bytes) -> str:
    """Return the id git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file: its bytes, and whether it is kept by LFS."""

    data: bytes
    is_large: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        return text.encode()

    @property
    def blob_id(self) -> str:
        return git_blob_id(self.pointer if self.is_large else self.data)

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.blob_id

    def entry(self, path: str) -> dict:
        """Return the row of a listing."""
        row = {"type": "file", "path": path, "size": len(self.data), "oid": self.blob_id}
        if self.is_large:
            row["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": len(self.pointer)}
        return row


@dataclass(frozen=True)
class Commit:
    """A listing of all files, and what was said of it."""

    oid: str
    title: str
    message: str
    parent: str | None
    files: dict[str, Blob]
    date: str

    def entry(self) -> dict:
        return {
            **{"id": self.oid, "title": self.title, "message": self.message, "date": self.date},
            "authors": [{"user": "user", "avatar": ""}],
        }


@dataclass
class Repository:
    """Commits, branches and tags of one repository."""

    repo_id: str
    kind: str
    private: bool = False
    sdk: str | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    counter: itertools.count = field(default_factory=itertools.count)

    def __post_init__(self):
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_SUFFIXES)
        self.add_commit("main", "initial commit", "", {GIT_ATTRIBUTES: Blob(attributes.encode())})

    def add_commit(self, branch: str, title: str, message: str, files: dict[str, Blob]) -> Commit:
        """Put a commit on a branch and return it."""
        parent = self.branches.get(branch)
        listing = "".join(f"{path}:{blob.blob_id}\n" for path, blob in sorted(files.items()))
        name = f"{self.kind}/{self.repo_id}/{next(self.counter)}/{parent}/{title}\n{listing}"
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        commit = Commit(hashlib.sha1(name.encode()).hexdigest(), title, message, parent, files, date)
        self.commits[commit.oid] = commit
        self.branches[branch] = commit.oid
        return commit

    def commit_of(self, revision: str) -> Commit:
        """Return the commit of a branch, a tag or an id (or the first letters of one)."""
        for named in (self.branches, self.tags):
            if revision in named:
                return self.commits[named[revision]]
        found = [commit for oid, commit in self.commits.items() if len(revision) >= 7 and oid.startswith(revision)]
        if len(found) != 1:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found[0]

    def history(self, revision: str) -> list[Commit]:
        """Return the commits from a revision back to the first."""
        commits = [self.commit_of(revision)]
        while commits[-1].parent is not None:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def blob(self, revision: str, path: str) -> tuple[Commit, Blob]:
        commit = self.commit_of(revision)
        if path not in commit.files:
            raise HubError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
        return commit, commit.files[path]

    def tree(self, revision: str, folder: str, *, recursive: bool) -> list[dict]:
        """Return the rows of a folder's listing, folders among them."""
        files = self.commit_of(revision).files
        prefix = f"{folder}/" if folder else ""
        inside = {path: blob for path, blob in files.items() if path.startswith(prefix)}
        if folder and not inside:
            raise HubError(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
        rows = {}
        for path, blob in inside.items():
            names = path[len(prefix) :].split("/")
            deepest = len(names) if recursive else min(len(names), 2)
            for depth in range(1, deepest):
                parent = prefix + "/".join(names[:depth])
                rows[parent] = {"type": "directory", "path": parent, "size": 0, "oid": git_blob_id(parent.encode())}
            if recursive or len(names) == 1:
                rows[path] = blob.entry(path)
        return [rows[path] for path in sorted(rows)]

    def upload_mode(self, path: str, size: int, sample: bytes) -> str:
        is_large = path.endswith(LARGE_SUFFIXES) or size >= LARGE_FROM_BYTES or b"\0" in sample
        return "lfs" if is_large else "regular"

    def holds(self, oid: str, size: int) -> bool:
        """Return whether a large object is stored whole."""
        data = self.objects.get(oid)
        return data is not None and len(data) == size and hashlib.sha256(data).hexdigest() == oid

    def apply(self, branch: str, lines: list[dict], *, drop_last: bool = False) -> Commit:
        """Put the lines of a commit request on a branch; `drop_last` loses the last file, as a broken Hub would."""
        header, *operations = lines
        said = header["value"]
        if branch not in self.branches:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        if said.get("parentCommit") and not self.branches[branch].startswith(said["parentCommit"]):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(self.commit_of(branch).files)
        for line in operations[:-1] if drop_last else operations:
            self._operate(files, line["key"], line["value"])
        return self.add_commit(branch, said["summary"], said.get("description", ""), files)

    def _operate(self, files: dict[str, Blob], key: str, value: dict) -> None:
        path = value["path"]
        if key == "file":
            files[path] = Blob(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if value["oid"] not in self.objects:
                raise HubError(400, f"LFS pointer of {path} points to a file that does not exist")
            files[path] = Blob(self.objects[value["oid"]], is_large=True)
        elif key in ("deletedFile", "deletedFolder"):
            gone = [name for name in files if name == path or name.startswith(path.rstrip("/") + "/")]
            if not gone:
                raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for name in gone:
                del files[name]
        else:
            raise HubError(400, f"unknown line of a commit: {key!r}")


class Store:
    """All repositories of a Hub."""

    def __init__(self):
        self.repositories: dict[tuple[str, str], Repository] = {}

    def create(self, repo_id: str, kind: str, *, private: bool = False, sdk: str | None = None) -> Repository:
        if kind not in KINDS:
            raise HubError(400, f"type must be one of {KINDS}, got {kind!r}")
        if kind == "space" and sdk is None:
            raise HubError(400, "a Space needs an sdk")
        if (kind, repo_id) in self.repositories:
            raise HubError(409, f"You already created this {kind} repo: {repo_id}")
        repository = Repository(repo_id, kind, private, sdk)
        self.repositories[kind, repo_id] = repository
        return repository

    def get(self, repo_id: str, kind: str, *, may_see_private: bool = True) -> Repository:
        repository = self.repositories.get((kind, repo_id))
        if repository is None or (repository.private and not may_see_private):
            # the Hub tells nobody without a token that a private repository exists
            raise HubError(404 if may_see_private else 401, "Repository not found", "RepoNotFound")
        return repository

    def delete(self, repo_id: str, kind: str) -> None:
        self.get(repo_id, kind)
        del self.repositories[kind, repo_id]
