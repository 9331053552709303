"""Which classes load a PixelBytes checkpoint, and the code that goes along when one is saved."""

from pathlib import Path

from ...pretrained.exported_code import write_code

# as transformers refers to them: module and class
MODEL_CLASSES = {
    "AutoConfig": "configuration_pixelbytes.PixelBytesConfig",
    "AutoModel": "modeling_pixelbytes.PixelBytesModel",
    "AutoModelForCausalLM": "modeling_pixelbytes.aPxBySequenceModel",
}
PROCESSOR_CLASS = "processing_pixelbytes.PixelBytesProcessor"
TOKENIZER_CLASSES = {
    "ActionPixelBytesTokenizer": "tokenization_pixelbytes.ActionPixelBytesTokenizer",
    "PixelBytesTokenizer": "tokenization_first.PixelBytesTokenizer",
}


def family_homes() -> list[Path]:
    """Return the files of the classes that a checkpoint names; in an exported checkpoint, its own."""
    references = [*MODEL_CLASSES.values(), PROCESSOR_CLASS, *TOKENIZER_CLASSES.values()]
    return [Path(__file__).with_name(f"{name}.py") for name in sorted({each.split(".")[0] for each in references})]


def write_family_code(folder: str | Path) -> list[Path]:
    """Write the files that transformers needs to load a checkpoint without this package, and return them.

    They are the same for every checkpoint, so that those of one repository share them.
    """
    return write_code(folder, family_homes())
