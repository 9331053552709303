"""Initialisation from the vocabulary: amplitudes have an order, tokens have frequencies, media repeat themselves.

`initialise_ordered` changes values of a new model's weights, never their number, so that the first steps need not
learn what is known beforehand.

Shapes: V vocabulary, K levels, D width of an embedded cell, S width of an LSTM's state.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ...tokens.vocabulary import Vocabulary

_EMBEDDING_SCALE = 0.5
_HEAD_SCALE = 0.3
_SMOOTH_HEAD_SCALE = 0.1
_NUM_WAVES = 12
_GATE_SHIFT = 2.0
_MAX_LAGS = 8
_CARRIED_FRACTION = 0.6  # of a layer's units, at most, that carry context and tokens read before
# logit of a repeated token by the cell it is repeated from
_REPEATED_PIXELS = {1: 5.0, 4: 2.5, 5: 2.5}  # same place of the frame before, above, just before
_REPEATED_LEVELS = {1: 5.0}  # same channel, one sample before


@torch.no_grad()
def initialise_ordered(
    model: aPxBySequenceModel, vocabulary: Vocabulary, counts: NDArray[np.int64], *, memory_horizon: int | None = None
) -> None:
    """Set weights of a new model to values that reflect the vocabulary.

    - Embeddings and head are smaller than torch's; those of levels a smooth function of amplitude, so that what is
      learnt of one level holds for its neighbours.
    - The head's biases are the logarithms of the ids' frequencies.
    - An LSTM's recurrent matrices are orthogonal, its forget gates open. Where its layers are wide enough, the first
      units of each carry the embedded context to the head, and units of the first layer are a delay line of the
      tokens read before; the head's rows of pixels and levels favour what the context holds, because a picture repeats
      the frame before and a sound the sample before.

    Args:
        model: New.
        vocabulary: The tables.
        counts: How often each id occurs in the training data, (V,).
        memory_horizon: Let the other units of an LSTM forget so slowly that they keep what they hold for 4 to so many
            positions, from unit to unit, and write less easily: what a sentence says must last for a whole sprite.

    Raises:
        ValueError: If `counts` does not have V entries, `memory_horizon` is under 4, the cells are not joined side by
            side, the head has no bias, or the vocabulary no levels.
    """
    if model.config.embedding != "concat" or model.fc.bias is None or not vocabulary.levels:
        raise ValueError(
            "the ordered initialisation needs the embedding 'concat', a head's bias, and levels in the vocabulary, "
            f"got {model.config.embedding!r}, head_bias={model.config.head_bias} and {len(vocabulary.levels)} levels"
        )
    if len(counts) != vocabulary.size:
        raise ValueError(f"counts must have {vocabulary.size} entries, got {len(counts)}")
    _order_levels(model, vocabulary)
    frequencies = (counts + 1.0) / (counts + 1.0).sum()
    model.fc.bias.copy_(torch.from_numpy(np.log(np.tile(frequencies, model.objective.predicted_cells))))
    layers = [module for module in model.modules() if isinstance(module, nn.LSTM)]
    for lstm in layers:
        _open_memory(lstm)
        if memory_horizon is not None:
            _lengthen_memory(lstm, memory_horizon)
    config, size = model.config, model.config.cell_width
    spare = int(_CARRIED_FRACTION * min((lstm.hidden_size for lstm in layers), default=0)) - config.context_width
    if spare < 0 or config.needs_projection:
        return
    num_lags = min(_MAX_LAGS, spare // size)
    _carry(layers[0], config.context_width, source=0, recurrent=False, gain=1.0)
    for cell in range(config.context_size, config.context_size + num_lags):
        # the first lag repeats the cell of the token just before, each other the lag before it
        source = (config.newest_cell if cell == config.context_size else cell - 1) * size
        _carry(layers[0], size, start=cell * size, source=source, recurrent=True, gain=1.3)
    for lstm in layers[1:]:
        _carry(lstm, config.context_width + num_lags * size, source=0, recurrent=False, gain=2.0)
    _favour_repeats(model, vocabulary.pixel_ids, _REPEATED_PIXELS)
    _favour_repeats(model, vocabulary.level_ids, _REPEATED_LEVELS)


def _order_levels(model: aPxBySequenceModel, vocabulary: Vocabulary) -> None:
    embedding, levels = model.get_input_embeddings().weight, [*vocabulary.level_ids]
    embedding.mul_(_EMBEDDING_SCALE)
    smooth = _smooth_rows(vocabulary.levels, embedding.shape[1])
    embedding[levels] = smooth * (_EMBEDDING_SCALE / smooth.std())
    model.fc.weight.mul_(_HEAD_SCALE)
    for weight in model.fc.weight.chunk(model.objective.predicted_cells):
        rows = _smooth_rows(vocabulary.levels, weight.shape[1])
        weight[levels] = rows * (_SMOOTH_HEAD_SCALE * weight.std() / rows.std())


def _smooth_rows(levels: tuple[float, ...], width: int) -> Tensor:
    """Return random functions of amplitude, slow waves larger than fast ones, at every level, (K, width)."""
    positions = (torch.tensor(levels)[:, None] + 1) / 2
    waves = torch.arange(1, 1 + _NUM_WAVES)
    return torch.cos(math.pi * positions * waves) / waves @ torch.randn(_NUM_WAVES, width)


def _open_memory(lstm: nn.LSTM) -> None:
    """Make the recurrent matrix of every gate orthogonal and open the forget gates; torch's order is i, f, g, o."""
    size = lstm.hidden_size
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.split(size):
                nn.init.orthogonal_(gate)
        elif name.startswith("bias_ih"):
            parameter[size : 2 * size] += 1.0


