"""Positions of records side by side: tokens, contexts and modalities, for scores and for predictors that count.

Shapes: L positions, N context cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tokens.grid import Ids, Shape, modality_of_positions
from ..tokens.six_cells import gather_window
from ..tokens.vocabulary import Vocabulary
from .corpus import Records, given_tokens, record_lengths


@dataclass(frozen=True)
class TokenTable:
    """Positions of records.

    Attributes:
        ids: Tokens, (L,).
        contexts: What was seen before each, (L, N).
        modalities: Index into `MODALITIES`, (L,).
        positions: Position within the record, (L,).
        vocabulary: The tables.
    """

    ids: Ids
    contexts: Ids
    modalities: NDArray[np.uint8]
    positions: NDArray[np.int64]
    vocabulary: Vocabulary

    def rows(self, chosen: NDArray[np.bool_]) -> "TokenTable":
        """Return some of the positions, (L,) bool."""
        columns = {name: getattr(self, name)[chosen] for name in ("ids", "contexts", "modalities", "positions")}
        return TokenTable(**columns, vocabulary=self.vocabulary)


def tabulate_window(ids: Ids, shapes: Sequence[Shape], start: int, stop: int, vocabulary: Vocabulary) -> TokenTable:
    """Return positions `start`..`stop` of a record, their contexts by the six cells whatever a model reads by."""
    contexts = gather_window(ids, shapes, start, stop, pad_id=vocabulary.pad_id)
    modalities, positions = modality_of_positions(shapes)[start:stop], np.arange(start, stop)
    return TokenTable(np.asarray(ids[start:stop]), contexts, modalities, positions, vocabulary)


def gather_table(corpus: Records) -> TokenTable:
    """Return all positions of a corpus, what is given left out.

    Raises:
        ValueError: If it has no token.
    """
    tables = [
        tabulate_window(*corpus.record(index), start, length, corpus.vocabulary)
        for index, length in enumerate(record_lengths(corpus))
        if length > (start := given_tokens(corpus, index))
    ]
    if not tables:
        raise ValueError("corpus must have at least one token to score, got none")
    names = ("ids", "contexts", "modalities", "positions")
    ids, contexts, modalities, positions = (np.concatenate([getattr(t, n) for t in tables]) for n in names)
    return TokenTable(ids, contexts, modalities, positions, corpus.vocabulary)
