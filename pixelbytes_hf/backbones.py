"""transformers' backbones as mixers, and one way to hand vectors and states to any mixer.

Knows how backbones differ from each other: how their state is called, what they cannot do and what stands in for it;
knows nothing about ids, embeddings or heads.

Shapes: B batch, L positions, D width that the mixer reads.
"""

from contextlib import nullcontext
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils.import_utils import is_mamba_ssm_available, is_mambapy_available

from .configuration_mixers import is_recurrent, sees_future
from .mamba_layer import ScanningMambaMixer
from .recurrent import MatrixMemoryCache, RecurrentCache, SequenceCache, mixed_products, read_recurrently

# backbones whose state goes by another name than `past_key_values`
_STATE_KEYWORDS = {"mamba": "cache_params", "mamba2": "cache_params", "xlstm": "cache_params"}
# backbones whose hidden states begin after the first layer
_WITHOUT_INPUT = frozenset(["mamba", "mamba2"])
# backbones that multiply float32 states with whatever the weights are
_MIXED = frozenset(["mamba", "xlstm"])


class NoPositions(nn.Module):
    """In place of rotary positions: turns by no angle, so that attention cannot tell one order from another."""

    def __init__(self, head_width: int) -> None:
        """Keep the width of a head."""
        super().__init__()
        self.head_width = head_width

    def forward(self, vectors: Tensor, position_ids: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of zero, each (1, L, head width)."""
        shape = 1, position_ids.shape[-1], self.head_width
        return vectors.new_ones(shape), vectors.new_zeros(shape)


def build_backbone(config: PreTrainedConfig) -> PreTrainedModel:
    """Return a new model of transformers, without an embedding of its own.

    Args:
        config: Its settings.

    Raises:
        ValueError: If it shall know no positions and is not of a kind that can.
    """
    # at the head of the file it would import our models, and those this file
    from transformers import AutoModel

    if getattr(config, "use_mambapy", False) and not is_mambapy_available():
        raise ValueError(
            "mixer_config.use_mambapy must be False where the package is not installed (pip install mambapy): got True"
        )
    mixer = AutoModel.from_config(config)
    # an embedding of its own would be a weight that no gradient reaches
    mixer.set_input_embeddings(nn.Identity())
    if config.model_type == "mamba" and not config.use_mambapy and not is_mamba_ssm_available():
        for block in mixer.layers:
            block.mixer.__class__ = ScanningMambaMixer
    if getattr(config, "positions", "rotary") == "none":
        if not hasattr(mixer, "rotary_emb"):
            raise ValueError(f"mixer_config.positions must be 'rotary' for {config.model_type!r}, got 'none'")
        mixer.rotary_emb = NoPositions(config.hidden_size // config.num_attention_heads)
    return mixer


def build_cache(config: PreTrainedConfig) -> Cache:
    """Return the empty state of a mixer.

    Args:
        config: The mixer's settings.

    Raises:
        ValueError: If the mixer sees the future, so that it has no state to go on from.
    """
    if sees_future(config):
        raise ValueError(f"a mixer that sees the future keeps no state, got {config.model_type!r}")
    if config.model_type == "xlstm":
        return MatrixMemoryCache(config)
    if config.model_type == "pixelbytes_lstm":
        return DynamicCache(config=config)
    return RecurrentCache(config) if is_recurrent(config) else SequenceCache(config)


def read_vectors(
    mixer: PreTrainedModel,
    vectors: Tensor,
    attention_mask: Tensor | None = None,
    cache: Cache | None = None,
    use_cache: bool | None = None,
    output_hidden_states: bool | None = None,
) -> BaseModelOutputWithPast:
    """Read sequences of vectors with any mixer.

    Args:
        mixer: One of ours or of `build_backbone`.
        vectors: (B, L, D).
        attention_mask: (B, L), zero at padding; may be longer and cover earlier positions too.
        cache: State to start from, from `build_cache`; updated in place.
        use_cache: Whether to return the state; by default if one is given, or in evaluation mode.
        output_hidden_states: Whether to return the vectors between layers, the inputs first.

    Raises:
        ValueError: If a state is asked of a mixer that sees the future.
    """
    config = mixer.config
    if config.model_type.startswith("pixelbytes_"):
        return mixer(vectors, attention_mask, cache, use_cache, output_hidden_states)
    if sees_future(config):
        if cache is not None or use_cache:
            raise ValueError("use_cache must not be set with a mixer that sees the future: got a state to keep")
        use_cache = False
    if use_cache is None:
        use_cache = cache is not None or (getattr(config, "use_cache", True) and not mixer.training)
    if use_cache and cache is None:
        cache = build_cache(config)
    read = partial(_read_backbone, mixer, output_hidden_states)
    if is_recurrent(config) or (cache is None and not sees_future(config)):
        between = read_recurrently(read, vectors, attention_mask, cache)
    else:
        between = read(vectors, cache, **_mask_keywords(mixer, attention_mask, vectors.shape[1]))
    return BaseModelOutputWithPast(
        last_hidden_state=between[-1],
        past_key_values=cache,
        hidden_states=tuple(between) if output_hidden_states else None,
    )


def _mask_keywords(mixer: PreTrainedModel, attention_mask: Tensor | None, length: int) -> dict[str, Any]:
    """Return how attention is told of padding: what to leave out, and where the rest stands without it."""
    keywords: dict[str, Any] = {"is_causal": False} if sees_future(mixer.config) else {}
    if attention_mask is not None and not attention_mask.all():
        keywords["attention_mask"] = attention_mask
        if "position_ids" in signature(mixer.forward).parameters:
            keywords["position_ids"] = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
    return keywords


def _read_backbone(
    mixer: PreTrainedModel, output_hidden_states: bool | None, vectors: Tensor, cache: Any, **keywords: Any
) -> list[Tensor]:
    """Read vectors with a backbone and return those between its layers; see `recurrent.Read`."""
    name = mixer.config.model_type
    if isinstance(cache, MatrixMemoryCache):
        cache.prepare(vectors)
    # transformers' own scan begins anew wherever several positions follow a state
    has_own_scan = name == "mamba" and not isinstance(mixer.layers[0].mixer, ScanningMambaMixer)
    if has_own_scan and cache is not None and vectors.shape[1] > 1 and cache.has_previous_state():
        steps = [_read_backbone(mixer, output_hidden_states, each, cache) for each in vectors.split(1, dim=1)]
        return [torch.cat(parts, dim=1) for parts in zip(*steps, strict=True)]
    with mixed_products(next(mixer.parameters())) if name in _MIXED else nullcontext():
        outputs = mixer(
            inputs_embeds=vectors,
            use_cache=cache is not None,
            output_hidden_states=output_hidden_states,
            **keywords | {_STATE_KEYWORDS.get(name, "past_key_values"): cache},
        )
    hidden_states = list(getattr(outputs, "hidden_states", None) or ())
    if hidden_states and name in _WITHOUT_INPUT:
        hidden_states = [vectors, *hidden_states[:-1]]
    return [*hidden_states[:-1], outputs.last_hidden_state]
