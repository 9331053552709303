"""Trivial predictors that a model has to beat: uniform, marginal, copies, and n-gram tables over context cells.

Each is fitted on training tokens and gives every token of another table a probability and a guess, from the same
context cells that a model reads (and, marginal and copies, the modality, which a layout tells a model too). The
adaptive n-gram model is in `adaptive_ngram`.

Shapes: L positions, N context cells, U distinct contexts, V vocabulary, M modalities.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..data.token_table import TokenTable
from ..tokens.grid import MODALITIES, Ids
from ..tokens.six_cells import CONTEXT_SIZE
from .metrics import MatchedScore, PaperTotals

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
CHUNK = 4096
EM_STEPS = 100
FRAME_BEFORE, ABOVE, LEFT = 1, 4, CONTEXT_SIZE - 1


class Prediction(NamedTuple):
    """Scores of the tokens of a table."""

    nats: Floats  # (L,) -ln of the probability of each token
    guesses: NDArray[Any]  # (L,) likeliest id before each token


class Baseline(ABC):
    """A predictor: `fit` on training tokens, then `predict` others; `name` is what tables call it."""

    name: str

    @abstractmethod
    def fit(self, table: TokenTable) -> Self:
        """Learn from training tokens."""

    @abstractmethod
    def predict(self, table: TokenTable) -> Prediction:
        """Return the score of every token of the table."""

    def figures(self, table: TokenTable) -> dict[str, Any]:
        """Return matched figures of the table, and those that the paper would print of a predictive model."""
        nats, guesses = self.predict(table)
        hits = guesses == table.ids
        paper = PaperTotals(float(nats.sum()), int(hits.sum()), len(hits))
        return {**MatchedScore.of(table, nats, hits).to_dict(), "paper": paper.to_dict()}


def witten_bell(counts: Floats, backoff: Floats) -> Floats:
    """Return counts blended with a coarser distribution: (count + T * backoff) / (n + T), T distinct of n seen.

    Args:
        counts: (U, V) >= 0.
        backoff: (U, V) or (V,), each row sums to one.

    Returns:
        (U, V), each row sums to one; `backoff` where nothing was counted.

    Example:
        >>> witten_bell(np.array([[3.0, 1.0, 0.0, 0.0]]), np.full(4, 0.25)).round(3).tolist()
        [[0.583, 0.25, 0.083, 0.083]]
    """
    seen = counts.sum(-1, keepdims=True)
    distinct = (counts > 0).sum(-1, keepdims=True)
    return np.where(seen > 0, (counts + distinct * backoff) / np.maximum(seen + distinct, 1), backoff)


class StaticBaseline(Baseline):
    """A predictor whose distribution depends on the modality and some context cells only.

    Args:
        cells: Context cells that it reads.
        name: Name in tables.
    """

    def __init__(self, cells: tuple[int, ...], name: str) -> None:
        """Start unfitted."""
        self.cells, self.name = cells, name

    def fit(self, table: TokenTable) -> Self:
        """Count how often each id occurs in each modality, Witten-Bell smoothed with the uniform distribution."""
        self._size = table.vocabulary.size
        flat = table.modalities.astype(np.int64) * self._size + table.ids
        counts = np.bincount(flat, minlength=len(MODALITIES) * self._size).reshape(-1, self._size)
        self._marginals = witten_bell(counts.astype(np.float64), np.full(self._size, 1.0 / self._size))
        return self

    @abstractmethod
    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the probability of every id, (U, V), after contexts (U, N) in segments of modalities (U,)."""

    def predict(self, table: TokenTable) -> Prediction:
        """Return the score of every token; each distinct context with its token is worked out once."""
        size = table.vocabulary.size
        keys = _pack(table.contexts[:, list(self.cells)], size) * len(MODALITIES) + table.modalities
        _, first, inverse = np.unique(keys * size + table.ids, return_index=True, return_inverse=True)
        nats, guesses = np.empty(len(first)), np.empty(len(first), np.int64)
        for start in range(0, len(first), CHUNK):
            chunk, rows = slice(start, start + CHUNK), first[start : start + CHUNK]
            distribution = self.distribution(table.contexts[rows], table.modalities[rows])
            nats[chunk] = -np.log(distribution[np.arange(len(rows)), table.ids[rows]])
            guesses[chunk] = distribution.argmax(-1)
        return Prediction(np.maximum(nats, 0.0)[inverse], guesses[inverse])  # a certainty may round to above 1


class UniformBaseline(StaticBaseline):
    """Every id alike: log2(V) bits."""

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return 1 / V, (U, V)."""
        return np.full((len(contexts), self._size), 1.0 / self._size)


class MarginalBaseline(StaticBaseline):
    """How often each id occurs in segments of the modality."""

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the marginal of each modality, (U, V)."""
        return self._marginals[modalities]


