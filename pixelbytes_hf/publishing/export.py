"""Export of a run: a checkpoint that names the classes that load it, for a repository whose root holds their code."""

from pathlib import Path

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from ..mixers.mixers import MIXERS
from ..models.pixelbytes.family_code import MODEL_CLASSES, PROCESSOR_CLASS, TOKENIZER_CLASSES
from ..pretrained.json_files import read_json
from ..runs.files import write_json
from ..runs.run_folder import Run


def write_checkpoint(run: Run, folder: str | Path) -> None:
    """Write model, tokenizer, processor and layout of a run, with the names of the classes that load them.

    Args:
        run: A trained one.
        folder: Made if absent.

    Raises:
        ValueError: If the tokenizer's class is not one whose code travels.
    """
    target, name = Path(folder), type(run.tokenizer).__name__
    if name not in TOKENIZER_CLASSES:
        raise ValueError(f"the tokenizer must be one of {[*TOKENIZER_CLASSES]}, whose code travels, got {name}")
    run.save(target)
    for file, auto_map in (
        ("config.json", MODEL_CLASSES),
        ("tokenizer_config.json", {"AutoTokenizer": [TOKENIZER_CLASSES[name], None]}),
        ("processor_config.json", {"AutoProcessor": PROCESSOR_CLASS}),
    ):
        write_json(target / file, {**read_json(target / file), "auto_map": auto_map})


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
