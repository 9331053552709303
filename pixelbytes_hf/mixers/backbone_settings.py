"""Settings with which a model of transformers is a mixer of this size; its own defaults are those of large models."""

from typing import Any, Literal

from transformers import PreTrainedConfig

from ..pretrained.setting_checks import check_size, refuse_unknown
from ..tokens.checks import check_choice
from .mixer_properties import is_recurrent, joins_prefix

PositionsName = Literal["rotary", "none"]
_SIZE_NAMES = {
    *("hidden_size", "intermediate_size", "head_dim", "expand"),
    *("num_hidden_layers", "num_attention_heads", "num_heads"),
}
# what a backbone may be told beyond its own fields
_BACKBONE_KEYWORDS = frozenset(["is_causal", "positions", "prefix_lm"])


def build_backbone_config(settings: dict[str, Any], width: int | None = None) -> PreTrainedConfig:
    """Return a backbone's configuration; what `settings` leave out suits a mixer of this size.

    Args:
        settings: Keywords of its configuration; ``model_type`` names it.
        width: Width of the vectors to read; where None, what follows from it is the configuration's own.

    Raises:
        ValueError: If the model is not known, a keyword is not one of its, or its heads do not fit.

    Example:
        >>> build_backbone_config({"model_type": "mamba2", "hidden_size": 24}).num_heads
        1
    """
    for name in _SIZE_NAMES & settings.keys():
        check_size(f"mixer_config.{name}", settings[name], 1)
    kind = _find_configuration(settings["model_type"])
    plain = kind()
    _refuse_backbone_keywords(settings, plain)
    width = settings.get("hidden_size", width)
    # no embedding of its own, and none of the ids that it would know
    no_ids = {"vocab_size": 1, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None}
    defaults = {name: value for name, value in no_ids.items() if hasattr(plain, name)}
    if width is not None:
        defaults |= {"hidden_size": width, **_backbone_defaults(settings["model_type"], width, settings)}
    settings = defaults | settings
    _check_heads(settings)
    return kind(**settings)


def check_mixer(mixer: PreTrainedConfig) -> None:
    """Make sure that a mixer's settings fit each other.

    Raises:
        ValueError: If a number of heads does not divide the width, or a setting has no meaning for the mixer.
    """
    check_choice("mixer_config.positions", getattr(mixer, "positions", "rotary"), PositionsName)
    if not getattr(mixer, "is_causal", True) and is_recurrent(mixer):
        raise ValueError(
            f"mixer_config.is_causal must be True for {mixer.model_type!r}, a state that reads forward; "
            "'pixelbytes_bidirectional' makes it read both ways"
        )
    _check_prefix(mixer)
    head_width = getattr(mixer, "head_dim", None) or mixer.hidden_size // getattr(mixer, "num_attention_heads", 1)
    if getattr(mixer, "rope_parameters", None) and head_width % 2:
        raise ValueError(f"mixer_config must have heads of even width, which rotary positions turn, got {head_width}")
    if mixer.model_type == "xlstm" and int(mixer.hidden_size * mixer.qk_dim_factor) % mixer.num_heads:
        raise ValueError(
            f"mixer_config.hidden_size * qk_dim_factor must be a multiple of num_heads = {mixer.num_heads}, "
            f"got {mixer.hidden_size * mixer.qk_dim_factor}"
        )


def _check_prefix(mixer: PreTrainedConfig) -> None:
    """Make sure that a mixer whose prefix sees itself both ways is causal, and all of it attention."""
    prefix_lm = getattr(mixer, "prefix_lm", False)
    if not isinstance(prefix_lm, bool):
        raise TypeError(f"mixer_config.prefix_lm must be a bool, got {prefix_lm!r}")
    kinds = set(getattr(mixer, "layer_types", None) or ["full_attention"])
    is_attention = kinds == {"full_attention"} and not is_recurrent(mixer) and hasattr(mixer, "num_attention_heads")
    if joins_prefix(mixer) and not (is_attention and getattr(mixer, "is_causal", True)):
        raise ValueError(
            f"mixer_config.prefix_lm must be False for {mixer.model_type!r} unless it is causal and all of its layers "
            "are full attention, got True"
        )


def _backbone_defaults(name: str, width: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return sizes of a backbone of the paper's size; without them transformers' own are those of large models."""
    num_layers, heads = settings.get("num_hidden_layers", 2), _even_heads(width)
    hidden = 8 * max(1, round(width / 3))
    if name == "llama":
        sizes: dict[str, Any] = {"intermediate_size": hidden, "num_attention_heads": heads}
    elif name == "qwen3":
        heads = settings.get("num_attention_heads", heads)
        sizes = {"intermediate_size": hidden, "num_attention_heads": heads, "num_key_value_heads": heads}
        sizes |= {"head_dim": width // heads}
    elif name == "lfm2":
        kinds = ["full_attention" if index % 2 else "conv" for index in range(num_layers)]
        sizes = {"intermediate_size": hidden, "num_attention_heads": heads, "num_key_value_heads": heads}
        sizes |= {"block_auto_adjust_ff_dim": False}
        sizes |= {} if "full_attn_idxs" in settings else {"layer_types": kinds}
    elif name == "mamba2":
        channels = width * settings.get("expand", 2)
        if "num_heads" in settings:
            head_width = channels // settings["num_heads"]
        else:
            head_width = settings.get("head_dim", _largest_divisor(channels, 64))
        sizes = {"head_dim": head_width, "num_heads": channels // head_width, "state_size": 64}
        sizes |= {"n_groups": 1, "chunk_size": 64}
    elif name == "mamba":
        sizes = {}
    elif name == "xlstm":
        # the kernels would compute in bfloat16 otherwise, so that a step would not equal the sequence
        sizes = {"num_heads": _largest_divisor(width // 2, 4), "autocast_kernel_dtype": "float32"}
    else:
        return {}
    return {"num_hidden_layers": num_layers} | sizes


def _even_heads(width: int) -> int:
    """Return at most 8 heads of even width that divide a width, 1 if none do."""
    return next((heads for heads in (8, 4, 2) if width % (2 * heads) == 0 and width // heads >= 6), 1)


def _largest_divisor(number: int, most: int) -> int:
    return next(each for each in range(min(number, most), 0, -1) if number % each == 0)


def _check_heads(settings: dict[str, Any]) -> None:
    """Make sure that the heads of a backbone share out its width; transformers' own errors are no ValueError."""
    width, heads = settings.get("hidden_size"), settings.get("num_attention_heads") or settings.get("num_heads")
    if width is None or heads is None:
        return
    if settings["model_type"] == "mamba2":
        channels, head_width = width * settings.get("expand", 2), settings["head_dim"]
        if channels != heads * head_width:
            raise ValueError(
                f"mixer_config.num_heads * head_dim must be hidden_size * expand = {channels}, "
                f"got {heads} * {head_width}"
            )
    elif width % heads:
        raise ValueError(f"mixer_config.hidden_size must be a multiple of its {heads} heads, got {width}")


def _find_configuration(name: str) -> Any:
    """Return the configuration class of a model of transformers, or one registered there."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if name not in CONFIG_MAPPING:
        raise ValueError(f"mixer_config.model_type must be a mixer of ours or a model of transformers, got {name!r}")
    return CONFIG_MAPPING[name]


def _refuse_backbone_keywords(settings: dict[str, Any], plain: Any) -> None:
    keywords = {key: value for key, value in settings.items() if not hasattr(plain, key)}
    refuse_unknown(type(plain).__name__, {key: keywords[key] for key in keywords.keys() - _BACKBONE_KEYWORDS})
