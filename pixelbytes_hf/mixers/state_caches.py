"""What mixers keep of the sequences they have read: caches of transformers that can choose among sequences.

transformers' own cache cannot choose among sequences where a layer is recurrent, and does not know how many positions
it has read where all are; these do.

Shapes: B batch.
"""

import copy
from collections.abc import Iterable, Iterator
from typing import Any, Self

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, LinearAttentionCacheLayerMixin

from .mixer_properties import sees_future


class MatrixMemoryLayer:
    """State of one xLSTM layer: matrix, normaliser and stabiliser, all of them zero at the beginning.

    Args:
        shapes: Shape of each without the axis of the batch.
    """

    is_compileable = False
    is_croppable = False
    supports_early_init = False

    def __init__(self, shapes: Iterable[tuple[int, ...]]) -> None:
        """Start without a batch."""
        self.shapes = tuple(shapes)
        self.states: dict[int, Tensor | None] = dict.fromkeys(range(len(self.shapes)))

    def prepare(self, like: Tensor) -> None:
        """Make the states of a batch, unless they are there."""
        for index, shape in enumerate(self.shapes):
            if self.states[index] is None:
                self.states[index] = like.new_zeros(len(like), *shape, dtype=torch.float32)

    def reset(self) -> None:
        """Go back to the beginning."""
        self.states = dict.fromkeys(self.states)

    def get_max_length(self) -> int:
        """Return -1: there is no limit."""
        return -1


class SequenceCache(DynamicCache):
    """What a mixer's layers keep of every sequence, be it a state or all positions.

    Args:
        config: The mixer's settings.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """Start empty."""
        super().__init__(config=config)

    @property
    def is_compileable(self) -> bool:
        """False: what it holds changes its shape."""
        return False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Put the sequences into another order."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some sequences."""
        self.layers = self.take(indices).layers

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence."""
        sizes = [len(state) for layer in self.layers for state in _states(layer) if state is not None]
        if sizes:
            self.batch_select_indices(torch.arange(sizes[0]).repeat_interleave(repeats))

    def take(self, rows: Tensor) -> Self:
        """Return a cache of some sequences; the states are copies."""
        part = copy.copy(self)
        part.layers = [_take(layer, rows) for layer in self.layers]
        return part


class RecurrentCache(SequenceCache):
    """States of a mixer whose layers are all recurrent, and the number of positions read.

    Args:
        config: The mixer's settings.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """Start empty."""
        super().__init__(config)
        self.num_read = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many positions were read, padding included."""
        return self.num_read

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Return length and offset of the positions that a mask would cover."""
        return self.num_read + query_length, 0

    def reset(self) -> None:
        """Go back to the beginning."""
        super().reset()
        self.num_read = 0

    def crop(self, tokens_to_remove: int) -> None:
        """Refuse to go back: a recurrent state forgets where it was; raises ValueError."""
        if tokens_to_remove:
            raise ValueError(f"tokens_to_remove must be 0 for a recurrent state, got {tokens_to_remove}")

    def put(self, rows: Tensor, part: "RecurrentCache", batch: int) -> None:
        """Take the states of some sequences from another cache.

        Args:
            rows: Where they belong, (number of sequences,).
            part: The other cache.
            batch: B.
        """
        for layer, other in zip(self.layers, part.layers, strict=True):
            _put(layer, other, rows, batch)


class MatrixMemoryCache(RecurrentCache):
    """States of an xLSTM, under the names by which transformers' model asks for them.

    Args:
        config: The mixer's settings.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """Start empty."""
        super().__init__(PreTrainedConfig(num_hidden_layers=0))
        heads = config.num_heads
        keys = int(config.hidden_size * config.qk_dim_factor) // heads
        values = int(config.hidden_size * config.v_dim_factor) // heads
        shapes = (heads, keys, values), (heads, keys), (heads, 1)
        self.layers = [MatrixMemoryLayer(shapes) for _ in range(config.num_hidden_layers)]
        self.rnn_state_initial, self.seqlen_offset = True, 0

    @property
    def rnn_state(self) -> list[tuple[Tensor, ...]]:
        """The states of every layer."""
        return [tuple(layer.states.values()) for layer in self.layers]

    def prepare(self, like: Tensor) -> None:
        """Make the states of a batch, unless they are there."""
        for layer in self.layers:
            layer.prepare(like)


def build_cache(config: PreTrainedConfig) -> SequenceCache:
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
    cache = SequenceCache(config)
    # where no layer counts the positions read, the cache does
    return cache if counts_positions(cache) else RecurrentCache(config)


def counts_positions(cache: Cache) -> bool:
    """Return whether a state knows how many positions it has read: if any of its layers does, or it is one of ours."""
    return isinstance(cache, RecurrentCache) or any(isinstance(layer, CacheLayerMixin) for layer in cache.layers)


def _slots(layer: Any) -> Iterator[dict[int, Tensor | None]]:
    """Yield the dictionaries in which a layer holds its states."""
    if isinstance(layer, LinearAttentionCacheLayerMixin):
        yield layer.conv_states
        yield layer.recurrent_states
    elif isinstance(layer, MatrixMemoryLayer):
        yield layer.states


def _states(layer: Any) -> list[Tensor | None]:
    if isinstance(layer, CacheLayerMixin):
        return [layer.keys, layer.values]
    return [state for slot in _slots(layer) for state in slot.values()]


def _take(layer: Any, rows: Tensor) -> Any:
    part = copy.copy(layer)
    # flags beside the states are dictionaries too, by the same keys
    vars(part).update({name: dict(value) for name, value in vars(layer).items() if isinstance(value, dict)})
    if isinstance(layer, CacheLayerMixin) and layer.keys is not None and layer.keys.numel():
        part.keys, part.values = (state[rows.to(state.device)] for state in (layer.keys, layer.values))
    for slot in _slots(part):
        for key, state in slot.items():
            slot[key] = None if state is None else state[rows.to(state.device)]
    return part


def _put(layer: Any, part: Any, rows: Tensor, batch: int) -> None:
    slots = list(_slots(layer))
    for name, value in vars(part).items():
        if isinstance(value, dict) and not any(vars(layer)[name] is slot for slot in slots):
            setattr(layer, name, dict(value))
    for name in ("device", "dtype"):
        if hasattr(part, name):
            setattr(layer, name, getattr(part, name))
    for slot, other in zip(slots, _slots(part), strict=True):
        for key, state in other.items():
            if state is not None:
                whole = slot[key] if slot[key] is not None else state.new_zeros(batch, *state.shape[1:])
                slot[key] = whole.index_copy(0, rows, state.to(whole.dtype))
