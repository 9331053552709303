import json
from threading import Thread

import numpy as np
import pytest
import torch
from fakes import ScriptedModel, script_of
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig, LlamaConfig, StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from pixelbytes_hf import ActionPixelBytesTokenizer, PixelBytesConfig, aPxBySequenceModel
from pixelbytes_hf.generation.grammar import LayoutGrammar
from pixelbytes_hf.generation.layout import Audio, Image, Layout, Text
from pixelbytes_hf.generation.segment_grammar import UNBOUNDED, LegalIds
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER = Vocabulary.from_preset("paper")
OBJECTIVES = ("predictive", "autoregressive")
EVERYTHING = Layout((Text(max_length=9), Image(frames=2, max_height=3, max_width=4), Audio(channels=2, max_samples=5)))


@pytest.fixture(scope="module")
def tokenizer():
    return ActionPixelBytesTokenizer()


def random_model(objective="predictive", *, seed=0, sharpness=20.0, **settings):
    """Return an untrained model with opinions: large logits, different for every context."""
    torch.manual_seed(seed)
    settings = {"embedding_dim": 24, "mixer_config": {"hidden_size": 16}} | settings
    model = aPxBySequenceModel(PixelBytesConfig(objective=objective, **settings)).eval()
    with torch.no_grad():
        model.fc.weight.mul_(sharpness)
    return model


@pytest.fixture(scope="module", params=OBJECTIVES)
def model(request):
    return random_model(request.param)


@pytest.fixture(scope="module")
def predictive():
    return random_model()


def some_prompts(tokenizer):
    sprite = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    return [
        tokenizer(text="a fire lizard"),
        tokenizer(text="hi", image=sprite),
        tokenizer(image=sprite, audio={"array": np.linspace(-1, 1, 7), "sampling_rate": 8000}),
    ]


def strip(row):
    kept = np.flatnonzero(row)
    return row[kept[0] : kept[-1] + 1].tolist()


def assert_exact(contexts, ids, layout):
    """Assert that contexts (n + 1, N) are those of a record, of n ids, that follows the layout."""
    segments, problems = parse(np.array(ids), PAPER)
    assert not problems
    assert [segment.modality for segment in segments] == [segment.modality for segment in layout.segments]
    expected = np.concatenate([gather_context(segment.ids, pad_id=0) for segment in segments])
    assert np.array_equal(contexts[: len(ids)], expected)


def test_scripted_tokens_follow_the_prompt(tokenizer):
    prompt = tokenizer(text="hi", return_tensors="pt")
    wanted = [60, 61, 1, 62, 63, 2]
    model = ScriptedModel(script_of(wanted, start=3))
    tokens = model.generate(**prompt, layout=Image(width=2, height=2))
    assert tokens.tolist() == [[39, 40, 2, *wanted]]
    image = gather_context(np.array([[[60, 61, 1], [62, 63, 2]]]), pad_id=0)
    # every row is read once, that of the last token included
    assert model.seen == np.concatenate([prompt["input_ids"][0], image]).tolist()


def test_without_labels_the_first_token_is_the_one_at_the_last_row():
    rows = torch.from_numpy(gather_context(np.array([[[60, 61, 1, 62]]]), pad_id=0).astype(np.int64))[None]
    model = ScriptedModel(script_of([0, 0, 0, 77, 78]))
    assert model.generate(rows, max_new_tokens=2).tolist() == [[0, 60, 61, 1, 77, 78]]


def test_without_labels_a_layout_must_fit_the_last_row(tokenizer):
    whole = gather_context(np.array([[[60, 61, 1], [62, 63, 2]]]), pad_id=0).astype(np.int64)
    rows, layout = torch.from_numpy(whole)[None, :5], Image(width=2, height=2, continues=True)
    model = ScriptedModel(script_of([0, 0, 0, 0, 90, 2]))
    assert model.generate(rows, layout=layout).tolist() == [[0, 60, 61, 1, 62, 90, 2]]
    with pytest.raises(ValueError, match=r"context of the first token generated: .* pass labels"):
        model.generate(rows, layout=Image(width=2, height=2))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(OBJECTIVES), st.sampled_from(["exact", "model"]), st.integers(0, 2**31), st.booleans())
