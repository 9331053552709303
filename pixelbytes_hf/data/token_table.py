"""All positions of a corpus side by side: tokens, contexts and modalities, for predictors that count.

Knows records; knows nothing about predictors.

Shapes: L positions, N context cells.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..tokens.grid import Ids, Shape, gather_window, modality_of_positions
from ..tokens.vocabulary import Vocabulary


class Records(Protocol):
    """What is read of a corpus; `windows.TokenCorpus` is one."""

    vocabulary: Vocabulary

    @property
    def num_records(self) -> int:
        """Number of records."""

    def record(self, index: int, /) -> tuple[Ids, tuple[Shape, ...]]:
        """Return the raster stream of one record and its segments' shapes."""


@dataclass(frozen=True)
class Rows:
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


def gather_rows(corpus: Records, *, full_windows_of: int | None = None) -> Rows:
    """Return all positions of a corpus.

    Args:
        corpus: The records.
        full_windows_of: Keep only the positions in non-overlapping windows of this length that are full, as protocol
            R1 does; None keeps all.

    Raises:
        ValueError: If nothing is left.
    """
    vocabulary = corpus.vocabulary
    parts: list[tuple[NDArray[Any], ...]] = []
    for index in range(corpus.num_records):
        ids, shapes = corpus.record(index)
        stop = len(ids) if full_windows_of is None else len(ids) // full_windows_of * full_windows_of
        if stop:
            contexts = gather_window(ids, shapes, 0, stop, pad_id=vocabulary.pad_id)
            parts.append((np.asarray(ids[:stop]), contexts, modality_of_positions(shapes)[:stop], np.arange(stop)))
    if not parts:
        raise ValueError(f"corpus has no full window of {full_windows_of}: expected at least one token to score")
    ids, all_contexts, modalities, positions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Rows(ids, all_contexts, modalities, positions, vocabulary)
