import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.attributes import BACKGROUND, BLACK, body_mask
from dataset_builder.creatures import (
    ATTRIBUTES,
    COLOURS,
    CRY_RATE_HZ,
    CRY_SAMPLES,
    SHAPES,
    SIZES,
    cry,
    describe,
    draw,
    measure_cry,
    measure_sprite,
    read_attributes,
)
from pixelbytes_hf.tokens.vocabulary import NES_COLOURS, PAPER_BYTES

any_attributes = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ATTRIBUTES.items()})
seeds = st.integers(0, 10**6)
RED = {"colour": "red", "size": "large", "shape": "round", "pose": "resting", "element": "fire", "pitch": "low"}


@given(any_attributes, seeds)
@settings(max_examples=60, deadline=None)
def test_measures_return_what_was_drawn(attributes, seed):
    measured = measure_sprite(draw(attributes, seed)) | measure_cry(cry(attributes, seed), CRY_RATE_HZ)
    assert measured == attributes
    assert read_attributes(describe(attributes, seed)) == attributes


@given(any_attributes, seeds)
@settings(max_examples=60, deadline=None)
def test_media_keep_to_the_paper(attributes, seed):
    text, frames, sound = describe(attributes, seed), draw(attributes, seed), cry(attributes, seed)
    assert set(text.encode("ascii")) <= set(PAPER_BYTES)
    assert 50 <= len(text) <= 75
    assert (frames.shape, frames.dtype) == ((4, 12, 12, 3), np.uint8)
    assert {*map(tuple, frames.reshape(-1, 3).tolist())} == {BACKGROUND, BLACK, COLOURS[attributes["colour"]]}
    assert (sound.shape, sound.dtype) == ((2, CRY_SAMPLES), np.float32)
    assert np.abs(sound).max(axis=1) == pytest.approx([1.0, 1.0])


@given(any_attributes)
@settings(max_examples=20, deadline=None)
def test_seed_decides_everything_else(attributes):
    for make in (draw, describe, cry):
        assert np.array_equal(make(attributes, 5), make(attributes, 5))
        assert len({np.asarray(make(attributes, seed)).tobytes() for seed in range(30)}) > 1


def test_colours_are_nes_colours_far_apart_and_not_white():
    assert len(COLOURS) >= 8
    assert {*COLOURS.values(), BACKGROUND, BLACK} <= set(NES_COLOURS)
    known = np.array([*COLOURS.values(), BACKGROUND, BLACK], float)
    distances = np.linalg.norm(known[:, None] - known, axis=-1)
    assert distances[~np.eye(len(known), dtype=bool)].min() > 120


def test_bodies_differ():
    bodies = {
        body_mask(size, shape).tobytes() + bytes(body_mask(size, shape).shape) for size in SIZES for shape in SHAPES
    }
    assert len(bodies) == len(SIZES) * len(SHAPES)


def test_no_word_stands_for_two_attributes():
    words = [word for values in ATTRIBUTES.values() for word in values]
    assert len(set(words)) == len(words)


def test_measures_survive_wrong_pixels_and_noise(rng):
    palette = np.array(NES_COLOURS, np.uint8)
    hits = {name: [] for name in ATTRIBUTES}
    for seed in range(60):
        attributes = {name: values[rng.integers(len(values))] for name, values in ATTRIBUTES.items()}
        frames, sound = draw(attributes, seed), cry(attributes, seed)
        wrong = rng.random(frames.shape[:3]) < 0.03
        frames[wrong] = palette[rng.integers(0, len(palette), wrong.sum())]
        sound = sound + rng.normal(0, 0.1, sound.shape)
        measured = measure_sprite(frames) | measure_cry(sound, CRY_RATE_HZ)
        for name in ATTRIBUTES:
            hits[name].append(measured[name] == attributes[name])
    assert min(np.mean(found) for found in hits.values()) >= 0.95


