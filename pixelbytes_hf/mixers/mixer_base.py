"""What our own mixers share: how `forward` is called, which state is kept, where padding goes, what comes out.

Shapes: B batch, L positions, D input width, O output width.
"""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import can_return_tuple

from ..pretrained.transformers_versions import STATE_NAMES, check_state, take_state
from .mixer_properties import input_width
from .padding import read_packed
from .recurrent import choose_cache, read_recurrently, refuse_recomputed_state
from .state_caches import RecurrentCache


class PixelBytesMixer(PreTrainedModel):
    """A mixer over `inputs_embeds`: a subclass makes its layers and says in `read` how they read.

    Args:
        config: Settings.
    """

    base_model_prefix = "mixer"
    main_input_name = "inputs_embeds"
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = list(STATE_NAMES)  # noqa: RUF012, the base class declares it so
    _is_stateful = True

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Take nothing: there is no embedding to replace."""

    def _init_weights(self, module: nn.Module) -> None:
        initialise_as_torch(module)

    @can_return_tuple
    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        cache: Cache | None = None,
    ) -> BaseModelOutputWithPast:
        """Read sequences of vectors.

        Args:
            inputs_embeds: (B, L, D).
            attention_mask: (B, L), zero at padding, anywhere; may be longer and cover earlier positions too.
            past_key_values: State to start from; it is updated in place.
            use_cache: Whether to return the state; by default if one is given, or in evaluation mode.
            output_hidden_states: Whether to return the vectors between layers, the inputs first.
            cache: What transformers calls `past_key_values` from 5.24 on.

        Returns:
            `last_hidden_state` (B, L, O), `past_key_values`, and `hidden_states` if asked for. What stands at padding
            means nothing.

        Raises:
            ValueError: If a state is used with a mixer that sees the future, or while training with gradient
                checkpointing where the layers update it, or the shapes do not fit.
        """
        width = input_width(self.config)
        if inputs_embeds.ndim != 3 or inputs_embeds.shape[-1] != width:
            raise ValueError(f"inputs_embeds must have shape (B, L, {width}), got {tuple(inputs_embeds.shape)}")
        cache = choose_cache(self, take_state(past_key_values, cache), use_cache)
        if isinstance(cache, RecurrentCache):
            refuse_recomputed_state(self, cache)
            between = read_recurrently(self.read, inputs_embeds, attention_mask, cache)
        else:
            between = read_packed(lambda *rows: self.read(rows[0], cache, rows[1]), inputs_embeds, attention_mask)
        return mixer_output(between, cache, output_hidden_states)

    def read(self, vectors: Tensor, cache: Any, lengths: Tensor | None = None) -> list[Tensor]:
        """Read sequences of vectors and return those between the layers, the inputs first, the outputs last.

        Args:
            vectors: (B, L, D), padding at the end of the rows.
            cache: State to start from, updated in place; None keeps none. Of a `RecurrentCache` there is no padding.
            lengths: Real positions of each row, (B,); None if all are. What reads forward and keeps no state needs
                none of it: padding at the end reaches nothing.
        """
        raise NotImplementedError


def mixer_output(
    between: list[Tensor], cache: Cache | None, output_hidden_states: bool | None
) -> BaseModelOutputWithPast:
    """Return what a mixer's forward pass returns, from the vectors between its layers."""
    outputs = BaseModelOutputWithPast(between[-1], cache, tuple(between) if output_hidden_states else None)
    check_state(outputs, cache, "a mixer")
    return outputs


def initialise_as_torch(module: nn.Module) -> None:
    """Fill linear layers, convolutions and norms as torch itself does, which is the paper's initialisation."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        bound = module.weight[0].numel() ** -0.5
        init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            init.uniform_(module.bias, -bound, bound)
    elif isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
