"""Files of a run, written so that a kill leaves the old content or the new one, never a part."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..pretrained.exported_code import saving_without_code
from ..pretrained.full_disks import writing

# what `tempfile` calls a part of ours
_PART_SECONDS = 3600.0
_PART_NAME = re.compile(r"\.(?:save|[\w.-]+\.json)\.\w{8}")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write a JSON file in one step: a reader sees the old content or the new one, never a part."""
    target = Path(path)
    with writing(target), tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        part = Path(temporary) / target.name
        part.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        os.replace(part, target)


def is_part(path: Path) -> bool:
    """Return whether a file or folder is a write of `write_json` or `write_pretrained` that goes on or was killed."""
    return _PART_NAME.fullmatch(path.name) is not None


def remove_parts(folder: str | os.PathLike[str]) -> None:
    """Remove what writes killed more than an hour ago have left in a folder; a younger one may still go on."""
    for path in Path(folder).glob(".*"):
        if is_part(path) and time.time() - path.stat().st_mtime > _PART_SECONDS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_pretrained(folder: str | os.PathLike[str], *parts: Any) -> None:
    """Save models, tokenizers, ... into `folder`, whose own files are replaced only once all are written.

    ``config.json``, without which nothing loads, comes last.

    Args:
        folder: Made if absent; other files in it stay.
        parts: Objects with `save_pretrained`.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with writing(target), tempfile.TemporaryDirectory(dir=target, prefix=".save.") as temporary:
        # runs are read by this package; what leaves for the Hub takes its code along
        with saving_without_code():
            for part in parts:
                part.save_pretrained(temporary)
        for path in sorted(Path(temporary).iterdir(), key=lambda path: path.name == "config.json"):
            path.chmod(0o644)  # safetensors writes for the owner alone
            os.replace(path, target / path.name)


def walk_leaves(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Return every value of nested mappings and lists that is neither, with its place.

    Example:
        >>> list(walk_leaves({"a": {"b": [0.5, None]}}))
        [('a.b[0]', 0.5), ('a.b[1]', None)]
    """
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from walk_leaves(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from walk_leaves(value, f"{place}[{index}]")
    else:
        yield place, content


def find_differences(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Return place and both values where nested mappings and lists differ; what is absent counts as None.

    Example:
        >>> list(find_differences({"a": (1, 2), "b": None}, {"a": [1, 3]}))
        [('a[1]', 2, 3)]
    """
    old, new = dict(walk_leaves(before)), dict(walk_leaves(after))
    for place in sorted(old.keys() | new.keys()):
        if old.get(place) != new.get(place):
            yield place, old.get(place), new.get(place)
