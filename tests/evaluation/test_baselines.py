"""Baselines against slow, obvious references; every distribution sums to one; protocol R1's figures."""

import dataclasses
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from pixelbytes_hf.data.token_table import gather_table
from pixelbytes_hf.evaluation import baselines
from pixelbytes_hf.evaluation.adaptive_ngram import AdaptiveNgram
from pixelbytes_hf.evaluation.baselines import (
    CellCopyRule,
    CopyBaseline,
    MarginalBaseline,
    TableBaseline,
    UniformBaseline,
    static_baselines,
    witten_bell,
)
from pixelbytes_hf.tokens.grid import MEDIA, Shape, audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary


class FakeCorpus:
    """Records in a list."""

    def __init__(self, records, vocabulary):
        self.records, self.vocabulary = records, vocabulary

    @property
    def num_records(self):
        return len(self.records)

    def record(self, index):
        return self.records[index]


def make_corpus(seed, vocabulary, num_records=4):
    rng, records = np.random.default_rng(seed), []
    for _ in range(num_records):
        frames = np.repeat(rng.integers(58, 62, (1, 4, 5)), 3, axis=0)
        frames[rng.random(frames.shape) < 0.1] = 63
        levels = 130 + rng.integers(-1, 2, (10, 2)).cumsum(0)
        text = rng.choice(np.array([33, 33, 34, 40]), 12)
        segments = [
            text_segment(text, vocabulary),
            image_segment(frames, vocabulary),
            audio_segment(levels, vocabulary),
        ]
        records.append(flatten(segments))
    return FakeCorpus(records, vocabulary)


@pytest.fixture(scope="module")
def rows():
    vocabulary = Vocabulary.from_preset("paper")
    return gather_table(make_corpus(0, vocabulary)), gather_table(make_corpus(1, vocabulary))


class R1Corpus(FakeCorpus):
    def __init__(self, folder, split, vocabulary):
        arrays = np.load(folder / "tokens.npz")
        species = json.loads((folder / "tokens.json").read_text())["splits"][split]
        shapes = [tuple(Shape(m, *s) for m, s in zip(MEDIA, one["shapes"], strict=True)) for one in species]
        super().__init__([(arrays[f"{split}_{o['id']}"], s) for o, s in zip(species, shapes, strict=True)], vocabulary)


@pytest.fixture(scope="module")
def r1_rows(shared):
    vocabulary = Vocabulary.from_preset("paper")
    corpora = [R1Corpus(shared / "protocol_r1", split, vocabulary) for split in ("train", "val")]
    return gather_table(corpora[0]), keep_full_windows(gather_table(corpora[1]), 512)


def keep_full_windows(table, length):
    """Return the positions in full windows of a length, as protocol R1 scores them."""
    record = np.cumsum(table.positions == 0) - 1
    size = np.bincount(record)[record]
    kept = table.positions < size // length * length
    columns = {name: getattr(table, name)[kept] for name in ("ids", "contexts", "modalities", "positions")}
    return dataclasses.replace(table, **columns)


def bits_of(baseline, tables):
    figures = baseline.fit(tables[0]).figures(tables[1])
    return {medium: score["bits"] for medium, score in figures["matched"].items()}


@pytest.mark.parametrize("baseline", static_baselines(), ids=lambda baseline: baseline.name)
def test_static_probabilities_sum_to_one_and_are_what_predict_scores(baseline, rows):
    train, test = rows
    distribution = baseline.fit(train).distribution(test.contexts, test.modalities)
    assert distribution.shape == (len(test.ids), 151)
    assert (distribution > 0).all()
    np.testing.assert_allclose(distribution.sum(1), 1.0, atol=1e-12)
    found = baseline.predict(test)
    np.testing.assert_allclose(found.nats, -np.log(distribution[np.arange(len(test.ids)), test.ids]))
    np.testing.assert_array_equal(found.guesses, distribution.argmax(1))


def test_chunks_of_contexts_change_nothing(rows, monkeypatch):
    table = TableBaseline((1, 4, 5), "table").fit(rows[0])
    whole = table.predict(rows[1])
    monkeypatch.setattr(baselines, "CHUNK", 3)
    parts = table.predict(rows[1])
    np.testing.assert_array_equal(whole.nats, parts.nats)
    np.testing.assert_array_equal(whole.guesses, parts.guesses)


