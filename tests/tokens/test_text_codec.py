import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelbytes_hf.tokens.text_codec import decode_text, encode_text
from pixelbytes_hf.tokens.vocabulary import Vocabulary

FULL = Vocabulary.from_preset("full")
PAPER = Vocabulary.from_preset("paper")
FITTING = "".join(chr(value) for value in PAPER.byte_values if value < 128)


@given(st.text(alphabet=FITTING))
def test_text_of_the_papers_bytes_survives(text):
    encoded = encode_text(text, PAPER, errors="strict")
    assert decode_text(encoded.ids, PAPER) == text and encoded[1:] == (0, 0)


@given(st.text())
def test_any_text_survives_in_the_full_vocabulary(text):
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    assert decode_text(encode_text(text, FULL).ids, FULL) == text


@given(st.text())
def test_counts_account_for_every_unknown_character(text):
    encoded = encode_text(text, PAPER)
    lowered = encode_text(text, PAPER, errors="paper")
    space, unknown = PAPER.byte_values.index(32), lowered.ids != encoded.ids
    assert encoded.num_replaced == unknown.sum() == lowered.num_replaced and (encoded.ids[unknown] == space).all()


def test_replacement_is_a_space_and_counted(paper):
    encoded = encode_text("a?b", paper)
    assert decode_text(encoded.ids, paper) == "a b" and encoded.num_replaced == 1


def test_paper_policy_gives_id_zero(paper):
    assert encode_text("a?b", paper, errors="paper").ids.tolist() == [32, 0, 33]


def test_dropped_characters_are_counted_but_accents_are_not(paper):
    encoded = encode_text("“é” ♂", paper)
    assert decode_text(encoded.ids, paper) == "e " and encoded.num_dropped == 3


@pytest.mark.parametrize("text", ["a?b", "a♂b"])
def test_strict_names_the_character(paper, text):
    with pytest.raises(ValueError, match=r"'\?'|'♂'"):
        encode_text(text, paper, errors="strict")


def test_replacement_needs_a_space_in_the_table():
    tiny = Vocabulary((0, 9, 10, 48), ((0, 0, 0),), (-1.0, 1.0))
    assert encode_text("0", tiny).ids.tolist() == [3]
    with pytest.raises(ValueError, match="no space"):
        encode_text("1", tiny)


def test_bad_arguments_are_refused(paper):
    with pytest.raises(TypeError, match="text"):
        encode_text(b"bytes", paper)
    with pytest.raises(ValueError, match="errors"):
        encode_text("a", paper, errors="ignore")
    with pytest.raises(ValueError, match="text ids"):
        decode_text(np.array([60]), paper)


def test_capitals_stay_where_the_table_has_them():
    table = Vocabulary((0, 9, 10, *b"AaBb "), ((0, 0, 0),), (-1.0, 1.0))
    assert decode_text(encode_text("AbBa", table, errors="strict").ids, table) == "AbBa"


def test_capitals_that_normalisation_brings_stay_capitals(paper):
    # as in the paper, lower case comes before NFKD, which makes TEL of the telephone sign
    assert encode_text("\u2121", paper).num_replaced == 3 and encode_text("TEL", paper).num_replaced == 0


def test_half_of_a_surrogate_pair_is_refused(paper):
    for tables in (paper, Vocabulary.from_preset("full")):
        with pytest.raises(ValueError, match="half of a surrogate pair"):
            encode_text("a\udc80", tables)