def test_whatever_a_model_says_decodes_and_exact_contexts_are_the_records(objective, context, seed, do_sample):
    if objective == "predictive" and context == "model":
        return
    model = random_model(objective, seed=seed, sharpness=float(seed % 50))
    output = model.generate(
        layout=EVERYTHING, context=context, do_sample=do_sample, seed=seed, return_dict_in_generate=True
    )
    ids = output.sequences[0, 1:].tolist()
    decoded = ActionPixelBytesTokenizer().decode_modalities(ids)
    assert not decoded.problems
    assert output.contexts.shape == (1, len(ids) + 1, 6)
    if context == "exact":
        assert_exact(output.contexts[0].numpy(), ids, EVERYTHING)
    else:
        assert [s.modality for s in parse(np.array(ids), PAPER).segments] == ["text", "image", "audio"]


def test_trained_towards_endless_text_still_ends():
    script = torch.zeros(400, 151)
    script[:, 32] = 1e4
    tokens = ScriptedModel(script).generate(layout=["text", Image(width=1, height=1)])[0, 1:].tolist()
    assert tokens[:256] == [32] * 256
    assert tokens[256] == 2
    assert len(tokens) == 259


@pytest.mark.parametrize("context", ["exact", "model"])
@pytest.mark.parametrize("layout", [None, EVERYTHING])
def test_cached_equals_uncached(tokenizer, context, layout):
    model = random_model("autoregressive")
    prompt = tokenizer(text="fire", return_tensors="pt")
    wanted = {"layout": layout, "context": context, "max_new_tokens": 40}
    cached = model.generate(**prompt, **wanted)
    assert torch.equal(model.generate(**prompt, **wanted, use_cache=False), cached)


def assert_batch_equals_rows(model, examples, batch, **options):
    """Assert that a padded batch gives every prompt the logits and tokens that it gets alone."""
    options |= {"return_dict_in_generate": True, "output_logits": True}
    together = model.generate(**batch, **options)
    length = batch["input_ids"].shape[1]
    for number, example in enumerate(examples):
        single = {name: torch.tensor(np.array(values))[None] for name, values in example.items()}
        alone, own = model.generate(**single, **options), len(example["labels"])
        row = together.sequences[number]
        assert row[length - own : length].tolist() == list(example["labels"])
        assert strip(row[length:].numpy()) == strip(alone.sequences[0, own:].numpy())
        for ours, theirs in zip(together.logits, alone.logits, strict=False):
            assert torch.allclose(ours[number], theirs[0], atol=1e-3)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("layout", [None, Layout((Image(frames=2, max_width=4, max_height=4),))])
@pytest.mark.parametrize("use_cache", [True, False])
def test_batch_equals_row_by_row(model, tokenizer, side, layout, use_cache):
    examples = some_prompts(tokenizer)
    batch = tokenizer.pad(examples, padding_side=side, return_tensors="pt")
    assert_batch_equals_rows(model, examples, batch, layout=layout, max_new_tokens=30, use_cache=use_cache)