def slow_table_probability(cells, train, context, token, size):
    probability = 1.0 / size
    for order in range(len(cells) + 1):
        chosen = list(cells[:order])
        followers = train.ids[(train.contexts[:, chosen] == context[chosen]).all(1)]
        if len(followers):
            distinct = len(set(followers.tolist()))
            count = (followers == token).sum()
            probability = (count + distinct * probability) / (len(followers) + distinct)
    return probability


def test_table_equals_counting_by_hand(rows, rng):
    train, test = rows
    cells = (5, 4, 1)
    found = np.exp(-TableBaseline(cells, "table").fit(train).predict(test).nats)
    for n in rng.choice(len(test.ids), 60, replace=False):
        expected = slow_table_probability(cells, train, test.contexts[n], test.ids[n], 151)
        assert found[n] == pytest.approx(expected)


def test_marginal_is_the_share_of_each_id_in_the_modality(rows):
    train, _ = rows
    marginals = MarginalBaseline((), "marginal").fit(train).distribution(np.zeros((3, 6), int), np.arange(3))
    letters = train.ids[train.modalities == 0]
    distinct = len(set(letters.tolist()))
    expected = ((letters == 33).sum() + distinct / 151) / (len(letters) + distinct)
    assert marginals[0, 33] == pytest.approx(expected)
    assert marginals[2, 33] < 1e-3


def test_copy_weight_makes_the_training_tokens_likeliest(rows):
    train, _ = rows
    copy = CopyBaseline((1,), "copy").fit(train)
    best = copy.predict(train).nats.sum()
    assert 0.3 < copy._weights[1] < 1.0
    fitted = copy._weights
    for change in (-1e-3, 1e-3):
        copy._weights = fitted + change * np.eye(len(fitted))[1]
        assert copy.predict(train).nats.sum() > best


def test_copy_guesses_the_frame_before(rows):
    train, test = rows
    found = CopyBaseline((1,), "copy").fit(train).predict(test)
    copies = (test.modalities == 1) & (test.contexts[:, 1] != 0)
    assert copies.sum() > 100
    np.testing.assert_array_equal(found.guesses[copies], test.contexts[copies, 1])


def slow_adaptive_ngram(cells, train, test, size):
    """Return the full distribution before each token and the vote, with dictionaries of counts."""
    counts = defaultdict(Counter)
    leaders = {}

    def keys(context):
        return [tuple(context[list(cells[:order])].tolist()) for order in range(len(cells) + 1)]

    def read(context, token):
        for key in keys(context):
            counts[key][token] += 1
            # of equally frequent ids, the first to get there stays in the lead
            if counts[key][token] > counts[key].get(leaders.get(key), 0) or key not in leaders:
                leaders[key] = token

    for context, token in zip(train.contexts, train.ids.tolist(), strict=True):
        read(context, token)
    distributions, votes = [], []
    for context, token in zip(test.contexts, test.ids.tolist(), strict=True):
        blend, vote = np.full(size, 1.0 / size), Counter()
        for key in keys(context):
            seen, distinct = counts[key].total(), len(counts[key])
            if seen:
                dense = np.zeros(size)
                dense[list(counts[key])] = list(counts[key].values())
                blend = (dense + distinct * blend) / (seen + distinct)
                vote = Counter({one: value * distinct / (seen + distinct) for one, value in vote.items()})
                vote[leaders[key]] += counts[key][leaders[key]] / (seen + distinct)
        distributions.append(blend)
        votes.append(vote)
        read(context, token)
    return np.array(distributions), votes


@pytest.mark.parametrize("has_training", [True, False])
def test_adaptive_ngram_equals_dictionaries_of_counts(rows, has_training):
    train, test = rows
    empty = gather_table(make_corpus(0, train.vocabulary, 1))
    empty = type(empty)(*(getattr(empty, name)[:0] for name in ("ids", "contexts", "modalities", "positions")), None)
    before, ngram = train if has_training else empty, AdaptiveNgram()
    distributions, votes = slow_adaptive_ngram(ngram.cells, before, test, 151)
    np.testing.assert_allclose(distributions.sum(1), 1.0)
    found = ngram.fit(before).predict(test)
    np.testing.assert_allclose(np.exp(-found.nats), distributions[np.arange(len(test.ids)), test.ids])
    for guess, vote in zip(found.guesses.tolist(), votes, strict=True):
        assert not vote or vote[guess] == pytest.approx(max(vote.values()))


