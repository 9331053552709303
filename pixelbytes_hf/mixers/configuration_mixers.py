"""Configurations of our own mixers."""

from typing import Any, ClassVar, Literal

from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

from ..pretrained.setting_checks import StrictConfig, check_dropout, check_size, refuse_unknown
from ..tokens.checks import check_choice
from .backbone_settings import build_backbone_config, check_mixer
from .mixer_properties import input_width, joins_prefix, output_width, sees_future

MergeName = Literal["sum", "concatenation"]


class PixelBytesMixerConfig(StrictConfig):
    """What the settings of our own mixers have in common.

    A kind of mixer declares the names of its sizes, of the one that is the width it reads, and whether it sees the
    future.
    """

    size_names: ClassVar[tuple[str, ...]] = ("hidden_size", "num_hidden_layers")
    width_name: ClassVar[str] = "hidden_size"
    # whether outputs depend on positions that follow
    sees_future: ClassVar[bool] = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes, and refuse a keyword that is unknown."""
        refuse_unknown(type(self).__name__, kwargs)
        for name in self.size_names:
            check_size(name, getattr(self, name), 1)
        check_dropout(getattr(self, "dropout", 0.0))
        super().__post_init__(**kwargs)

    @classmethod
    def complete(cls, settings: dict[str, Any], width: int | None) -> dict[str, Any]:
        """Return keywords with those that follow from the width of the vectors to read, where it is known."""
        return settings if width is None else {cls.width_name: width, **settings}


class PixelBytesLSTMConfig(PixelBytesMixerConfig):
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
    size_names: ClassVar[tuple[str, ...]] = ("input_size", "hidden_size", "num_hidden_layers")
    width_name: ClassVar[str] = "input_size"

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
        super().__post_init__(**kwargs)
        if not isinstance(self.bidirectional, bool) and self.bidirectional != "first":
            raise ValueError(f"bidirectional must be True, False or 'first', got {self.bidirectional!r}")
        if self.bidirectional == "first" and self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even with bidirectional='first', got {self.hidden_size}")

    @property
    def output_size(self) -> int:
        """Width of the vectors that go out."""
        return self.hidden_size * (2 if self.bidirectional is True else 1)

    @property
    def sees_future(self) -> bool:
        """Whether any layer reads both ways."""
        return bool(self.bidirectional)

    @property
    def first_only(self) -> bool:
        """Whether the first layer alone reads both ways."""
        return self.bidirectional == "first"

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["pixelbytes_lstm_state"] * self.num_hidden_layers

    def validate(self) -> None:
        """Check nothing: construction did, and transformers' list of kinds of state lacks ours."""


class PixelBytesFirstSSMConfig(PixelBytesMixerConfig):
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
    size_names: ClassVar[tuple[str, ...]] = ("hidden_size", "state_size", "num_hidden_layers", "conv_kernel", "expand")

    hidden_size: int = 81
    state_size: int = 64
    num_hidden_layers: int = 2
    bidirectional: bool = True
    conv_kernel: int = 4
    expand: int = 2
    use_cache: bool = True

    @property
    def sees_future(self) -> bool:
        """Whether the first layer reads both ways."""
        return self.bidirectional

    @property
    def first_only(self) -> bool:
        """Whether the first layer alone reads both ways: if any does."""
        return self.bidirectional

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["linear_attention"] * self.num_hidden_layers


class PixelBytesFirstAttentionConfig(PixelBytesMixerConfig):
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
    size_names: ClassVar[tuple[str, ...]] = ("hidden_size", "num_hidden_layers", "num_attention_heads")
    sees_future: ClassVar[bool] = True

    hidden_size: int = 80
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    dropout: float | int = 0.1

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        super().__post_init__(**kwargs)
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads = {self.num_attention_heads}, "
                f"got {self.hidden_size}"
            )

    @classmethod
    def complete(cls, settings: dict[str, Any], width: int | None) -> dict[str, Any]:
        """Return keywords with a width that four heads divide, where one does."""
        return super().complete(settings, width and (width // 4 * 4 or width))


class PixelBytesBidirectionalConfig(PixelBytesMixerConfig):
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
    size_names: ClassVar[tuple[str, ...]] = ()
    sees_future: ClassVar[bool] = True
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
        if not isinstance(self.inner_config, PreTrainedConfig):
            self.inner_config = build_mixer_config({"model_type": "mamba2", **(self.inner_config or {})})
        super().__post_init__(**kwargs)
        check_choice("merge", self.merge, MergeName)
        if self.merge == "concatenation" and self.first_only:
            raise ValueError("merge must be 'sum' with first_only, whose other layers read vectors of one width")
        check_mixer(self.inner_config)
        if joins_prefix(self.inner_config):
            raise ValueError("inner_config.prefix_lm must be False in a mixer that reads both ways, got True")
        if sees_future(self.inner_config):
            raise ValueError(f"inner_config must be causal, got {self.inner_config.model_type!r} that sees the future")

    @classmethod
    def complete(cls, settings: dict[str, Any], width: int | None) -> dict[str, Any]:
        """Return keywords with the settings of an inner mixer of this width."""
        inner = settings.get("inner_config") or {}
        if not isinstance(inner, PreTrainedConfig):
            inner = build_mixer_config({"model_type": "mamba2", **inner}, width)
        return {**settings, "inner_config": inner}

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


MIXER_CONFIGS = tuple(PixelBytesMixerConfig.__subclasses__())


def build_mixer_config(settings: dict[str, Any], width: int | None = None) -> PreTrainedConfig:
    """Return a mixer's configuration, in which what was left out follows from the width it reads.

    Args:
        settings: Keywords of its configuration; ``model_type`` names it.
        width: Width of the vectors to read; where None, what follows from it is the configuration's own.

    Raises:
        ValueError: If the mixer is not known, or a keyword or a value is not one of its.

    Example:
        >>> build_mixer_config({"model_type": "pixelbytes_lstm", "hidden_size": 8}, 24).input_size
        24
    """
    # not from transformers' table of configurations, into which other copies of this code may have put theirs
    own = {kind.model_type: kind for kind in MIXER_CONFIGS}
    if settings["model_type"] not in own:
        return build_backbone_config(settings, width)
    kind = own[settings["model_type"]]
    return kind(**kind.complete(settings, width))
