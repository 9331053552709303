"""Matched figures by hand and by a slow reference; the paper's similarities against its own code; bounds of ours."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelbytes_hf.data.token_table import TokenTable
from pixelbytes_hf.evaluation.metrics import MatchedScore, PaperTotals, Totals
from pixelbytes_hf.evaluation.similarity import (
    histogram_cosine,
    ngram_overlap,
    paper_bleu,
    paper_cosine,
    paper_hamming,
    token_hamming,
)
from pixelbytes_hf.tokens.grid import MODALITIES, Shape, modality_of_positions
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary

streams = st.lists(st.integers(0, 6), min_size=1, max_size=12).map(np.array)


def random_score(rng, paper, length):
    ids = rng.integers(0, paper.size, length)
    contexts = rng.integers(0, paper.size, (length, 6))
    contexts[rng.random(length) < 0.5, 1] = 60
    ids[rng.random(length) < 0.3] = 60
    modalities = rng.integers(0, 3, length)
    nats, guesses = rng.exponential(size=length), np.where(rng.random(length) < 0.4, ids, 60)
    return TokenTable(ids, contexts, modalities, np.arange(length), paper), nats, guesses == ids


def test_matched_score_equals_a_loop_over_tokens(rng, paper):
    table, nats, hits = random_score(rng, paper, 500)
    ids, contexts, modalities = table.ids, table.contexts, table.modalities
    tables = MatchedScore.of(table, nats, hits).to_dict()
    groups = {("matched", "all"): [], ("by_change", "pixel_kept"): [], ("by_change", "pixel_changed"): []}
    for n, token in enumerate(ids):
        row = (nats[n] / np.log(2), hits[n])
        names = [("matched", "all"), ("matched", KINDS[paper.kind_of_id[token]])]
        names.append(("by_modality", MODALITIES[modalities[n]]))
        if token in paper.pixel_ids and contexts[n, 1] in paper.pixel_ids:
            names.append(("by_change", "pixel_kept" if token == contexts[n, 1] else "pixel_changed"))
        for name in names:
            groups.setdefault(name, []).append(row)
    found = {(table, name) for table, rows in tables.items() for name in rows}
    assert found == set(groups)
    for (table, name), rows in groups.items():
        bits, hits = np.mean(rows, axis=0)
        assert tables[table][name] == pytest.approx({"bits": bits, "accuracy": hits, "tokens": len(rows)})


def test_matched_score_does_not_depend_on_batches(rng, paper):
    table, nats, hits = random_score(rng, paper, 300)
    whole = MatchedScore.of(table, nats, hits)
    total = MatchedScore.empty()
    for part in (slice(0, 7), slice(7, 200), slice(200, 300)):
        columns = (getattr(table, name)[part] for name in ("ids", "contexts", "modalities", "positions"))
        total += MatchedScore.of(TokenTable(*columns, paper), nats[part], hits[part])
    for table, rows in whole.to_dict().items():
        for name, row in rows.items():
            assert total.to_dict()[table][name] == pytest.approx(row)


def test_copying_the_frame_before_knows_kept_pixels_only(rng, paper):
    grid = rng.integers(58, 61, (4, 5, 6))
    ids, contexts = grid.reshape(-1), gather_context(grid, pad_id=0)
    table = TokenTable(ids, contexts, np.ones(len(ids), int), np.arange(len(ids)), paper)
    changes = MatchedScore.of(table, np.zeros(len(ids)), contexts[:, 1] == ids).to_dict()["by_change"]
    assert (changes["pixel_kept"]["accuracy"], changes["pixel_changed"]["accuracy"]) == (1.0, 0.0)
    assert changes["pixel_kept"]["tokens"] + changes["pixel_changed"]["tokens"] == 3 * 5 * 6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_totals_refuse_what_is_no_score(bad):
    with pytest.raises(ValueError, match="position 1"):
        Totals.of(("a",), np.zeros(2, int), np.array([1.0, bad]), np.zeros(2, bool))


def test_totals_refuse_arrays_and_groups_that_do_not_match():
    with pytest.raises(ValueError, match="one length"):
        Totals.of(("a",), np.zeros(3, int), np.zeros(2), np.zeros(2, bool))
    one, other = (Totals.of((name,), np.zeros(1, int), np.zeros(1), np.zeros(1, bool)) for name in "ab")
    with pytest.raises(ValueError, match="same groups"):
        one + other


def test_paper_totals_divide_at_the_end():
    totals = PaperTotals().plus(3.0, 1, 2).plus(1.0, 2, 2)
    assert totals.to_dict() == {"loss": 1.0, "accuracy": 0.75, "targets": 4}
    with pytest.raises(ValueError, match="at least one target"):
        PaperTotals().to_dict()


def test_modality_of_positions_repeats_each_segment():
    shapes = [Shape("image", 2, 2, 3), Shape("text", 1, 1, 4)]
    assert modality_of_positions(shapes).tolist() == [1] * 12 + [0] * 4


def test_paper_similarities_equal_the_papers_code(shared):
    arrays = np.load(shared / "parity" / "old.npz")
    cases = json.loads((shared / "parity" / "old_cases.json").read_text())["cases"]
    cases = [case for case in cases if case["kind"] == "EvaluateMetric"]
    assert cases
    for case in cases:
        pair = arrays[case["target"]], arrays[case["generated"]]
        assert paper_hamming(*pair) == pytest.approx(case["hamming"], abs=1e-12)
        assert paper_cosine(*pair) == pytest.approx(case["cosine"], abs=1e-12)
        assert paper_bleu(*pair) == pytest.approx(case["bleu"], abs=1e-12)


def test_paper_bleu_by_hand():
    # precisions 4/5, 2/4, 1/3 and no run of four: the smallest float in its place
    found = paper_bleu(np.array([1, 2, 3, 9, 5]), np.array([1, 2, 3, 4, 5]))
    assert found == pytest.approx((4 / 5 * 2 / 4 * 1 / 3 * np.finfo(float).tiny) ** 0.25)
    assert paper_bleu(np.array([1, 2]), np.array([3, 4])) == 0.0
    # two cells fewer than the target: precision 1 in every order, brevity exp(1 - 6 / 4)
    assert paper_bleu(np.arange(6), np.arange(4)) == pytest.approx(np.exp(-0.5))
    # two cells more: lower precisions, and no reward for length
    assert paper_bleu(np.arange(4), np.arange(6)) == pytest.approx((4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)


def test_paper_cosine_depends_on_the_numbering_and_the_histogram_does_not(rng):
    target, generated = rng.integers(0, 50, 60), rng.integers(0, 50, 60)
    renamed = rng.permutation(50)
    assert paper_cosine(target, generated) != pytest.approx(paper_cosine(renamed[target], renamed[generated]))
    assert histogram_cosine(target, generated) == pytest.approx(histogram_cosine(renamed[target], renamed[generated]))


@given(streams, streams)
def test_similarities_keep_their_bounds_and_symmetry(one, other):
    for measure, best in ((token_hamming, 0.0), (histogram_cosine, 1.0), (ngram_overlap, 1.0)):
        keywords = {"order": 1} if measure is ngram_overlap else {}
        value = measure(one, other, **keywords)
        assert -1e-12 <= value <= 1 + 1e-12
        assert value == pytest.approx(measure(other, one, **keywords))
        assert measure(one, one, **keywords) == pytest.approx(best)
    assert 0.0 <= paper_bleu(one, other) <= 1.0
    assert ngram_overlap(one, other, order=1) >= 1.0 - 2 * token_hamming(one, other)


def test_ngram_overlap_survives_a_shift_that_hamming_does_not():
    target = np.arange(20)
    shifted = np.append(99, target[:-1])
    assert token_hamming(target, shifted) == 1.0
    assert ngram_overlap(target, shifted, order=3) == pytest.approx(2 * 17 / 36)


@pytest.mark.parametrize(
    ("measure", "arguments"),
    [
        (paper_hamming, (np.zeros(2), np.zeros(3))),
        (paper_cosine, (np.zeros(0), np.zeros(0))),
        (paper_bleu, (np.zeros(0), np.zeros(3))),
        (token_hamming, (np.zeros((2, 2)), np.zeros(4))),
        (histogram_cosine, (np.zeros(0, int), np.zeros(4, int))),
        (ngram_overlap, (np.zeros(1, int), np.zeros(4, int))),
    ],
)
def test_similarities_refuse_what_cannot_be_compared(measure, arguments):
    with pytest.raises(ValueError, match=r"must|order"):
        measure(*arguments)


def test_uniform_guess_costs_the_logarithm_of_the_vocabulary():
    full = Vocabulary.from_preset("paper")
    ids = np.arange(full.size)
    table = TokenTable(ids, np.zeros((full.size, 6), int), np.zeros(full.size, int), ids, full)
    matched = MatchedScore.of(table, np.full(full.size, np.log(full.size)), np.ones(full.size, bool))
    assert all(row["bits"] == pytest.approx(np.log2(151)) for row in matched.to_dict()["matched"].values())
