import numpy as np
import pytest
from skimage.color import rgb2lab

from dataset_builder import build
from dataset_builder.fit_palette import fit_colours, mean_distance, read_sprites, sample_pixels
from pixelbytes_hf.tokens.palette import FITTED_COLOURS


def test_stored_palette_is_complete():
    assert len(set(FITTED_COLOURS)) == len(FITTED_COLOURS) == 63
    assert {(0, 0, 0), (255, 255, 255)} <= set(FITTED_COLOURS)
    assert all(0 <= value <= 255 for colour in FITTED_COLOURS for value in colour)


def test_separate_groups_are_found(rng):
    centres = np.array([[0, 0, 0], [255, 255, 255], [200, 30, 30], [30, 160, 60], [40, 60, 220]])
    pixels = (centres[rng.integers(0, 5, 3000)] + rng.integers(-4, 5, (3000, 3))).clip(0, 255).astype(np.uint8)
    colours = fit_colours(pixels, num_colours=5)
    assert np.abs(colours[np.argsort(colours @ [1, 10, 100])] - centres[np.argsort(centres @ [1, 10, 100])]).max() <= 3
    assert {(0, 0, 0), (255, 255, 255)} <= {*map(tuple, colours.tolist())}


def test_fit_beats_a_grid_of_as_many_colours(rng):
    pixels = rng.integers(0, 80, (4000, 3), dtype=np.uint8)
    steps = [0, 85, 170, 255]
    grid = np.array([(r, g, b) for r in steps for g in steps for b in steps], np.uint8)[:63]
    assert mean_distance(pixels, fit_colours(pixels)) < 0.5 * mean_distance(pixels, grid)


def test_mean_distance_is_that_of_the_nearest_colour(rng):
    pixels, colours = (rng.integers(0, 256, (n, 3), dtype=np.uint8) for n in (50, 7))
    expected = np.linalg.norm(rgb2lab(pixels)[:, None] - rgb2lab(colours), axis=-1).min(axis=1).mean()
    assert mean_distance(pixels, colours) == pytest.approx(expected)


def test_sprites_come_from_the_split(tmp_path):
    report = build("mini", tmp_path / "mini", num_creatures=128, progress=False)
    sprites = read_sprites(tmp_path / "mini", "test")
    assert len(sprites) == report.splits["test"].num_records
    assert len(sample_pixels(sprites, seed=0)) == 256 * len(sprites)
    with pytest.raises(FileNotFoundError, match="dev"):
        read_sprites(tmp_path / "mini", "dev")


def test_too_few_colours_are_refused():
    with pytest.raises(ValueError, match="num_colours"):
        fit_colours(np.zeros((100, 3), np.uint8))
