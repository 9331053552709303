"""Loops that numba compiles where it is installed; without it the same functions run as plain Python.

The functions use whole numbers below 2^63 only, so that both give the same bytes. ``NUMBA_DISABLE_JIT=1`` takes the
plain way although numba is there.
"""

import os
from array import array
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def _find_compiler() -> Callable[[Any], Any] | None:
    if find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    import numba

    return numba.njit(cache=True)


_compile = _find_compiler()
IS_COMPILED = _compile is not None


def compiled(function: Function) -> Function:
    """Return the function compiled, or as it is where there is no compiler."""
    return function if _compile is None else _compile(function)


def as_table(values: NDArray[Any]) -> Any:
    """Return a copy of numbers as what a loop indexes fastest: an array for numba, Python's `array` for plain loops.

    Args:
        values: Of any shape; becomes one row.
    """
    flat = np.array(values, order="C").reshape(-1)
    return flat if IS_COMPILED else array(flat.dtype.char, flat.tobytes())


def zeros(size: int, dtype: Any) -> Any:
    """Return a table of zeros; memory is taken when it is written to."""
    return as_table(np.zeros(size, dtype))
