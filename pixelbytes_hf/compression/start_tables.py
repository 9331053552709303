"""Tables from which the networks of pixels start: what a corpus of pictures taught them, without its colours.

Kept are the maps and the weights of a network, for stills and for animations; its slots, which know colours by number,
begin empty.
"""

import hashlib
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .contents import Content, Picture
from .counts.coding import BitWriter
from .counts.pixel_model import MAX_COLOURS, MOST_BITS, PixelModel, code_pixels, make_pixel_model
from .counts.streams import run_through
from .helped_formats import DIGEST_BYTES
from .palettes import index_colours
from .timing import choose_references
from .writing import write_whole

PATIENCE = 100  # observations that a map starts with, at most, so that it still learns
KINDS = ("still", "moving")
MOST_MAP = 1 << 30  # a probability of 22 bits, and how many observations it has, 8 bits


class StartTables:
    """Maps and weights to start from.

    Args:
        tables: By kind, ``still`` or ``moving``, the maps and the weights, int32.

    Raises:
        ValueError: If there is none, a kind is unknown, a table is not a row of int32 as long as the network's, or
            maps have numbers below 0 or from 2^30 on.
    """

    what = "file of start tables"

    def __init__(self, tables: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]]) -> None:
        self.tables = tables
        if not tables:
            raise ValueError(f"tables must have one of {KINDS} at least, got none")
        for kind, (maps, weights) in tables.items():
            if kind not in KINDS:
                raise ValueError(f"tables must be of {KINDS}, got {kind!r}")
            net = _empty(kind == "moving").net
            if {(array.dtype, array.ndim) for array in (maps, weights)} != {(np.dtype(np.int32), 1)}:
                got = ", ".join(f"{array.dtype} {array.shape}" for array in (maps, weights))
                raise ValueError(f"the tables {kind!r} must be rows of int32, got {got}")
            if (len(maps), len(weights)) != (len(net.maps), len(net.weights)):
                raise ValueError(
                    f"the tables {kind!r} must have {len(net.maps)} and {len(net.weights)} numbers, "
                    f"got {len(maps)} and {len(weights)}"
                )
            low, high = int(maps.min()), int(maps.max())
            if low < 0 or high >= MOST_MAP:
                raise ValueError(f"the maps {kind!r} must be from 0 to {MOST_MAP - 1}, got {low} to {high}")

    @classmethod
    def fit(cls, pictures: Iterable[Picture]) -> "StartTables":
        """Return what pictures of up to 256 colours teach, one after another; others are left out.

        Raises:
            ValueError: If there is no such picture.
        """
        tables: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        for picture in tqdm(pictures, unit=" pictures", leave=False):
            found = _index(picture)
            if found is None:
                continue
            image, colours = found
            model = make_pixel_model(image, len(colours), choose_references(image))
            if tables:
                cls(tables).start(model)
            run_through(code_pixels, model, BitWriter(), image.size, MOST_BITS, unit="pixels")
            tables[KINDS[len(image) > 1]] = np.array(model.net.maps), np.array(model.net.weights)
        if not tables:
            raise ValueError(f"pictures must have one of up to {MAX_COLOURS} colours at least, got none to learn from")
        return cls(tables)

    def start(self, model: PixelModel) -> None:
        """Put the tables into a model that has seen nothing; one of a kind without tables stays as it is."""
        kind = KINDS[len(model.references) > 1]
        if kind in self.tables:
            maps, weights = self.tables[kind]
            for index, number in enumerate((maps >> 8 << 8 | np.minimum(maps & 255, PATIENCE)).tolist()):
                model.net.maps[index] = number
            for index, number in enumerate(weights.tolist()):
                model.net.weights[index] = number

    def digest(self) -> bytes:
        """Return what tells these tables from others."""
        digest = hashlib.sha256()
        for kind in sorted(self.tables):
            for table in self.tables[kind]:
                digest.update(kind.encode() + table.astype("<i4").tobytes())
        return digest.digest()[:DIGEST_BYTES]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tables as an ``.npz`` file."""
        arrays: dict[str, Any] = {}
        for kind, (maps, weights) in self.tables.items():
            arrays |= {f"{kind}_maps": maps, f"{kind}_weights": weights}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "StartTables":
        """Return the tables of a file.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                names = {name.rpartition("_")[0] for name in file.files}
                return cls({kind: (file[f"{kind}_maps"], file[f"{kind}_weights"]) for kind in names})
        except FileNotFoundError:
            raise
        except Exception as error:  # zip files break in many ways
            raise ValueError(f"{os.fspath(path)} is no file of start tables: {error}") from error


def can_teach(content: Content) -> bool:
    """Tell whether a content is a picture of up to 256 colours."""
    return isinstance(content, Picture) and _index(content) is not None


def _index(picture: Picture) -> tuple[NDArray[np.int32], NDArray[np.uint8]] | None:
    array: Any = picture.array
    return index_colours(array, MAX_COLOURS) if array.shape[-1] == 4 else None


def _empty(moves: bool) -> PixelModel:
    frames = 1 + moves
    return make_pixel_model(np.zeros((frames, 1, 1), np.int32), 1, np.arange(-1, frames - 1))
