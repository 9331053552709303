"""Loops that numba compiles where it is installed; without it the same functions run as plain Python.

The functions use whole numbers below 2^63 only, so that both give the same bytes. ``NUMBA_DISABLE_JIT=1`` takes the
plain way although numba is there.

What is compiled is kept in a folder named after the sources: numba by itself looks at the file of the function that is
called, not at those of the functions that are compiled into it, and would run what they were before.
"""

import hashlib
import os
from array import array
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def _find_compiler() -> Callable[[Any], Any] | None:
    if find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    import numba

    compiler, folder = numba.njit(cache=True), os.fspath(cache_folder(Path(__file__).parent))

    config: Any = numba.config

    def compile_(function: Any) -> Any:
        before, config.CACHE_DIR = config.CACHE_DIR, folder
        try:
            return compiler(function)
        finally:
            config.CACHE_DIR = before

    return compile_


def cache_folder(sources: Path) -> Path:
    """Return where to keep what is compiled of a folder of sources: another one as soon as any of them changes.

    It is below ``NUMBA_CACHE_DIR``, or the sources' own ``__pycache__``, or, where that is read-only, the folder that
    numba has for the user.
    """
    digest = hashlib.sha256()
    for path in sorted(sources.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    name = f"numba-{digest.hexdigest()[:16]}"
    if base := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(base) / name
    if os.access(sources, os.W_OK):
        return sources / "__pycache__" / name
    from numba.misc.appdirs import AppDirs

    folders: Any = AppDirs
    return Path(folders(appname="numba", appauthor=False).user_cache_dir) / name


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
