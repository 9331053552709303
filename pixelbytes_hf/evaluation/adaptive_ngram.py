"""The adaptive count coder: what counting alone reaches, with back-off over all six context cells.

Like PPM, it counts which id followed each context, from the longest (six cells) to none, and blends the orders by
Witten-Bell; unlike the static tables it goes on counting while it reads the tokens that it is scored on, each after
its probability was given. It reads nothing but the cells: no modality, no position, no record.

A count at a moment is the number of earlier rows of the same context (and id): the rank of a row in its group. So the
whole run is a few sorts, without a loop over tokens.

Shapes: L rows in order of time, training rows first; K = 7 orders, 0 to 6 cells.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..data.token_table import TokenTable
from ..tokens.grid import CONTEXT_SIZE
from .baselines import Floats, Prediction

# Best of the orders tried on protocol R1's sprites; the last one is given up first
DEFAULT_CELLS = (4, 1, 0, 2, 5, 3)


class Grouping(NamedTuple):
    """Rows grouped by a key.

    Attributes:
        group: Group of each row, (L,).
        rank: Earlier rows of the same group, (L,).
        order: Rows sorted by group, then by time, (L,).
        start: Place in `order` where the group of the row at each place begins, (L,).
    """

    group: NDArray[np.int64]
    rank: NDArray[np.int64]
    order: NDArray[np.int64]
    start: NDArray[np.int64]


class Evidence(NamedTuple):
    """What one order knew before each row, (L,) each.

    Attributes:
        seen: Earlier rows of the same context.
        distinct: Different ids among them.
        same: Those among them with the id that came.
        favourite: The id that came most often among them; any where nothing was seen.
        favourite_count: How often.
    """

    seen: NDArray[np.int64]
    distinct: NDArray[np.int64]
    same: NDArray[np.int64]
    favourite: NDArray[np.int64]
    favourite_count: NDArray[np.int64]


@dataclass
class CountCoder:
    """Adaptive counts over all context cells.

    The guess is voted for: each order names the id that it saw most, with the probability that the blend gives to that
    evidence. That is the likeliest id but where many second choices add up.

    Args:
        cells: Context cells, the last one to be given up first.
        name: Name in tables.

    Raises:
        ValueError: If `cells` repeats a cell or names one that does not exist.
    """

    cells: tuple[int, ...] = DEFAULT_CELLS
    name: str = "adaptive count coder"
    _training: TokenTable | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(set(self.cells)) != len(self.cells) or not set(self.cells) <= set(range(CONTEXT_SIZE)):
            raise ValueError(f"cells must be different ones of 0..{CONTEXT_SIZE - 1}, got {self.cells}")

    def fit(self, rows: TokenTable) -> Self:
        """Keep the training rows; they are counted again, before the others, in each `predict`."""
        self._training = rows
        return self

    def predict(self, rows: TokenTable) -> Prediction:
        """Return the score of every token, the counts going on from row to row."""
        before = self._training
        skip = 0 if before is None else len(before.ids)
        ids = rows.ids if before is None else np.concatenate([before.ids, rows.ids])
        contexts = rows.contexts if before is None else np.concatenate([before.contexts, rows.contexts])
        orders = [
            Evidence(*(part[skip:] for part in evidence))
            for evidence in collect_evidence(ids.astype(np.int64), contexts[:, list(self.cells)], rows.vocabulary.size)
        ]
        return Prediction(-np.log(blend_orders(orders, rows.vocabulary.size)), vote_for_guess(orders))


def collect_evidence(ids: NDArray[np.int64], cells: NDArray[Any], size: int) -> list[Evidence]:
    """Return what each order knew before each row, from no cell to all.

    Args:
        ids: (L,) in 0..V-1.
        cells: Context cells, (L, K - 1), the last one to be given up first.
        size: V.
    """
    group = np.zeros(len(ids), np.int64)
    orders = []
    for column in [None, *cells.T]:
        # a context of one cell more splits the groups of the shorter one
        grouping = group_rows(group if column is None else group * size + column)
        group = grouping.group
        orders.append(_evidence_of(grouping, group_rows(group * size + ids).rank, ids))
    return orders


def group_rows(keys: NDArray[np.int64]) -> Grouping:
    """Return the rows grouped by key, earlier rows first.

    Example:
        >>> group_rows(np.array([7, 3, 7, 7])).rank.tolist()
        [0, 0, 1, 2]
    """
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    opens = np.ones(len(keys), bool)
    opens[1:] = in_order[1:] != in_order[:-1]
    start = np.maximum.accumulate(np.where(opens, np.arange(len(keys)), 0))
    group, rank = np.empty_like(order), np.empty_like(order)
    group[order] = np.cumsum(opens) - 1
    rank[order] = np.arange(len(keys)) - start
    return Grouping(group, rank, order, start)


def blend_orders(orders: list[Evidence], size: int) -> Floats:
    """Return the probability of the id that came, (L,): each order blended with the shorter ones by Witten-Bell."""
    blend = np.full(len(orders[0].seen), 1.0 / size)
    for order in orders:
        known = (order.same + order.distinct * blend) / np.maximum(order.seen + order.distinct, 1)
        blend = np.where(order.seen > 0, known, blend)
    return blend


def vote_for_guess(orders: list[Evidence]) -> NDArray[np.int64]:
    """Return the id with the most evidence before each row, (L,); see `CountCoder`."""
    votes = np.zeros((len(orders), len(orders[0].seen)))
    share = np.ones(len(orders[0].seen))  # of the blend that is left for this order and the shorter ones
    for vote, order in zip(votes[::-1], orders[::-1], strict=True):
        total = np.maximum(order.seen + order.distinct, 1)
        vote[:] = share * order.favourite_count / total
        share = share * np.where(order.seen > 0, order.distinct / total, 1.0)
    best, most = orders[0].favourite, np.full(len(share), -1.0)
    for order in orders:
        support = sum(
            np.where(other.favourite == order.favourite, vote, 0.0) for other, vote in zip(orders, votes, strict=True)
        )
        best, most = np.where(support > most, order.favourite, best), np.maximum(support, most)
    return best


def _evidence_of(grouping: Grouping, same: NDArray[np.int64], ids: NDArray[np.int64]) -> Evidence:
    order, start = grouping.order, grouping.start
    place = np.arange(len(order))
    count = same[order] + 1
    news = np.cumsum(count == 1)
    # adding the group's start, at least the largest count before it, keeps the maximum from looking back beyond it
    highest = np.maximum.accumulate(count + start)
    leads = np.ones(len(order), bool)
    leads[1:] = highest[1:] > highest[:-1]
    leader = np.maximum.accumulate(np.where(leads, place, 0))
    is_first = start == place
    previous = np.maximum(place - 1, 0)
    distinct, favourite, favourite_count = (np.empty(len(order), np.int64) for _ in range(3))
    distinct[order] = np.where(is_first, 0, news[previous] - news[start] + 1)
    favourite[order] = ids[order][leader[previous]]
    favourite_count[order] = np.where(is_first, 0, count[leader[previous]])
    return Evidence(grouping.rank, distinct, same, favourite, favourite_count)
