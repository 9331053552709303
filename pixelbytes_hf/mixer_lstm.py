"""The LSTM mixer: vectors in, vectors and a recurrent state out.

Knows vectors, masks and its state; knows nothing about ids, embeddings or heads. One `nn.LSTM` per layer, so that each
can be checkpointed; a single step runs `torch.lstm_cell`, an order of magnitude faster than `nn.LSTM` there.

Padding may lie on either side, or between; it is moved to the end of its row before the layers run and back after
them, so that it influences nothing. What comes out at padded positions means nothing.

Shapes: B batch, L positions, D input width, S state width of one direction.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import can_return_tuple

from .configuration_pixelbytes import PixelBytesLSTMConfig

State = tuple[Tensor, Tensor]


class PixelBytesLSTMCacheLayer(CacheLayerMixin):
    """State of one layer in a transformers cache: `keys` is the output h, `values` the cell c, both (B, S)."""

    _layer_type = "pixelbytes_lstm_state"

    def __init__(self, **kwargs: object) -> None:
        """Start empty; the state is that of position zero."""
        super().__init__()
        self.cumulative_length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take over device and dtype of a first state."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, num_positions: int = 1) -> State:
        """Replace the state after `num_positions` positions were read."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states, value_states
        self.cumulative_length += num_positions
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Return how many positions were read, padding included."""
        return self.cumulative_length

    def get_max_length(self) -> int:
        """Return -1: there is no limit."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return length and offset of the positions that a mask would cover."""
        return self.cumulative_length + query_length, 0

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence's state."""
        if self.is_initialized:
            self.keys = self.keys.repeat_interleave(repeats, dim=0)
            self.values = self.values.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the states of some sequences."""
        if self.is_initialized:
            self.keys, self.values = self.keys[indices], self.values[indices]

    def crop(self, tokens_to_remove: int) -> None:
        """Refuse to go back: a recurrent state forgets where it was.

        Raises:
            ValueError: If any position is to be removed.
        """
        if tokens_to_remove:
            raise ValueError(f"tokens_to_remove must be 0 for a recurrent state, got {tokens_to_remove}")


class PaddingPlan(NamedTuple):
    """How to move the padding of a batch to the end of its rows."""

    order: Tensor | None  # (B, L) position that comes to each place; None where the padding is at the end already
    lengths: Tensor  # (B,) real positions


def plan_padding(attention_mask: Tensor | None, batch: int, length: int) -> PaddingPlan | None:
    """Return how to treat a mask, or None where it hides nothing.

    Args:
        attention_mask: (B, L) or longer, zero at padding; of a longer one, which covers positions read before, the
            last L columns count.
        batch: B.
        length: L.

    Raises:
        ValueError: If the mask has another shape.
    """
    if attention_mask is None:
        return None
    if attention_mask.ndim != 2 or attention_mask.shape[0] != batch or attention_mask.shape[1] < length:
        raise ValueError(f"attention_mask must have shape ({batch}, {length}), got {tuple(attention_mask.shape)}")
    is_real = attention_mask[:, -length:] != 0
    if is_real.all():
        return None
    is_at_end = (is_real[:, :-1] | ~is_real[:, 1:]).all()
    order = None if is_at_end else (~is_real).to(torch.uint8).argsort(dim=1, stable=True)
    return PaddingPlan(order, is_real.sum(dim=1))


class PixelBytesLSTMLayer(GradientCheckpointingLayer):
    """One LSTM layer, of one or two directions."""

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool) -> None:
        """Make the weights, initialised as torch does."""
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)

    def forward(
        self, hidden_states: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read a sequence.

        Args:
            hidden_states: (B, L, D), padding at the end of the rows.
            state: h and c to start from, each (B, S); None starts at zero. One direction only.
            lengths: Real positions of each row, (B,), where padding has to be kept out of the state or of the second
                direction.

        Returns:
            Outputs (B, L, S) or (B, L, 2 S), and h and c after the last real position.
        """
        if state is not None:
            state = (state[0].unsqueeze(0), state[1].unsqueeze(0))
        if lengths is None:
            outputs, (h, c) = self.lstm(hidden_states, state)
        else:
            packed = pack_padded_sequence(
                hidden_states, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
            )
            packed, (h, c) = self.lstm(packed, state)
            outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=hidden_states.shape[1])
        return outputs, (h[-1], c[-1])

    def step(self, vectors: Tensor, state: State) -> State:
        """Read one position: vectors (B, D), state h and c, each (B, S); the new h is the output."""
        # torch's own list of the four weights: looking each up by name costs more than their products on small models
        return torch.lstm_cell(vectors, state, *self.lstm._flat_weights)


