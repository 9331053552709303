"""What differs between the versions of transformers that this code knows: how they call the state a model keeps.

transformers 5.24 renamed `past_key_values`, and the `cache_params` of state-space models, to `cache`, in the arguments
of models and in what they return. Ours are called with `past_key_values` under any version, and take `cache` too.
"""

from inspect import signature
from typing import Any

from transformers import __version__
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import logging

logger = logging.get_logger(__name__)

KNOWN_VERSIONS = ("5.23", "5.24")
# the newest name first: 5.24 answers to the old ones too, and warns
STATE_NAMES = ("cache", "past_key_values", "cache_params")
# what this version calls it where one name serves all models: in outputs, and in `generate`
STATE_NAME = next(name for name in STATE_NAMES if name in BaseModelOutputWithPast.__dataclass_fields__)


def check_version() -> None:
    """Warn, once, of a version of transformers that this code was not tested with."""
    if not __version__.startswith(tuple(f"{known}." for known in KNOWN_VERSIONS)):
        logger.warning_once(
            "this code of PixelBytes knows transformers %s and meets %s, with which it was not tested: if a model "
            "does not load or a figure differs, `pip install 'transformers==%s.*'`",
            " and ".join(KNOWN_VERSIONS),
            __version__,
            KNOWN_VERSIONS[-1],
        )


def find_state_keyword(kind: type[Any]) -> str | None:
    """Return the keyword by which a class of models takes a state, or None if it takes none."""
    parameters = signature(kind.forward).parameters
    return next((name for name in STATE_NAMES if name in parameters), None)


def take_state(past_key_values: Any, cache: Any) -> Any:
    """Return the state that was given under either name.

    Raises:
        ValueError: If it was given under both.
    """
    if past_key_values is not None and cache is not None:
        raise ValueError("past_key_values and cache are the same thing: expected one, got both")
    return cache if past_key_values is None else past_key_values


def state_of(outputs: Any) -> Any:
    """Return the state that a forward pass has returned, under whichever name; None if it has returned none."""
    return next((getattr(outputs, name) for name in STATE_NAMES if hasattr(outputs, name)), None)


def check_state(outputs: Any, state: Any, reader: str) -> None:
    """Make sure that a forward pass has kept the state that it was asked to.

    Args:
        outputs: What it has returned.
        state: What it was to go on from and to update, or None.
        reader: Whose forward pass it was.

    Raises:
        RuntimeError: If another state came back, or none, so that what follows would go on from nothing.
    """
    if state is not None and (kept := state_of(outputs)) is not state:
        raise RuntimeError(
            f"{reader} was asked to keep a state, a {type(state).__name__}, and returned {type(kept).__name__}, "
            f"under transformers {__version__}; this code knows {' and '.join(KNOWN_VERSIONS)}"
        )
