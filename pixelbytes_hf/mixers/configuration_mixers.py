"""Configurations of our own mixers, and what may be asked of any mixer's.

Knows names and sizes of mixers, how wide the vectors are that they read and give, and which of them see the future;
knows no tensors and nothing about ids.
"""

from functools import cache
from typing import Any, ClassVar, Literal, get_args

from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

from ..pretrained.setting_checks import check_number, check_size, refuse_unknown
from .backbone_settings import complete_backbone_settings

BidirectionalName = Literal["first"]
MergeName = Literal["sum", "concatenation"]
PositionsName = Literal["rotary", "none"]


class PixelBytesLSTMConfig(PreTrainedConfig):
    """Settings of the LSTM mixer; the defaults are the paper's.

    Args:
        input_size: Width of the vectors that come in.
        hidden_size: Width of the state of one direction; with ``bidirectional="first"`` of every layer's output, so
            that the directions of the first layer have half of it.
        num_hidden_layers: Number of layers.
        bidirectional: Whether a second LSTM reads from the end, in every layer or in the ``first`` only; its output
            is concatenated.
        dropout: Probability of dropping an output between two layers, in [0, 1).
        use_cache: Whether a forward pass in evaluation mode returns its state.

    Raises:
        ValueError: If a size is not positive, `dropout` leaves its range, or a keyword is unknown.
    """

    model_type: ClassVar[str] = "pixelbytes_lstm"
    attribute_map: ClassVar[dict[str, str]] = {"num_layers": "num_hidden_layers"}

    input_size: int = 126
    hidden_size: int = 512
    num_hidden_layers: int = 2
    bidirectional: bool | str = False
    dropout: float | int = 0.0
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        if "num_layers" in kwargs:
            self.num_hidden_layers = kwargs.pop("num_layers")
        refuse_unknown(type(self).__name__, kwargs)
        _check_sizes(self, "input_size", "hidden_size", "num_hidden_layers")
        _check_dropout(self.dropout)
        if not isinstance(self.bidirectional, bool) and self.bidirectional not in get_args(BidirectionalName):
            raise ValueError(f"bidirectional must be True, False or 'first', got {self.bidirectional!r}")
        if self.bidirectional == "first" and self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even with bidirectional='first', got {self.hidden_size}")
        super().__post_init__(**kwargs)

    @property
    def output_size(self) -> int:
        """Width of the vectors that go out."""
        return self.hidden_size * (2 if self.bidirectional is True else 1)

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["pixelbytes_lstm_state"] * self.num_hidden_layers

    def validate_layer_type(self) -> None:
        """Accept a kind of state that transformers does not list."""


class PixelBytesFirstSSMConfig(PreTrainedConfig):
    """Settings of the first approach's stack of Mamba layers, without residuals.

    Args:
        hidden_size: Width of the vectors that come in and go out.
        state_size: Numbers that each channel keeps.
        num_hidden_layers: Number of layers.
        bidirectional: Whether the first layer also reads from the end, with the same weights; the sum of both
            readings is normalised.
        conv_kernel: Positions that the convolution of a layer sees.
        expand: Channels of a layer, in multiples of `hidden_size`.
        use_cache: Whether a forward pass in evaluation mode returns its state.

    Raises:
        ValueError: If a size is not positive, or a keyword is unknown.
    """

    model_type: ClassVar[str] = "pixelbytes_first_ssm"

    hidden_size: int = 81
    state_size: int = 64
    num_hidden_layers: int = 2
    bidirectional: bool = True
    conv_kernel: int = 4
    expand: int = 2
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        refuse_unknown(type(self).__name__, kwargs)
        _check_sizes(self, "hidden_size", "state_size", "num_hidden_layers", "conv_kernel", "expand")
        super().__post_init__(**kwargs)

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["linear_attention"] * self.num_hidden_layers