class CopyBaseline(StaticBaseline):
    """The id in one context cell, mixed with the marginal of the modality; the weight, per modality, fitted by EM."""

    def fit(self, table: TokenTable) -> Self:
        """Count, and find the weight of the copy that makes the training tokens likeliest."""
        super().fit(table)
        self._weights = np.zeros(len(MODALITIES))
        is_hit = table.contexts[:, self.cells[0]] == table.ids
        for modality in range(len(MODALITIES)):
            inside = table.modalities == modality
            hits = np.bincount(table.ids[inside & is_hit], minlength=self._size)
            weight = 0.5
            for _ in range(EM_STEPS if hits.any() else 0):
                responsibility = weight / (weight + (1.0 - weight) * self._marginals[modality])
                weight = self._weights[modality] = float((hits * responsibility).sum() / inside.sum())
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the mixture, (U, V)."""
        weights = self._weights[modalities]
        mixture = (1.0 - weights[:, None]) * self._marginals[modalities]
        mixture[np.arange(len(contexts)), contexts[:, self.cells[0]]] += weights
        return mixture


class TableBaseline(StaticBaseline):
    """Counts after the ids in some context cells, backing off cell by cell to none of them, Witten-Bell smoothed.

    The last of `cells` is given up first.
    """

    def fit(self, table: TokenTable) -> Self:
        """Count every context of 0 to all cells with the id that follows it."""
        from scipy.sparse import csr_array

        super().fit(table)
        self._orders = []
        for order in range(len(self.cells) + 1):
            keys, rows = np.unique(self._keys(table.contexts, order), return_inverse=True)
            # a row more, which stays empty, for contexts that never came
            shape = len(keys) + 1, self._size
            self._orders.append((keys, csr_array((np.ones(len(rows)), (rows, table.ids)), shape=shape)))
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the blend of all orders, (U, V)."""
        blend = np.full((len(contexts), self._size), 1.0 / self._size)
        for order, (keys, counts) in enumerate(self._orders):
            wanted = self._keys(contexts, order)
            rows = np.searchsorted(keys, wanted)
            rows[keys[np.minimum(rows, len(keys) - 1)] != wanted] = len(keys)
            blend = witten_bell(counts[rows].toarray(), blend)
        return blend

    def _keys(self, contexts: Ids, order: int) -> Counts:
        return _pack(contexts[:, list(self.cells[:order])], self._size)


@dataclass
class CellCopyRule:
    """The rule that guesses all six cells of the next context from the cells of this one; it has no likelihood.

    For the paper's accuracy only, where it does well because five of the six cells have been read before.

    Args:
        sources: For each cell of the next context the cell of this one to copy; None chooses the best on training
            tokens. The default repeats the context, but for the cell above-left, which is the one that was above.
        name: Name in tables.
    """

    sources: Sequence[int] | None = (0, 1, 2, 4, 4, 5)
    name: str = "copy the six cells"

    def fit(self, table: TokenTable) -> Self:
        """Choose the sources, if they are to be chosen."""
        if self.sources is None:
            here, following = _context_pairs(table)
            self.sources = (following[:, :, None] == here[:, None, :]).mean(0).argmax(1).tolist()
        return self

    def figures(self, table: TokenTable) -> dict[str, Any]:
        """Return the paper's accuracy, over all cells of positions whose next one is in the record."""
        here, following = _context_pairs(table)
        hits, targets = int((following == here[:, list(self.sources or ())]).sum()), following.size
        return {"paper": {"loss": None, "accuracy": hits / targets if targets else None, "targets": targets}}


def _context_pairs(table: TokenTable) -> tuple[Ids, Ids]:
    has_next = table.positions[1:] == table.positions[:-1] + 1
    return table.contexts[:-1][has_next], table.contexts[1:][has_next]


def _pack(cells: Ids, size: int) -> Counts:
    """Return one integer per row of cells (U, K), all different for different rows."""
    if size ** (cells.shape[1] + 1) * len(MODALITIES) >= 1 << 63:
        raise ValueError(f"{cells.shape[1]} cells of {size} ids do not fit one key of 63 bits: expected fewer cells")
    keys = np.zeros(len(cells), np.int64)
    for column in cells.T:
        keys = keys * size + column
    return keys


def static_baselines() -> list[StaticBaseline]:
    """Return the baselines that every table shows, unfitted, but for the adaptive n-gram model."""
    return [
        UniformBaseline((), "uniform"),
        MarginalBaseline((), "marginal of the modality"),
        CopyBaseline((FRAME_BEFORE,), "copy the frame before"),
        CopyBaseline((LEFT,), "copy the left"),
        CopyBaseline((ABOVE,), "copy the row above"),
        TableBaseline((LEFT, ABOVE, FRAME_BEFORE), "counts over cells 5, 4, 1"),
        TableBaseline((FRAME_BEFORE, ABOVE, LEFT), "counts over cells 1, 4, 5"),
    ]
