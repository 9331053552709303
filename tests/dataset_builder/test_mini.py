import io

import numpy as np
import pytest
import soundfile

from dataset_builder.creatures import ATTRIBUTES, CRY_RATE_HZ, measure_cry, measure_sprite, read_attributes
from dataset_builder.mini import FAMILY_ATTRIBUTES, MAX_NUM_CREATURES, draw_attributes, make_record
from pixelbytes_hf.media.pictures import composite_on_white, read_frames


def test_creatures_differ_and_families_share_their_attributes():
    drawn = list(draw_attributes(512))
    assert len({tuple(attributes.items()) for _, attributes in drawn}) == 512
    families = {}
    for family, attributes in drawn:
        families.setdefault(family, set()).add(tuple(attributes[name] for name in FAMILY_ATTRIBUTES))
    assert all(len(shared) == 1 for shared in families.values())
    assert len(set.union(*families.values())) == len(families) == 128


def test_every_value_occurs():
    drawn = [attributes for _, attributes in draw_attributes(512)]
    assert {name: {attributes[name] for attributes in drawn} for name in ATTRIBUTES} == {
        name: set(values) for name, values in ATTRIBUTES.items()
    }


def test_seeds_differ_and_repeat():
    assert [*draw_attributes(200, seed=3)] == [*draw_attributes(200, seed=3)] != [*draw_attributes(200, seed=4)]


def test_all_creatures_can_be_drawn():
    assert (
        len({tuple(attributes.items()) for _, attributes in draw_attributes(MAX_NUM_CREATURES)}) == MAX_NUM_CREATURES
    )


@pytest.mark.parametrize("number", [0, MAX_NUM_CREATURES + 1])
def test_wrong_numbers_are_refused(number):
    with pytest.raises(ValueError, match="num_creatures"):
        next(draw_attributes(number))


def test_stored_media_still_show_the_attributes():
    for creature_id, (family, attributes) in enumerate(draw_attributes(40, seed=1)):
        record = make_record(creature_id, family, attributes, seed=1)
        frames = read_frames(record["sprite"]["bytes"])
        assert frames.array.shape == (4, 12, 12, 4)
        assert record["pixels"] == record["sprite"]
        samples, rate = soundfile.read(io.BytesIO(record["audio"]["bytes"]), dtype="float32")
        assert (samples.shape, rate) == ((400, 2), CRY_RATE_HZ)
        shown = measure_sprite(composite_on_white(frames.array)) | measure_cry(np.ascontiguousarray(samples.T), rate)
        assert shown == attributes == read_attributes(record["text"]) == record["attributes"]
