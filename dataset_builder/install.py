"""A built corpus in the cache of `datasets`, where `load_dataset("pixelbytes-pokemon", "mini")` finds it anywhere.

That cache is laid out in three levels below the name, (config, version, digest), of which the newest answers, whole or
not. A name without an owner cannot be taken on the Hub: the cache is the only place that it stands for.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .corpora import VIEWS
from .report import Config, read_built

if TYPE_CHECKING:
    from .pixelbytes_pokemon import PixelBytesPokemon

DATASET_NAME = "pixelbytes-pokemon"
# names with a dot in front are none of the three levels
UNFINISHED_NAME = ".installing"
LOCK_NAME = ".installing.lock"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Installed:
    """A config that `load_dataset` finds by its name.

    Attributes:
        config: ``full``, ``sprites``, ``mini`` or ``control``.
        folder: Where its Arrow files are.
    """

    config: Config
    folder: Path

    def __str__(self) -> str:
        """Return the call that loads it."""
        return f'load_dataset("{DATASET_NAME}", "{self.config}")'


def install(folder: str | os.PathLike[str], *, cache_dir: str | os.PathLike[str] | None = None) -> Sequence[Installed]:
    """Put the configs of a built corpus into the cache of `datasets`, in the place of those installed before.

    Args:
        folder: Folder that `build` made; it can be removed afterwards.
        cache_dir: Cache; by default the one that `load_dataset` looks into.

    Returns:
        What was installed. The corpus' own config comes last: as the newest it is what the bare name stands for.

    Raises:
        FileNotFoundError: If `folder` is no built corpus, or lacks a file.
        ValueError: If it was built by another version, or holds other records than it says.
        OSError: If writing fails; what was installed before is left then.
    """
    from filelock import FileLock

    from .pixelbytes_pokemon import PixelBytesPokemon

    report = read_built(folder)
    installed = []
    for config in (*VIEWS[report.config], report.config):
        builder = PixelBytesPokemon(
            None if cache_dir is None else os.fspath(cache_dir),
            dataset_name=DATASET_NAME,
            config_name=config,
            # of configs that share a digest none is the newest
            hash=config,
            base_path=os.fspath(folder),
        )
        target = Path(builder.cache_dir)
        root = target.parents[2]
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / LOCK_NAME):
            if not target.is_dir():
                _prepare(builder, root / UNFINISHED_NAME, target)
            _remove_others(target)
            # the newest one answers
            os.utime(target)
        installed.append(Installed(config, target))
    return installed


def _prepare(builder: "PixelBytesPokemon", unfinished: Path, target: Path) -> None:
    """Write the Arrow files under a name that `load_dataset` does not look at, and give them theirs when whole."""
    from datasets.exceptions import DatasetGenerationError

    for leftover in unfinished.parent.glob(f"{unfinished.name}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
    try:
        builder.download_and_prepare(os.fspath(unfinished))
    except DatasetGenerationError as error:
        raise OSError(f"corpus {builder.config.name!r} is not installed: {error.__cause__}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.rename(target)


def _remove_others(target: Path) -> None:
    """Remove what an earlier version, or other rows, left under the same config."""
    for other in target.parents[1].glob("*/*"):
        if other.is_dir() and other != target:
            logger.info("removed %s, which %s replaces", other, target)
            shutil.rmtree(other)
