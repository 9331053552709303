"""Which checkpoint of a run is complete, so that training can be resumed from it."""

import os
import re
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..pretrained.json_files import read_json

_CHECKPOINT_NAME = re.compile(rf"{PREFIX_CHECKPOINT_DIR}-(\d+)")


def is_complete(checkpoint: Path, *, num_processes: int = 1) -> bool:
    """Return whether a checkpoint can be resumed from.

    The Trainer writes ``trainer_state.json`` last, so a folder in which it parses was not cut short; the other
    processes write their random state on their own, so each of those files must be there too.

    Args:
        checkpoint: Folder.
        num_processes: Processes that are to resume from it.
    """
    ranks = ["rng_state.pth"] if num_processes == 1 else [f"rng_state_{rank}.pth" for rank in range(num_processes)]
    if not all((checkpoint / name).is_file() for name in ranks):
        return False
    try:
        read_json(checkpoint / TRAINER_STATE_NAME)
    except (OSError, ValueError):
        return False
    return True


def find_newest_complete(folder: str | os.PathLike[str], *, num_processes: int = 1) -> Path | None:
    """Return the checkpoint of most steps in `folder` that is whole, or None if there is none."""
    steps = {path: _CHECKPOINT_NAME.fullmatch(path.name) for path in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*")}
    found = sorted((path for path, match in steps.items() if match), key=lambda path: -int(steps[path][1]))
    return next((path for path in found if is_complete(path, num_processes=num_processes)), None)
