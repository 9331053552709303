"""The layout of a corpus: what its records usually consist of, written beside a model trained on it."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..data.corpus import TokenCorpus
from ..generation.layout import Audio, Image, Layout, SegmentLayout, Text
from ..pretrained.json_files import read_object, reading
from ..tokens.grid import MODALITIES
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
    table = {name: corpus.segments[corpus.segments[:, 0] == n, 1:] for n, name in enumerate(MODALITIES)}
    make = {"text": _text_layout, "image": _image_layout, "audio": _audio_layout}
    return Layout(tuple(make[modality](table[modality]) for modality in order))


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


def _text_layout(extents: np.ndarray) -> SegmentLayout:
    return Text(max_length=max(int(extents[:, 2].max()) - 1, 1))


def _image_layout(extents: np.ndarray) -> SegmentLayout:
    frames, rows, columns = np.median(extents, axis=0).astype(int).tolist()
    _, most_rows, most_columns = extents.max(0).tolist()
    return Image(
        frames=frames,
        height=rows if (extents[:, 1] == rows).all() else None,
        width=columns - 1 if (extents[:, 2] == columns).all() else None,
        max_height=most_rows,
        max_width=most_columns - 1,
    )


def _audio_layout(extents: np.ndarray) -> SegmentLayout:
    channels, most = int(np.median(extents[:, 2])), int(extents[:, 0].max()) - 1
    is_fixed = (extents[:, 0] == most + 1).all()
    return Audio(channels=channels, samples=most if is_fixed else None, max_samples=None if is_fixed else most)
