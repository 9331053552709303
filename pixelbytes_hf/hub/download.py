"""Fetches a repository from the Hub and compares every file with the hash that the Hub keeps of it.

The Hub's own client compares sizes: `load_dataset("user/name")` and `from_pretrained("user/name")` read files of the
right length and the wrong bytes without a word. Where that matters, load from the folder that is returned here.
"""

from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.utils import filter_repo_objects

from .requests import HubError, newest_commit, persistently


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
        folder = Path(
            snapshot_download(
                repo_id,
                repo_type=repo_type,
                revision=commit,
                allow_patterns=allow_patterns,
                cache_dir=cache_dir,
                token=token,
            )
        )
        found = api.verify_repo_checksums(repo_id, repo_type=repo_type, revision=commit, cache_dir=cache_dir)
        missing = filter_repo_objects(found.missing_paths, allow_patterns=allow_patterns)
        _take_out(folder, [fault["path"] for fault in found.mismatches], list(missing))
        return folder

    return persistently(attempt, num_retries=num_retries, subject=repo_id)


def _take_out(folder: Path, damaged: list[str], missing: list[str]) -> None:
    """Delete the damaged files of a folder, and what they link to.

    Raises:
        DamagedDownloadError: If there were any, or files are missing.
    """
    for path in map(folder.joinpath, damaged):
        # files of equal bytes are links to one
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    if damaged or missing:
        raise DamagedDownloadError(
            f"{folder}: {', '.join([*damaged, *missing])} did not come as the Hub has them and were taken out of the "
            "cache; call again"
        )
