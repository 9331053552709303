import json
import pickle
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from pixelbytes_hf.tokens.modalities import KINDS, slot_name
from pixelbytes_hf.tokens.vocabulary import RESERVED_NAMES, Vocabulary, mu_law_levels


@pytest.mark.parametrize("preset", ["paper", "full"])
def test_ranges_partition_all_ids(preset):
    vocabulary = Vocabulary.from_preset(preset)
    ranges = [range(len(vocabulary.specials)), vocabulary.byte_ids, vocabulary.pixel_ids, vocabulary.level_ids]
    assert [index for part in ranges for index in part] == list(range(vocabulary.size))
    assert len(set(vocabulary.tokens)) == vocabulary.size == len(vocabulary.kind_of_id)


def test_paper_has_151_ids_in_the_papers_order(paper):
    assert (paper.byte_ids, paper.pixel_ids, paper.level_ids) == (range(58), range(58, 113), range(113, 151))
    assert paper.tokens[0] == "<0x00>" and paper.tokens[59] == "<#FCFCFC>" and paper.tokens[132] == "<a:+0.027>"
    assert paper.id_dtype == np.uint8


def test_full_keeps_text_and_layout_apart():
    full = Vocabulary.from_preset("full")
    layout = {full.pad_id, full.row_end_id, full.segment_end_id}
    assert full.text_is_lossless and layout.isdisjoint(full.byte_ids) and full.transparent_id == full.pixel_ids.start
    assert 0.0 in full.levels and len(full.levels) % 2 == 1
    assert len(full.colours) == 63


@pytest.mark.parametrize("preset", ["paper", "full"])
def test_dict_round_trip_is_equal(preset):
    vocabulary = Vocabulary.from_preset(preset)
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


def test_kinds_follow_the_ranges(paper):
    kinds = [KINDS[kind] for kind in paper.kind_of_id]
    assert kinds[:4] == ["special", "row_end", "segment_end", "text"]
    assert set(kinds[58:113]) == {"pixel"} and set(kinds[113:]) == {"level"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bytes": [0, 9, 10, 9]}, "repeats"),
        ({"bytes": []}, "byte_values"),
        ({"bytes": [0, 9, 10, 256]}, "byte_values"),
        ({"bytes": [65, 66]}, "first three bytes"),
        ({"colours": [[0, 0, 300]]}, "colours"),
        ({"levels": [0.5, -0.5]}, "levels"),
        ({"levels": [0.0, 2.0]}, "levels"),
        ({"levels": [0.0, 1e-17]}, "levels"),
        ({"levels": [0.0, float("nan")]}, "levels"),
        ({"specials": ["<pad>"]}, "specials"),
        ({"sounds": []}, "keys"),
    ],
)
def test_malformed_tables_are_refused(paper, change, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_dict(paper.to_dict() | change)


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="preset"):
        Vocabulary.from_preset("tiny")


def test_mu_law_levels_are_odd_symmetric_and_finest_at_zero():
    levels = np.array(mu_law_levels(255))
    assert np.allclose(levels, -levels[::-1]) and levels[127] == 0.0
    assert np.diff(levels).argmin() in (126, 127)
    with pytest.raises(ValueError, match="odd"):
        mu_law_levels(38)


DIGESTS = {
    "paper": (151, "5a96b02d51ada6e194fb8b88e826cbd8c398417718d65f523dff69e1ced3adca", "5adfdb79d85e00e5"),
    "full": (607, "535a4ab00c50c446935ac3a8549bb01a2cca3b433040f909492bb8cbf629214e", "9d9dfa3594860b6b"),
    "first": (113, "892e9148730ccfd886c6125f173af890edd4d4b8b32248e97557742c2cfe4d59", "9c646d0c08283fa2"),
}


@pytest.mark.parametrize("preset", DIGESTS)
def test_ids_and_digests_of_the_presets_are_frozen(preset):
    # checkpoints, corpora and caches name them: `codes` must be nowhere to be seen where there are none
    vocabulary, (size, digest, tokens) = Vocabulary.from_preset(preset), DIGESTS[preset]
    assert (vocabulary.size, vocabulary.digest) == (size, digest)
    assert sha256(json.dumps(vocabulary.tokens).encode()).hexdigest().startswith(tokens)
    assert "codes" not in vocabulary.to_dict() and "codes" not in vocabulary.__getstate__()
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary


