"""Checkpoints that travel: with the code that transformers needs to load them where this package is not installed.

The code stands at the root of a repository, where transformers looks for it, also where the checkpoint stands in a
subfolder. It consists of the package's own files, as `tests/test_architecture.py` keeps them fit for it.
"""

import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig
from transformers.dynamic_module_utils import get_relative_import_files
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from .checkpoints import read_json, write_json, write_pretrained
from .configuration_pixelbytes import PixelBytesConfig
from .mixers import MIXERS
from .modeling_pixelbytes import PixelBytesModel, aPxBySequenceModel
from .processing_pixelbytes import PixelBytesProcessor
from .runs import Run
from .tokenization_first import PixelBytesTokenizer
from .tokenization_pixelbytes import ActionPixelBytesTokenizer

_TRAVELLERS: tuple[type[Any], ...] = (
    PixelBytesConfig,
    aPxBySequenceModel,
    ActionPixelBytesTokenizer,
    PixelBytesTokenizer,
    PixelBytesProcessor,
)


def write_code(folder: str | Path) -> list[Path]:
    """Copy the files that transformers needs to load a checkpoint without this package.

    They are the same for every checkpoint, so that those of one repository share them.

    Args:
        folder: Root of the repository; made if absent.

    Returns:
        The files written.
    """
    target, package = Path(folder), Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    sources: set[Path] = set()
    for kind in _TRAVELLERS:
        home = package / f"{_home(kind)}.py"
        sources |= {home, *map(Path, get_relative_import_files(home))}
    return [Path(shutil.copyfile(source, target / source.name)) for source in sorted(sources)]


def write_checkpoint(run: Run, folder: str | Path) -> None:
    """Write model, tokenizer and processor of a run, with the names of the classes that load them.

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
    write_pretrained(target, run.model, PixelBytesProcessor(run.tokenizer))
    model, tokenizer = aPxBySequenceModel, type(run.tokenizer)
    kinds = {"AutoConfig": PixelBytesConfig, "AutoModel": PixelBytesModel, "AutoModelForCausalLM": model}
    leftovers = ("is_local", "local_files_only")  # of where the tokenizer was loaded from
    for name, auto_map in (
        ("config.json", {auto: _reference(kind) for auto, kind in kinds.items()}),
        ("tokenizer_config.json", {"AutoTokenizer": [_reference(tokenizer), None]}),
        ("processor_config.json", {"AutoProcessor": _reference(PixelBytesProcessor)}),
    ):
        kept = {key: value for key, value in read_json(target / name).items() if key not in leftovers}
        write_json(target / name, {**kept, "auto_map": auto_map})


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


def _home(kind: type[Any]) -> str:
    return kind.__module__.rpartition(".")[2]


def _reference(kind: type[Any]) -> str:
    return f"{_home(kind)}.{kind.__name__}"
