"""Checkpoints that travel: with the code that transformers needs to load them where this package is not installed.

The code stands at the root of a repository, where transformers looks for it, also where the checkpoint stands in a
subfolder. transformers finds relative imports as text, downloads only files beside each other, and splits a class
reference at one dot: so the package's modules, which live in rooms, are written flat.
"""

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from ..mixers.mixers import MIXERS
from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..models.pixelbytes.modeling_pixelbytes import PixelBytesModel, aPxBySequenceModel
from ..models.pixelbytes.processing_pixelbytes import PixelBytesProcessor
from ..models.pixelbytes.tokenization_first import PixelBytesTokenizer
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..runs.files import read_json, write_json
from ..runs.run_folder import Run

_RELATIVE_IMPORT = re.compile(r"^(\s*from )\.+([\w.]+)( import )", re.MULTILINE)
_TRAVELLERS: tuple[type[Any], ...] = (
    PixelBytesConfig,
    aPxBySequenceModel,
    ActionPixelBytesTokenizer,
    PixelBytesTokenizer,
    PixelBytesProcessor,
)


def write_code(folder: str | Path) -> list[Path]:
    """Write the files that transformers needs to load a checkpoint without this package, beside each other.

    They are the same for every checkpoint, so that those of one repository share them.

    Args:
        folder: Root of the repository; made if absent.

    Returns:
        The files written.

    Raises:
        ValueError: If two modules have one file name.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, source in sorted(find_modules(travelling_homes()).items()):
        path = target / name
        path.write_text(_RELATIVE_IMPORT.sub(_flatten, source.read_text(encoding="utf-8")), encoding="utf-8")
        written.append(path)
    return written


def travelling_homes() -> list[Path]:
    """Return the files of the classes that a checkpoint names."""
    return [Path(inspect.getfile(kind)) for kind in _TRAVELLERS]


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


def write_checkpoint(run: Run, folder: str | Path) -> None:
    """Write model, tokenizer, processor and layout of a run, with the names of the classes that load them.

    Args:
        run: A trained one.
        folder: Made if absent.

    Raises:
        ValueError: If the tokenizer's class is not one whose code travels.
    """
    target = Path(folder)
    if type(run.tokenizer) not in _TRAVELLERS:
        names = [kind.__name__ for kind in _TRAVELLERS if issubclass(kind, ActionPixelBytesTokenizer)]
        raise ValueError(
            f"the tokenizer must be one of {names}, whose code travels, got {type(run.tokenizer).__name__}"
        )
    run.save(target)
    model, tokenizer = aPxBySequenceModel, type(run.tokenizer)
    kinds = {"AutoConfig": PixelBytesConfig, "AutoModel": PixelBytesModel, "AutoModelForCausalLM": model}
    for name, auto_map in (
        ("config.json", {auto: _reference(kind) for auto, kind in kinds.items()}),
        ("tokenizer_config.json", {"AutoTokenizer": [_reference(tokenizer), None]}),
        ("processor_config.json", {"AutoProcessor": _reference(PixelBytesProcessor)}),
    ):
        write_json(target / name, {**read_json(target / name), "auto_map": auto_map})


def check_travels(mixer: PreTrainedConfig) -> None:
    """Make sure that a checkpoint with this mixer can be loaded elsewhere.

    Args:
        mixer: The mixer's settings.

    Raises:
        ValueError: If it, or the one inside it, is neither one of ours nor one of transformers'.
    """
    if mixer.model_type not in MIXERS and mixer.model_type not in CONFIG_MAPPING_NAMES:
        raise ValueError(
            f"the mixer {mixer.model_type!r} is neither ours nor transformers', so that its code would stay behind: "
            "expected one of `mixers.MIXERS` or a model that transformers itself knows"
        )
    if inner := getattr(mixer, "inner_config", None):
        check_travels(inner)


def _flatten(statement: re.Match[str]) -> str:
    """Return `from .module import` for `from ..room.module import`."""
    return f"{statement[1]}.{statement[2].rpartition('.')[2]}{statement[3]}"


def _home(kind: type[Any]) -> str:
    return kind.__module__.rpartition(".")[2]


def _reference(kind: type[Any]) -> str:
    return f"{_home(kind)}.{kind.__name__}"
