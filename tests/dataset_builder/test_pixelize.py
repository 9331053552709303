import json

import numpy as np
import pytest

from dataset_builder.pixelize import pixelize_frames, pixelize_gif
from pixelbytes_hf.media.pictures import Frames, read_frames
from pixelbytes_hf.tokens.vocabulary import NES_COLOURS


def test_pixels_equal_the_papers_synthetic_cases(parity_builder):
    names = {key.removesuffix("__out") for key in parity_builder if key.endswith("__out")}
    assert len(names) >= 5
    for name in names:
        assert np.array_equal(pixelize_frames(parity_builder[f"{name}__frames"]), parity_builder[f"{name}__out"]), name


def test_pixels_equal_the_papers(shared):
    cases = json.loads((shared / "parity/data_cases.json").read_text())["cases"]
    arrays = np.load(shared / "parity/data.npz")
    for case in cases:
        if case["kind"] == "PixelizeGIF":
            assert np.array_equal(pixelize_frames(arrays[case["frames"]]), arrays[case["out"]]), case["id"]


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 50), (50, 25)), ((12, 12), (50, 50)), ((300, 1), (50, 1)), ((97, 97), (49, 49))]
)
def test_longest_side_is_fifty(size, expected, rng):
    frames = rng.integers(0, 256, (2, *size, 4), dtype=np.uint8)
    assert pixelize_frames(frames).shape == (2, *expected, 3)


def test_colours_are_those_of_the_console_or_background(rng):
    pixels = pixelize_frames(rng.integers(0, 256, (1, 40, 50, 3), dtype=np.uint8))
    assert {*map(tuple, pixels.reshape(-1, 3).tolist())} <= {*NES_COLOURS, (255, 255, 255)}


def test_transparency_is_white():
    frames = np.zeros((1, 50, 50, 4), np.uint8)
    frames[0, :, :25, 3] = 255
    pixels = pixelize_frames(frames)
    assert (pixels[0, :, :25] == 0).all()
    assert (pixels[0, :, 25:] == 255).all()


def test_gif_keeps_every_frame_and_duration():
    frames = np.full((3, 50, 50, 4), 255, np.uint8)
    frames[2, 10:20, 10:20, :3] = 0  # the first two are equal, and still two
    read = read_frames(pixelize_gif(Frames(frames, (30, 40, 50))))
    assert read.durations_ms == (30, 40, 50)
    assert np.array_equal(read.array[..., :3], frames[..., :3])


@pytest.mark.parametrize(
    "frames", [np.zeros((5, 5, 3), np.uint8), np.zeros((1, 5, 5, 3)), np.zeros((0, 5, 5, 3), np.uint8)]
)
def test_other_arrays_are_refused(frames):
    with pytest.raises(ValueError, match="frames"):
        pixelize_frames(frames)


def test_size_is_at_least_one():
    with pytest.raises(ValueError, match="max_size"):
        pixelize_frames(np.zeros((1, 5, 5, 3), np.uint8), max_size=0)
