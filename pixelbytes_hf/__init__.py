"""PixelBytes: one sequence model for text, pixels, sound and control signals.

Importing the package registers its classes with transformers' Auto classes. Names are loaded on first use, so that the
import itself stays light; `datasets`, `scipy` and `scikit-image` are imported by the functions that need them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer

from .configuration_pixelbytes import PixelBytesConfig, PixelBytesLSTMConfig
from .mixer_lstm import PixelBytesLSTMModel
from .modeling_pixelbytes import PixelBytesModel, PixelBytesOutput, aPxBySequenceModel
from .processing_pixelbytes import PixelBytesProcessor
from .tokenization_pixelbytes import ActionPixelBytesTokenizer
from .version import __version__
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .evaluation import evaluate_model
    from .training import train
    from .windows import TokenCorpus, WindowCollator, WindowDataset


_LAZY = {
    "TokenCorpus": "windows",
    "WindowCollator": "windows",
    "WindowDataset": "windows",
    "evaluate_model": "evaluation",
    "train": "training",
}
__all__ = [
    "ActionPixelBytesTokenizer",
    "PixelBytesConfig",
    "PixelBytesLSTMConfig",
    "PixelBytesLSTMModel",
    "PixelBytesModel",
    "PixelBytesOutput",
    "PixelBytesProcessor",
    "TokenCorpus",
    "Vocabulary",
    "WindowCollator",
    "WindowDataset",
    "__version__",
    "aPxBySequenceModel",
    "evaluate_model",
    "train",
]

AutoModel.register(PixelBytesConfig, PixelBytesModel, exist_ok=True)
AutoModel.register(PixelBytesLSTMConfig, PixelBytesLSTMModel, exist_ok=True)
AutoModelForCausalLM.register(PixelBytesConfig, aPxBySequenceModel, exist_ok=True)
AutoTokenizer.register(PixelBytesConfig, slow_tokenizer_class=ActionPixelBytesTokenizer, exist_ok=True)
AutoProcessor.register(PixelBytesConfig, PixelBytesProcessor, exist_ok=True)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
