"""Trivial predictors that a model has to beat: uniform, marginal, copies, and tables of counts over context cells.

Each is fitted on training rows and gives every token of other rows a probability and a guess, from the same context
cells that a model reads (and, marginal and copies, the modality, which a layout tells a model too). The adaptive
coder is in `count_coder`. Knows ids and contexts; knows nothing about models.

Shapes: L positions, N context cells, U distinct contexts, V vocabulary, M modalities.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..data.token_table import TokenTable
from ..tokens.grid import CONTEXT_SIZE, MODALITIES, Ids

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
CHUNK = 4096
EM_STEPS = 100


class Prediction(NamedTuple):
    """Scores of the tokens of some rows."""

    nats: Floats  # (L,) -ln of the probability of each token
    guesses: NDArray[Any]  # (L,) likeliest id before each token


class Baseline(Protocol):
    """A predictor: `fit` on training rows, then `predict` others."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def fit(self, rows: TokenTable) -> Self:
        """Learn from training rows."""

    def predict(self, rows: TokenTable) -> Prediction:
        """Return the score of every token of the rows."""


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


class StaticBaseline(ABC):
    """A predictor whose distribution depends on the modality and some context cells only.

    A subclass has `cells`, the context cells it reads.
    """

    cells: tuple[int, ...]

    @abstractmethod
    def fit(self, rows: TokenTable) -> Self:
        """Learn from training rows."""

    @abstractmethod
    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the probability of every id, (U, V), after contexts (U, N) in segments of modalities (U,)."""

    def predict(self, rows: TokenTable) -> Prediction:
        """Return the score of every token; each distinct context is worked out once."""
        keys = _pack(rows.contexts[:, list(self.cells)], rows.vocabulary.size) * len(MODALITIES) + rows.modalities
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        by_context = np.argsort(inverse, kind="stable")
        bounds = np.searchsorted(inverse[by_context], np.arange(0, len(first) + CHUNK, CHUNK))
        nats, guesses = np.empty(len(keys)), np.empty(len(keys), np.int64)
        for chunk, (start, stop) in enumerate(pairwise(bounds)):
            some, positions = first[chunk * CHUNK : (chunk + 1) * CHUNK], by_context[start:stop]
            distribution = self.distribution(rows.contexts[some], rows.modalities[some])
            local = inverse[positions] - chunk * CHUNK
            nats[positions] = -np.log(distribution[local, rows.ids[positions]])
            guesses[positions] = distribution.argmax(-1)[local]
        return Prediction(np.maximum(nats, 0.0), guesses)  # a certainty may round to a little above 1


@dataclass
class UniformBaseline(StaticBaseline):
    """Every id alike: log2(V) bits."""

    name: str = "uniform"
    cells: tuple[int, ...] = field(default=(), init=False, repr=False)
    _size: int = field(default=0, repr=False)

    def fit(self, rows: TokenTable) -> Self:
        """Learn the size of the vocabulary."""
        self._size = rows.vocabulary.size
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return 1 / V, (U, V)."""
        return np.full((len(contexts), self._size), 1.0 / self._size)


@dataclass
class MarginalBaseline(StaticBaseline):
    """How often each id occurs in segments of the modality; Witten-Bell smoothed with the uniform distribution."""

    name: str = "marginal of the modality"
    cells: tuple[int, ...] = field(default=(), init=False, repr=False)
    _marginals: Floats = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    def fit(self, rows: TokenTable) -> Self:
        """Count."""
        self._marginals = modality_marginals(rows)
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the marginal of each modality, (U, V)."""
        return self._marginals[modalities]


@dataclass
class CopyBaseline(StaticBaseline):
    """The id in one context cell, mixed with the marginal of the modality; the weight, per modality, fitted by EM.

    Args:
        cell: Context cell to copy.
        name: Name in tables.
    """

    cell: int
    name: str
    _marginals: Floats = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    _weights: Floats = field(default_factory=lambda: np.empty(0), repr=False)

    def __post_init__(self) -> None:
        self.cells = (self.cell,)

    def fit(self, rows: TokenTable) -> Self:
        """Count, and find the weight of the copy that makes the training tokens likeliest."""
        self._marginals = modality_marginals(rows)
        self._weights = np.zeros(len(MODALITIES))
        is_hit = rows.contexts[:, self.cell] == rows.ids
        for modality in range(len(MODALITIES)):
            inside = rows.modalities == modality
            hits = np.bincount(rows.ids[inside & is_hit], minlength=rows.vocabulary.size)
            if hits.any():
                self._weights[modality] = _copy_weight(hits, int(inside.sum()), self._marginals[modality])
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the mixture, (U, V)."""
        weights = self._weights[modalities]
        mixture = (1.0 - weights[:, None]) * self._marginals[modalities]
        mixture[np.arange(len(contexts)), contexts[:, self.cell]] += weights
        return mixture


