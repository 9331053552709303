"""A built corpus as a dataset repository of the Hub, in one commit.

Media of others leave this machine only on the word of who holds the rights, and then into a private repository.
`pixelbytes_hf.hub.upload` sends the files.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from pixelbytes_hf.hub.download import fetch_folder
from pixelbytes_hf.hub.plain_files import NEVER_DELETED, plain_file
from pixelbytes_hf.hub.requests import remote_files
from pixelbytes_hf.hub.upload import Published, publish_folder

from .card import render_card
from .corpora import PRIVATE_CONFIGS, THIRD_PARTY_CONFIGS, VIEWS
from .report import REPORT_NAME, BuildReport, Config, read_built, read_report

CARD_NAME = "README.md"


class MissingRightsError(ValueError):
    """A corpus of other people's works was to be published, and nobody said that they may."""


def publish(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    has_rights: bool = False,
    is_private: bool | None = None,
    replaces: bool = False,
    num_retries: int = 5,
    token: str | None = None,
    show: Callable[[dict[str, int]], object] | None = None,
) -> Published:
    """Publish a corpus: the repository afterwards holds its files, a card that names the repository, and nothing else.

    Args:
        folder: Folder that `build` made.
        repo_id: Owner and name, such as "user/pixelbytes-pokemon".
        has_rights: Word of the caller that they may publish the media; ``full`` and ``sprites`` hold works of others.
        is_private: Whether to refuse to publish where others can see it; None: for ``full``, ``sprites`` and
            ``folder``.
        replaces: Whether whatever the repository holds may be deleted; False allows only an earlier build of the same
            configs, and a mere card.
        num_retries: How often to try again after failures that may pass.
        token: Token of the Hub; None takes the one of `hf auth login` or HF_TOKEN.
        show: Told the bytes of every file by its path, before anything is sent.

    Returns:
        What was published.

    Raises:
        MissingRightsError: If `has_rights` is False for a corpus that holds works of others.
        FileNotFoundError: If `folder` is no built corpus, or lacks a file.
        ValueError: If its files hold other records than it says or are links, or the repository holds anything else
            and `replaces` is False.
        HubError: If the Hub refuses or stays out of reach.
    """
    report = read_built(folder)
    check_rights(report.config, has_rights=has_rights)
    if not replaces:
        _check_nothing_is_lost(report.config, repo_id, num_retries, token)
    with tempfile.TemporaryDirectory(prefix="pixelbytes-corpus-") as staged:
        _stage(Path(folder), Path(staged), report, repo_id)
        return publish_folder(
            staged,
            repo_id,
            repo_type="dataset",
            message=f"Corpus {report.config}, seed {report.seed}, by pixelbytes_hf {report.version}",
            private=report.config in PRIVATE_CONFIGS if is_private is None else is_private,
            num_retries=num_retries,
            token=token,
            # a file of an earlier build with more shards would be read as part of this one
            delete_others=True,
            show=show,
        )


def check_rights(config: Config, *, has_rights: bool) -> None:
    """Refuse a corpus of other people's works, unless the caller says that they may publish it.

    Raises:
        MissingRightsError: If they do not.
    """
    if config in THIRD_PARTY_CONFIGS and not has_rights:
        raise MissingRightsError(
            f"corpus {config!r} is made of works that belong to Nintendo, Creatures Inc. and GAME FREAK inc., so it "
            "is not published: keep it on this machine, publish 'mini' or 'control', or, if you do hold the rights, "
            "say so with --i-have-the-rights"
        )


def _stage(folder: Path, staged: Path, report: BuildReport, repo_id: str) -> None:
    """Copy what a build wrote, with a card that says how to load it from its repository."""
    (staged / "data").mkdir()
    for path in (REPORT_NAME, *report.data_files):
        # the bytes alone: a folder that may not be written would make the copy one
        shutil.copyfile(plain_file(folder, path), staged / path)
    (staged / CARD_NAME).write_text(render_card(report, staged, name=repo_id), encoding="utf-8")


def _check_nothing_is_lost(config: Config, repo_id: str, num_retries: int, token: str | None) -> None:
    """Refuse to delete what a repository holds besides an earlier build of these configs.

    Raises:
        ValueError: If it holds anything else.
    """
    paths = remote_files(repo_id, "dataset", num_retries=num_retries, token=token)
    kept, lost = {CARD_NAME, *NEVER_DELETED}, []
    if REPORT_NAME in paths:
        earlier = _published_report(repo_id, num_retries, token)
        kept |= {REPORT_NAME, *earlier.data_files}
        offered = {earlier.config, *VIEWS[earlier.config]} - {config, *VIEWS[config]}
        lost = [f"the config {name!r}" for name in sorted(offered)]
    lost += [path for path in paths if path not in kept]
    if lost:
        raise ValueError(
            f"repository {repo_id!r} holds {', '.join(lost)}, which publishing {config!r} there would delete: give "
            "another name, or allow it with --replace"
        )


def _published_report(repo_id: str, num_retries: int, token: str | None) -> BuildReport:
    fetched = fetch_folder(
        repo_id, repo_type="dataset", allow_patterns=[REPORT_NAME], num_retries=num_retries, token=token
    )
    try:
        return read_report(fetched)
    except ValueError as error:
        raise ValueError(
            f"repository {repo_id!r} holds a {REPORT_NAME} that this version did not write, so that it is not known "
            "what publishing there would delete: give another name, or allow it with --replace"
        ) from error