def _lengthen_memory(lstm: nn.LSTM, horizon: int) -> None:
    """Give the units that carry nothing forget gates of 1 - 1/t at rest, t from about 4 to `horizon` positions."""
    if horizon < 4:
        raise ValueError(f"memory_horizon must be at least 4 positions, got {horizon}")
    size = lstm.hidden_size
    count = size - int(_CARRIED_FRACTION * size)
    inputs, forget = slice(size - count, size), slice(2 * size - count, 2 * size)
    lstm.bias_hh_l0[forget] = 0.0
    lstm.bias_ih_l0[forget] = torch.linspace(1.0, math.log(horizon - 1.0), count)
    lstm.bias_ih_l0[inputs] = -1.0


def _carry(lstm: nn.LSTM, width: int, *, start: int = 0, source: int, recurrent: bool, gain: float) -> None:
    """Let `width` units from `start` give what stands at `source` of the input or of the state before, squashed."""
    inputs, forget, cell, output = (
        slice(n * lstm.hidden_size + start, n * lstm.hidden_size + start + width) for n in range(4)
    )
    for weight in (lstm.weight_ih_l0, lstm.weight_hh_l0):
        for gate in (inputs, forget, output):
            weight[gate] *= 0.1
        weight[cell] = 0.0
    weight = lstm.weight_hh_l0 if recurrent else lstm.weight_ih_l0
    weight[cell, source : source + width] = gain * torch.eye(width)
    lstm.bias_ih_l0[inputs] += _GATE_SHIFT
    lstm.bias_ih_l0[output] += _GATE_SHIFT
    lstm.bias_ih_l0[forget] -= 2 * _GATE_SHIFT


def _favour_repeats(model: aPxBySequenceModel, ids: range, strengths: dict[int, float]) -> None:
    """Make the new token's logit of an id large where that id, or one like it, stands in a cell of the context."""
    embedding = model.get_input_embeddings().weight[[*ids]]
    width, cells = embedding.shape[1], model.objective.predicted_cells
    rows = model.fc.weight.chunk(cells)[0 if cells == 1 else model.config.newest_cell]
    for cell, strength in strengths.items():
        rows[ids.start : ids.stop, cell * width : (cell + 1) * width] = (
            strength * embedding / (width * embedding.var())
        )
