"""Scores of predicted tokens: matched bits and accuracy per kind of token, and the paper's own loss and accuracy.

A token counts once. Its matched bits are -log2 of the probability given to it before it was read; lower is better, 0
is certainty, log2(V) is what a uniform guess costs (7.24 in the ``paper`` preset), and a confident error costs more.
Accuracy is the fraction of tokens that were the likeliest guess; in [0, 1], higher is better. Totals are sums over
tokens, divided at the end, so that they do not depend on how the tokens were batched. Figures over all tokens depend
on the mixture of media: compare them only on the same corpus, and read the kinds first.

Shapes: L positions, N context cells, G groups.

Source of `PaperTotals`: `_process_epoch`, pixelbytes/model.py of fabienfrfr/PixelBytes@7646d6a.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.token_table import TokenTable
from ..tokens.grid import MODALITIES, PIXEL
from ..tokens.vocabulary import KINDS

FRAME_BEFORE_CELL = 1  # the same place in the frame before
CHANGES = ("pixel_kept", "pixel_changed")
_NATS_PER_BIT = float(np.log(2.0))


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample's standard deviation, zero of one value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Totals:
    """Summed scores of the tokens of each group; totals of the same groups can be added.

    Attributes:
        groups: Names, (G,).
        nats: Summed -ln of the tokens' probabilities, (G,) float64.
        hits: Tokens that were the likeliest guess, (G,) float64.
        tokens: Tokens, (G,) int64.
    """

    groups: tuple[str, ...]
    nats: NDArray[np.float64]
    hits: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @classmethod
    def of(cls, groups: Sequence[str], index: NDArray[Any], nats: NDArray[Any], hits: NDArray[Any]) -> "Totals":
        """Return the totals of scored tokens.

        Args:
            groups: Names, (G,).
            index: Group of every token, (L,) in 0..G-1.
            nats: -ln of every token's probability, (L,).
            hits: Whether it was the likeliest guess, (L,), or how often on average.

        Raises:
            ValueError: If the arrays differ in length, or a token's nats are NaN or negative.
        """
        if not len(index) == len(nats) == len(hits):
            raise ValueError(f"index, nats and hits must have one length, got {len(index)}, {len(nats)}, {len(hits)}")
        nats = np.asarray(nats, np.float64)
        is_number = np.isfinite(nats) & (nats >= 0)
        if not is_number.all():
            worst = int(np.flatnonzero(~is_number)[0])
            raise ValueError(f"nats must be finite and >= 0, got {nats[worst]} at position {worst}")
        size = len(groups)
        return cls(
            tuple(groups),
            # without a token bincount forgets the type of its weights
            np.bincount(index, nats, minlength=size).astype(np.float64),
            np.bincount(index, hits, minlength=size).astype(np.float64),
            np.bincount(index, minlength=size),
        )

    def __add__(self, other: "Totals") -> "Totals":
        if self.groups != other.groups:
            raise ValueError(f"totals to add must have the same groups, got {self.groups} and {other.groups}")
        return Totals(self.groups, self.nats + other.nats, self.hits + other.hits, self.tokens + other.tokens)

    def table(self, *, with_all: bool = False) -> dict[str, dict[str, float | int]]:
        """Return ``{group: {"bits", "accuracy", "tokens"}}`` of the groups that occur.

        Args:
            with_all: Whether to put a first row ``all`` over every group.
        """
        rows = [("all", self.nats.sum(), self.hits.sum(), self.tokens.sum())] if with_all else []
        rows += list(zip(self.groups, self.nats, self.hits, self.tokens, strict=True))
        return {
            name: {"bits": float(nats / n / _NATS_PER_BIT), "accuracy": float(hits / n), "tokens": int(n)}
            for name, nats, hits, n in rows
            if n
        }


@dataclass(frozen=True)
class MatchedScore:
    """Matched figures of the same tokens, grouped in three ways; scores can be added.

    Attributes:
        tables: Totals ``matched``, by the token's own kind; ``by_modality``, that of its segment, separators included;
            and ``by_change``, of the pixels that have a pixel at the same place in the frame before: by whether they
            equal it. A copy of the frame before has accuracy 1 on the kept and 0 on the changed ones.
    """

    tables: Mapping[str, Totals]

    @classmethod
    def empty(cls) -> "MatchedScore":
        """Return the score of no token."""
        groups, none = {"matched": KINDS, "by_modality": MODALITIES, "by_change": CHANGES}, np.empty(0, np.int64)
        return cls({table: Totals.of(names, none, none, none) for table, names in groups.items()})

    @classmethod
    def of(cls, table: TokenTable, nats: NDArray[Any], hits: NDArray[Any]) -> "MatchedScore":
        """Return the score of predicted tokens.

        Args:
            table: The tokens, and what was seen before each.
            nats: -ln of the probability of each, (L,).
            hits: Whether each was the likeliest guess, (L,), or how often on average.

        Example:
            >>> from pixelbytes_hf import Vocabulary
            >>> ids, tables = np.array([58, 59]), Vocabulary.from_preset("paper")
            >>> table = TokenTable(ids, np.zeros((2, 6), int), np.array([1, 1]), np.arange(2), tables)
            >>> MatchedScore.of(table, np.log([2.0, 8.0]), ids == 58).to_dict()["matched"]["pixel"]
            {'bits': 2.0, 'accuracy': 0.5, 'tokens': 2}
        """
        ids, kind_of_id, before = table.ids, table.vocabulary.kind_of_id, table.contexts[:, FRAME_BEFORE_CELL]
        moving = (kind_of_id[ids] == PIXEL) & (kind_of_id[before] == PIXEL)
        changed = (ids[moving] != before[moving]).astype(np.int64)
        return cls(
            {
                "matched": Totals.of(KINDS, kind_of_id[ids], nats, hits),
                "by_modality": Totals.of(MODALITIES, table.modalities, nats, hits),
                "by_change": Totals.of(CHANGES, changed, nats[moving], hits[moving]),
            }
        )

    def __add__(self, other: "MatchedScore") -> "MatchedScore":
        return MatchedScore({name: totals + other.tables[name] for name, totals in self.tables.items()})

    def to_dict(self) -> dict[str, dict[str, dict[str, float | int]]]:
        """Return the figures of every table; ``matched`` begins with those over ``all`` tokens."""
        return {name: totals.table(with_all=name == "matched") for name, totals in self.tables.items()}


class PaperTotals(NamedTuple):
    """Sums of what the paper prints, over targets; lower loss and higher accuracy are better.

    Its loss is the mean cross-entropy of the targets in nats, its accuracy the fraction of targets that were the
    likeliest guess. The targets are the new tokens for the predictive objective, and all six cells of the next context
    for the autoregressive one, of which five have mostly been read before. Never compare the two objectives by
    them.

    Attributes:
        nats: Summed cross-entropy.
        hits: Targets guessed.
        targets: Number of targets.
    """

    nats: float = 0.0
    hits: int = 0
    targets: int = 0

    def plus(self, nats: float, hits: int, targets: int) -> "PaperTotals":
        """Return the totals with more targets."""
        return PaperTotals(self.nats + nats, self.hits + hits, self.targets + targets)

    def to_dict(self) -> dict[str, float | int]:
        """Return ``loss``, ``accuracy`` and ``targets``.

        Raises:
            ValueError: If there is no target.
        """
        if not self.targets:
            raise ValueError("the paper's figures need at least one target, got none")
        return {"loss": self.nats / self.targets, "accuracy": self.hits / self.targets, "targets": self.targets}
