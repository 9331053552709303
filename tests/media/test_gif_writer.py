import io

import numpy as np
import pytest

from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import composite_on_white, read_frames


def gif_bytes(frames, **options):
    buffer = io.BytesIO()
    write_gif(frames, buffer, **options)
    return buffer.getvalue()


@pytest.fixture
def frames(rng):
    return rng.integers(0, 4, (5, 6, 7, 3), dtype=np.uint8) * 80


def test_round_trip_keeps_all_frames_colours_and_durations(frames):
    result = read_frames(gif_bytes(frames, durations_ms=[10, 20, 30, 40, 50]))
    assert np.array_equal(result.array[..., :3], frames) and (result.array[..., 3] == 255).all()
    assert result.durations_ms == (10, 20, 30, 40, 50)


def test_round_trip_keeps_transparency(frames, rng):
    alpha = rng.integers(0, 2, (*frames.shape[:3], 1), dtype=np.uint8) * 255
    rgba = np.concatenate([frames, alpha], -1)
    result = read_frames(gif_bytes(rgba)).array
    assert np.array_equal(result[..., 3], rgba[..., 3])
    assert np.array_equal(composite_on_white(result), composite_on_white(rgba))


def test_scale_repeats_pixels(frames):
    assert np.array_equal(read_frames(gif_bytes(frames, scale=3)).array[:, ::3, ::3, :3], frames)


def test_more_colours_than_a_gif_holds_keep_all_frames(rng):
    many = rng.integers(0, 256, (1, 40, 40, 4), dtype=np.uint8).repeat(3, 0)
    many[..., 3] = np.where(many[..., 3] < 128, 0, 255)
    result = read_frames(gif_bytes(many)).array
    assert len(result) == 3 and np.array_equal(result[..., 3], many[..., 3])


@pytest.mark.parametrize(
    ("given", "written"),
    [(16, 20), (8, 10), (33, 30), (39, 40), (16.7, 20), (4, 10), (0, 100), (np.int64(655_350), 655_350)],
)
def test_durations_are_rounded_to_what_a_gif_holds(frames, given, written):
    assert set(read_frames(gif_bytes(frames, durations_ms=given)).durations_ms) == {written}


@pytest.mark.parametrize("durations", [[1, 2], -1, 655_360, float("nan"), [[1] * 5]])
def test_durations_that_no_gif_holds_are_refused(frames, durations):
    with pytest.raises(ValueError, match="durations_ms"):
        write_gif(frames, io.BytesIO(), durations_ms=durations)


@pytest.mark.parametrize(
    "frames", [np.zeros((0, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3)), np.zeros((2, 2, 3), np.uint8)]
)
def test_malformed_frames_are_not_written(frames):
    with pytest.raises(ValueError, match="array"):
        write_gif(frames, io.BytesIO())