class PixelBytesFirstAttentionConfig(PreTrainedConfig):
    """Settings of the first approach's attention: every position sees every other, and none knows where it stands.

    Args:
        hidden_size: Width of the vectors that come in and go out, a multiple of `num_attention_heads`.
        num_hidden_layers: Number of layers.
        num_attention_heads: Number of heads of a layer.
        dropout: Probability of dropping a number while training, in [0, 1).

    Raises:
        ValueError: If a size is not positive or does not divide, `dropout` leaves its range, or a keyword is unknown.
    """

    model_type: ClassVar[str] = "pixelbytes_first_attention"

    hidden_size: int = 80
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    dropout: float | int = 0.1

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        refuse_unknown(type(self).__name__, kwargs)
        _check_sizes(self, "hidden_size", "num_hidden_layers", "num_attention_heads")
        _check_dropout(self.dropout)
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads = {self.num_attention_heads}, "
                f"got {self.hidden_size}"
            )
        super().__post_init__(**kwargs)


class PixelBytesBidirectionalConfig(PreTrainedConfig):
    """Settings of a causal mixer that reads both ways.

    Args:
        inner_config: Settings of the causal mixer: a configuration, or a dict that becomes one.
        first_only: Whether only its first layer reads both ways; the others then read forward what that one gives.
        shared_weights: Whether both readings have the same weights.
        merge: How the two readings become one: their ``sum`` is normalised; a ``concatenation`` is twice as wide.

    Raises:
        ValueError: If the inner mixer sees the future by itself, a value is not known, or the first layer's
            concatenation would not fit the layers after it.
    """

    model_type: ClassVar[str] = "pixelbytes_bidirectional"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        # any class that is no configuration leaves the choice to the model type; AutoConfig would import in a circle
        "inner_config": SubConfigSpec(object, model_type="mamba2")
    }

    inner_config: Any = None
    first_only: bool = False
    shared_weights: bool = True
    merge: str = "sum"

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in the inner mixer's defaults and refuse contradictions."""
        refuse_unknown(type(self).__name__, kwargs)
        if not isinstance(self.inner_config, PreTrainedConfig):
            self.inner_config = complete_mixer_settings({"model_type": "mamba2", **(self.inner_config or {})})
        super().__post_init__(**kwargs)
        if self.merge not in get_args(MergeName):
            raise ValueError(f"merge must be one of {get_args(MergeName)}, got {self.merge!r}")
        if self.merge == "concatenation" and self.first_only:
            raise ValueError("merge must be 'sum' with first_only, whose other layers read vectors of one width")
        check_mixer(self.inner_config)
        if sees_future(self.inner_config):
            raise ValueError(f"inner_config must be causal, got {self.inner_config.model_type!r} that sees the future")

    @property
    def hidden_size(self) -> int:
        """Width of the inner mixer."""
        return self.inner_config.hidden_size

    @property
    def input_size(self) -> int:
        """Width of the vectors that come in."""
        return input_width(self.inner_config)

    @property
    def output_size(self) -> int:
        """Width of the vectors that go out."""
        return output_width(self.inner_config) * (2 if self.merge == "concatenation" else 1)

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers of the inner mixer."""
        return self.inner_config.num_hidden_layers


def input_width(mixer: PreTrainedConfig) -> int:
    """Return the width of the vectors that a mixer reads.

    Example:
        >>> input_width(PixelBytesLSTMConfig(input_size=12, hidden_size=8))
        12
    """
    return getattr(mixer, "input_size", mixer.hidden_size)


def output_width(mixer: PreTrainedConfig) -> int:
    """Return the width of the vectors that a mixer gives.

    Example:
        >>> output_width(PixelBytesLSTMConfig(input_size=12, hidden_size=8, bidirectional=True))
        16
    """
    return getattr(mixer, "output_size", mixer.hidden_size)


def sees_future(mixer: PreTrainedConfig) -> bool:
    """Return whether a mixer's outputs depend on positions that follow.

    A backbone of transformers does unless it is known there as a causal language model and nothing says otherwise; a
    configuration from elsewhere says it itself, by an attribute ``sees_future``.

    Example:
        >>> sees_future(PixelBytesLSTMConfig()), sees_future(PixelBytesFirstAttentionConfig())
        (False, True)
    """
    if mixer.model_type in (PixelBytesBidirectionalConfig.model_type, PixelBytesFirstAttentionConfig.model_type):
        return True
    if mixer.model_type in (PixelBytesLSTMConfig.model_type, PixelBytesFirstSSMConfig.model_type):
        return bool(mixer.bidirectional)
    if isinstance(declared := getattr(mixer, "sees_future", None), bool):
        return declared or not getattr(mixer, "is_causal", True)
    is_encoder = mixer.model_type not in _causal_model_types() or getattr(mixer, "is_decoder", True) is False
    return is_encoder or not getattr(mixer, "is_causal", True)


def is_recurrent(mixer: PreTrainedConfig) -> bool:
    """Return whether all that a mixer keeps of what it read is a state of fixed size.

    Example:
        >>> is_recurrent(PixelBytesLSTMConfig()), is_recurrent(PixelBytesFirstAttentionConfig())
        (True, False)
    """
    kinds = set(getattr(mixer, "layer_types", None) or ["full_attention"])
    return mixer.model_type == "xlstm" or kinds <= {"pixelbytes_lstm_state", "linear_attention", "conv"}


def complete_mixer_settings(settings: dict[str, Any], width: int | None = None) -> dict[str, Any]:
    """Return a mixer's settings with those that were left out.

    Args:
        settings: Keywords of its configuration; ``model_type`` names it.
        width: Width of the vectors to read; where None, settings that follow from it are left out still.

    Raises:
        ValueError: If the mixer is not known, or a keyword is not one of its.

    Example:
        >>> complete_mixer_settings({"model_type": "llama"}, 24)["num_attention_heads"]
        4
    """
    settings = dict(settings)
    name = settings["model_type"]
    if name == PixelBytesLSTMConfig.model_type:
        return settings if width is None else {"input_size": width, **settings}
    if name == PixelBytesFirstSSMConfig.model_type:
        return settings if width is None else {"hidden_size": width, **settings}
    if name == PixelBytesFirstAttentionConfig.model_type:
        return settings if width is None else {"hidden_size": width // 4 * 4 or width, **settings}
    if name == PixelBytesBidirectionalConfig.model_type:
        inner = settings.get("inner_config") or {}
        if not isinstance(inner, PreTrainedConfig):
            settings["inner_config"] = complete_mixer_settings({"model_type": "mamba2", **inner}, width)
        return settings
    return complete_backbone_settings(settings, width)


def check_mixer(mixer: PreTrainedConfig) -> None:
    """Make sure that a mixer's settings fit each other.

    Raises:
        ValueError: If a number of heads does not divide the width, or a setting has no meaning for the mixer.
    """
    positions = getattr(mixer, "positions", "rotary")
    if positions not in get_args(PositionsName):
        raise ValueError(f"mixer_config.positions must be one of {get_args(PositionsName)}, got {positions!r}")
    if not getattr(mixer, "is_causal", True) and is_recurrent(mixer):
        raise ValueError(
            f"mixer_config.is_causal must be True for {mixer.model_type!r}, a state that reads forward; "
            "'pixelbytes_bidirectional' makes it read both ways"
        )
    head_width = getattr(mixer, "head_dim", None) or mixer.hidden_size // getattr(mixer, "num_attention_heads", 1)
    if getattr(mixer, "rope_parameters", None) and head_width % 2:
        raise ValueError(f"mixer_config must have heads of even width, which rotary positions turn, got {head_width}")
    if mixer.model_type == "xlstm" and int(mixer.hidden_size * mixer.qk_dim_factor) % mixer.num_heads:
        raise ValueError(
            f"mixer_config.hidden_size * qk_dim_factor must be a multiple of num_heads = {mixer.num_heads}, "
            f"got {mixer.hidden_size * mixer.qk_dim_factor}"
        )


@cache
def _causal_model_types() -> frozenset[str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def _check_sizes(owner: Any, *names: str) -> None:
    for name in names:
        check_size(name, getattr(owner, name), 1)


def _check_dropout(dropout: Any) -> None:
    check_number("dropout", dropout)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")


MIXER_CONFIGS = (
    PixelBytesLSTMConfig,
    PixelBytesFirstSSMConfig,
    PixelBytesFirstAttentionConfig,
    PixelBytesBidirectionalConfig,
)
