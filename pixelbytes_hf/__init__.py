"""PixelBytes: one sequence model for text, pixels, sound and control signals.

Importing the package makes its classes known to transformers' Auto classes, yet stays light: names are loaded on first
use, and a class is registered (at the end of the file that defines it) when the Auto class that lists it is imported.
`datasets`, `scipy` and `scikit-image` are imported by the functions that need them.
"""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

from .version import __version__

if TYPE_CHECKING:
    from .codecs.configuration_codecs import PixelBytesAudioCodecConfig, PixelBytesVideoCodecConfig
    from .codecs.modeling_audio_codec import PixelBytesAudioCodec
    from .codecs.modeling_video_codec import PixelBytesVideoCodec
    from .compression.files import compress_file, decompress_file
    from .data.batches import WindowCollator
    from .data.corpus import TokenCorpus
    from .data.tokenize_dataset import tokenize_dataset
    from .data.windows import WindowDataset
    from .evaluation.evaluation import evaluate_model
    from .generation.layout import Audio, Image, Layout, Text
    from .generation.regions import hide, hide_channel, hide_frame, hide_half, hide_random, hide_span
    from .hub.download import fetch_folder
    from .media.media_limits import MediaLimits
    from .mixers.configuration_mixers import PixelBytesLSTMConfig
    from .mixers.mixer_lstm import PixelBytesLSTMModel
    from .models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
    from .models.pixelbytes.modeling_pixelbytes import PixelBytesModel, PixelBytesOutput, aPxBySequenceModel
    from .models.pixelbytes.processing_pixelbytes import PixelBytesProcessor
    from .models.pixelbytes.tokenization_first import PixelBytesTokenizer
    from .models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
    from .runs.run_folder import Run
    from .tokens.vocabulary import Vocabulary
    from .training.presets import get_preset
    from .training.train import train

_FAMILY = "models.pixelbytes"
_NAMES = {
    "codecs.configuration_codecs": ("PixelBytesAudioCodecConfig", "PixelBytesVideoCodecConfig"),
    "codecs.modeling_audio_codec": ("PixelBytesAudioCodec",),
    "codecs.modeling_video_codec": ("PixelBytesVideoCodec",),
    "compression.files": ("compress_file", "decompress_file"),
    "data.batches": ("WindowCollator",),
    "data.corpus": ("TokenCorpus",),
    "data.tokenize_dataset": ("tokenize_dataset",),
    "data.windows": ("WindowDataset",),
    "evaluation.evaluation": ("evaluate_model",),
    "generation.layout": ("Audio", "AudioCodes", "Image", "ImageCodes", "Layout", "Task", "Text"),
    "generation.regions": ("hide", "hide_channel", "hide_frame", "hide_half", "hide_random", "hide_span"),
    "hub.download": ("fetch_folder",),
    "media.media_limits": ("MediaLimits",),
    "mixers.configuration_mixers": ("PixelBytesLSTMConfig",),
    "mixers.mixer_lstm": ("PixelBytesLSTMModel",),
    f"{_FAMILY}.configuration_pixelbytes": ("PixelBytesConfig",),
    f"{_FAMILY}.modeling_pixelbytes": ("PixelBytesModel", "PixelBytesOutput", "aPxBySequenceModel"),
    f"{_FAMILY}.processing_pixelbytes": ("PixelBytesProcessor",),
    f"{_FAMILY}.tokenization_first": ("PixelBytesTokenizer",),
    f"{_FAMILY}.tokenization_pixelbytes": ("ActionPixelBytesTokenizer",),
    "runs.run_folder": ("Run",),
    "tokens.vocabulary": ("Vocabulary",),
    "training.presets": ("get_preset",),
    "training.train": ("train",),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
_REGISTERED_BY = (
    ("transformers.models.auto.configuration_auto", f"{_FAMILY}.configuration_pixelbytes"),
    ("transformers.models.auto.configuration_auto", "codecs.configuration_codecs"),
    # not before that module is whole: what imports it first may import transformers' from within
    (f"{__name__}.{_FAMILY}.configuration_pixelbytes", f"{_FAMILY}.configuration_first"),
    ("transformers.models.auto.modeling_auto", f"{_FAMILY}.modeling_pixelbytes"),
    ("transformers.models.auto.modeling_auto", "codecs.modeling_video_codec"),
    ("transformers.models.auto.modeling_auto", "codecs.modeling_audio_codec"),
    ("transformers.models.auto.processing_auto", f"{_FAMILY}.processing_pixelbytes"),
    ("transformers.models.auto.tokenization_auto", f"{_FAMILY}.tokenization_pixelbytes"),
    (f"{__name__}.{_FAMILY}.tokenization_pixelbytes", f"{_FAMILY}.tokenization_first"),
    ("transformers.pipelines", f"{_FAMILY}.pipeline_pixelbytes"),
)
_NEEDED = (f"{__name__}.", "transformers.modeling_layers")
# what a star brings: not the names that `datasets`, PIL and others have too
__all__ = ["__version__", *sorted(_HOMES.keys() - {"Audio", "Image", "Task", "Text"})]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


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
_root = Path(__path__[0])
for _path in _root.glob("*/**/*.py"):
    if _path.name != "__init__.py":
        _parts = _path.relative_to(_root).with_suffix("").parts
        register_post_import_hook(_import_waiting, ".".join((__name__, *_parts)))
register_post_import_hook(_import_waiting, "transformers.modeling_layers")
