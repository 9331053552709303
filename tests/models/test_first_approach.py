"""Rows of nine cells under objectives that predict at every position: the causal models of the first approach."""

import math

import numpy as np
import pytest
import torch

from pixelbytes_hf.data.batches import WindowCollator
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.generation.layout import Image
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.models.pixelbytes.tokenization_first import PixelBytesTokenizer
from pixelbytes_hf.tokens.contexts import CONTEXT_RULES
from pixelbytes_hf.tokens.grid import flatten, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.sequence.initialisation import initialise_ordered

FIRST = Vocabulary.from_preset("first")
OBJECTIVES = ("predictive", "autoregressive")


@pytest.fixture(scope="module", params=OBJECTIVES)
def model(request):
    torch.manual_seed(0)
    config = PixelBytesConfig(
        vocab_size=113,
        context_size=9,
        embedding="conv",
        embedding_dim=16,
        objective=request.param,
        copy_loss_weight=0.0,
        mixer_config={"hidden_size": 12, "num_hidden_layers": 1},
    )
    return aPxBySequenceModel(config).eval()


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)

    def record(length, *size):
        pixels = rng.integers(FIRST.pixel_ids.start, FIRST.pixel_ids.stop, size)
        return [text_segment(rng.integers(32, 58, length), FIRST), image_segment(pixels, FIRST)]

    return TokenCorpus.from_records([record(3, 1, 2, 3), record(9, 2, 4, 5)], FIRST)


def test_evaluation_equals_one_pass_over_each_record(model, corpus):
    result = evaluate_model(model, corpus, window_length=7, batch_size=2, progress=False)
    nats = count = 0
    for record in range(corpus.num_records):
        ids, shapes = corpus.record(record)
        rows = torch.from_numpy(CONTEXT_RULES[9].gather(ids, shapes, 0, len(ids), pad_id=0).astype(np.int64))
        with torch.no_grad():
            logits = model.objective.new_token_logits(model(rows[None]).logits)[0].double()
        nats -= float(logits.log_softmax(-1)[torch.arange(len(ids)), torch.from_numpy(ids.astype(np.int64))].sum())
        count += len(ids)
    assert result["matched"]["all"]["tokens"] == count == corpus.num_tokens
    assert result["matched"]["all"]["bits"] == pytest.approx(nats / count / math.log(2), abs=1e-5)
    # groups go by six cells whatever the model reads: pixels with a pixel before them in the frame before
    assert sum(row["tokens"] for row in result["by_change"].values()) == 4 * 5


def test_newest_cell_is_the_target_without_labels(model, corpus):
    windows = WindowDataset(corpus, 12, context_size=9)
    batch = WindowCollator()([windows[0], windows[1]])
    assert batch["input_ids"].shape == (2, 12, 9)
    whole = batch["labels"].clone()
    whole[:, -1] = -100  # no row follows the last
    for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        whole[row, length - 1] = -100
    mask = batch["attention_mask"]
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=mask).logits
    shifted = model.objective.targets(batch["input_ids"], None, mask)
    new_tokens = shifted if model.objective.predicted_cells == 1 else shifted[..., 4]
    assert torch.equal(new_tokens, whole)
    with_labels = model.objective.loss(logits, batch["input_ids"], whole, mask)
    assert torch.allclose(model.objective.loss(logits, batch["input_ids"], None, mask), with_labels)


def test_generated_rows_are_those_of_the_record(model):
    tokenizer = PixelBytesTokenizer()
    prompts = tokenizer(text=["ab", "abcde"], padding=True, return_tensors="pt")
    layout = Image(width=2, height=3)
    output = model.generate(**prompts, tokenizer=tokenizer, layout=layout, return_dict_in_generate=True)
    for length, sequence, contexts in zip((3, 6), output.sequences, output.contexts, strict=True):
        tokens = sequence[6 - length :].numpy().astype(np.uint8)
        pixels = tokens[length:].reshape(1, 3, 3)[:, :, :2]
        ids, shapes = flatten([text_segment(tokens[: length - 1], FIRST), image_segment(pixels, FIRST)])
        assert np.array_equal(ids, tokens)
        rows = CONTEXT_RULES[9].gather(ids, shapes, 0, len(ids), pad_id=0)
        assert np.array_equal(contexts[6 - length : -1], rows)
        with torch.no_grad():
            logits = model.objective.new_token_logits(model(torch.from_numpy(rows.astype(np.int64))[None]).logits)[0]
        is_pixel = ~np.isin(tokens[length:], [1, 2])
        best = logits[length:, FIRST.pixel_ids.start :].argmax(-1).numpy() + FIRST.pixel_ids.start
        assert np.array_equal(tokens[length:][is_pixel], best[is_pixel])


def test_generation_without_a_prompt_begins_with_an_empty_row(model):
    tokenizer = PixelBytesTokenizer()
    output = model.generate(tokenizer=tokenizer, layout=Image(width=1, height=1), return_dict_in_generate=True)
    assert output.contexts.shape == (1, 3, 9) and not output.contexts[0, 0].any()
    assert output.contexts[0, 1, 4] == output.sequences[0, 1]


def test_what_does_not_fit_nine_cells_is_refused(model):
    with pytest.raises(ValueError, match="context='model' needs rows whose last cell is the token read just before"):
        model.generate(context="model", max_new_tokens=2)
    with pytest.raises(ValueError, match="the ordered initialisation needs the embedding 'concat'"):
        initialise_ordered(model, FIRST, np.ones(113, np.int64))
    with pytest.raises(ValueError, match=r"input_ids must have shape \(B, L, 9\), got \(1, 4, 6\)"):
        model.generate(torch.zeros(1, 4, 6, dtype=torch.int64), max_new_tokens=2)
