"""Checkpoints of a run: which of them is whole, and files written so that a kill leaves the old or the new one.

Knows folders and files as transformers' Trainer writes them; knows nothing about models.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

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
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def find_newest_complete(folder: str | os.PathLike[str], *, num_processes: int = 1) -> Path | None:
    """Return the checkpoint of most steps in `folder` that is whole, or None if there is none."""
    if not Path(folder).is_dir():
        return None
    matches = ((_CHECKPOINT_NAME.fullmatch(path.name), path) for path in Path(folder).iterdir())
    found = sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)
    whole = (path for _, path in found if is_complete(path, num_processes=num_processes))
    return next(whole, None)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: If it cannot be read as JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON or of UTF-8; neither names the file
        raise ValueError(f"{str(path)!r} cannot be read as JSON: {error}") from error


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write a JSON file in one step: a reader sees the old content or the new one, never a part."""
    target = Path(path)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            json.dump(content, file, indent=1, allow_nan=False)
            file.flush()
            os.chmod(file.name, 0o644)  # a temporary file is its owner's alone
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def write_pretrained(folder: str | os.PathLike[str], *parts: Any) -> None:
    """Save models, tokenizers, ... into `folder`, whose own files are replaced only once all are written.

    ``config.json``, without which nothing loads, comes last.

    Args:
        folder: Made if absent; other files in it stay.
        parts: Objects with `save_pretrained`.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".save.") as temporary:
        for part in parts:
            part.save_pretrained(temporary)
        for path in sorted(Path(temporary).iterdir(), key=lambda path: path.name == "config.json"):
            path.chmod(0o644)  # safetensors writes for the owner alone
            os.replace(path, target / path.name)
