"""The objective ``last``: its loss, its windows, its reading and what it generates."""

import math

import numpy as np
import pytest
import torch

from pixelbytes_hf.data.batches import WindowCollator
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.last_token_windows import LastTokenWindows, choose_targets
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.generation.layout import Image
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.models.pixelbytes.tokenization_first import PixelBytesTokenizer
from pixelbytes_hf.objectives.objective_last import LastObjective, last_positions
from pixelbytes_hf.objectives.objectives import build_objective
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.contexts import CONTEXT_RULES
from pixelbytes_hf.tokens.grid import flatten, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.presets import Preset
from pixelbytes_hf.training.sequence.training_windows import make_validation_windows, make_windows
from pixelbytes_hf.training.settings import TrainingConfig
from pixelbytes_hf.training.train import train

FIRST = Vocabulary.from_preset("first")
MIXERS = {
    "lstm": {"hidden_size": 12, "num_hidden_layers": 2, "bidirectional": "first"},
    "attention": {"model_type": "pixelbytes_first_attention", "hidden_size": 20, "num_hidden_layers": 1},
    "ssm": {"model_type": "pixelbytes_first_ssm", "hidden_size": 20, "state_size": 4, "num_hidden_layers": 2},
}
V = 11
generator = torch.Generator().manual_seed(0)
INPUT_IDS = torch.randint(0, V, (3, 7, 9), generator=generator)
LABELS = torch.randint(0, V, (3, 7), generator=generator)
MASK = torch.ones(3, 7, dtype=torch.int64)
MASK[0, 5:] = 0  # the last row of each that is no padding: 4, 6, 6
MASK[1, :3] = 0


PLAN = Preset(model={}, tokenizer={}, training=TrainingConfig())


def make(mixer="lstm", seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"vocab_size": 113, "context_size": 9, "embedding": "conv", "embedding_dim": 20} | settings
    return aPxBySequenceModel(PixelBytesConfig(objective="last", mixer_config=dict(MIXERS[mixer]), **settings)).eval()


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    records = []
    for length, size in ((3, (1, 2, 3)), (9, (1, 4, 5)), (40, (1, 1, 1))):
        pixels = rng.integers(FIRST.pixel_ids.start, FIRST.pixel_ids.stop, size)
        letters = rng.integers(32, 58, length)
        records.append([text_segment(letters, FIRST), image_segment(pixels, FIRST)])
    return TokenCorpus.from_records(records, FIRST)


def test_only_the_last_row_has_a_target():
    objective = build_objective(PixelBytesConfig(objective="last", vocab_size=V, context_size=9))
    assert isinstance(objective, LastObjective) and objective.allows_future
    logits = torch.randn(3, 7, V, generator=torch.Generator().manual_seed(1))
    targets = objective.targets(INPUT_IDS, LABELS, MASK)
    places = [(0, 4), (1, 6), (2, 6)]
    assert sorted(map(tuple, (targets != -100).nonzero().tolist())) == places
    nats = [-float(logits[place].double().log_softmax(-1)[LABELS[place]]) for place in places]
    assert float(objective.loss(logits, INPUT_IDS, LABELS, MASK)) == pytest.approx(np.mean(nats), abs=1e-6)
    assert float(objective.loss(logits, INPUT_IDS, LABELS, MASK, 6)) == pytest.approx(sum(nats) / 6, abs=1e-6)
    assert objective.new_token_logits(logits) is logits


def test_last_positions_without_and_with_padding():
    assert last_positions(LABELS, None).nonzero().tolist() == [[0, 6], [1, 6], [2, 6]]
    assert not last_positions(LABELS, torch.zeros(3, 7)).any()
    unknown = LABELS.masked_fill(torch.ones(3, 7, dtype=torch.bool), -100)
    assert float(LastObjective().loss(torch.randn(3, 7, V), INPUT_IDS, unknown)) == 0.0


def test_labels_are_needed():
    with pytest.raises(ValueError, match="labels must be given with the objective 'last'"):
        LastObjective().targets(INPUT_IDS, None)


@pytest.mark.parametrize("mixer", MIXERS)
def test_mixers_that_see_the_future_may_serve_it(mixer):
    assert make(mixer).config.sees_future and not make(mixer).config.reads_targets
    with pytest.raises(ValueError, match="causal objective 'predictive'"):
        PixelBytesConfig(embedding_dim=20, context_size=9, embedding="conv", mixer_config=dict(MIXERS[mixer]))