@pytest.mark.parametrize("use_cache", [True, False])
def test_attention_mixer_batch_equals_row_by_row(tokenizer, use_cache):
    sizes = {"hidden_size": 24, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = random_model(mixer_config=LlamaConfig(vocab_size=1, pad_token_id=None, **sizes))
    examples = some_prompts(tokenizer)
    batch = tokenizer.pad(examples, padding_side="left", return_tensors="pt")
    assert_batch_equals_rows(model, examples, batch, max_new_tokens=12, use_cache=use_cache)


def test_rows_alone_tell_where_a_segment_ended(tokenizer):
    sprite = np.zeros((1, 2, 3), np.uint8)
    whole = tokenizer(text="hi", image=sprite, return_tensors="pt")
    tokens = ScriptedModel(torch.zeros(9, 151)).generate(whole["input_ids"], max_new_tokens=1)
    assert tokens[0, 1:-1].tolist() == whole["labels"][0, :-1].tolist()


def test_model_contexts_are_empty_where_the_layout_opens_a_segment():
    script = torch.zeros(9, 6, 151)
    script[:, :, 70] = 9.0  # every cell of every row it predicts
    script[0, -1, 32] = 9.0
    output = ScriptedModel(script, objective="autoregressive").generate(
        layout=[Text(max_length=1), Image(width=1, height=1)], context="model", return_dict_in_generate=True
    )
    opens = [not row.any() for row in output.contexts[0]]
    assert opens == [True, False, True, False, True]  # a byte, its mark, a pixel, its mark, the end
    assert (output.contexts[0, [1, 3], :5] == 70).all()


def test_half_a_sprite_is_continued(predictive, tokenizer):
    sprite = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    prompt = tokenizer(text="hi", image=sprite, return_tensors="pt")
    whole = prompt["labels"][0].tolist()
    for kept in (3, 4, 9, 27, 40, len(whole) - 1):
        cut = {name: values[:, :kept] for name, values in prompt.items()}
        output = predictive.generate(**cut, layout=Image(frames=3, continues=True), return_dict_in_generate=True)
        ids = output.sequences[0].tolist()
        assert ids[:kept] == whole[:kept]
        assert_exact(output.contexts[0].numpy(), ids, Layout((Text(), Image())))
        if kept > 27:  # the first frame is there, and fixes the size
            assert parse(np.array(ids), PAPER).segments[1].ids.shape == (3, 4, 6)


def test_prompt_that_cannot_be_continued_is_refused(predictive, tokenizer):
    prompt = tokenizer(image=np.zeros((2, 3, 3), np.uint8), return_tensors="pt")
    with pytest.raises(ValueError, match=r"at its position 3, id 1 .* expected pixel"):
        predictive.generate(**prompt, layout=Image(width=5, frames=2, continues=True))


def test_given_channel_is_kept(predictive, tokenizer):
    actions = [113, 150, 120, 131]
    prompt = tokenizer(text="tank", return_tensors="pt")
    tokens = predictive.generate(**prompt, layout=Audio(channels=2, given={0: actions}))[0, 5:].tolist()
    assert tokens[0:8:2] == actions
    assert tokens[8:] == [1, 2]
    assert all(token in PAPER.level_ids for token in tokens[1:8:2])


def test_one_layout_for_each_prompt(predictive, tokenizer):
    batch = tokenizer(text=["a", "fire"], padding=True, return_tensors="pt")
    wanted = [Layout((Audio(channels=1, given={0: [levels] * 3}),)) for levels in (120, 130)]
    tokens = predictive.generate(**batch, layout=wanted)
    assert tokens[:, 5:].tolist() == [[120, 120, 120, 2], [130, 130, 130, 2]]
    tokens = predictive.generate(**batch, layout=wanted, num_return_sequences=2, do_sample=True)
    assert tokens[:, 5].tolist() == [120, 120, 130, 130]
    with pytest.raises(ValueError, match="one for each of 2 prompts, got 3"):
        predictive.generate(**batch, layout=[*wanted, wanted[0]])


@pytest.mark.parametrize("name", ["apx_autoregressive_small"])
@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"do_sample": True, "temperature": 1e-4}])
def test_autoregressive_generation_is_the_papers(shared, name, options):
    folder = shared / "parity" / "models" / name
    model, vectors = aPxBySequenceModel.from_pretrained(folder).eval(), np.load(folder / "vectors.npz")
    rows = torch.from_numpy(vectors["input_ids"][:1].astype(np.int64))
    for count in (3, 12):
        output = model.generate(rows, context="model", max_new_tokens=count, return_dict_in_generate=True, **options)
        assert np.array_equal(output.contexts, vectors[f"generate_t1e-4_n{count}"])


def test_seeded_draws_are_the_papers(shared):
    folder = shared / "parity" / "models"
    models = json.loads((folder / "models.json").read_text())["models"]
    seed = next(entry["seed"] for entry in models if entry["id"] == "apx_autoregressive_small")
    vectors = np.load(folder / "apx_autoregressive_small" / "vectors.npz")
    model = aPxBySequenceModel.from_pretrained(folder / "apx_autoregressive_small").eval()
    rows = torch.from_numpy(vectors["input_ids"][:1].astype(np.int64))
    settings = {"context": "model", "max_new_tokens": 12, "do_sample": True, "return_dict_in_generate": True}
    assert np.array_equal(model.generate(rows, seed=seed, **settings).contexts, vectors["generate_t1_n12_seeded"])


def test_free_running_follows_the_kinds():
    sequence = [60, 61, 1, 62, 63, 2, 64, 65, 1, 66, 67, 2]  # two frames of 2 x 2, no layout
    model = ScriptedModel(script_of(sequence))
    output = model.generate(max_new_tokens=12, return_dict_in_generate=True)
    image = np.array(sequence).reshape(2, 2, 3)
    assert output.sequences[0, 1:].tolist() == sequence
    assert np.array_equal(output.contexts[0, :12], gather_context(image, pad_id=0))


