"""Files of a run, written so that a kill leaves the old content or the new one, never a part."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


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