class PixelBytesLSTMModel(PreTrainedModel):
    """A stack of LSTM layers over `inputs_embeds`.

    Args:
        config: Sizes.
    """

    config_class = PixelBytesLSTMConfig
    base_model_prefix = "mixer"
    main_input_name = "inputs_embeds"
    supports_gradient_checkpointing = True
    _no_split_modules = ["PixelBytesLSTMLayer"]  # noqa: RUF012, the base class declares it so
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012, the base class declares it so
    _is_stateful = True

    def __init__(self, config: PixelBytesLSTMConfig) -> None:
        """Make the layers."""
        super().__init__(config)
        widths = [config.input_size] + [config.output_size] * (config.num_hidden_layers - 1)
        self.layers = nn.ModuleList(
            PixelBytesLSTMLayer(width, config.hidden_size, config.bidirectional) for width in widths
        )
        self.gradient_checkpointing = False
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # torch's own initialisation is the paper's
        if isinstance(module, nn.LSTM):
            for weight in module.parameters():
                init.uniform_(weight, -(module.hidden_size**-0.5), module.hidden_size**-0.5)

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
            past_key_values: State to start from; it is updated in place.
            use_cache: Whether to return the state; by default if one is given, or in evaluation mode.
            output_hidden_states: Whether to return the vectors between layers, the inputs first.

        Returns:
            `last_hidden_state` (B, L, S) or (B, L, 2 S), `past_key_values`, and `hidden_states` if asked for.

        Raises:
            ValueError: If a state is used with two directions, or the shapes do not fit.
        """
        if inputs_embeds.ndim != 3 or inputs_embeds.shape[-1] != self.config.input_size:
            expected = f"(B, L, {self.config.input_size})"
            raise ValueError(f"inputs_embeds must have shape {expected}, got {tuple(inputs_embeds.shape)}")
        cache = self._prepare_cache(past_key_values, use_cache)
        batch, length, _ = inputs_embeds.shape
        plan = plan_padding(attention_mask, batch, length)
        if length == 1 and cache is not None and plan is None and not output_hidden_states:
            hidden = self.step(inputs_embeds[:, 0], cache)[:, None]
            return BaseModelOutputWithPast(last_hidden_state=hidden, past_key_values=cache)
        hidden, between = self._run_layers(inputs_embeds, plan, cache)
        return BaseModelOutputWithPast(
            last_hidden_state=hidden,
            past_key_values=cache,
            hidden_states=tuple(between) if output_hidden_states else None,
        )

    def step(self, vectors: Tensor, cache: Cache) -> Tensor:
        """Read one position of every sequence and update the state: what `forward` does, without its overhead.

        Args:
            vectors: (B, D).
            cache: State, from `forward` or ``DynamicCache(config=...)``.

        Returns:
            (B, S).
        """
        for layer, memory in zip(self.layers, cache.layers, strict=True):
            state = self._read_state(memory, vectors)
            vectors, cell = layer.step(vectors, state)
            memory.update(vectors, cell)
        return vectors

    def _prepare_cache(self, cache: Cache | None, use_cache: bool | None) -> Cache | None:
        if self.config.bidirectional:
            if cache is not None or use_cache:
                raise ValueError(
                    "past_key_values and use_cache must not be set with two directions: got a state to keep"
                )
            return None
        if use_cache is None:
            use_cache = cache is not None or (self.config.use_cache and not self.training)
        return DynamicCache(config=self.config) if use_cache and cache is None else cache

    def _read_state(self, memory: PixelBytesLSTMCacheLayer, like: Tensor) -> State:
        if not memory.is_initialized:
            zeros = like.new_zeros(like.shape[0], self.config.hidden_size)
            return zeros, zeros
        return memory.keys, memory.values

    def _run_layers(
        self, hidden: Tensor, plan: PaddingPlan | None, cache: Cache | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the outputs of the last layer, and inputs and outputs of all, in the order of the inputs."""
        order, lengths = plan or (None, None)
        if cache is None and not self.config.bidirectional:
            # what follows a row's end reaches neither its outputs nor a state that is kept
            lengths = None
        if order is not None:
            hidden = _gather(hidden, order)
        between = [hidden]
        for index, layer in enumerate(self.layers):
            if index and self.config.dropout:
                hidden = functional.dropout(hidden, self.config.dropout, self.training)
            before = None if cache is None else self._read_state(cache.layers[index], hidden)
            hidden, after = layer(hidden, before, lengths)
            if cache is not None:
                cache.layers[index].update(*_keep_unread(before, after, lengths), num_positions=hidden.shape[1])
            between.append(hidden)
        if order is not None:
            between = [_gather(vectors, order.argsort(dim=1)) for vectors in between]
        return between[-1], between


def _gather(vectors: Tensor, order: Tensor) -> Tensor:
    return vectors.gather(1, order[..., None].expand(-1, -1, vectors.shape[-1]))


def _keep_unread(before: State, after: State, lengths: Tensor | None) -> State:
    """Return the new state, but the old one of rows that hold nothing but padding."""
    if lengths is None or lengths.all():
        return after
    is_read = (lengths > 0)[:, None]
    return torch.where(is_read, after[0], before[0]), torch.where(is_read, after[1], before[1])