def test_seed_decides_the_draw(predictive):
    def draw(**options):
        return predictive.generate(layout=Image(width=6, height=6), do_sample=True, temperature=9.0, **options)

    assert torch.equal(draw(seed=3), draw(seed=3))
    assert not torch.equal(draw(seed=3), draw(seed=4))
    generator = torch.Generator().manual_seed(3)
    assert torch.equal(draw(generator=generator), draw(seed=3))
    assert not torch.equal(draw(generator=generator), draw(seed=3))  # the generator has moved on
    torch.manual_seed(3)
    assert torch.equal(draw(), draw(seed=3))
    with pytest.raises(ValueError, match="generator and seed"):
        draw(seed=3, generator=generator)


def test_num_return_sequences_repeats_every_prompt(predictive, tokenizer):
    batch = tokenizer(text=["a", "fire"], padding=True, return_tensors="pt")
    tokens = predictive.generate(**batch, layout="audio", do_sample=True, seed=0, num_return_sequences=3)
    assert tokens.shape[0] == 6
    assert [strip(row[:5].numpy()) for row in tokens] == [[32, 2]] * 3 + [[37, 40, 49, 36, 2]] * 3


def test_draws_follow_the_distribution():
    script = torch.full((1, 151), -50.0)
    script[0, 60:64] = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    model = ScriptedModel(script)
    options = {"layout": Image(width=1, height=1), "do_sample": True, "max_new_tokens": 2, "seed": 0}
    options["stopping_criteria"] = StoppingCriteriaList([StopAfter(2)])
    drawn = model.generate(num_return_sequences=4000, **options)[:, 1]
    frequencies = torch.bincount(drawn, minlength=151)[60:64] / 4000
    assert torch.allclose(frequencies, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.03)
    assert set(model.generate(num_return_sequences=200, top_k=2, **options)[:, 1].tolist()) == {62, 63}
    assert set(model.generate(num_return_sequences=200, top_p=0.3, **options)[:, 1].tolist()) == {63}


class StopAfter(StoppingCriteria):
    """Stops sequences that hold `length` ids, prompt included."""

    def __init__(self, length):
        self.length = length

    def __call__(self, input_ids, scores, **kwargs):
        return torch.full((len(input_ids),), input_ids.shape[1] >= self.length)


def test_nothing_is_cut_from_the_distribution_by_default():
    script = torch.full((1, 151), 0.0)
    options = {"do_sample": True, "max_new_tokens": 1, "num_return_sequences": 3000, "seed": 0}
    assert len(set(ScriptedModel(script).generate(**options)[:, 1].tolist())) == 151


def test_processors_choose_among_what_the_layout_allows():
    script = script_of([60, 61, 1, 62, 63, 2], confidence=5.0)
    model, layout = ScriptedModel(script), Image(width=2, height=2)
    assert 60 not in model.generate(layout=layout, suppress_tokens=[60])[0, 1:].tolist()
    assert 61 not in model.generate(layout=layout, bad_words_ids=[[61]])[0, 1:].tolist()
    # marks are all the layout allows there, so that forbidding them has no effect
    assert model.generate(layout=layout, suppress_tokens=[1, 2])[0, 1:].tolist() == [60, 61, 1, 62, 63, 2]
    # the largest of all ids is no pixel: choosing before the layout would leave nothing to draw from
    script[:, 140] = 99.0
    tokens = model.generate(layout=layout, do_sample=True, top_k=1, seed=0)[0, 1:].tolist()
    assert tokens == [60, 61, 1, 62, 63, 2]


@pytest.mark.parametrize("context", ["exact", "model"])
def test_every_sampling_control_runs_under_a_layout(context, tokenizer):
    model = random_model("autoregressive")
    batch = tokenizer(text=["a", "fire"], padding=True, return_tensors="pt")
    controls = {
        "temperature": 0.7, "top_k": 9, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.9, "epsilon_cutoff": 1e-4,
        "no_repeat_ngram_size": 3, "suppress_tokens": [60, 61], "bad_words_ids": [[62], [63, 64]],
        "repetition_penalty": 1.2,
    }  # fmt: skip
    tokens = model.generate(**batch, layout=EVERYTHING, context=context, do_sample=True, seed=0, **controls)
    for row in tokens:
        assert not parse(np.array(strip(row[5:].numpy())), PAPER).problems
    assert not torch.isin(tokens[:, 5:], torch.tensor([60, 61, 62])).any()


