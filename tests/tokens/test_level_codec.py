import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixelbytes_hf.tokens.level_codec import decode_levels, encode_levels
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER = Vocabulary.from_preset("paper")
FULL = Vocabulary.from_preset("full")
SIGNALS = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-1e3, 1e3, width=32))


@settings(max_examples=80, deadline=None)
@given(signal=SIGNALS, scaling=st.sampled_from(["min-max", "peak"]))
def test_amplitude_is_restored_to_half_a_step(signal, scaling):
    ids, scale = encode_levels(signal, PAPER, scaling=scaling)
    step = scale.gain * 2 / 37
    assert (
        np.abs(decode_levels(ids, PAPER, scale) - signal).max() <= step / 2 * (1 + 1e-5) + 1e-4 * np.abs(signal).max()
    )


@settings(max_examples=80, deadline=None)
@given(signal=SIGNALS, vocabulary=st.sampled_from([PAPER, FULL]))
def test_levels_are_the_nearest_ones(signal, vocabulary):
    ids, scale = encode_levels(signal, vocabulary)
    unit = (signal - scale.offset) / (scale.gain or 1.0)
    distance = np.abs(unit[..., None] - np.array(vocabulary.levels))
    chosen = np.take_along_axis(distance, (ids - vocabulary.level_ids.start)[..., None].astype(int), -1)[..., 0]
    assert np.allclose(chosen, distance.min(-1), atol=1e-12)


@pytest.mark.parametrize("vocabulary", [PAPER, FULL])
@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_constant_sound_maps_to_the_middle_and_back(vocabulary, value):
    ids, scale = encode_levels(np.full((5, 2), value), vocabulary)
    level = np.array(vocabulary.levels)[np.unique(ids - vocabulary.level_ids.start)]
    assert np.allclose(np.abs(level), np.abs(vocabulary.levels).min()) and len(level) == 1
    assert np.allclose(decode_levels(ids, vocabulary, scale), value)


def test_zero_stays_zero_under_peak_in_full():
    ids, scale = encode_levels(np.array([[0.0], [3.0], [-1.0]]), FULL, scaling="peak")
    assert decode_levels(ids, FULL, scale)[0, 0] == 0.0 and scale.offset == 0.0


def test_scale_is_taken_before_slicing():
    ids, _ = encode_levels(np.array([[0.0], [1.0], [0.0]]), PAPER, step=2)
    assert ids.reshape(-1).tolist() == [113, 113]


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (np.zeros(3), {}, "signal"),
        (np.zeros((0, 1)), {}, "signal"),
        (np.array([[np.nan]]), {}, "NaN"),
        (np.array([[np.inf]]), {}, "infinity"),
        (np.array([["a"]]), {}, "real numbers"),
        (np.zeros((3, 1)), {"scaling": "loud"}, "scaling"),
    ],
)
def test_malformed_signals_are_refused(signal, options, message):
    with pytest.raises(ValueError, match=message):
        encode_levels(signal, PAPER, **options)


def test_ids_that_are_no_levels_are_refused():
    with pytest.raises(ValueError, match="level ids"):
        decode_levels(np.array([[0]]), PAPER)
