"""Fetches a repository from the Hub and compares every file with the hash that the Hub keeps of it.

The Hub's own client compares sizes; `load_dataset("user/name")` therefore reads files of the right length and the
wrong bytes without a word, as does `from_pretrained` of models other than ours (`cached_files`). Where that matters,
load from the folder that is returned here.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import filter_repo_objects

from .requests import HubError, LocalFile, listing_at, newest_commit, persistently

logger = logging.getLogger(__name__)


class DamagedDownloadError(HubError):
    """Files came, and their bytes are not those of the repository."""

    is_passing = True


def fetch_folder(
    repo_id: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    allow_patterns: list[str] | None = None,
    num_retries: int = 5,
    token: str | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Return a folder with the files of a repository, each compared by its hash.

    Files that are damaged are taken out of the cache and fetched again.

    Args:
        repo_id: Owner and name, such as "user/name".
        repo_type: "model", "dataset" or "space".
        revision: Branch, tag or commit; None for `main`.
        allow_patterns: Fetch only the files that match one of these; None for all.
        num_retries: How often to try again after failures that may pass.
        token: Token of the Hub; None takes the one of `hf auth login` or HF_TOKEN.
        cache_dir: Cache of the Hub's client; None for its own.

    Returns:
        The folder, inside the cache; do not write into it.

    Raises:
        DamagedDownloadError: If files stay damaged over all tries; they are not left in the cache.
        HubError: If the Hub refuses or stays out of reach.
    """
    api = HfApi(token=token)

    def attempt() -> Path:
        # the commit is asked for first: given a branch, the client falls back on an old snapshot without a word
        commit = newest_commit(api, repo_id, repo_type, revision)
        options = {"allow_patterns": allow_patterns, "cache_dir": cache_dir, "token": token}
        folder = Path(snapshot_download(repo_id, repo_type=repo_type, revision=commit, **options))
        listing = listing_at(api, repo_id, repo_type, commit)
        _take_out_damaged(folder, filter_repo_objects(listing.values(), allow_patterns=allow_patterns, key=_path_of))
        return folder

    return persistently(attempt, num_retries=num_retries, subject=repo_id)


def _take_out_damaged(folder: Path, remote_files: Iterable[RepoFile]) -> None:
    """Delete the files that differ from the Hub's listing, and what they link to.

    Raises:
        DamagedDownloadError: If there were such files, or files are missing.
    """
    damaged = []
    for remote in remote_files:
        path = folder / remote.path
        if path.is_file() and LocalFile(path).equals(remote):
            continue
        damaged.append(remote.path)
        if path.exists():
            path.resolve().unlink()
        path.unlink(missing_ok=True)
    if damaged:
        raise DamagedDownloadError(
            f"{folder}: {', '.join(damaged)} did not come as the Hub has them and were taken out of the cache; "
            "call again"
        )


def _path_of(remote: RepoFile) -> str:
    return remote.path
