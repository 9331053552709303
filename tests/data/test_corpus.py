"""Corpora in folders: what is read back, and what no corpus holds."""

import json

import numpy as np
import pytest

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.tokens.grid import text_segment


@pytest.fixture
def folder(paper, tmp_path):
    """Return the folder of a corpus of two texts."""
    records = [[text_segment(np.array(ids), paper)] for ids in ([40, 41, 42], [43])]
    TokenCorpus.from_records(records, paper).save(tmp_path / "corpus")
    return tmp_path / "corpus"


def test_a_corpus_is_read_back_equal(folder, paper):
    corpus = TokenCorpus.load(folder)
    assert corpus.ids.tolist() == [40, 41, 42, 2, 43, 2] and corpus.vocabulary == paper
    assert [shapes for _, shapes in map(corpus.record, range(2))] == [(("text", 1, 1, 4),), (("text", 1, 1, 2),)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids", np.array([40, 41, 151, 2, 43, 2], np.uint8), "ids must be in 0..150, got 151"),
        ("ids", np.array([40, 41], np.uint8), "segments hold 6 positions, ids 2"),
        ("segments", np.array([[9, 1, 1, 4], [0, 1, 1, 2]], np.int32), "modalities in 0..5"),
        ("segments", np.array([[0, -1, -1, 4], [0, 1, 1, 2]], np.int32), "extents of at least 1"),
        ("segments", np.zeros((2, 3), np.int32), r"must be \(S, 4\) integers"),
        ("first_segments", np.array([], np.int64), "first_segments must go from 0 to 2"),
    ],
)
def test_what_no_corpus_holds_is_refused_with_its_folder(folder, name, content, message):
    np.save(folder / f"{name}.npy", content)
    with pytest.raises(ValueError, match=f"corpus' is malformed.*{message}"):
        TokenCorpus.load(folder)


def test_a_header_that_claims_too_much_takes_no_memory(folder):
    with (folder / "segments.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": (10**11, 4)})
    with pytest.raises(ValueError, match="is malformed"):
        TokenCorpus.load(folder)


def test_a_header_is_refused_by_key(folder):
    header = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps({**header, "vocabulary": []}))
    with pytest.raises(ValueError, match=r"corpus\.json' is malformed: expected vocabulary to be dict, got \[\]"):
        TokenCorpus.load(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids", np.array([40, 41, 43, 2, 43, 2], np.uint8)),
        ("segments", np.array([[0, 1, 2, 2], [0, 1, 1, 2]], np.int32)),
    ],
)
def test_what_is_no_longer_as_it_was_written_is_refused(folder, name, content):
    np.save(folder / f"{name}.npy", content)
    with pytest.raises(ValueError, match=r"corpus' is malformed.*a file was changed after it was written"):
        TokenCorpus.load(folder)


def test_another_vocabulary_or_no_fingerprint_is_refused(folder):
    header = json.loads((folder / "corpus.json").read_text())
    changed = {**header, "vocabulary": {**header["vocabulary"], "levels": [-1.0, *header["vocabulary"]["levels"][2:]]}}
    for content in (changed, {key: value for key, value in header.items() if key != "fingerprint"}):
        (folder / "corpus.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"corpus' is malformed.*fingerprint"):
            TokenCorpus.load(folder)


def test_a_folder_from_before_fingerprints_is_read(folder):
    header = json.loads((folder / "corpus.json").read_text())
    old = {"format_version": 1, "vocabulary": header["vocabulary"]}
    (folder / "corpus.json").write_text(json.dumps(old))
    assert TokenCorpus.load(folder).num_records == 2
    (folder / "corpus.json").write_text(json.dumps({**old, "format_version": 3}))
    with pytest.raises(ValueError, match=r"has format_version 3, expected one of \(1, 2\)"):
        TokenCorpus.load(folder)