@pytest.mark.parametrize("mixer", MIXERS)
def test_padding_on_either_side_changes_nothing(mixer):
    model, rows = make(mixer), torch.randint(0, 113, (1, 6, 9), generator=torch.Generator().manual_seed(2))
    noise = torch.randint(0, 113, (1, 3, 9), generator=torch.Generator().manual_seed(3))
    ones, zeros = torch.ones(1, 6), torch.zeros(1, 3)
    with torch.no_grad():
        expected = model(rows).logits[:, -1]
        left = model(torch.cat([noise, rows], 1), attention_mask=torch.cat([zeros, ones], 1)).logits[:, -1]
        right = model(torch.cat([rows, noise], 1), attention_mask=torch.cat([ones, zeros], 1)).logits[:, 5]
    torch.testing.assert_close(left, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(right, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("length", "every"), [(1, 1), (7, 1), (7, 3), (6, 3), (2, 5)])
def test_one_token_of_every_stretch_is_chosen(length, every):
    fixed, drawn = choose_targets(length, every, None), choose_targets(length, every, (3, 1))
    starts = list(range(0, length, every))
    assert fixed.tolist() == [min(start + every, length) - 1 for start in starts]
    assert all(s <= t < min(s + every, length) for s, t in zip(starts, drawn.tolist(), strict=True))
    assert np.array_equal(drawn, choose_targets(length, every, (3, 1)))


def test_choice_reaches_every_token():
    seen = {int(t) for key in range(60) for t in choose_targets(7, 3, (key,))}
    assert seen == set(range(7))
    with pytest.raises(ValueError, match="length and every must be at least 1, got 3 and 0"):
        choose_targets(3, 0, None)


@pytest.mark.parametrize("jitter", [False, True])
def test_windows_end_at_their_target(corpus, jitter):
    windows = LastTokenWindows(corpus, 8, every=4, seed=1, jitter=jitter, context_size=9)
    lengths = np.diff(corpus.offsets)
    assert len(windows) == sum(-(-lengths // 4))
    targets = {}
    for index in range(len(windows)):
        record, start, stop = windows.locate(index)
        ids, shapes = corpus.record(record)
        assert start == max(stop - 8, 0)
        targets.setdefault(record, []).append(stop - 1)
        window = windows[index]
        assert window["labels"].tolist() == [-100] * (stop - start - 1) + [int(ids[stop - 1])]
        expected = CONTEXT_RULES[9].gather(ids, shapes, start, stop, pad_id=0)
        assert np.array_equal(window["input_ids"], expected)
    for record, places in targets.items():
        key = (1, 0, record) if jitter else None
        assert places == choose_targets(int(lengths[record]), 4, key).tolist()
    windows.set_epoch(1)
    moved = [windows.locate(index)[2] - 1 for index in range(len(windows))]
    assert (moved != [target for places in targets.values() for target in places]) == jitter


def test_windows_refuse_what_is_out_of_range(corpus):
    with pytest.raises(ValueError, match="window_length and every must be at least 1, got 0 and 1"):
        LastTokenWindows(corpus, 0)
    with pytest.raises(IndexError, match=r"index must be in 0\.\."):
        LastTokenWindows(corpus, 4).locate(10**6)


def test_collated_windows_give_the_loss_of_each_alone(corpus):
    model, windows = make(), LastTokenWindows(corpus, 8, every=4, context_size=9)
    parts = [windows[index] for index in range(6)]
    assert len({len(part["labels"]) for part in parts}) > 1
    with torch.no_grad():
        together = float(model(**WindowCollator()(parts)).loss)
        alone = [float(model(**WindowCollator()([part])).loss) for part in parts]
    assert together == pytest.approx(np.mean(alone), abs=1e-5)


@pytest.mark.parametrize("every", [1, 3])
def test_evaluation_reads_a_window_for_every_token(corpus, every):
    model = make(window_length=8)
    result = evaluate_model(model, corpus, batch_size=5, every=every, every_seed=7, per_record=True, progress=False)
    nats = hits = count = 0
    for record in range(corpus.num_records):
        ids, shapes = corpus.record(record)
        for target in choose_targets(len(ids), every, (7, record)).tolist():
            rows = CONTEXT_RULES[9].gather(ids, shapes, max(target - 7, 0), target + 1, pad_id=0)
            with torch.no_grad():
                logits = model(torch.from_numpy(rows.astype(np.int64))[None]).logits[0, -1].double()
            nats -= float(logits.log_softmax(-1)[int(ids[target])])
            hits += int(logits.argmax()) == int(ids[target])
            count += 1
    matched = result["matched"]["all"]
    assert matched["tokens"] == count and matched["accuracy"] == pytest.approx(hits / count)
    assert matched["bits"] == pytest.approx(nats / count / math.log(2), abs=1e-5)
    assert result["paper"]["loss"] == pytest.approx(nats / count, abs=1e-5)
    assert sum(result["records"]["tokens"]) == count
    assert sum(result["records"]["bits"]) == pytest.approx(nats / math.log(2), abs=1e-3)
    assert result["settings"] | {"every": every, "every_seed": 7, "state": "zero"} == result["settings"]
    assert result["settings"]["window_length"] == 8


def test_evaluation_refuses_what_does_not_fit(corpus):
    causal = aPxBySequenceModel(PixelBytesConfig(vocab_size=113, embedding_dim=12, mixer_config={"hidden_size": 8}))
    with pytest.raises(ValueError, match="every must be 1 with the objective 'predictive'"):
        evaluate_model(causal, corpus, every=2, progress=False)


@pytest.mark.parametrize("mixer", MIXERS)
def test_generation_reads_its_window_anew_for_every_token(mixer):
    model, tokenizer = make(mixer, window_length=6), PixelBytesTokenizer()
    prompt = tokenizer(text="ab", return_tensors="pt")
    layout = Image(width=2, height=3)
    output = model.generate(
        **prompt, tokenizer=tokenizer, layout=layout, return_dict_in_generate=True, output_logits=True
    )
    tokens = output.sequences[0].numpy().astype(np.uint8)
    record = tokenizer.decode_modalities(tokens)
    assert record.text == "ab" and record.frames.shape == (1, 3, 2, 3)
    segments = [text_segment(tokens[:2], FIRST), image_segment(tokens[3:].reshape(1, 3, 3)[:, :, :2], FIRST)]
    ids, shapes = flatten(segments)
    assert np.array_equal(ids, tokens)
    rows = torch.from_numpy(CONTEXT_RULES[9].gather(ids, shapes, 0, len(ids), pad_id=0).astype(np.int64))
    assert torch.equal(output.contexts[0, :-1], rows)
    for number, logits in enumerate(output.logits):
        stop = 4 + number  # the first new token is predicted from rows 0..3
        with torch.no_grad():
            expected = model(rows[None, max(stop - 6, 0) : stop]).logits[:, -1]
        torch.testing.assert_close(logits, expected, atol=1e-6, rtol=0)


def test_generation_in_a_batch_equals_one_by_one():
    model, tokenizer = make(), PixelBytesTokenizer()
    texts = ["a", "abcd"]
    batch = tokenizer(text=texts, padding=True, return_tensors="pt")
    together = model.generate(**batch, tokenizer=tokenizer, max_new_tokens=5)[:, -5:]
    alone = [
        model.generate(**tokenizer(text=text, return_tensors="pt"), tokenizer=tokenizer, max_new_tokens=5)[0, -5:]
        for text in texts
    ]
    assert torch.equal(together, torch.stack(alone))
    with pytest.raises(ValueError, match="past_key_values must be None with the objective 'last'"):
        model.generate(**batch, tokenizer=tokenizer, max_new_tokens=2, past_key_values=object())


def test_training_settings_choose_the_windows(corpus):
    settings = PLAN.replace(window_length=16, stride=4, jitter=True, seed=5).training
    windows = make_windows(corpus, settings, LastObjective, make().config)
    assert isinstance(windows, LastTokenWindows) and (windows.every, windows.seed, windows.jitter) == (4, 5, True)
    validation = make_validation_windows(corpus, settings, LastObjective, make().config)
    assert isinstance(validation, LastTokenWindows) and (validation.every, validation.seed) == (4, 0)
    with pytest.raises(ValueError, match="mirror and invert must not be set with the objective 'last'"):
        make_windows(corpus, PLAN.replace(prefix_windows=2).training, LastObjective, make().config)


def test_validation_looks_at_tokens_as_often_as_they_occur():
    rng = np.random.default_rng(0)
    draw = rng.integers
    records = [
        [image_segment(draw(58, 113, (1, 6, 7)), FIRST), text_segment(draw(32, 58, draw(1, 9)), FIRST)]
        for _ in range(60)
    ]
    corpus = TokenCorpus.from_records(records, FIRST)
    settings = PLAN.replace(window_length=16, stride=8).training
    windows = make_validation_windows(corpus, settings, LastObjective, make().config)
    kinds = FIRST.kind_of_id[np.array([windows[index]["labels"][-1] for index in range(len(windows))])]
    # rows of 8: of every 8th token each would be a row's mark
    for kind in np.unique(FIRST.kind_of_id[corpus.ids]):
        expected = (FIRST.kind_of_id[corpus.ids] == kind).mean()
        assert (kinds == kind).mean() == pytest.approx(expected, abs=0.06)


def test_training_saves_model_and_tokenizer(corpus, tmp_path):
    model = {"objective": "last", "context_size": 9, "embedding": "noconv", "embedding_dim": 12}
    folder = train(
        {"train": corpus, "validation": corpus},
        PLAN.replace(model=model | {"mixer_config": {"hidden_size": 8, "bidirectional": "first"}}),
        tmp_path / "run",
        tokenizer=PixelBytesTokenizer(),
        progress=False,
        **{"window_length": 8, "stride": 4, "batch_size": 4, "max_steps": 3, "eval_steps": 3, "learning_rate": 0.01},
    )
    run = Run.load(folder)
    assert run.model.config.window_length == 8 and run.model.config.objective == "last"
    assert type(run.tokenizer) is PixelBytesTokenizer
    (record,) = run.create(text=["(2, 3)"], layout=Image(height=2, width=3))
    assert record.frames.shape == (1, 2, 3, 3) and record.text is None  # the prompt has become the header


def test_model_learns_what_the_last_token_is(corpus):
    model = make(seed=1).train()
    batch = WindowCollator()([LastTokenWindows(corpus, 16, every=9, context_size=9)[index] for index in range(4)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        output = model.eval()(**batch)
    targets = model.objective.targets(batch["input_ids"], batch["labels"], batch["attention_mask"])
    assert torch.equal(output.logits.argmax(-1)[targets != -100], targets[targets != -100])
