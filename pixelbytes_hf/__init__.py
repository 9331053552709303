"""PixelBytes: one sequence model for text, pixels, sound and control signals.

Importing the package makes its classes known to transformers' Auto classes, yet stays light: names are loaded on first
use, and a class is registered (at the end of the file that defines it) when the Auto class that lists it is imported.
`datasets`, `scipy` and `scikit-image` are imported by the functions that need them.
"""

import sys
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
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
    from .tokenization_first import PixelBytesTokenizer
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
    "PixelBytesLSTMModel": "mixers",
    "PixelBytesModel": "modeling_pixelbytes",
    "PixelBytesOutput": "modeling_pixelbytes",
    "PixelBytesProcessor": "processing_pixelbytes",
    "PixelBytesTokenizer": "tokenization_first",
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
_REGISTERED_BY = (
    ("transformers.models.auto.configuration_auto", "configuration_pixelbytes"),
    # not before that module is whole: what imports it first may import transformers' from within
    (f"{__name__}.configuration_pixelbytes", "configuration_first"),
    ("transformers.models.auto.modeling_auto", "modeling_pixelbytes"),
    ("transformers.models.auto.processing_auto", "processing_pixelbytes"),
    ("transformers.models.auto.tokenization_auto", "tokenization_pixelbytes"),
    (f"{__name__}.tokenization_pixelbytes", "tokenization_first"),
)
_NEEDED = (f"{__name__}.", "transformers.modeling_layers")
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
    "PixelBytesTokenizer",
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


_waiting: list[str] = []


def _register(own: str, imported: Any) -> None:
    _waiting.append(own)
    _import_waiting(imported)


def _import_waiting(imported: Any) -> None:
    """Import the modules that register classes, unless one they need is only half imported: then after that one."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if module is not imported and name.startswith(_NEEDED) and getattr(spec, "_initializing", False):
            return
    while _waiting:
        import_module(f".{_waiting.pop(0)}", __name__)


for _imported, _own in _REGISTERED_BY:
    register_post_import_hook(partial(_register, _own), _imported)
for _name in ("transformers.modeling_layers", *(f"{__name__}.{found.name}" for found in iter_modules(__path__))):
    register_post_import_hook(_import_waiting, _name)
