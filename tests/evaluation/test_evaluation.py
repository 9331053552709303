"""Evaluation equals one pass over each record, or over each window; tables and files say what was measured."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fakes import FakeCorpus

from pixelbytes_hf import PixelBytesConfig, Vocabulary, aPxBySequenceModel
from pixelbytes_hf.evaluation.baselines import UniformBaseline
from pixelbytes_hf.evaluation.evaluation import evaluate_baselines, evaluate_model, write_results
from pixelbytes_hf.evaluation.tables import format_table
from pixelbytes_hf.objectives.objective_predictive import PredictiveObjective
from pixelbytes_hf.tokens.six_cells import gather_window

OBJECTIVES = ("predictive", "autoregressive")
WINDOW = 16


@pytest.fixture(scope="module")
def corpus():
    return FakeCorpus()


def make_model(objective="predictive"):
    torch.manual_seed(0)
    mixer = {"hidden_size": 12, "num_hidden_layers": 2}
    model = aPxBySequenceModel(PixelBytesConfig(objective=objective, embedding_dim=12, mixer_config=mixer)).eval()
    with torch.no_grad():
        # far from uniform, so that what is read where matters
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


def slow_spans(corpus, state):
    """Yield ids, contexts and following contexts of what is read in one pass."""
    for ids, shapes in corpus.records:
        step = len(ids) if state == "carried" else WINDOW
        last = len(ids)
        for start in range(0, last, step):
            stop = min(start + step, last)
            beyond = min(stop + (state == "carried"), len(ids))
            rows = gather_window(ids, shapes, start, beyond, pad_id=0).astype(np.int64)
            yield ids[start:stop].astype(np.int64), rows[: stop - start], rows[1:]


def slow_figures(model, corpus, state):
    nats, hits, paper = [], [], []
    for ids, contexts, following in slow_spans(corpus, state):
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(contexts)[None], use_cache=False).logits[0]
        new = logits if model.objective.predicted_cells == 1 else logits[:, 5]
        labels = torch.from_numpy(ids)
        nats += F.cross_entropy(new, labels, reduction="none").tolist()
        hits += (new.argmax(-1) == labels).tolist()
        if model.objective.predicted_cells == 6 and len(following):
            cells = logits[: len(following)].reshape(-1, 151)
            paper += F.cross_entropy(cells, torch.from_numpy(following).reshape(-1), reduction="none").tolist()
    return np.array(nats) / np.log(2), np.array(hits), paper or nats


@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("state", ["carried", "zero"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_evaluation_equals_reading_one_by_one(corpus, objective, state, batch_size):
    model = make_model(objective)
    result = evaluate_model(
        model,
        corpus,
        window_length=WINDOW,
        batch_size=batch_size,
        state=state,
        progress=False,
    )
    bits, hits, paper = slow_figures(model, corpus, state)
    assert result["matched"]["all"] == pytest.approx(
        {"bits": bits.mean(), "accuracy": hits.mean(), "tokens": len(bits)}, rel=1e-5
    )
    assert result["paper"]["targets"] == len(paper)
    assert result["paper"]["loss"] == pytest.approx(np.mean(paper), rel=1e-5)


def test_paper_figures_equal_the_models_own_loss(corpus):
    # with no labels, the loss of the autoregressive objective is the paper's: a shift of the contexts
    model = make_model("autoregressive")
    ids, shapes = corpus.record(2)
    one = FakeCorpus(lengths=())
    one.records = [(ids, shapes)]
    result = evaluate_model(model, one, window_length=len(ids), state="zero", progress=False)
    contexts = torch.from_numpy(gather_window(ids, shapes, 0, len(ids), pad_id=0).astype(np.int64))[None]
    with torch.no_grad():
        loss = model.objective.loss(model(input_ids=contexts).logits, contexts)
    assert result["paper"]["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_carried_state_and_cold_windows_differ(corpus):
    model = make_model()
    figures = {
        state: evaluate_model(model, corpus, window_length=4, state=state, progress=False)["matched"]["all"]["bits"]
        for state in ("carried", "zero")
    }
    assert abs(figures["carried"] - figures["zero"]) > 1e-4


def test_every_token_is_scored_once_in_its_kind_and_modality(corpus):
    result = evaluate_model(make_model(), corpus, window_length=5, batch_size=3, progress=False)
    assert result["matched"]["all"]["tokens"] == corpus.num_tokens
    for table in ("matched", "by_modality"):
        rows = {name: row for name, row in result[table].items() if name != "all"}
        assert sum(row["tokens"] for row in rows.values()) == corpus.num_tokens
    assert result["by_modality"]["image"]["tokens"] == sum(
        s.size for _, r in corpus.records for s in r if s[0] == "image"
    )


def test_bits_of_a_model_that_reads_its_targets_are_none(corpus):
    mixer = {"hidden_size": 4, "bidirectional": True}
    model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=12, allow_future=True, mixer_config=mixer))
    result = evaluate_model(model, corpus, per_record=True, progress=False)
    assert (result["likelihood"], model.likelihood, make_model().likelihood) == ("none", "none", "exact")
    assert result["matched"] == {} and "records" not in result and "hidden" not in result
    assert result["paper"]["targets"] == corpus.num_tokens
    assert result["settings"]["reads_targets"] is True and result["settings"]["state"] == "zero"
    assert "reads_targets" not in evaluate_model(make_model(), corpus, progress=False)["settings"]


def test_evaluation_leaves_the_model_as_it_was(corpus):
    model = make_model().train()
    evaluate_model(model, corpus, progress=False)
    assert model.training
    model.eval()
    evaluate_model(model, corpus, progress=False)
    assert not model.training


class OracleModel(torch.nn.Module):
    """Gives the tokens of one record probability one, or all tokens the same."""

    def __init__(self, ids, sharpness):
        super().__init__()
        self.ids, self.sharpness, self.read = torch.from_numpy(ids.astype(np.int64)), sharpness, 0
        self.config = PixelBytesConfig()
        self.device = torch.device("cpu")
        self.objective, self.likelihood = PredictiveObjective(), "exact"

    def forward(self, input_ids, attention_mask=None, past_key_values=None, use_cache=None):
        ids = self.ids[self.read : self.read + input_ids.shape[1]]
        self.read += input_ids.shape[1]
        return SimpleNamespace(logits=F.one_hot(ids, 151).float()[None] * self.sharpness)

    def new_cache(self):
        return None


@pytest.mark.parametrize(("sharpness", "bits", "accuracy"), [(1e4, 0.0, 1.0), (0.0, np.log2(151), 0.0)])
def test_known_predictors_have_known_figures(corpus, sharpness, bits, accuracy):
    one = FakeCorpus(lengths=())
    one.records = [corpus.record(2)]
    result = evaluate_model(OracleModel(one.records[0][0], sharpness), one, window_length=WINDOW, progress=False)
    assert result["matched"]["all"]["bits"] == pytest.approx(bits, abs=1e-6)
    assert result["matched"]["all"]["accuracy"] == accuracy


def test_result_says_what_was_measured(corpus, tmp_path):
    result = evaluate_model(make_model(), corpus, window_length=8, batch_size=2, state="zero", seed=7, progress=False)
    assert result["settings"]["state"] == "zero" and result["settings"]["window_length"] == 8
    assert result["settings"]["parameters"] == sum(p.numel() for p in make_model().parameters())
    assert (result["seed"], result["corpus"]["fingerprint"], result["corpus"]["num_records"]) == (7, "abc", 5)
    assert set(result["versions"]) == {"pixelbytes_hf", "torch", "transformers", "numpy"}
    write_results({"model": result}, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"model": result}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "warm"}, "state must be one of"),
        ({"window_length": 0}, "window_length"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_options_out_of_range_are_refused(corpus, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_model(make_model(), corpus, progress=False, **options)


def test_vocabularies_must_match(corpus):
    model = aPxBySequenceModel(PixelBytesConfig(vocab_size=113, embedding_dim=6, mixer_config={"hidden_size": 4}))
    with pytest.raises(ValueError, match="vocabulary's size is 151, the model's 113"):
        evaluate_model(model, corpus, progress=False)
    other = FakeCorpus()
    other.vocabulary = Vocabulary.from_preset("full")
    with pytest.raises(ValueError, match="same vocabulary"):
        evaluate_baselines(corpus, other, progress=False)


def test_a_model_of_nan_is_refused(corpus):
    model = make_model()
    with torch.no_grad():
        model.fc.bias[3] = float("nan")
    with pytest.raises(ValueError, match="nats must be finite"):
        evaluate_model(model, corpus, progress=False)


def test_baselines_are_scored_on_the_same_tokens(corpus):
    results = evaluate_baselines(FakeCorpus(seed=1), corpus, progress=False)
    assert {"uniform", "marginal of the modality", "adaptive count coder", "copy the six cells"} <= set(results)
    for name, result in results.items():
        if "matched" in result:
            assert result["matched"]["all"]["tokens"] == corpus.num_tokens
            assert result["paper"]["loss"] == pytest.approx(result["matched"]["all"]["bits"] * np.log(2))
        else:
            assert result["paper"]["loss"] is None and 0 < result["paper"]["accuracy"] < 1, name
    assert results["uniform"]["matched"]["all"]["bits"] == pytest.approx(np.log2(151))
    assert results["marginal of the modality"]["matched"]["all"]["bits"] < 7


def test_baselines_can_be_chosen(corpus):
    result = evaluate_baselines(corpus, corpus, baselines=[UniformBaseline((), "uniform")], progress=False)
    assert list(result) == ["uniform"]
    assert result["uniform"]["matched"]["all"]["tokens"] == corpus.num_tokens


def test_a_corpus_without_tokens_is_refused():
    corpus = FakeCorpus()
    corpus.records = [(ids[:0], ()) for ids, _ in corpus.records]
    for act in (
        lambda: evaluate_model(make_model(), corpus, progress=False),
        lambda: evaluate_baselines(corpus, corpus, progress=False),
    ):
        with pytest.raises(ValueError, match="at least one token to score"):
            act()


def test_table_has_a_row_per_result_and_its_figures(corpus):
    results = {"ours": evaluate_model(make_model(), corpus, progress=False)}
    results |= evaluate_baselines(corpus, corpus, progress=False)
    lines = format_table(results).splitlines()
    assert len(lines) == 2 + len(results)
    assert len({len(line) for line in lines}) == 1 and len({line.count("|") for line in lines}) == 1
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(results)
    ours = [cell.strip() for cell in lines[2].split("|")]
    row = results["ours"]["matched"]["all"]
    assert ours[2] == f"{row['bits']:.3f} / {row['accuracy']:.1%}"
    assert lines[-1].split("|")[2].strip() == ""


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_not_written(tmp_path, bad):
    target = tmp_path / "metrics.json"
    write_results({"a": 1.0}, target)
    with pytest.raises(ValueError, match=r"at a\.b\[1\]"):
        write_results({"a": {"b": [0.0, bad]}}, target)
    assert json.loads(target.read_text()) == {"a": 1.0}
    assert list(tmp_path.iterdir()) == [target]
