"""Continuations: greedy tokens after a prompt, and how alike they are to the record."""

import numpy as np
import pytest
import torch

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.evaluation import continuations
from pixelbytes_hf.evaluation.continuations import (
    Continuation,
    choose_places,
    continue_greedily,
    evaluate_continuations,
)
from pixelbytes_hf.evaluation.similarity import paper_hamming, token_hamming
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.tokens.contexts import CONTEXT_RULES
from pixelbytes_hf.tokens.grid import audio_segment, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER = Vocabulary.from_preset("paper")
MODELS = {
    "predictive": {"embedding_dim": 24, "mixer_config": {"hidden_size": 8}},
    "autoregressive": {"embedding_dim": 24, "mixer_config": {"hidden_size": 8}},
    "last": {
        "context_size": 9,
        "embedding": "conv",
        "embedding_dim": 12,
        "mixer_config": {"hidden_size": 8, "bidirectional": "first"},
        "window_length": 10,
    },
}


def make(objective, seed=0, **settings):
    torch.manual_seed(seed)
    return aPxBySequenceModel(PixelBytesConfig(objective=objective, **MODELS[objective] | settings)).eval()


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)

    def draw(ids, *shape):
        return rng.integers(ids.start, ids.stop, shape)

    records = [
        [
            text_segment(rng.integers(32, 58, 9), PAPER),
            image_segment(draw(PAPER.pixel_ids, 2, 3, 4), PAPER),
            audio_segment(draw(PAPER.level_ids, 20, channels), PAPER),
        ]
        for channels in (1, 2, 3)
    ]
    return TokenCorpus.from_records([*records, [text_segment(np.array([40]), PAPER)]], PAPER)


@pytest.mark.parametrize("size", [6, 9])
@pytest.mark.parametrize("record", [0, 1, 2])
def test_rows_and_windows_are_the_records_own(corpus, record, size):
    ids, shapes = corpus.record(record)
    rows = CONTEXT_RULES[size].gather(ids, shapes, 0, len(ids), pad_id=0)
    opens = np.cumsum([shape.size for shape in shapes]).tolist()
    for start in (0, 3, 12, 20):
        sequence = Continuation(corpus, record, start, 5, size)
        assert np.array_equal(sequence.rows, rows[start + 1 : start + 6])
        for position in range(start + 5, min(start + 20, len(ids) - 1)):
            sequence.push(int(ids[position]))
            # six cells cannot know that an image has ended until another segment has begun
            assert sequence.rows[-1] == rows[position + 1].tolist() or (size == 6 and position + 1 in opens)
        assert sequence.tokens == sequence.target_tokens(len(sequence.tokens)).tolist()
        assert np.array_equal(sequence.windows, sequence.targets(len(sequence.tokens)))


def test_places_lie_side_by_side_and_follow_the_seed(corpus):
    places = choose_places(corpus, 20, None, 0)
    assert places == [(r, s) for r in range(3) for s in range(0, len(corpus.record(r)[0]) - 19, 20)]
    few = choose_places(corpus, 20, 3, 1)
    assert few == choose_places(corpus, 20, 3, 1) and set(few) < set(places) and len(few) == 3
    assert any(choose_places(corpus, 20, 3, seed) != few for seed in range(5))
    with pytest.raises(ValueError, match="corpus must have a record of at least 500 tokens"):
        choose_places(corpus, 500, None, 0)
    with pytest.raises(ValueError, match="num_windows must be at least 1 or None, got 0"):
        choose_places(corpus, 20, 0, 0)


@pytest.mark.parametrize("objective", MODELS)
def test_tokens_are_the_likeliest_ones(corpus, objective):
    model = make(objective)
    places = choose_places(corpus, 20, 4, 0)
    size = model.config.context_size
    sequences = [Continuation(corpus, *place, 14, size) for place in places]
    with torch.no_grad():
        continue_greedily(model, sequences, 5)
        for place, sequence in zip(places, sequences, strict=True):
            slow = Continuation(corpus, *place, 14, size)
            for _ in range(5):
                rows = torch.tensor([slow.rows[-10:] if objective == "last" else slow.rows])
                logits = model.objective.new_token_logits(model(rows).logits)
                slow.push(int(logits[0, -1].argmax()))
            assert sequence.tokens == slow.tokens


@pytest.mark.parametrize("objective", MODELS)
def test_figures_are_means_over_windows(corpus, objective, monkeypatch):
    model = make(objective).train()
    for name, value in (("PROMPT_LENGTH", 12), ("SEED", 3), ("BATCH_SIZE", 2)):
        monkeypatch.setattr(continuations, name, value)
    result = evaluate_continuations(model, corpus, num_new=6, num_windows=5, progress=False)
    assert model.training and result["windows"] == 5
    assert result["settings"] == {"prompt_length": 12, "num_new": 6, "num_windows": 5, "seed": 3, "context": "exact"}
    windows, tokens = [], []
    with torch.no_grad():
        for place in choose_places(corpus, 18, 5, 3):
            sequence = Continuation(corpus, *place, 12, model.config.context_size)
            continue_greedily(model.eval(), [sequence], 6)
            windows.append(paper_hamming(sequence.targets(6), np.array(sequence.windows)))
            tokens.append(token_hamming(sequence.target_tokens(6), np.array(sequence.tokens)))
    for group, values in (("paper_windows", windows), ("tokens", tokens)):
        got = result[group]["hamming"]
        assert got == pytest.approx({"mean": np.mean(values), "deviation": np.std(values, ddof=1)})
    assert result["paper_windows"].keys() == {"hamming", "cosine", "bleu"}
    assert result["tokens"].keys() == {"hamming", "histogram_cosine", "bleu", "ngram_overlap"}


def test_the_models_own_rows_are_those_it_predicts(corpus):
    model = make("autoregressive")
    place = choose_places(corpus, 20, 1, 0)[0]
    sequence = Continuation(corpus, *place, 14, 6)
    with torch.no_grad():
        continue_greedily(model, [sequence], 4, "model")
        for step in range(4):
            predicted = model(torch.tensor([sequence.rows[: 14 + step]])).logits[0, -1].argmax(-1).tolist()
            assert sequence.rows[14 + step] == predicted and sequence.tokens[step] == predicted[-1]
    with pytest.raises(ValueError, match="context must be 'exact' with an objective that predicts 1 of 6 cells"):
        evaluate_continuations(make("predictive"), corpus, context="model", progress=False)
    with pytest.raises(ValueError, match="context must be one of"):
        evaluate_continuations(model, corpus, context="own", progress=False)


def test_models_that_cannot_continue_are_refused(corpus):
    blind = make("predictive", allow_future=True, mixer_config={"hidden_size": 8, "bidirectional": True})
    with pytest.raises(ValueError, match="model must predict the next token without reading it"):
        evaluate_continuations(blind, corpus, progress=False)
    with pytest.raises(ValueError, match="num_new must be at least 4, got 3"):
        evaluate_continuations(make("predictive"), corpus, num_new=3, progress=False)
    other = make("predictive", vocab_size=113)
    with pytest.raises(ValueError, match="the vocabulary's size is 151, the model's 113"):
        evaluate_continuations(other, corpus, progress=False)
