"""The code that travels with a checkpoint: modules written flat, beside each other, as transformers loads them.

transformers finds relative imports as text, downloads only files beside each other, and splits a class reference at
one dot: so modules, which live in rooms, are flattened when they are written.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_RELATIVE_IMPORT = re.compile(r"^(\s*from )\.+([\w.]+)( import )", re.MULTILINE)
_writes_code: ContextVar[bool] = ContextVar("_writes_code", default=True)


def writes_code() -> bool:
    """Return whether saving a model or a tokenizer writes its code too."""
    return _writes_code.get()


@contextmanager
def saving_without_code() -> Iterator[None]:
    """Save models and tokenizers without their code: where this package reads them again."""
    token = _writes_code.set(False)
    try:
        yield
    finally:
        _writes_code.reset(token)


def write_code(folder: str | Path, homes: Iterable[Path]) -> list[Path]:
    """Write modules, and those that they import relatively, beside each other.

    Args:
        folder: Made if absent.
        homes: Files of the modules to start from.

    Returns:
        The files written.

    Raises:
        ValueError: If two modules have one file name.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, source in sorted(find_modules(homes).items()):
        path = target / name
        path.write_text(_RELATIVE_IMPORT.sub(_flatten, source.read_text(encoding="utf-8")), encoding="utf-8")
        written.append(path)
    return written


def find_modules(homes: Iterable[Path]) -> dict[str, Path]:
    """Return the modules that some modules import relatively, themselves included, by file name.

    Args:
        homes: Files to start from.

    Raises:
        ValueError: If two modules have one file name.
    """
    found: dict[str, Path] = {}
    waiting = list(homes)
    while waiting:
        source = waiting.pop()
        if found.setdefault(source.name, source) != source:
            raise ValueError(f"{source} and {found[source.name]} have one name: modules that travel must differ in it")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                imported = source.parents[node.level - 1].joinpath(*node.module.split(".")).with_suffix(".py")
                if found.get(imported.name) != imported:
                    waiting.append(imported)
    return found


def _flatten(statement: re.Match[str]) -> str:
    """Return `from .module import` for `from ..room.module import`."""
    return f"{statement[1]}.{statement[2].rpartition('.')[2]}{statement[3]}"