CODED = Vocabulary.from_preset("full").with_codes(image=512, audio=(64, 32, 16))


def test_codes_follow_the_ids_and_move_none():
    full = Vocabulary.from_preset("full")
    assert CODED.tokens[: full.size] == full.tokens and CODED.digest != full.digest
    assert CODED.image_code_ids == range(607, 1119)
    assert CODED.audio_code_ids == (range(1119, 1183), range(1183, 1215), range(1215, 1231))
    assert CODED.size == 1231 == len(set(CODED.tokens)) == len(CODED.kind_of_id)
    assert (CODED.tokens[607 + 17], CODED.tokens[1119 + 5], CODED.tokens[-1]) == ("<v:17>", "<s0:5>", "<s2:15>")
    assert [KINDS[CODED.kind_of_id[index]] for index in (606, 607, 1118, 1119, 1230)] == [
        *("level", "image_code", "image_code", "audio_code", "audio_code")
    ]


def test_a_vocabulary_with_codes_is_data():
    tables = json.loads(json.dumps(CODED.to_dict()))
    assert tables["codes"] == {"image": 512, "audio": [64, 32, 16]}
    assert Vocabulary.from_dict(tables) == CODED == pickle.loads(pickle.dumps(CODED))
    same = replace(Vocabulary.from_preset("full"), codes={"image": 512, "audio": [64, 32, 16]})
    assert same == CODED and hash(same) == hash(CODED)
    sounds = Vocabulary.from_preset("paper").with_codes(audio=[4])
    assert sounds.to_dict()["codes"] == {"audio": [4]} and not sounds.image_code_ids


@pytest.mark.parametrize(
    ("codes", "dtype"), [({}, np.uint8), ({"image": 106}, np.uint16), ({"image": 1 << 17}, np.uint32)]
)
def test_ids_take_the_bytes_that_they_need(paper, codes, dtype):
    vocabulary = paper.with_codes(**codes)
    assert vocabulary.id_dtype == dtype and np.array(vocabulary.size - 1, dtype) == vocabulary.size - 1


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        ({"video": 2}, ValueError),
        ({"image": -1}, ValueError),
        ({"image": 2.0}, TypeError),
        ({"image": True}, TypeError),
        ({"audio": 64}, TypeError),
        ({"audio": [64, 0]}, ValueError),
        ({"image": 10**9}, ValueError),
        (["image"], TypeError),
    ],
)
def test_malformed_codes_are_refused(paper, codes, error):
    with pytest.raises(error, match="codes"):
        Vocabulary.from_dict(paper.to_dict() | {"codes": codes})


def test_slots_part_the_ids_by_where_they_can_stand():
    by_slot = CODED.ids_of_slot
    assert {slot_name(index): ids for index, ids in by_slot.items() if index >= KINDS.index("image_code")} == {
        "image_code": CODED.image_code_ids,
        "audio_code": CODED.audio_code_ids[0],
        "audio_code:1": CODED.audio_code_ids[1],
        "audio_code:2": CODED.audio_code_ids[2],
        "task": range(9, 32),
    }
    for index, ids in by_slot.items():
        assert (np.flatnonzero(CODED.slot_of_id == index) == [*ids]).all()


def test_tasks_and_borders_have_the_reserved_ids():
    full = Vocabulary.from_preset("full")
    ids = [full.special_id(name) for name in RESERVED_NAMES]
    assert ids == [*range(9, 9 + len(RESERVED_NAMES))] and len(set(RESERVED_NAMES)) == len(RESERVED_NAMES)
    assert RESERVED_NAMES[:2] == ("<bot>", "<boi>") and all(full.tokens[n].startswith("<reserved:") for n in ids)
    assert CODED.special_id("<task:frame-prediction>") == full.special_id("<task:frame-prediction>")
    for vocabulary, name in ((Vocabulary.from_preset("paper"), "<boi>"), (full, "<task:dance>")):
        with pytest.raises(ValueError, match=name):
            vocabulary.special_id(name)


def test_reserved_ids_stand_together(paper):
    apart = ("<pad>", "<row>", "<end>", "<reserved:0>", "<mine>", "<reserved:1>")
    with pytest.raises(ValueError, match="reserved ids one after another"):
        _ = replace(paper, specials=apart).ids_of_slot
    with pytest.raises(ValueError, match="must have no codes to be given some"):
        paper.with_codes(image=5).with_codes(audio=(3,))
