import numpy as np
import pytest

from pixelbytes_hf.media.fitting import find_sound, pick_frames, place, shrink
from pixelbytes_hf.media.pictures import Frames


@pytest.mark.parametrize(("length", "most"), [(1, 5), (5, 5), (7, 3), (300, 32), (2, 1)])
def test_frames_are_picked_evenly_and_keep_the_time(length, most):
    frames = Frames(
        np.arange(length, dtype=np.uint16).view(np.uint8).reshape(length, 1, 2, 1).repeat(4, -1), (10,) * length
    )
    kept = pick_frames(frames, most)
    assert len(kept.array) == len(kept.durations_ms) == min(length, most)
    assert sum(kept.durations_ms) == 10 * length and np.array_equal(kept.array[0], frames.array[0])


def test_enlarged_pixels_come_back_exactly(rng):
    small = rng.integers(0, 256, (2, 5, 7, 4), np.uint8)
    small[..., 3] = np.where(small[..., 3] < 128, 0, 255)
    large = small.repeat(6, 1).repeat(6, 2)
    back = shrink(large, 5, 7)
    assert np.array_equal(back[..., 3], small[..., 3])
    assert np.array_equal(back[back[..., 3] > 0], small[small[..., 3] > 0])
    assert shrink(small, 9, 9) is small  # never enlarged


@pytest.mark.parametrize(
    ("size", "bound", "expected"), [((120, 200), 24, (14, 24)), ((1, 400), 24, (1, 24)), ((300, 2), 8, (8, 1))]
)
def test_the_longest_side_fits_and_none_vanishes(size, bound, expected):
    assert shrink(np.zeros((1, *size, 4), np.uint8), bound, bound).shape == (1, *expected, 4)


def test_pictures_stand_in_the_middle_of_the_foot():
    ground = place(np.full((1, 1, 2, 4), 255, np.uint8), 3, 4)
    assert ground[0, ..., 3].tolist() == [[0] * 4, [0] * 4, [0, 255, 255, 0]]


def test_a_sound_begins_where_it_is_loud():
    wave = np.r_[np.full(100, 1e-4), np.sin(np.arange(100) + 1)]
    assert find_sound(wave) == 100
    for silent in (np.zeros(9), np.zeros(0)):
        with pytest.raises(ValueError, match="silent"):
            find_sound(silent)