def test_max_new_tokens_makes_the_layout_end_in_time(predictive, tokenizer):
    prompt = tokenizer(text="hi", return_tensors="pt")
    grammar = LayoutGrammar(EVERYTHING, LegalIds(PAPER))
    for count in (grammar.fewest, grammar.fewest + 3, grammar.most, 10 * grammar.most):
        tokens = predictive.generate(**prompt, layout=EVERYTHING, max_new_tokens=count)[0, 3:]
        assert len(tokens) <= count
        assert not parse(tokens.numpy(), PAPER).problems
    by_length = predictive.generate(**prompt, layout=EVERYTHING, max_length=3 + grammar.fewest)
    assert by_length.shape[1] == 3 + grammar.fewest
    with pytest.raises(ValueError, match=f"max_new_tokens must be at least {grammar.fewest}"):
        predictive.generate(**prompt, layout=EVERYTHING, max_new_tokens=grammar.fewest - 1)


def test_generation_config_is_respected(predictive):
    layout = Image(width=3, height=3)
    settings = GenerationConfig(do_sample=True, temperature=5.0, pad_token_id=0)
    by_config = predictive.generate(layout=layout, generation_config=settings, seed=5)
    assert torch.equal(by_config, predictive.generate(layout=layout, do_sample=True, temperature=5.0, seed=5))


def test_sequences_that_end_early_are_padded():
    script = torch.zeros(6, 151)
    layouts = [Layout((Text(max_length=1),)), Layout((Text(max_length=4),))]
    rows = torch.zeros(2, 1, 6, dtype=torch.int64)
    script[:, 40] = 9.0
    tokens = ScriptedModel(script).generate(rows, layout=layouts)
    assert tokens.tolist() == [[0, 40, 2, 0, 0, 0], [0, 40, 40, 40, 40, 2]]


def test_stopping_criterion_ends_generation(predictive):
    tokens = predictive.generate(layout=EVERYTHING, stopping_criteria=StoppingCriteriaList([StopAfter(4)]))
    assert tokens.shape == (1, 4)


class Collector:
    def __init__(self):
        self.put_values, self.ended = [], False

    def put(self, value):
        self.put_values.append(value.tolist())

    def end(self):
        self.ended = True


def test_streamer_gets_the_prompt_then_every_step(predictive, tokenizer):
    batch, streamer = tokenizer(text=["a", "fire"], padding=True, return_tensors="pt"), Collector()
    tokens = predictive.generate(**batch, layout=EVERYTHING, streamer=streamer)
    prompt, *steps = streamer.put_values
    assert prompt == tokens[:, :5].tolist()
    assert torch.equal(torch.tensor(steps).T, tokens[:, 5:])
    assert streamer.ended


def test_text_streamer_of_transformers_works(tokenizer):
    wanted = tokenizer(text="a fire lizard")["labels"]
    model = ScriptedModel(script_of(list(wanted), start=3))
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
    prompt = tokenizer(text="hi", return_tensors="pt")
    thread = Thread(target=model.generate, kwargs={**prompt, "streamer": streamer, "max_new_tokens": len(wanted)})
    thread.start()
    text = "".join(streamer)
    thread.join()
    assert text.strip("\n") == "a fire lizard"
    assert "hi" not in text


def test_dictionary_output_holds_what_was_asked_for(model, tokenizer):
    prompt = tokenizer(text="hi", return_tensors="pt")
    output = model.generate(
        **prompt,
        layout=Image(width=3, height=2),
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        output_hidden_states=True,
    )
    new = output.sequences[:, 3:]
    assert new.shape == (1, 8)
    assert len(output.scores) == len(output.logits) == len(output.hidden_states) == 8
    assert [int(scores.argmax()) for scores in output.scores] == new[0].tolist()
    # the logits are those of one pass over the contexts, before the layout
    at_once = model(output.contexts[:, :-1]).logits
    at_once = model.objective.new_token_logits(at_once)[:, 3:]
    assert torch.allclose(torch.stack(output.logits, dim=1), at_once, atol=1e-4)


def test_generation_goes_on_from_a_returned_state(model, tokenizer):
    prompt = tokenizer(text="hi", return_tensors="pt")
    whole = model.generate(**prompt, max_new_tokens=30)
    half = model.generate(**prompt, max_new_tokens=12, return_dict_in_generate=True)
    rest = model.generate(
        half.contexts[:, :-1], labels=half.sequences, past_key_values=half.past_key_values, max_new_tokens=18
    )
    assert torch.equal(rest, whole)
    with pytest.raises(ValueError, match="fewer rows than the prompt's 4, got 33"):
        model.generate(**prompt, past_key_values=half.past_key_values, max_new_tokens=3)


