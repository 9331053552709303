"""PixelBytes: one sequence model for text, pixels, sound and control signals.

Importing the package makes its classes known to transformers' Auto classes, yet stays light: names are loaded on first
use, and a class is registered (at the end of the file that defines it) when the Auto class that lists it is imported.
`datasets`, `scipy` and `scikit-image` are imported by the functions that need them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

from .version import __version__

if TYPE_CHECKING:
    from .configuration_pixelbytes import PixelBytesConfig, PixelBytesLSTMConfig
    from .evaluation import evaluate_model
    from .layout import Audio, Image, Layout, Text
    from .mixer_lstm import PixelBytesLSTMModel
    from .modeling_pixelbytes import PixelBytesModel, PixelBytesOutput, aPxBySequenceModel
    from .processing_pixelbytes import PixelBytesProcessor
    from .tokenization_pixelbytes import ActionPixelBytesTokenizer
    from .training import train
    from .vocabulary import Vocabulary
    from .windows import TokenCorpus, WindowCollator, WindowDataset, tokenize_dataset

_HOMES = {
    "ActionPixelBytesTokenizer": "tokenization_pixelbytes",
    "Audio": "layout",
    "Image": "layout",
    "Layout": "layout",
    "PixelBytesConfig": "configuration_pixelbytes",
    "PixelBytesLSTMConfig": "configuration_pixelbytes",
    "PixelBytesLSTMModel": "mixer_lstm",
    "PixelBytesModel": "modeling_pixelbytes",
    "PixelBytesOutput": "modeling_pixelbytes",
    "PixelBytesProcessor": "processing_pixelbytes",
    "Text": "layout",
    "TokenCorpus": "windows",
    "Vocabulary": "vocabulary",
    "WindowCollator": "windows",
    "WindowDataset": "windows",
    "aPxBySequenceModel": "modeling_pixelbytes",
    "evaluate_model": "evaluation",
    "tokenize_dataset": "windows",
    "train": "training",
}
_REGISTERED_BY = {
    "configuration_auto": "configuration_pixelbytes",
    "modeling_auto": "modeling_pixelbytes",
    "processing_auto": "processing_pixelbytes",
    "tokenization_auto": "tokenization_pixelbytes",
}
__all__ = [
    "ActionPixelBytesTokenizer",
    "Audio",
    "Image",
    "Layout",
    "PixelBytesConfig",
    "PixelBytesLSTMConfig",
    "PixelBytesLSTMModel",
    "PixelBytesModel",
    "PixelBytesOutput",
    "PixelBytesProcessor",
    "Text",
    "TokenCorpus",
    "Vocabulary",
    "WindowCollator",
    "WindowDataset",
    "__version__",
    "aPxBySequenceModel",
    "evaluate_model",
    "tokenize_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


for _auto, _own in _REGISTERED_BY.items():
    register_post_import_hook(
        lambda _, module=f"{__name__}.{_own}": import_module(module), f"transformers.models.auto.{_auto}"
    )