@pytest.mark.parametrize("make", [draw, describe, cry])
@pytest.mark.parametrize("wrong", [{"colour": "white"}, {"pose": None}])
def test_unknown_attribute_is_refused(make, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(RED | wrong, 0)


def test_missing_attribute_is_refused():
    with pytest.raises(ValueError, match="pitch"):
        describe({name: value for name, value in RED.items() if name != "pitch"}, 0)


def test_read_attributes_takes_whole_words_and_no_contradiction():
    assert read_attributes("a redder beast in a reddish leaflet") == dict.fromkeys(ATTRIBUTES)
    assert read_attributes("Red, RED and blue: small")["colour"] is None
    assert read_attributes("Red, RED: small")["colour"] == "red"
    assert read_attributes("")["size"] is None


@pytest.mark.parametrize("value", [0xFC, 0xF8, 0xFF])
def test_empty_sprite_shows_nothing(value):
    frames = np.full((4, 12, 12, 3), value, np.uint8)
    assert measure_sprite(frames) == dict.fromkeys(("colour", "size", "shape", "pose"))


def test_noise_shows_no_body(rng):
    frames = np.array(NES_COLOURS, np.uint8)[rng.integers(0, 55, (4, 12, 12))]
    measured = measure_sprite(frames)
    assert (measured["size"], measured["shape"], measured["pose"]) == (None, None, None)


def test_two_equal_colours_are_no_colour():
    frames = draw(RED, 0)
    frames[:2][(frames[:2] == COLOURS["red"]).all(-1)] = COLOURS["blue"]
    assert measure_sprite(frames)["colour"] is None


def test_one_frame_has_no_pose():
    measured = measure_sprite(draw(RED, 0)[:1])
    assert measured == {"colour": "red", "size": "large", "shape": "round", "pose": None}


@pytest.mark.parametrize("margin", [0, 1, 5])
def test_sprite_is_measured_wherever_it_is(margin):
    frames = np.pad(draw(RED, 0), ((0, 0), (margin, 0), (0, margin), (0, 0)), constant_values=0xFC)
    assert measure_sprite(frames)["shape"] == "round"
    assert measure_sprite(frames[:, :, 1:-1])["size"] == "large"


@pytest.mark.parametrize(
    "frames", [np.zeros((12, 12, 3), np.uint8), np.zeros((4, 12, 12, 3)), np.zeros((0, 1, 1, 3), np.uint8)]
)
def test_measure_sprite_refuses_other_arrays(frames):
    with pytest.raises(ValueError, match="frames"):
        measure_sprite(frames)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros((2, 400)),
        np.ones((2, 400)),
        np.full((2, 400), np.nan),
        np.ones((2, 3)),
        np.zeros((2, 0)),
        np.eye(1, 400),
    ],
    ids=["silence", "constant", "nan", "short", "empty", "click"],
)
def test_sound_without_cry_has_no_attributes(sound):
    assert measure_cry(sound, CRY_RATE_HZ) == {"element": None, "pitch": None}


def test_noise_has_no_pitch(rng):
    assert measure_cry(rng.normal(size=(2, 400)), CRY_RATE_HZ) == {"element": None, "pitch": None}


@pytest.mark.parametrize("scale", [1e-3, 100.0])
def test_cry_is_measured_at_any_scale_offset_and_rank(scale):
    sound = cry(RED, 0)[0] * scale + 0.3 * scale
    assert measure_cry(sound, CRY_RATE_HZ) == {"element": "fire", "pitch": "low"}


def test_cry_is_measured_at_another_rate():
    sound = cry(RED | {"pitch": "middle"}, 0).repeat(2, axis=1)
    assert measure_cry(sound, 2 * CRY_RATE_HZ)["pitch"] == "middle"


def test_measure_cry_refuses_other_arrays():
    with pytest.raises(ValueError, match="array"):
        measure_cry(np.zeros((1, 2, 400)), CRY_RATE_HZ)
    with pytest.raises(ValueError, match="Hz"):
        measure_cry(np.zeros((2, 400)), 0)