def test_no_buffer_grows(predictive, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("torch.cat on the path of a token")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "cat", refuse)
        tokens = predictive.generate(layout=Image(width=9, height=9), do_sample=True, seed=0, temperature=0.5)
    assert tokens.shape == (1, 91)


def test_caller_tensors_are_left_alone(predictive, tokenizer):
    prompt = tokenizer(text=["a", "fire"], padding=True, return_tensors="pt")
    before = {name: values.clone() for name, values in prompt.items()}
    predictive.generate(**prompt, layout="audio", max_new_tokens=9)
    assert all(torch.equal(prompt[name], before[name]) for name in before)


def test_own_vocabulary_is_used(tokenizer):
    tables = Vocabulary((0, 9, 10, 97, 98), ((0, 0, 0), (9, 9, 9)), (-1.0, 1.0))
    model = random_model(vocab_size=tables.size)
    tokens = model.generate(layout=EVERYTHING, vocabulary=tables)[0, 1:].numpy()
    assert not parse(tokens, tables).problems
    own = ActionPixelBytesTokenizer(vocabulary=tables)
    assert np.array_equal(model.generate(layout=EVERYTHING, tokenizer=own)[0, 1:].numpy(), tokens)
    with pytest.raises(ValueError, match="no preset has 9 ids"):
        model.generate(layout=EVERYTHING)
    with pytest.raises(ValueError, match="vocabulary's size is 151, the model's 9"):
        model.generate(layout=EVERYTHING, vocabulary=PAPER)
    with pytest.raises(ValueError, match="row end id is 1, the model's 5"):
        random_model(row_end_id=5).generate(layout="text")


ROWS = torch.zeros(2, 3, 6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_beams": 3}, ValueError, "only supports"),
        ({"inputs_embeds": torch.zeros(2, 3, 24)}, ValueError, "does not support inputs_embeds"),
        ({"stop_strings": ["a"]}, ValueError, "does not support stop_strings"),
        ({"cache_implementation": "static"}, ValueError, "cache_implementation"),
        ({"context": "guess"}, ValueError, "context must be one of"),
        ({"context": "model"}, ValueError, "needs an objective that predicts 6 cells, got 'predictive'"),
        ({"layout": "video"}, ValueError, "got 'video'"),
        ({"labels": torch.zeros(2, 4, dtype=torch.int64)}, ValueError, r"labels must have shape \(B, L\) = \(2, 3\)"),
        ({"labels": torch.full((2, 3), 151)}, ValueError, r"labels must be in 0\.\.150"),
        ({"labels": torch.zeros(2, 3)}, TypeError, "labels must be integers"),
        ({"attention_mask": torch.tensor([[1, 1, 1], [0, 0, 0]])}, ValueError, "all padding"),
        ({"inputs": ROWS[:, 0]}, ValueError, r"input_ids must have shape \(B, L, 6\)"),
        ({"inputs": ROWS + 151}, ValueError, r"input_ids must be in 0\.\.150"),
        ({"input_ids": ROWS}, ValueError, "inputs and input_ids"),
        ({"tempratur": 3}, ValueError, "tempratur"),
    ],
)
def test_malformed_requests_are_refused(predictive, options, error, message):
    with pytest.raises(error, match=message):
        predictive.generate(**{"inputs": ROWS, "max_new_tokens": 4} | options)


def test_half_precision_model_generates(tokenizer):
    model = random_model(sharpness=3.0).to(torch.bfloat16)
    prompt = tokenizer(text="hi", return_tensors="pt")
    tokens = model.generate(**prompt, layout=EVERYTHING, do_sample=True, seed=0)
    assert not parse(tokens[0, 3:].numpy(), PAPER).problems


def test_bidirectional_model_is_refused():
    model = random_model(allow_future=True, mixer_config={"hidden_size": 8, "bidirectional": True})
    with pytest.raises(ValueError, match="bidirectional model cannot generate"):
        model.generate(layout="text")


def test_unbounded_is_more_than_any_layout():
    largest = Layout((Image(frames=10**5, max_height=10**4, max_width=10**4),))
    assert LayoutGrammar(largest, LegalIds(PAPER)).most < UNBOUNDED


def test_inputs_that_are_no_tensors_are_refused():
    with pytest.raises(TypeError, match="return_tensors='pt'"):
        random_model().generate(**ActionPixelBytesTokenizer()(text="a"), layout="image")
