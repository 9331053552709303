import numpy as np
import pytest

from dataset_builder.agreement import CRY_ATTRIBUTES, SPRITE_ATTRIBUTES, agreement_bounds, attribute_agreement
from dataset_builder.creatures import ATTRIBUTES, CRY_RATE_HZ, cry, describe, draw


@pytest.fixture(scope="module")
def creatures():
    random = np.random.default_rng(0)
    drawn = [{name: values[random.integers(len(values))] for name, values in ATTRIBUTES.items()} for _ in range(120)]
    return (
        [describe(attributes, seed) for seed, attributes in enumerate(drawn)],
        [draw(attributes, seed) for seed, attributes in enumerate(drawn)],
        [cry(attributes, seed) for seed, attributes in enumerate(drawn)],
    )


def test_real_pairs_agree_and_shuffled_ones_only_by_chance(creatures):
    bounds = agreement_bounds(*creatures, CRY_RATE_HZ)
    assert bounds["ceiling"] == dict.fromkeys(ATTRIBUTES, 1.0)
    for name, share in bounds["floor"].items():
        chance = 1 / len(ATTRIBUTES[name])
        assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / len(creatures[0]))


def test_missing_outputs_disagree(creatures):
    texts, frames, sounds = creatures
    half = len(texts) // 2
    agreement = attribute_agreement(
        texts,
        [None if index < half else sprite for index, sprite in enumerate(frames)],
        [np.zeros((2, 0)) if index < half else sound for index, sound in enumerate(sounds)],
        [CRY_RATE_HZ] * len(texts),
    )
    assert agreement == dict.fromkeys(ATTRIBUTES, 0.5)


def test_text_that_states_nothing_disagrees(creatures):
    _, frames, sounds = creatures
    agreement = attribute_agreement(["a creature."] * 3, frames[:3], sounds[:3], CRY_RATE_HZ)
    assert agreement == dict.fromkeys(ATTRIBUTES, 0.0)


def test_only_what_was_asked_for_is_reported(creatures):
    texts, frames, sounds = creatures
    assert attribute_agreement(texts[:2], frames[:2], None, None).keys() == set(SPRITE_ATTRIBUTES)
    assert attribute_agreement(texts[:2], None, sounds[:2], CRY_RATE_HZ).keys() == set(CRY_ATTRIBUTES)


def test_wrong_lengths_are_refused(creatures):
    texts, frames, sounds = creatures
    with pytest.raises(ValueError, match="frames must have one entry for each of the 2 texts, got 3"):
        attribute_agreement(texts[:2], frames[:3], None, None)
    with pytest.raises(ValueError, match="sounds"):
        attribute_agreement(texts[:2], None, sounds[:1], CRY_RATE_HZ)
    with pytest.raises(ValueError, match="sampling_rates must have"):
        attribute_agreement(texts[:2], None, sounds[:2], [CRY_RATE_HZ])
    with pytest.raises(ValueError, match="sampling_rates must be given"):
        attribute_agreement(texts[:2], None, sounds[:2], None)
    with pytest.raises(ValueError, match="texts"):
        attribute_agreement([], [], [], CRY_RATE_HZ)
    with pytest.raises(ValueError, match="at least 2"):
        agreement_bounds(texts[:1], frames[:1], sounds[:1], CRY_RATE_HZ)
