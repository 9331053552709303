import numpy as np
import pytest

from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary, mu_law_levels


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
