"""The layout of a corpus: what its records usually consist of, written beside a model trained on it."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.corpus import TokenCorpus
from ..generation.layout import SEGMENT_LAYOUTS, Layout
from ..pretrained.json_files import read_object, reading
from ..tokens.modalities import MODALITIES, TRAITS, Modality
from .files import write_json

LAYOUT_NAME = "layout.json"


def layout_of_corpus(corpus: TokenCorpus) -> Layout:
    """Return a layout whose segments have the corpus' usual order and extent.

    The order is that of most records. An extent that all records share is fixed; otherwise a sprite has the median
    number of frames and a free size, a text or sound a free length, up to the largest in the corpus.
    """
    bounds = corpus.first_segments.tolist()
    orders = Counter(tuple(corpus.segments[a:b, 0].tolist()) for a, b in pairwise(bounds))
    order = [MODALITIES[index] for index in orders.most_common(1)[0][0]]
    return Layout(tuple(SEGMENT_LAYOUTS[name].of_extents(_data_extents(corpus, name)) for name in order))


def _data_extents(corpus: TokenCorpus, modality: Modality) -> NDArray[np.int64]:
    """Return T, H and W of the segments of a modality without marks, (S, 3)."""
    extents = corpus.segments[corpus.segments[:, 0] == MODALITIES.index(modality), 1:]
    return extents.astype(np.int64) - np.subtract((1, 1, 1), TRAITS[modality].data_shape((1, 1, 1)))


def save_layout(corpus: TokenCorpus, folder: str | Path) -> None:
    """Write the corpus' layout into a run folder."""
    write_json(Path(folder) / LAYOUT_NAME, layout_of_corpus(corpus).to_dict())


def load_layout(folder: str | Path) -> Layout:
    """Return the layout of a run folder.

    Raises:
        FileNotFoundError: If it has none.
    """
    path = Path(folder) / LAYOUT_NAME
    with reading(path):
        return Layout.from_dict(read_object(path))
