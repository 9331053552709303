"""Sends a folder to the Hub in one commit, and believes that it is there only when the hashes say so.

Knows nothing of models, datasets or cards: a folder goes in, `Published` comes out, or an error. Nothing partial is
ever reported as success: after the commit, the Hub's listing of that very commit is compared, file by file, with what
lies on disk. A try that failed after the Hub had done its part is found out the same way and not done twice, and a
second call sends only what is missing.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.constants import DEFAULT_REVISION
from huggingface_hub.utils import validate_repo_id

from .requests import HubError, LocalFile, listing_at, newest_commit, persistently

logger = logging.getLogger(__name__)

REPO_TYPES = ("model", "dataset", "space")
# the Hub writes it into every repository and keeps there which files are large
NEVER_DELETED = (".gitattributes",)


class IncompleteUploadError(HubError):
    """The Hub took a commit, and its listing is not what was sent.

    Args:
        repo_id: Repository.
        commit: The commit whose listing is wrong.
        missing: Files that the listing lacks.
        different: Files whose size or hash is another.
    """

    def __init__(self, repo_id: str, commit: str, missing: list[str], different: list[str]):
        self.commit, self.missing, self.different = commit, missing, different
        faults = [f"lacks {', '.join(missing)}"] if missing else []
        faults += [f"holds other bytes than sent in {', '.join(different)}"] if different else []
        super().__init__(
            f"{repo_id}: the upload is not whole, commit {commit[:12]} {' and '.join(faults)}; "
            "call again, only those files are sent again"
        )


@dataclass(frozen=True)
class Published:
    """What lies on the Hub now, compared by hash with the folder.

    Attributes:
        url: Address of the repository.
        commit: Commit that holds the folder.
        files: Every file of the folder by its path in the repository.
        sent: Those of them that this call had to send; empty if all was there.
    """

    url: str
    commit: str
    files: tuple[str, ...]
    sent: tuple[str, ...]


def publish_folder(
    folder: str | Path,
    repo_id: str,
    *,
    repo_type: str,
    message: str,
    path_in_repo: str | None = None,
    private: bool = False,
    revision: str | None = None,
    num_retries: int = 5,
    token: str | None = None,
    delete_others: bool = False,
    space_sdk: str = "gradio",
) -> Published:
    """Create the repository if need be, send the folder in one commit and check what arrived.

    Args:
        folder: Folder whose files are sent, all of them but `.git` and the Hub's own `.cache/huggingface`; links to
            folders are not followed.
        repo_id: Owner and name, such as "user/name".
        repo_type: "model", "dataset" or "space".
        message: First line of the commit.
        path_in_repo: Folder in the repository; None for its root.
        private: Refuse to publish where others can see it; a new repository is made private. False leaves an
            existing one as it is and a new one to the owner's default, which is public for most.
        revision: Branch, made from the newest commit of `main` if it is not there; None for `main`.
        num_retries: How often to try again after failures that may pass (429, 5xx, conflicts, broken connections).
        token: Token of the Hub; None takes the one of `hf auth login` or HF_TOKEN.
        delete_others: Delete what lies under `path_in_repo` and is not in the folder, in the same commit.
        space_sdk: What a new Space runs on; of no account for models and datasets.

    Returns:
        What was published.

    Raises:
        HubError: If the Hub refuses or stays out of reach; nothing is published, or not known to be whole.
        IncompleteUploadError: If what arrived is not what was sent.
        ValueError: If an argument is wrong, or the folder is empty.
    """
    if repo_type not in REPO_TYPES:
        raise ValueError(f"repo_type must be one of {', '.join(REPO_TYPES)}, got {repo_type!r}")
    check_repo_id(repo_id)
    if not message.strip():
        raise ValueError("message must say what is published, got an empty one")
    upload = _Upload(
        api=HfApi(token=token),
        repo_id=repo_id,
        repo_type=repo_type,
        branch=revision or DEFAULT_REVISION,
        prefix=_prefix_of(path_in_repo),
        files=_files_of(Path(folder), _prefix_of(path_in_repo)),
    )

    def attempt() -> Published:
        url = upload.prepare(private=private, space_sdk=space_sdk)
        upload.send(message, delete_others=delete_others)
        commit = upload.verify()
        return Published(url, commit, tuple(upload.files), tuple(path for path in upload.files if path in upload.sent))

    published = persistently(attempt, num_retries=num_retries, subject=repo_id)
    logger.info("%s holds %d files at %s", published.url, len(published.files), published.commit)
    return published


def check_repo_id(repo_id: str) -> None:
    """Refuse a name that the Hub would not take, or would take as one of somebody's.

    Raises:
        ValueError: If it is not an owner and a name.

    Example:
        >>> check_repo_id("user/name")
    """
    validate_repo_id(repo_id)
    if "/" not in repo_id:
        raise ValueError(f"repo_id must be owner and name, such as 'user/name', got {repo_id!r}")


@dataclass
class _Upload:
    """A folder on its way; `prepare`, `send` and `verify` may all be repeated."""

    api: HfApi
    repo_id: str
    repo_type: str
    branch: str
    prefix: str
    files: dict[str, LocalFile]
    commit: str = ""
    sent: set[str] = field(default_factory=set)

    def prepare(self, *, private: bool, space_sdk: str) -> str:
        """Make repository and branch unless they are there, and return the address."""
        sdk = space_sdk if self.repo_type == "space" else None
        url = self.api.create_repo(
            self.repo_id, repo_type=self.repo_type, private=private or None, exist_ok=True, space_sdk=sdk
        )
        if private and not self.api.repo_info(self.repo_id, repo_type=self.repo_type).private:
            raise HubError(
                f"{self.repo_id}: it was to be private, but the repository is there and public; nothing was sent: "
                "make it private in its settings, or publish under another name"
            )
        if self.branch != DEFAULT_REVISION:
            self.api.create_branch(self.repo_id, repo_type=self.repo_type, branch=self.branch, exist_ok=True)
        return str(url)

    def send(self, message: str, *, delete_others: bool) -> None:
        """Commit what the newest commit lacks; no commit is made if it lacks nothing."""
        head = newest_commit(self.api, self.repo_id, self.repo_type, self.branch)
        there = listing_at(self.api, self.repo_id, self.repo_type, head)
        changed = [path for path, file in self.files.items() if path not in there or not file.equals(there[path])]
        others = [path for path in there if self._is_other(path)] if delete_others else []
        self.commit = head
        # what a try sent whose answer was lost was sent too
        self.sent |= set(changed)
        if changed or others:
            # upload_folder may make several commits; this makes one, and none if another was faster (parent_commit)
            made = self.api.create_commit(
                self.repo_id,
                repo_type=self.repo_type,
                operations=[
                    *(CommitOperationDelete(path, is_folder=False) for path in others),
                    *(CommitOperationAdd(path, self.files[path].path) for path in changed),
                ],
                commit_message=message,
                revision=self.branch,
                parent_commit=head,
            )
            self.commit = made.oid

    def verify(self) -> str:
        """Return the commit after its listing was found to hold every file.

        Raises:
            IncompleteUploadError: If it does not.
        """
        there = listing_at(self.api, self.repo_id, self.repo_type, self.commit)
        missing = [path for path in self.files if path not in there]
        different = [path for path, file in self.files.items() if path in there and not file.equals(there[path])]
        if missing or different:
            raise IncompleteUploadError(self.repo_id, self.commit, missing, different)
        return self.commit

    def _is_other(self, path: str) -> bool:
        return path.startswith(self.prefix) and path not in self.files and path not in NEVER_DELETED


def _prefix_of(path_in_repo: str | None) -> str:
    """Return what the paths in the repository begin with: nothing, or a folder and a slash."""
    path = PurePosixPath(path_in_repo or "")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path_in_repo must be a folder inside the repository, got {path_in_repo!r}")
    return f"{path}/" if path.parts else ""


def _files_of(folder: Path, prefix: str) -> dict[str, LocalFile]:
    """Return the files to send, path in the repository -> file, in order of their paths."""
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder with the files to publish, got {str(folder)!r}")
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in found.items() if not _is_bookkeeping(name)}
    if not kept:
        raise ValueError(f"folder must hold files to publish, got the empty {str(folder)!r}")
    return {f"{prefix}{name.as_posix()}": LocalFile(path) for name, path in kept.items()}


def _is_bookkeeping(name: Path) -> bool:
    return ".git" in name.parts or name.parts[:2] == (".cache", "huggingface")
