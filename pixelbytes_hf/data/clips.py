"""Clips: segments of one medium of a corpus as arrays of cells, for codecs, and batches of them.

Shapes: B clips; T frames, H rows, W columns of pictures; N samples, C channels of sounds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..tokens.grid import MODALITIES, Modality, Segment, codes_of_segment
from .corpus import TokenCorpus

_STREAM = 5  # which stream of random numbers


class ClipDataset(Dataset[dict[str, Any]]):
    """The segments of one medium, whole or a part that is drawn anew in every epoch, as a pure function of the seed.

    Args:
        corpus: Records.
        medium: ``image`` or ``audio``.
        length: Frames or samples of a clip, at most; None leaves segments whole.
        mirror: Whether pictures are turned left to right in half of the visits.
        seed: Of the draws.

    Raises:
        ValueError: If no record has a segment of the medium.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        medium: Modality,
        *,
        length: int | None = None,
        mirror: bool = False,
        seed: int = 0,
    ) -> None:
        """Find the segments."""
        rows = corpus.segments
        sizes = np.concatenate([[0], np.cumsum(rows[:, 1:].astype(np.int64).prod(1))])
        self._rows = np.flatnonzero(rows[:, 0] == MODALITIES.index(medium))
        if not len(self._rows):
            raise ValueError(
                f"corpus must have records with a segment of {medium!r}, got {corpus.num_records} without"
            )
        self.corpus, self.medium, self._starts = corpus, medium, sizes
        self.length, self.mirror, self.seed, self.epoch = length, mirror, seed, 0

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self._rows)

    @property
    def num_columns(self) -> set[int]:
        """Numbers of columns of the grids: of sounds, of channels."""
        return set(self.corpus.segments[self._rows, 3].tolist())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the draws."""
        self.epoch = epoch

    def segment(self, index: int) -> Segment:
        """Return a segment whole, as it stands in the corpus."""
        row = int(self._rows[index])
        ids = self.corpus.ids[self._starts[row] : self._starts[row + 1]]
        return Segment(self.medium, np.asarray(ids).reshape(self.corpus.segments[row, 1:]))

    def __getitem__(self, index: int) -> dict[str, NDArray[np.int64]]:
        """Return ``cells``, (T, H, W) or (N, C), counted from the first id of their kind."""
        cells = codes_of_segment(self.segment(index), self.corpus.vocabulary)
        if self.length is None and not self.mirror:
            return {"cells": cells}
        random = np.random.default_rng((self.seed, self.epoch, index, _STREAM))
        if self.length is not None and len(cells) > self.length:
            start = int(random.integers(len(cells) - self.length + 1))
            cells = cells[start : start + self.length]
        if self.mirror and self.medium == "image" and random.random() < 0.5:
            cells = cells[:, :, ::-1]
        return {"cells": np.ascontiguousarray(cells)}


class ClipCollator:
    """Stacks clips of different sizes, filled up at their ends.

    Args:
        fill: Cell that fills up.
        name: Of the model's input.
    """

    def __init__(self, fill: int, name: str) -> None:
        """Keep the arguments."""
        self.fill, self.name = fill, name

    def __call__(self, clips: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the cells (B, ...) int64, ``mask`` (B, ...), of sounds without channels, and ``sizes`` (B, n)."""
        cells = [clip["cells"] for clip in clips]
        sizes = np.array([each.shape for each in cells])
        batch = np.full((len(cells), *sizes.max(0)), self.fill, np.int64)
        mask = np.zeros(batch.shape, bool)
        for index, each in enumerate(cells):
            place: Any = (index, *(slice(extent) for extent in each.shape))
            batch[place], mask[place] = each, True
        shown = mask if mask.ndim == 4 else mask[..., 0]
        arrays = {self.name: batch, "mask": shown, "sizes": sizes}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
