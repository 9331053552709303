"""The 63 colours of the `full` vocabulary, fitted to the sprites that train.

Writes `pixelbytes_hf/tokens/palette.py`::

    python -m dataset_builder.fit_palette --dataset pixelbytes-pokemon --out pixelbytes_hf/tokens/palette.py

Colours are black, white, and 61 centres in CIE Lab of the opaque pixels of the train split, each sprite weighing the
same: k-means, then medians, because the mean distance is what counts.

Shapes: K colours, P pixels.
"""

import argparse
import logging
from pathlib import Path
from textwrap import fill

import numpy as np
import pyarrow.dataset
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab

from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.tokens.vocabulary import NES_COLOURS

NUM_COLOURS = 63
PIXELS_PER_SPRITE = 256
OPAQUE = 128
ITERATIONS = 60
MIN_DISTANCE = 1e-3
EXACT_COLOURS = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)

logger = logging.getLogger(__name__)

MODULE = '''"""The colours of the `full` vocabulary: fitted to real sprites, where the NES palette is far off.

Made by ``python -m dataset_builder.fit_palette`` with seed {seed} from the {num_sprites} sprites of the train split of
the Pokemon corpus; sorted by lightness. Mean distance in CIE Lab of an opaque pixel to its nearest colour, each sprite
weighing the same: {fitted:.1f} on those sprites and {held_out:.1f} on the {num_held_out} held out. The NES palette:
{nes:.1f} and {nes_held_out:.1f}.
"""

FITTED_CODES = """
{codes}
"""
FITTED_COLOURS: tuple[tuple[int, int, int], ...] = tuple(
    (red, green, blue) for red, green, blue in map(bytes.fromhex, FITTED_CODES.split())
)
'''


def sample_pixels(sprites: list[bytes], *, seed: int) -> NDArray[np.uint8]:
    """Return as many opaque pixels of every sprite, drawn with replacement from all its frames, (P, 3) RGB.

    Raises:
        ValueError: If a sprite cannot be read or has no opaque pixel.
    """
    random = np.random.default_rng(seed)
    samples = []
    for index, sprite in enumerate(sprites):
        frames = read_frames(sprite).array
        opaque = frames[frames[..., 3] >= OPAQUE][:, :3]
        if not len(opaque):
            raise ValueError(f"sprite {index} has no opaque pixel")
        samples.append(random.choice(opaque, PIXELS_PER_SPRITE))
    return np.concatenate(samples)


def fit_colours(pixels: NDArray[np.uint8], *, num_colours: int = NUM_COLOURS, seed: int = 0) -> NDArray[np.uint8]:
    """Return distinct colours near the pixels, (K, 3) RGB sorted by lightness, black and white among them.

    Args:
        pixels: RGB, (P, 3).
        num_colours: K, at least 3.
        seed: Seed of the first centres.

    Raises:
        ValueError: If there are fewer different pixels than colours, or two centres round to the same.
    """
    num_different = len(np.unique(pixels, axis=0))
    if num_colours < 3 or num_different < num_colours:
        raise ValueError(
            f"num_colours must be 3 to {num_different}, the number of different pixels, got {num_colours}"
        )
    points = rgb2lab(pixels)
    free, _ = kmeans2(points, num_colours - len(EXACT_COLOURS), iter=ITERATIONS, minit="++", seed=seed)
    centres = _refine(points, free, fixed=rgb2lab(EXACT_COLOURS))
    colours = np.unique(np.rint(lab2rgb(centres) * 255).astype(np.uint8), axis=0)
    if len(colours) < num_colours:
        raise ValueError(f"expected {num_colours} distinct colours, got {len(colours)}: too few different pixels?")
    return colours[np.argsort(rgb2lab(colours)[:, 0], kind="stable")]


def _refine(
    points: NDArray[np.float64], free: NDArray[np.float64], *, fixed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return fixed and free centres, the free ones moved to the geometric median of the points nearest to them.

    Means minimise the squared distance; medians the distance itself, which is what we report. Weiszfeld's algorithm.
    """
    for _ in range(ITERATIONS):
        distances, nearest = cKDTree(np.concatenate([fixed, free])).query(points)
        weights = 1 / np.maximum(distances, MIN_DISTANCE)
        num_centres = len(fixed) + len(free)
        totals = np.bincount(nearest, weights, num_centres)
        sums = np.stack([np.bincount(nearest, weights * axis, num_centres) for axis in points.T], axis=1)
        moved = totals[len(fixed) :] > 0
        free = free.copy()
        free[moved] = (sums[len(fixed) :] / np.maximum(totals[len(fixed) :], MIN_DISTANCE)[:, None])[moved]
    return np.concatenate([fixed, free])


def mean_distance(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> float:
    """Return the mean distance in CIE Lab of pixels (P, 3) to the nearest of colours (K, 3).

    Example:
        >>> mean_distance(np.zeros((5, 3), np.uint8), np.array([[0, 0, 0], [255, 255, 255]], np.uint8))
        0.0
    """
    return float(cKDTree(rgb2lab(colours)).query(rgb2lab(pixels))[0].mean())


def read_sprites(dataset: Path, split: str) -> list[bytes]:
    """Return the original GIFs of a split of a built corpus.

    Raises:
        FileNotFoundError: If the corpus has no such split.
    """
    files = sorted((dataset / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise FileNotFoundError(f"no {split} split in {str(dataset)!r}: expected a folder that dataset_builder made")
    table = pyarrow.dataset.dataset([str(file) for file in files]).to_table(columns=["sprite"])
    return [sprite["bytes"] for sprite in table.column("sprite").to_pylist()]


def main() -> None:
    """Fit the palette and write its module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the built Pokemon corpus")
    parser.add_argument("--out", type=Path, required=True, help="module to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train = read_sprites(arguments.dataset, "train")
    held_out = [sprite for split in ("validation", "test") for sprite in read_sprites(arguments.dataset, split)]
    pixels, held_out_pixels = (sample_pixels(sprites, seed=arguments.seed) for sprites in (train, held_out))
    colours, nes = fit_colours(pixels, seed=arguments.seed), np.array(NES_COLOURS, np.uint8)
    text = MODULE.format(
        seed=arguments.seed,
        num_sprites=len(train),
        num_held_out=len(held_out),
        fitted=mean_distance(pixels, colours),
        held_out=mean_distance(held_out_pixels, colours),
        nes=mean_distance(pixels, nes),
        nes_held_out=mean_distance(held_out_pixels, nes),
        codes=fill(" ".join(colour.tobytes().hex().upper() for colour in colours), width=112),
    )
    arguments.out.write_text(text, encoding="utf-8")
    logger.info("wrote %s:\n%s", arguments.out, text.split('"""')[1])


if __name__ == "__main__":
    main()