def test_adaptive_ngram_adapts_while_it_reads(rows):
    train, test = rows
    same_again = type(test)(
        *(np.concatenate([getattr(test, name)] * 2) for name in ("ids", "contexts", "modalities", "positions")),
        test.vocabulary,
    )
    nats = AdaptiveNgram().fit(train).predict(same_again).nats
    half = len(test.ids)
    assert nats[half:].mean() < 0.8 * nats[:half].mean()


def test_adaptive_ngram_never_looks_ahead(rows, rng):
    train, test = rows
    cut = len(test.ids) // 2
    changed = type(test)(
        np.concatenate([test.ids[:cut], rng.permutation(test.ids[cut:])]),
        test.contexts,
        test.modalities,
        test.positions,
        test.vocabulary,
    )
    before, after = (AdaptiveNgram().fit(train).predict(some) for some in (test, changed))
    np.testing.assert_array_equal(before.nats[:cut], after.nats[:cut])
    np.testing.assert_array_equal(before.guesses[:cut], after.guesses[:cut])
    assert (before.nats[cut:] != after.nats[cut:]).any()


def test_cell_copy_rule_counts_by_hand(rows):
    _, test = rows
    paper = CellCopyRule().fit(test).figures(test)["paper"]
    expected = [0, 0]
    for n in range(len(test.ids) - 1):
        if test.positions[n + 1] == 0:
            continue
        guess = [test.contexts[n, cell] for cell in (0, 1, 2, 4, 4, 5)]
        expected[0] += sum(int(a == b) for a, b in zip(guess, test.contexts[n + 1], strict=True))
        expected[1] += 6
    assert (paper["accuracy"], paper["targets"]) == (expected[0] / expected[1], expected[1])
    assert CellCopyRule(None).fit(test).figures(test)["paper"]["accuracy"] >= paper["accuracy"]


def test_witten_bell_falls_back_where_nothing_was_counted():
    backoff = np.array([0.5, 0.3, 0.2])
    blend = witten_bell(np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), backoff)
    np.testing.assert_allclose(blend, [[0.5, 0.3, 0.2], [0.5 / 3, 2.3 / 3, 0.2 / 3]])


def test_keys_of_six_cells_fit_and_too_wide_ones_are_refused():
    vocabulary = Vocabulary.from_preset("paper")
    wide = TableBaseline(tuple(range(6)), "six cells")
    pair = [gather_table(make_corpus(seed, vocabulary)) for seed in (0, 1)]
    assert np.isfinite(wide.fit(pair[0]).predict(pair[1]).nats).all()
    with pytest.raises(ValueError, match="63 bits"):
        baselines._pack(np.zeros((1, 6), np.int64), 2048)


def test_protocol_r1_baselines_are_reproduced(r1_rows):
    # the figures of ../shared/protocol_r1/README.md; its copy and table differ from ours in smoothing only
    assert len(r1_rows[1].ids) == 443_392
    assert bits_of(UniformBaseline((), "uniform"), r1_rows)["all"] == pytest.approx(np.log2(151))
    assert bits_of(MarginalBaseline((), "marginal"), r1_rows)["all"] == pytest.approx(3.756, abs=0.001)
    assert bits_of(CopyBaseline((1,), "copy"), r1_rows)["all"] == pytest.approx(2.692, rel=0.02)
    table = bits_of(TableBaseline((5, 4, 1), "table"), r1_rows)
    assert table["all"] == pytest.approx(2.389, rel=0.02)
    assert table["pixel"] == pytest.approx(0.97, abs=0.01)
    assert CellCopyRule().figures(r1_rows[1])["paper"]["accuracy"] == pytest.approx(0.714, abs=0.001)


@pytest.mark.slow
def test_adaptive_ngram_on_protocol_r1_is_a_regression_value(r1_rows):
    bits = bits_of(AdaptiveNgram(), r1_rows)
    assert bits["all"] == pytest.approx(2.289, abs=0.002)
    assert bits["pixel"] == pytest.approx(0.738, abs=0.002)
