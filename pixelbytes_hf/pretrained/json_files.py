"""Reading JSON files that anybody may have written: what is cut, missing or of another type is named with its file."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError

_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, StrictDataclassError, TypeError)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: If it cannot be read as JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of JSON or of UTF-8; neither names the file
        raise ValueError(f"{str(path)!r} cannot be read as JSON: {error}") from error


def read_object(path: str | os.PathLike[str], kinds: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Args:
        path: Of the file.
        kinds: Places that it must have, as ``settings.seed``, with the types of their values.

    Raises:
        ValueError: If it cannot be read as JSON, or a value is missing or of another type.
    """
    content = read_json(path)
    for place, kind in {"": dict, **(kinds or {})}.items():
        value = content
        for key in filter(None, place.split(".")):
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            expected = f"{place or 'its content'} to be {kind.__name__}"
            raise ValueError(f"{str(path)!r} is malformed: expected {expected}, got {shorten(value)}")
    loaded: dict[str, Any] = content
    return loaded


def shorten(value: Any) -> str:
    """Return a value as a message shows it: in one line of at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@contextmanager
def reading(source: str | os.PathLike[str], *, names_values: bool = False) -> Iterator[None]:
    """Name the source in whatever goes wrong while others' code, whose errors are many, makes use of its content.

    Args:
        source: Of the content.
        names_values: Whether ValueErrors say by themselves what they are about.

    Raises:
        ValueError: In place of an error that is neither a ValueError nor an OSError, or does not name the source.

    Example:
        >>> with reading("config.json"): {"width": 3}["height"]
        Traceback (most recent call last):
        ValueError: 'config.json' is malformed: KeyError 'height'
    """
    name = str(source)
    try:
        yield
    except _FAILURES as error:
        raise ValueError(f"{name!r} is malformed: {type(error).__name__} {shorten_text(error)}") from error
    except ValueError as error:
        if names_values or name in str(error):
            raise
        raise ValueError(f"{name!r} is malformed: {error}") from error


def shorten_text(error: BaseException) -> str:
    """Return an error's message in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
