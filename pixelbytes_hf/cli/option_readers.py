"""What options of the command line hold: JSON and numbers, read for argparse."""

import argparse
import json
from typing import Any


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ArgumentTypeError: If the text is none.
    """
    value = _parse_json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object such as '{{\"name\": 1}}', got {text!r}")
    return value


def json_list(text: str) -> tuple[Any, ...]:
    """Return a JSON list.

    Raises:
        ArgumentTypeError: If the text is none.
    """
    value = _parse_json(text)
    if not isinstance(value, list):
        raise argparse.ArgumentTypeError(f"expected a JSON list such as '[0.9, 0.95]', got {text!r}")
    return tuple(value)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"expected JSON, got {text!r}: {error}") from error


def positive(text: str) -> int:
    """Return a whole number from 1 up.

    Raises:
        ArgumentTypeError: If the text is none.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {value}")
    return value
