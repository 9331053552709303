"""Segments and their raster stream: codes, marks, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.tokens.grid import (
    MODALITIES,
    Segment,
    audio_code_segment,
    audio_segment,
    check_ids,
    codes_of_segment,
    enclose_segment,
    flatten,
    image_code_segment,
    image_segment,
    open_segment,
    task_segment,
)
from pixelbytes_hf.tokens.modalities import TRAITS
from pixelbytes_hf.tokens.places import locate_places
from pixelbytes_hf.tokens.vocabulary import Vocabulary

CODED = Vocabulary.from_preset("full").with_codes(image=6, audio=(4, 3, 2))


@pytest.mark.parametrize(
    ("ids", "error"), [([0, 151], ValueError), ([-1], ValueError), ([0.5], TypeError), ([[1]], ValueError)]
)
def test_ids_outside_the_vocabulary_are_refused(paper, ids, error):
    with pytest.raises(error, match="ids"):
        check_ids(np.array(ids), paper)


def test_empty_grids_are_refused(paper):
    with pytest.raises(ValueError, match="image ids"):
        image_segment(np.zeros((0, 2, 2), int), paper)
    with pytest.raises(ValueError, match="audio ids"):
        audio_segment(np.zeros((0, 2), int), paper)
    with pytest.raises(ValueError, match="segments"):
        flatten([])
    assert Segment("text", np.zeros((1, 1, 3), int)).shape.size == 3


def test_a_picture_of_codes_has_the_marks_of_a_picture():
    segment = image_code_segment([[[0, 5], [1, 2]], [[3, 3], [4, 0]]], CODED)
    start, row_end, end = CODED.image_code_ids.start, CODED.row_end_id, CODED.segment_end_id
    assert segment.shape == ("image_code", 2, 2, 3) and segment.ids.dtype == CODED.id_dtype
    assert segment.ids[0].tolist() == [[start, start + 5, row_end], [start + 1, start + 2, end]]


def test_a_sound_of_codes_has_a_column_a_level():
    segment = audio_code_segment([[3, 2, 1], [0, 0, 0]], CODED)
    first, second, third = (ids.start for ids in CODED.audio_code_ids)
    assert segment.shape == ("audio_code", 3, 1, 3)
    assert segment.ids[:, 0].tolist() == [
        [first + 3, second + 2, third + 1],
        [first, second, third],
        [CODED.row_end_id, CODED.row_end_id, CODED.segment_end_id],
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), modality=st.sampled_from(MODALITIES))
def test_segments_open_to_what_they_enclosed(data, modality):
    traits = TRAITS[modality]
    fixed = {"text": (1, 1, None), "task": (1, 1, None), "audio": (None, 1, None), "audio_code": (None, 1, None)}
    extent = [data.draw(st.integers(1, 3)) if n is None else n for n in fixed.get(modality, (None,) * 3)]
    ids = np.stack(
        [
            [[data.draw(st.sampled_from(CODED.ids_of_slot[each])) for each in traits.slots(extent[2])]]
            for _ in range(extent[0] * extent[1])
        ]
    ).reshape(extent)
    segment = enclose_segment(modality, ids, CODED)
    np.testing.assert_array_equal(open_segment(segment), ids)
    assert traits.data_shape(segment.ids.shape) == tuple(extent)
    places = locate_places([segment.shape])
    np.testing.assert_array_equal(CODED.slot_of_id[segment.ids.reshape(-1)], places.slots)
    codes = codes_of_segment(segment, CODED)
    starts = [CODED.ids_of_slot[each].start for each in traits.slots(extent[2])]
    np.testing.assert_array_equal(codes.reshape(extent) + starts, ids)


def test_a_task_is_a_line_of_names():
    segment = task_segment(["<task:video-to-sound>", "<boa>"], CODED)
    tokens = [CODED.special_name(index) for index in segment.ids[0, 0]]
    assert tokens == ["<task:video-to-sound>", "<boa>", "<end>"]
    for names in ([], ["<mask>"], ["<task:dance>"]):
        with pytest.raises(ValueError, match=r"names|special"):
            task_segment(names, CODED)


def test_codes_that_the_vocabulary_lacks_are_refused(paper):
    cases = [
        (image_code_segment, [[[6]]], "0..5, got 6"),
        (image_code_segment, [[[-1]]], "0..5, got -1"),
        (image_code_segment, [[0]], "three axes"),
        (audio_code_segment, [[3, 3, 0]], r"0..2, got 3 at \(0, 0, 1\)"),
        (audio_code_segment, [[0, 0, 0, 0]], "audio_code:3"),
        (audio_code_segment, [0], "array"),
        (audio_code_segment, np.zeros((0, 2), int), "array"),
    ]
    for build, codes, message in cases:
        with pytest.raises(ValueError, match=message):
            build(codes, CODED)
    with pytest.raises(TypeError, match="integers"):
        image_code_segment([[[0.5]]], CODED)
    with pytest.raises(ValueError, match="no ids of image_code"):
        image_code_segment([[[0]]], paper)
    swapped = enclose_segment("audio_code", [[[CODED.audio_code_ids[1][0], CODED.audio_code_ids[0][0]]]], CODED)
    with pytest.raises(ValueError, match=r"ids of audio_code at \(0, 0, 0\), got .*<s1:0>"):
        codes_of_segment(swapped, CODED)
