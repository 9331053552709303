"""The seam between the model and what mixes positions: any `PreTrainedModel` that reads `inputs_embeds`.

Knows how a mixer and its empty state are made from a configuration; knows nothing about any mixer's inside. The choice
goes by ``model_type`` as a string: a checkpoint's own code may be loaded under two package names, which makes two
classes of one configuration.
"""

from torch import nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache

from .mixer_lstm import PixelBytesLSTMModel


def build_mixer(config: PreTrainedConfig) -> PreTrainedModel:
    """Return a new mixer.

    Args:
        config: Its settings; our LSTM, or any decoder of transformers that `AutoModel` knows.
    """
    if config.model_type == PixelBytesLSTMModel.config_class.model_type:
        return PixelBytesLSTMModel(config)
    mixer = AutoModel.from_config(config)
    # an embedding of its own would be a weight that no gradient reaches
    mixer.set_input_embeddings(nn.Identity())
    return mixer


def build_cache(config: PreTrainedConfig) -> Cache:
    """Return the empty state of a mixer.

    Args:
        config: The mixer's settings.
    """
    return DynamicCache(config=config)
