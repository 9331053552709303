"""An adaptive n-gram model over the six context cells, with back-off: what counting alone reaches.

Like PPM, it counts which id followed each context, from the longest (six cells) to none, and blends the orders by
Witten-Bell; unlike the static tables it goes on counting while it reads the tokens that it is scored on, each after
its probability was given. It reads nothing but the cells: no modality, no position, no record.

A count at a moment is the number of earlier positions of the same context (and id), which pandas knows as the running
count of a group. So the whole run is a few passes over columns, without a loop over tokens.

Shapes: L positions in order of time, training positions first; K = 7 orders, 0 to 6 cells.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..data.token_table import TokenTable
from .baselines import Baseline, Floats, Prediction


class Evidence(NamedTuple):
    """What one order knew before each position, (L,) each.

    Attributes:
        seen: Earlier positions of the same context.
        distinct: Different ids among them.
        same: Those among them with the id that came.
        favourite: The id that came most often among them, the first of several; any where nothing was seen.
        favourite_count: How often.
    """

    seen: NDArray[np.int64]
    distinct: NDArray[np.int64]
    same: NDArray[np.int64]
    favourite: NDArray[np.int64]
    favourite_count: NDArray[np.int64]


class AdaptiveNgram(Baseline):
    """Adaptive counts over all context cells.

    The guess is voted for: each order names the id that it saw most, with the probability that the blend gives to that
    evidence. That is the likeliest id but where many second choices add up.
    """

    name = "adaptive count coder"
    # best of the orders tried on protocol R1's sprites; the last cell is given up first
    cells = (4, 1, 0, 2, 5, 3)

    def fit(self, table: TokenTable) -> Self:
        """Keep the training tokens; they are counted again, before the others, in each `predict`."""
        self._training = table
        return self

    def predict(self, table: TokenTable) -> Prediction:
        """Return the score of every token, the counts going on from token to token."""
        before, start = self._training, len(self._training.ids)
        ids = np.concatenate([before.ids, table.ids]).astype(np.int64)
        contexts = np.concatenate([before.contexts, table.contexts])[:, list(self.cells)]
        orders = [Evidence(*(column[start:] for column in order)) for order in collect_evidence(ids, contexts)]
        return Prediction(-np.log(blend_orders(orders, table.vocabulary.size)), vote_for_guess(orders))


def collect_evidence(ids: NDArray[np.int64], cells: NDArray[Any]) -> list[Evidence]:
    """Return what each order knew before each position, from no cell to all.

    Args:
        ids: (L,).
        cells: Context cells, (L, K - 1), the last one to be given up first.
    """
    group = np.zeros(len(ids), np.int64)
    orders = [_count_order(ids, group)]
    for column in cells.T:
        # a context of one cell more splits the groups of the shorter one
        group = np.unique(group * (int(cells.max(initial=0)) + 1) + column, return_inverse=True)[1]
        orders.append(_count_order(ids, group))
    return orders


def _count_order(ids: NDArray[np.int64], group: NDArray[np.int64]) -> Evidence:
    """Return what was known before each position of the positions of its group, (L,) int64."""
    from pandas import Series

    tokens = Series(ids)
    same = tokens.groupby([group, ids]).cumcount()
    is_new = (same == 0).astype(np.int64)
    most = (same + 1).groupby(group).cummax()
    most_before = most.groupby(group).shift(fill_value=0)
    # whoever reaches a count first leads until another id exceeds it
    leader = tokens.where(most > most_before).groupby(group).ffill().groupby(group).shift(fill_value=0)
    columns = tokens.groupby(group).cumcount(), is_new.groupby(group).cumsum() - is_new, same, leader, most_before
    return Evidence(*(column.to_numpy(np.int64) for column in columns))


def blend_orders(orders: list[Evidence], size: int) -> Floats:
    """Return the probability of the id that came, (L,): each order blended with the shorter ones by Witten-Bell."""
    blend = np.full(len(orders[0].seen), 1.0 / size)
    for order in orders:
        known = (order.same + order.distinct * blend) / np.maximum(order.seen + order.distinct, 1)
        blend = np.where(order.seen > 0, known, blend)
    return blend


def vote_for_guess(orders: list[Evidence]) -> NDArray[np.int64]:
    """Return the id with the most evidence before each position, (L,); see `AdaptiveNgram`."""
    votes = np.zeros((len(orders), len(orders[0].seen)))
    rest = np.ones(len(orders[0].seen))  # fraction of the blend that is left for this order and the shorter ones
    for vote, order in zip(votes[::-1], orders[::-1], strict=True):
        total = np.maximum(order.seen + order.distinct, 1)
        vote[:] = rest * order.favourite_count / total
        rest = rest * np.where(order.seen > 0, order.distinct / total, 1.0)
    favourites = np.stack([order.favourite for order in orders])
    support = [((favourites == favourite) * votes).sum(0) for favourite in favourites]
    best: NDArray[np.int64] = np.choose(np.argmax(support, 0), favourites)
    return best
