"""All positions of a corpus side by side: tokens, contexts and modalities, for predictors that count.

Shapes: L positions, N context cells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tokens.grid import Ids, modality_of_positions
from ..tokens.six_cells import gather_window
from ..tokens.vocabulary import Vocabulary
from .corpus import Records


@dataclass(frozen=True)
class TokenTable:
    """All positions of a corpus.

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


def gather_table(corpus: Records) -> TokenTable:
    """Return all positions of a corpus.

    Raises:
        ValueError: If it has no token.
    """
    vocabulary = corpus.vocabulary
    parts: list[tuple[NDArray[Any], ...]] = []
    for index in range(corpus.num_records):
        ids, shapes = corpus.record(index)
        if len(ids):
            contexts = gather_window(ids, shapes, 0, len(ids), pad_id=vocabulary.pad_id)
            parts.append((np.asarray(ids), contexts, modality_of_positions(shapes), np.arange(len(ids))))
    if not parts:
        raise ValueError("corpus must have at least one token to score, got none")
    ids, all_contexts, modalities, positions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return TokenTable(ids, all_contexts, modalities, positions, vocabulary)
