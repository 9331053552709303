"""What may be asked of any mixer's configuration: how wide it reads and gives, whether it sees the future.

Kinds of mixers are named only where a configuration of transformers does not say it itself.
"""

from transformers import PreTrainedConfig


def input_width(mixer: PreTrainedConfig) -> int:
    """Return the width of the vectors that a mixer reads.

    Example:
        >>> from pixelbytes_hf import PixelBytesLSTMConfig
        >>> input_width(PixelBytesLSTMConfig(input_size=12, hidden_size=8))
        12
    """
    return getattr(mixer, "input_size", mixer.hidden_size)


def output_width(mixer: PreTrainedConfig) -> int:
    """Return the width of the vectors that a mixer gives.

    Example:
        >>> from pixelbytes_hf import PixelBytesLSTMConfig
        >>> output_width(PixelBytesLSTMConfig(input_size=12, hidden_size=8, bidirectional=True))
        16
    """
    return getattr(mixer, "output_size", mixer.hidden_size)


def sees_future(mixer: PreTrainedConfig) -> bool:
    """Return whether a mixer's outputs depend on positions that follow.

    A backbone of transformers does unless it is known there as a causal language model and nothing says otherwise; a
    configuration from elsewhere says it itself, by an attribute ``sees_future``.

    Example:
        >>> from transformers import BertConfig, LlamaConfig
        >>> sees_future(LlamaConfig()), sees_future(BertConfig())
        (False, True)
    """
    if isinstance(declared := getattr(mixer, "sees_future", None), bool):
        return declared or not getattr(mixer, "is_causal", True)
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    is_encoder = mixer.model_type not in CAUSAL or getattr(mixer, "is_decoder", True) is False
    return is_encoder or not getattr(mixer, "is_causal", True)


def joins_prefix(mixer: PreTrainedConfig) -> bool:
    """Return whether positions of a prefix see each other both ways, all others what came before.

    Example:
        >>> from transformers import LlamaConfig
        >>> joins_prefix(LlamaConfig()), joins_prefix(LlamaConfig(prefix_lm=True))
        (False, True)
    """
    return getattr(mixer, "prefix_lm", False) is True


def is_recurrent(mixer: PreTrainedConfig) -> bool:
    """Return whether all that a mixer keeps of what it read is a state of fixed size.

    Example:
        >>> from transformers import LlamaConfig, Mamba2Config
        >>> is_recurrent(Mamba2Config()), is_recurrent(LlamaConfig())
        (True, False)
    """
    kinds = set(getattr(mixer, "layer_types", None) or ["full_attention"])
    return mixer.model_type == "xlstm" or kinds <= {"pixelbytes_lstm_state", "linear_attention", "conv"}
