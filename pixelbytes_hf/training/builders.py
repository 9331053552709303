"""Tokenizer and model of a run: new ones of a preset, or those of a checkpoint to be trained further."""

import os
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from ..data.corpus import TokenCorpus
from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..models.pixelbytes.tokenization_first import PixelBytesTokenizer
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..tokens.vocabulary import Vocabulary
from .presets import Preset
from .sequence.initialisation import initialise_ordered

_TOKENIZERS: dict[str, Any] = {kind.__name__: kind for kind in (ActionPixelBytesTokenizer, PixelBytesTokenizer)}


def tokenizer_class(name: str) -> Any:
    """Return the tokenizer's class that a preset names."""
    return _TOKENIZERS[name]


def build_tokenizer(plan: Preset) -> Any:
    """Return the tokenizer of a preset."""
    return tokenizer_class(plan.tokenizer_class)(**plan.tokenizer)


def build_config(plan: Preset, vocabulary: Vocabulary) -> PixelBytesConfig:
    """Return the configuration of the preset's model for a vocabulary."""
    reads_last_token = plan.objective.windows == "last token"
    reads_window = {"window_length": plan.training.window_length} if reads_last_token else {}
    return PixelBytesConfig(
        vocab_size=vocabulary.size,
        vocabulary_digest=vocabulary.digest,
        pad_token_id=vocabulary.pad_id,
        row_end_id=vocabulary.row_end_id,
        segment_end_id=vocabulary.segment_end_id,
        **{**reads_window, **plan.model},
    )


def build_model(plan: Preset, vocabulary: Vocabulary, corpus: TokenCorpus) -> aPxBySequenceModel:
    """Return a new model of the preset for a vocabulary, initialised as its settings say.

    Args:
        plan: The preset.
        vocabulary: Gives the number of ids, and which of them pad and end rows and segments.
        corpus: Whose frequencies of ids the ``ordered`` initialisation starts from.
    """
    model = aPxBySequenceModel(build_config(plan, vocabulary))
    if plan.training.initialisation == "ordered":
        counts = np.bincount(corpus.ids, minlength=vocabulary.size)
        initialise_ordered(model, vocabulary, counts, memory_horizon=plan.training.memory_horizon)
    return model


def load_tokenizer(start_from: str | os.PathLike[str]) -> Any:
    """Return the tokenizer of the checkpoint that a run starts from.

    Raises:
        ValueError: If there is none; the libraries' own messages fill a page.
    """
    try:
        return AutoTokenizer.from_pretrained(start_from)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].strip()
        raise ValueError(
            "start_from must be the folder of a checkpoint or a name on the Hub, "
            f"got {os.fspath(start_from)!r}: {reason}"
        ) from error


def continue_model(start_from: str | os.PathLike[str], plan: Preset, vocabulary: Vocabulary) -> aPxBySequenceModel:
    """Return the model of a checkpoint, to be trained further with the settings of a preset.

    Args:
        start_from: Folder or name on the Hub; weights of any precision are trained in float32.
        plan: The preset; with an objective that reads a window for every token, its windows are those that the model
            will read from now on.
        vocabulary: Of the data.

    Raises:
        ValueError: If the checkpoint is of another vocabulary.
    """
    model = aPxBySequenceModel.from_pretrained(start_from, dtype=torch.float32)
    model.config.check_vocabulary(vocabulary)
    if model.objective.windows == "last token":
        model.config.window_length = plan.training.window_length
    return model
