"""The first approach's state-space mixer: Mamba layers one upon the other, without residuals between them.

Knows vectors, masks and states; knows nothing about ids, embeddings or heads. The weights of a
layer are those of the official module under the same names.

Shapes: B batch, L positions, D width.

Source: `bMamba`, pixelbytes/modules/model.py of fabienfrfr/PixelBytes@1b613b6; same weights, same numbers. There
`_mamba` and `norm` are `layers.0.mamba` and `layers.0.norm` here, and `layers.{k}` is `layers.{k + 1}.mamba`.
"""

from torch import Tensor, nn
from transformers import MambaConfig, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import can_return_tuple

from .configuration_mixers import PixelBytesFirstSSMConfig
from .mamba_layer import ScanningMambaMixer
from .padding import move_positions, plan_padding, reverse_positions
from .recurrent import RecurrentCache, read_recurrently


class PixelBytesFirstSSMLayer(GradientCheckpointingLayer):
    """One Mamba layer; of two directions if it has a norm.

    Args:
        config: Of the layer, as transformers has it.
        index: Of the layer.
        bidirectional: Whether the same weights also read from the end.
    """

    def __init__(self, config: MambaConfig, index: int, bidirectional: bool) -> None:
        """Make the weights."""
        super().__init__()
        self.mamba = ScanningMambaMixer(config, index)
        self.norm = nn.LayerNorm(config.hidden_size) if bidirectional else None

    def forward(self, hidden_states: Tensor, lengths: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Read a sequence, (B, L, D), padding at the end of the rows; `lengths` (B,) counts what is none."""
        forward: Tensor = self.mamba(hidden_states, cache)
        if self.norm is None:
            return forward
        backward = self.mamba(reverse_positions(hidden_states, lengths))
        return self.norm(forward + reverse_positions(backward, lengths))


class PixelBytesFirstSSMModel(PreTrainedModel):
    """A stack of Mamba layers over `inputs_embeds`.

    Args:
        config: Sizes.
    """

    config_class = PixelBytesFirstSSMConfig
    base_model_prefix = "mixer"
    main_input_name = "inputs_embeds"
    supports_gradient_checkpointing = True
    _no_split_modules = ["PixelBytesFirstSSMLayer"]  # noqa: RUF012, the base class declares it so
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012, the base class declares it so
    _is_stateful = True

    def __init__(self, config: PixelBytesFirstSSMConfig) -> None:
        """Make the layers."""
        super().__init__(config)
        inner = MambaConfig(
            vocab_size=1,
            hidden_size=config.hidden_size,
            state_size=config.state_size,
            num_hidden_layers=config.num_hidden_layers,
            conv_kernel=config.conv_kernel,
            expand=config.expand,
        )
        self.layers = nn.ModuleList(
            PixelBytesFirstSSMLayer(inner, index, config.bidirectional and index == 0)
            for index in range(config.num_hidden_layers)
        )
        self.gradient_checkpointing = False
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # the official module's initialisation: torch's own, and that of the scan
        if isinstance(module, nn.Linear | nn.Conv1d):
            inputs = module.in_features if isinstance(module, nn.Linear) else module.kernel_size[0]
            init.uniform_(module.weight, -(inputs**-0.5), inputs**-0.5)
            if module.bias is not None:
                init.uniform_(module.bias, -(inputs**-0.5), inputs**-0.5)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, ScanningMambaMixer):
            module.init_mamba_weights()

    @can_return_tuple
    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """Read sequences of vectors.

        Args:
            inputs_embeds: (B, L, D).
            attention_mask: (B, L), zero at padding; may be longer and cover earlier positions too.
            past_key_values: State to start from; it is updated in place. One direction only.
            use_cache: Whether to return the state; by default if one is given, or in evaluation mode.
            output_hidden_states: Whether to return the vectors between layers, the inputs first.

        Raises:
            ValueError: If a state is used with two directions, or the shapes do not fit.
        """
        if self.config.bidirectional:
            if past_key_values is not None or use_cache:
                raise ValueError(
                    "past_key_values and use_cache must not be set with two directions: got a state to keep"
                )
            between = self._read_both_ways(inputs_embeds, attention_mask)
        else:
            if use_cache is None:
                use_cache = past_key_values is not None or (self.config.use_cache and not self.training)
            if use_cache and past_key_values is None:
                past_key_values = RecurrentCache(self.config)
            between = read_recurrently(self._run_layers, inputs_embeds, attention_mask, past_key_values)
        return BaseModelOutputWithPast(
            last_hidden_state=between[-1],
            past_key_values=past_key_values,
            hidden_states=tuple(between) if output_hidden_states else None,
        )

    def _read_both_ways(self, vectors: Tensor, attention_mask: Tensor | None) -> list[Tensor]:
        order, lengths = plan_padding(attention_mask, *vectors.shape[:2]) or (None, None)
        between = self._run_layers(vectors if order is None else move_positions(vectors, order), None, lengths)
        return between if order is None else [move_positions(each, order.argsort(dim=1)) for each in between]

    def _run_layers(self, hidden: Tensor, cache: Cache | None, lengths: Tensor | None = None) -> list[Tensor]:
        between = [hidden]
        for layer in self.layers:
            between.append(layer(between[-1], lengths, cache))
        return between
