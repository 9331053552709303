"""Control signals as a stream that a model reads and predicts, many sequences side by side, one token after another.

Signals are the amplitude levels of an audio segment with a channel each. The contexts that the model reads are those
of `gather_context`, made on the way: the token just before, and that of the same channel one sample before.

Shapes: B sequences, T samples, C channels, K levels.
"""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..pretrained.sequence_model import SteppingModel
from ..tokens.level_codec import decode_levels, encode_levels
from ..tokens.six_cells import CONTEXT_SIZE, NEIGHBOURS, NEW_TOKEN_CELL, Offset
from ..tokens.vocabulary import Vocabulary

SAME_CHANNEL_CELL = NEIGHBOURS.index(Offset(-1, 0, 0))
Floats = NDArray[np.float64]


class SignalStream:
    """A batch of signals that a model reads and predicts, one token after another.

    Args:
        model: In evaluation mode; it reads contexts of six cells.
        num_channels: C.
        vocabulary: The tables.

    Raises:
        ValueError: If the model's contexts have another size.
    """

    def __init__(self, model: SteppingModel, num_channels: int, vocabulary: Vocabulary) -> None:
        """Begin an empty segment."""
        if model.config.context_size != CONTEXT_SIZE:
            raise ValueError(f"model must read contexts of {CONTEXT_SIZE} cells, got {model.config.context_size}")
        self.model, self.num_channels, self.vocabulary = model, num_channels, vocabulary
        self.cache = model.new_cache()
        self._ids: list[Tensor] = []
        self._remainder: Any = 0.0

    @torch.inference_mode()
    def read_known(self, ids: NDArray[np.integer[Any]]) -> Tensor:
        """Read whole samples from the beginning, and return what was expected of each token.

        Args:
            ids: Level ids, (B, T, C).

        Returns:
            Probabilities of the levels, (B, T, C, K) float64; those of a token are from what stands before it.

        Raises:
            ValueError: If something was read before, or the number of channels is another.
        """
        if self._ids or ids.ndim != 3 or ids.shape[-1] != self.num_channels:
            raise ValueError(
                f"ids must be a beginning, (B, T, {self.num_channels}), got {ids.shape} after {len(self._ids)} tokens"
            )
        flat = torch.from_numpy(ids.reshape(len(ids), -1).astype(np.int64))
        rows = torch.full((*flat.shape, CONTEXT_SIZE), self.vocabulary.pad_id)
        rows[:, self.num_channels :, SAME_CHANNEL_CELL] = flat[:, : -self.num_channels]
        rows[:, 1:, NEW_TOKEN_CELL] = flat[:, :-1]
        rows = rows.to(self.model.device)
        logits = self.model(input_ids=rows, past_key_values=self.cache, use_cache=True).logits
        self._ids = list(flat.unbind(1))
        return self._level_probabilities(self.model.objective.new_token_logits(logits)).view(*ids.shape, -1)

    @torch.inference_mode()
    def expect(self, batch_size: int) -> Tensor:
        """Return the probabilities of the next token's levels, (B, K) float64; call once before each `push`."""
        row = torch.full((batch_size, CONTEXT_SIZE), self.vocabulary.pad_id)
        if self._ids:
            row[:, NEW_TOKEN_CELL] = self._ids[-1]
        if len(self._ids) >= self.num_channels:
            row[:, SAME_CHANNEL_CELL] = self._ids[-self.num_channels]
        logits = self.model.step(row.to(self.model.device), self.cache)
        return self._level_probabilities(self.model.objective.new_token_logits(logits[:, None]))[:, 0]

    def push(self, ids: NDArray[np.integer[Any]]) -> None:
        """Append a token to every sequence, (B,)."""
        self._ids.append(torch.from_numpy(ids.astype(np.int64)))

    def read_given(self, ids: NDArray[np.integer[Any]]) -> None:
        """Read a token that is given, (B,), whatever was expected of it."""
        self.expect(len(ids))
        self.push(ids)

    def choose(self, probabilities: Tensor) -> NDArray[np.int64]:
        """Return the level ids (B,) nearest to the means of probabilities (B, K).

        What the rounding before left over is added: a signal that creeps by less than half a level step would else
        stand.
        """
        wanted = expected_amplitudes(probabilities, self.vocabulary) + self._remainder
        ids = to_ids(wanted, self.vocabulary)
        self._remainder = wanted - to_amplitudes(ids, self.vocabulary)
        return ids

    def fork(self, copies: int) -> "SignalStream":
        """Return a stream that goes on from here with every sequence repeated `copies` times, side by side."""
        branch = SignalStream(self.model, self.num_channels, self.vocabulary)
        rows = torch.arange(len(self._ids[0])).repeat_interleave(copies)
        branch.cache = copy.deepcopy(self.cache)
        branch.cache.batch_select_indices(rows.to(self.model.device))
        branch._ids = [ids[rows] for ids in self._ids[-self.num_channels :]]
        return branch

    def _level_probabilities(self, logits: Tensor) -> Tensor:
        levels = self.vocabulary.level_ids
        return logits[..., levels.start : levels.stop].double().softmax(-1).cpu()


def to_ids(amplitudes: NDArray[np.floating[Any]], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the nearest level id of amplitudes of any shape, beyond [-1, 1] the outermost."""
    flat = np.asarray(amplitudes, np.float64).reshape(-1, 1)
    return encode_levels(flat, vocabulary, scaling="none")[0].astype(np.int64).reshape(np.shape(amplitudes))


def to_amplitudes(ids: NDArray[np.integer[Any]], vocabulary: Vocabulary) -> Floats:
    """Return the amplitudes of level ids, same shape."""
    return decode_levels(ids, vocabulary).astype(np.float64)


def expected_amplitudes(probabilities: Tensor, vocabulary: Vocabulary) -> Floats:
    """Return the mean amplitude of probabilities (..., K), (...)."""
    means: Floats = (probabilities @ torch.tensor(vocabulary.levels, dtype=torch.float64)).numpy()
    return means
