"""A model run over all of a medium in pieces, which bounds the memory that bits take and shows how far it is."""

from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from .coding import CHUNK

LONG = 1 << 20  # units from which on a bar is shown
SPOILT = "its stream says what the format does not allow"


def run_through(
    code: Callable[[Any, Any, int, int], bool], model: Any, end: Any, total: int, most_bits: int, *, unit: str
) -> None:
    """Code positions 0 to `total` of a model.

    Args:
        code: Of a model's module: codes from one position to another and returns whether what was read can be.
        model: Its state.
        end: `BitWriter` or `BitReader`.
        total: Positions.
        most_bits: That a position takes.
        unit: Name of a position, for the progress bar.

    Raises:
        ValueError: If what was read cannot be.
    """
    step = max(CHUNK // most_bits, 1)
    with tqdm(total=total, unit=f" {unit}", unit_scale=True, leave=False, disable=total < LONG) as bar:
        for start in range(0, total, step):
            stop = min(start + step, total)
            if not code(model, end.coder, start, stop):
                raise ValueError(SPOILT)
            end.flush()
            bar.update(stop - start)
