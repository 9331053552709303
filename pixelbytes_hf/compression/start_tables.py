"""Tables from which the networks of pixels start: what a corpus of pictures taught them, without its colours.

Kept are the maps and the weights of a network, for stills and for animations; its slots, which know colours by number,
begin empty.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .contents import Picture
from .counts.coding import BitWriter
from .counts.pixel_model import MAX_COLOURS, MOST_BITS, PixelModel, code_pixels, make_pixel_model
from .counts.streams import run_through
from .helped_formats import DIGEST_BYTES
from .palettes import index_colours
from .timing import choose_references

PATIENCE = 100  # observations that a map starts with, at most, so that it still learns
KINDS = ("still", "moving")


class StartTables:
    """Maps and weights to start from.

    Args:
        tables: By kind, ``still`` or ``moving``, the maps and the weights, int32.

    Raises:
        ValueError: If a kind is unknown, or a table has another size than the network's.
    """

    what = "file of start tables"

    def __init__(self, tables: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]]) -> None:
        self.tables = tables
        for kind, (maps, weights) in tables.items():
            if kind not in KINDS:
                raise ValueError(f"tables must be of {KINDS}, got {kind!r}")
            net = _empty(kind == "moving").net
            if (len(maps), len(weights)) != (len(net.maps), len(net.weights)):
                raise ValueError(
                    f"the tables {kind!r} must have {len(net.maps)} and {len(net.weights)} numbers, "
                    f"got {len(maps)} and {len(weights)}"
                )

    @classmethod
    def fit(cls, pictures: Iterable[Picture]) -> "StartTables":
        """Return what pictures of up to 256 colours teach, one after another; others are left out."""
        tables: dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        for picture in tqdm(pictures, unit=" pictures", leave=False):
            found = None if picture.array.shape[-1] != 4 else index_colours(picture.array, MAX_COLOURS)
            if found is None:
                continue
            image, colours = found
            model = make_pixel_model(image, len(colours), choose_references(image))
            cls(tables).start(model)
            run_through(code_pixels, model, BitWriter(), image.size, MOST_BITS, unit="pixels")
            tables[KINDS[len(image) > 1]] = np.array(model.net.maps), np.array(model.net.weights)
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
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **arrays)

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


def _empty(moves: bool) -> PixelModel:
    frames = 1 + moves
    return make_pixel_model(np.zeros((frames, 1, 1), np.int32), 1, np.arange(-1, frames - 1))