@dataclass
class TableBaseline(StaticBaseline):
    """Counts after the ids in some context cells, backing off cell by cell to none of them, Witten-Bell smoothed.

    Args:
        cells: Context cells, the last one to be given up first.
        name: Name in tables.
    """

    cells: tuple[int, ...]
    name: str
    _size: int = field(default=0, repr=False)
    _tables: list[tuple[Counts, Counts]] = field(default_factory=list, repr=False)

    def fit(self, rows: TokenTable) -> Self:
        """Count every context of 0 to all cells with the id that follows it."""
        self._size = rows.vocabulary.size
        orders = range(len(self.cells) + 1)
        keys = (_pack(rows.contexts[:, list(self.cells[:order])], self._size) for order in orders)
        self._tables = [np.unique(key * self._size + rows.ids, return_counts=True) for key in keys]
        return self

    def distribution(self, contexts: Ids, modalities: NDArray[np.uint8]) -> Floats:
        """Return the blend of all orders, (U, V)."""
        blend = np.full((len(contexts), self._size), 1.0 / self._size)
        for order, (pairs, counts) in enumerate(self._tables):
            keys = _pack(contexts[:, list(self.cells[:order])], self._size)
            blend = witten_bell(_look_up(pairs, counts, keys, self._size), blend)
        return blend


def modality_marginals(rows: TokenTable) -> Floats:
    """Return the smoothed share of every id in each modality, (M, V)."""
    size = rows.vocabulary.size
    flat = np.bincount(rows.modalities.astype(np.int64) * size + rows.ids, minlength=len(MODALITIES) * size)
    return witten_bell(flat.reshape(len(MODALITIES), size).astype(np.float64), np.full(size, 1.0 / size))


@dataclass
class CellCopyRule:
    """The rule that guesses all six cells of the next context row from the cells of this one; it has no likelihood.

    For the paper's accuracy only, where it does well because five of the six cells have been read before.

    Args:
        sources: For each cell of the next row the cell of this row to copy; None chooses the best on training rows.
            The default repeats the row, but for the cell above-left, which is exactly the one that was above.
        name: Name in tables.
    """

    sources: Sequence[int] | None = (0, 1, 2, 4, 4, 5)
    name: str = "copy the six cells"

    def fit(self, rows: TokenTable) -> Self:
        """Choose the sources, if they are to be chosen."""
        if self.sources is None:
            here, following = _row_pairs(rows)
            agreement = (following[:, :, None] == here[:, None, :]).mean(0)
            self.sources = tuple(int(cell) for cell in agreement.argmax(1))
        return self

    def score(self, rows: TokenTable) -> tuple[int, int]:
        """Return guessed and all cells, over positions whose next one is in the record."""
        here, following = _row_pairs(rows)
        return int((following == here[:, list(self.sources or ())]).sum()), following.size


def _row_pairs(rows: TokenTable) -> tuple[Ids, Ids]:
    has_next = rows.positions[1:] == rows.positions[:-1] + 1
    return rows.contexts[:-1][has_next], rows.contexts[1:][has_next]


def _copy_weight(hits: Counts, total: int, marginal: Floats) -> float:
    weight = 0.5
    for _ in range(EM_STEPS):
        weight = float((hits * (weight / (weight + (1.0 - weight) * marginal))).sum() / total)
    return weight


def _pack(cells: Ids, size: int) -> Counts:
    """Return one integer per row of cells (U, K), all different for different rows."""
    if size ** (cells.shape[1] + 1) * len(MODALITIES) >= 1 << 63:
        raise ValueError(f"{cells.shape[1]} cells of {size} ids do not fit one key of 63 bits: expected fewer cells")
    keys = np.zeros(len(cells), np.int64)
    for column in cells.T:
        keys = keys * size + column
    return keys


def _look_up(pairs: Counts, counts: Counts, keys: Counts, size: int) -> Floats:
    """Return how often every id followed each context key, (U, V), from the sorted pairs (context, id)."""
    starts, stops = np.searchsorted(pairs, keys * size), np.searchsorted(pairs, (keys + 1) * size)
    lengths = stops - starts
    rows = np.repeat(np.arange(len(keys)), lengths)
    where = np.arange(len(rows)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    table = np.zeros((len(keys), size))
    table[rows, pairs[where] - keys[rows] * size] = counts[where]
    return table


FRAME_BEFORE, ABOVE, LEFT = 1, 4, CONTEXT_SIZE - 1


def static_baselines() -> list[Baseline]:
    """Return the baselines that every table shows, unfitted, but for the adaptive coder."""
    return [
        UniformBaseline(),
        MarginalBaseline(),
        CopyBaseline(FRAME_BEFORE, "copy the frame before"),
        CopyBaseline(LEFT, "copy the left"),
        CopyBaseline(ABOVE, "copy the row above"),
        TableBaseline((LEFT, ABOVE, FRAME_BEFORE), "counts over cells 5, 4, 1"),
        TableBaseline((FRAME_BEFORE, ABOVE, LEFT), "counts over cells 1, 4, 5"),
    ]
