"""Sends a folder to the Hub in one commit, and believes that it is there only when the hashes say so.

A folder goes in, `Published` comes out, or an error. Nothing partial is ever reported as success: after the commit,
the Hub's listing of that very commit is compared, file by file, with what lies on disk. A try that failed after the
Hub had done its part is found out the same way and not done twice, and a second call sends only what is missing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.constants import DEFAULT_REVISION
from huggingface_hub.utils import validate_repo_id

from .plain_files import NEVER_DELETED, list_plain_files
from .requests import HubError, newest_commit, persistently

logger = logging.getLogger(__name__)

REPO_TYPES = ("model", "dataset", "space")


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
    private: bool = False,
    revision: str | None = None,
    num_retries: int = 5,
    token: str | None = None,
    delete_others: bool = False,
    show: Callable[[dict[str, int]], object] | None = None,
) -> Published:
    """Create the repository if need be, send the folder in one commit and check what arrived.

    Args:
        folder: Folder whose files are sent, all of them but `.git` and the Hub's own `.cache/huggingface`.
        repo_id: Owner and name, such as "user/name".
        repo_type: "model", "dataset" or "space".
        message: First line of the commit.
        private: Refuse to publish where others can see it; a new repository is made private. False leaves an
            existing one as it is and a new one to the owner's default, which is public for most.
        revision: Branch, made from the newest commit of `main` if it is not there; None for `main`.
        num_retries: How often to try again after failures that may pass (429, 5xx, conflicts, broken connections).
        token: Token of the Hub; None takes the one of `hf auth login` or HF_TOKEN.
        delete_others: Delete what the repository holds and the folder does not, in the same commit.
        show: Told the bytes of every file by its path, before the first request.

    Returns:
        What was published.

    Raises:
        HubError: If the Hub refuses or stays out of reach; nothing is published, or not known to be whole.
        IncompleteUploadError: If what arrived is not what was sent.
        ValueError: If an argument is wrong, or the folder is empty or holds links or hidden files.
    """
    if repo_type not in REPO_TYPES:
        raise ValueError(f"repo_type must be one of {', '.join(REPO_TYPES)}, got {repo_type!r}")
    check_repo_id(repo_id)
    if not message.strip():
        raise ValueError("message must say what is published, got an empty one")
    files = list_plain_files(folder)
    if not files:
        raise ValueError(f"folder must hold files to publish, got the empty {str(folder)!r}")
    if show is not None:
        show(files)
    upload = _Upload(HfApi(token=token), repo_id, repo_type, revision or DEFAULT_REVISION, Path(folder), files)

    def attempt() -> Published:
        url = upload.prepare(private=private)
        upload.send(message, delete_others=delete_others)
        commit = upload.verify()
        return Published(url, commit, tuple(files), tuple(path for path in files if path in upload.sent))

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
    folder: Path
    files: dict[str, int]
    commit: str = ""
    sent: set[str] = field(default_factory=set)

    def prepare(self, *, private: bool) -> str:
        """Make repository and branch unless they are there, and return the address."""
        sdk = "gradio" if self.repo_type == "space" else None
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
        missing, different, others = self._compare(head)
        changed = [path for path in self.files if path in missing or path in different]
        others = [path for path in others if path not in NEVER_DELETED] if delete_others else []
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
                    *(CommitOperationAdd(path, self.folder / path) for path in changed),
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
        missing, different, _ = self._compare(self.commit)
        if missing or different:
            raise IncompleteUploadError(self.repo_id, self.commit, missing, different)
        return self.commit

    def _compare(self, commit: str) -> tuple[list[str], list[str], list[str]]:
        """Return the files that a commit lacks, those it holds with other bytes, and its files beside the folder's."""
        found = self.api.verify_repo_checksums(
            self.repo_id, repo_type=self.repo_type, revision=commit, local_dir=self.folder
        )
        return found.extra_paths, [fault["path"] for fault in found.mismatches], found.missing_paths
