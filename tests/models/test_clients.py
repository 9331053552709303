"""What libraries and people around transformers do with a model, a tokenizer and a configuration."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, pipeline

from pixelbytes_hf import (
    ActionPixelBytesTokenizer,
    PixelBytesConfig,
    PixelBytesLSTMConfig,
    aPxBySequenceModel,
)
from pixelbytes_hf.media.sounds import Sound, read_sound, write_sound

LLAMA = {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 32}


def make_model(objective="predictive", **mixer):
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "num_hidden_layers": 2, **mixer}
    return aPxBySequenceModel(PixelBytesConfig(objective=objective, embedding_dim=24, mixer_config=settings)).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return ActionPixelBytesTokenizer()


@pytest.fixture(scope="module")
def encoding(tokenizer):
    return tokenizer(text=["a small red beast", "hi"], padding=True, return_tensors="pt")


# peft's own use of transformers
PEFT_WARNS = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@PEFT_WARNS
@pytest.mark.parametrize(("mixer", "targets"), [(LLAMA, "all-linear"), (LLAMA, ["q_proj", "v_proj"]), ({}, ["fc"])])
def test_peft_trains_saves_loads_and_merges(mixer, targets, encoding, tmp_path):
    peft = pytest.importorskip("peft")
    base = make_model(**mixer)
    plain = base(**encoding).logits
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=targets))
    assert torch.equal(model(**encoding).logits, plain)
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=1.0)
    for _ in range(2):  # the first step moves only the half of an adapter that begins at zero
        model.train()(**encoding).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    tuned = model.eval()(**encoding).logits
    assert not torch.allclose(tuned, plain, atol=1e-4)
    model.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(make_model(**mixer), tmp_path).eval()
    assert torch.equal(loaded(**encoding).logits, tuned)
    torch.testing.assert_close(loaded.merge_and_unload()(**encoding).logits, tuned)


@PEFT_WARNS
def test_peft_in_the_trainer(tokenizer, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import Trainer, TrainingArguments

    from pixelbytes_hf import TokenCorpus, WindowCollator, WindowDataset

    record = tokenizer.encode_record(text="a small red beast jumping")[0]
    windows = WindowDataset(TokenCorpus.from_records([record] * 4, tokenizer.tables), 16)
    model = peft.get_peft_model(
        make_model(**LLAMA), peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
    )
    args = TrainingArguments(
        tmp_path, max_steps=2, report_to="none", use_cpu=True, remove_unused_columns=False, disable_tqdm=True
    )
    result = Trainer(model, args, train_dataset=windows, data_collator=WindowCollator()).train()
    assert np.isfinite(result.training_loss)
    assert (tmp_path / "checkpoint-2" / "adapter_config.json").is_file()


@pytest.mark.parametrize("skip", [False, True])
def test_text_generation_shows_the_prompt_once_and_what_follows(tokenizer, skip):
    model = make_model()
    inputs = tokenizer(text="a red beast", return_tensors="pt")
    with torch.no_grad():
        made = model.generate(inputs["input_ids"], max_new_tokens=6, do_sample=False)
    expected = tokenizer.decode(made[0], skip_special_tokens=True)
    generate = pipeline("text-generation", model=model, tokenizer=tokenizer)
    [answer] = generate("a red beast", max_new_tokens=6, do_sample=False)
    assert answer["generated_text"] == expected and expected.startswith("a red beast")
    [rest] = generate("a red beast", max_new_tokens=6, do_sample=False, return_full_text=False)
    assert "a red beast" + rest["generated_text"] == expected
    assert tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=skip) == "a red beast"


def test_tokenizer_takes_what_transformers_passes_and_refuses_what_it_has_not(tokenizer):
    plain = tokenizer(text="hi")
    for name in (
        "return_token_type_ids",
        "return_length",
        "return_special_tokens_mask",
        "return_offsets_mapping",
        "sanitize_control_tokens",
    ):
        assert tokenizer(text="hi", **{name: False}) == tokenizer(text="hi", **{name: None}) == plain
        with pytest.raises(ValueError, match=f"{name} must be None or False"):
            tokenizer(text="hi", **{name: True})
    assert "attention_mask" not in tokenizer(text="hi", return_attention_mask=False)
    assert tokenizer(text="hi", return_attention_mask=True) == plain
    with pytest.raises(TypeError, match="no option return_tensor"):
        tokenizer(text="hi", return_tensor="pt")


def test_encode_pads_with_the_pad_id(tokenizer):
    ids = tokenizer.encode("hi", padding="max_length", max_length=6)
    assert len(ids) == 6 and ids.count(tokenizer.pad_token_id) == 3
    assert tokenizer.encode("hi", padding="max_length", max_length=6, return_tensors="pt")[0].tolist() == ids


def test_use_leaves_the_tokenizers_hash_alone(tokenizer):
    from datasets.fingerprint import Hasher

    fresh = ActionPixelBytesTokenizer()
    before = Hasher.hash(fresh)
    inputs = fresh(text=["a red beast", "hi"], image=[np.zeros((2, 2, 3), np.uint8)] * 2, padding=True)
    fresh.decode(inputs["labels"][0])
    fresh.get_vocab()
    assert Hasher.hash(fresh) == before


def test_a_column_of_datasets_is_a_batch_and_numpys_integers_are_integers(tokenizer, tmp_path):
    from datasets import Dataset

    data = Dataset.from_dict({"text": ["a", "hi"]})
    assert tokenizer(text=data["text"]) == tokenizer(text=["a", "hi"])
    inputs = tokenizer(text="hi", return_tensors="pt")
    draws = [
        make_model().generate(**inputs, max_new_tokens=4, do_sample=True, seed=kind(3)) for kind in (int, np.int64)
    ]
    assert torch.equal(*draws)
    write_sound(Sound(np.zeros((4, 1)), 8000.0), tmp_path / "a.wav")
    assert read_sound(tmp_path / "a.wav").sampling_rate_hz == 8000
    with pytest.raises(ValueError, match=r"whole number of Hz, got 8000\.5"):
        write_sound(Sound(np.zeros((4, 1)), 8000.5), tmp_path / "b.wav")


def test_feature_extraction_gives_a_vector_a_position(tokenizer):
    model = AutoModel.from_config(make_model().config).eval()
    vectors = np.array(pipeline("feature-extraction", model=model, tokenizer=tokenizer)("a red"))
    inputs = tokenizer(text="a red", return_tensors="pt")
    expected = model(**inputs).last_hidden_state.detach().numpy()  # labels go along and are not looked at
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.parametrize("kind", [AutoModel, AutoModelForCausalLM])
def test_hidden_states_are_returned_where_the_configuration_says_so(kind, encoding):
    model = kind.from_config(make_model().config).eval()
    assert model(**encoding).hidden_states is None
    model.config.output_hidden_states = True
    assert len(model(**encoding).hidden_states) == 3
    assert model(**encoding, output_hidden_states=False).hidden_states is None


@pytest.mark.parametrize("kind", [AutoModel, AutoModelForCausalLM])
def test_attention_weights_are_refused(kind, encoding):
    model = kind.from_config(make_model().config)
    model(**encoding, output_attentions=False)
    with pytest.raises(ValueError, match="output_attentions must be None or False"):
        model(**encoding, output_attentions=True)


def test_a_configuration_refuses_what_a_person_mistypes_and_keeps_what_a_checkpoint_holds(tmp_path, caplog):
    with pytest.raises(ValueError, match="PixelBytesConfig has no keyword 'hiden_size'"):
        PixelBytesConfig(hiden_size=3)
    with pytest.raises(ValueError, match="PixelBytesLSTMConfig has no keyword 'gates'"):
        PixelBytesConfig(mixer_config={"gates": 3})
    model = make_model()
    model.config.eos_token_id, model.config.of_a_later_version = 2, "x"
    model.config.mixer_config.gates = 4
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert (loaded.config.eos_token_id, loaded.config.of_a_later_version) == (2, "x")
    assert "PixelBytesConfig has settings that this version does not know" in caplog.text
    assert "without effect: 'of_a_later_version'" in caplog.text and "without effect: 'gates'" in caplog.text
    with pytest.raises(ValueError, match="has no keyword"):  # loading has left nothing behind
        PixelBytesConfig(hiden_size=3)


def test_a_mixers_configuration_is_saved_alone(tmp_path):
    PixelBytesLSTMConfig(hidden_size=24).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).hidden_size == 24


@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization:DeprecationWarning", "ignore:torch.quantize_per_tensor")
def test_dynamic_int8_stays_close(encoding):
    model = make_model()
    plain = model(**encoding).logits
    quantised = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    assert (quantised(**encoding).logits - plain).abs().max() < 0.1


@pytest.mark.parametrize("mixer", [LLAMA, {"model_type": "mamba", "time_step_rank": 64}, {}], ids=str)
@pytest.mark.parametrize(("kind", "most"), [("load_in_4bit", 0.25), ("load_in_8bit", 0.03)])
def test_bitsandbytes_loads_what_was_saved_and_spares_the_head(mixer, kind, most, encoding, tokenizer, tmp_path):
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig

    # its blocks are of 64 weights by 32; on a processor it reads matrices of whole ones only
    settings = {**mixer, "hidden_size": 64, **({"intermediate_size": 128} if mixer is LLAMA else {})}
    torch.manual_seed(0)
    model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=192, mixer_config=settings)).eval()
    plain = model(**encoding).logits
    model.save_pretrained(tmp_path)
    quantised = AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=BitsAndBytesConfig(**{kind: True}))
    logits = quantised.eval()(**encoding).logits
    assert (logits - plain).abs().max() < most * plain.abs().max()
    assert type(quantised.fc) is torch.nn.Linear
    changed = [type(layer).__name__ for layer in quantised.modules() if type(layer).__module__.startswith("bitsand")]
    assert bool(changed) == bool(mixer)  # an LSTM has no linear layers but the head
    inputs = tokenizer(text="a red", return_tensors="pt")
    assert quantised.generate(**inputs, max_new_tokens=5, do_sample=False).shape == (1, 11)


def test_the_head_can_be_found_and_replaced(encoding):
    model = make_model()
    assert model.get_output_embeddings() is model.fc
    model.set_output_embeddings(torch.nn.Linear(16, 151))
    assert model(**encoding).logits.shape[-1] == 151
    assert make_model("autoregressive").get_output_embeddings() is None


# torch's own list of an LSTM's weights is made anew while it is traced
@pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")  # of that release alone
@pytest.mark.parametrize("mixer", [{}, LLAMA], ids=["lstm", "llama"])
def test_export_and_compile_take_an_attention_mask(mixer, encoding):
    model = make_model(**mixer)
    inputs = {name: encoding[name] for name in ("input_ids", "attention_mask")} | {"use_cache": False}
    program = torch.export.export(model, (), inputs)
    mask, plain = encoding["attention_mask"].bool(), model(**inputs).logits
    torch.testing.assert_close(program.module()(**inputs).logits[mask], plain[mask])
    whole = {**inputs, "attention_mask": torch.ones_like(encoding["attention_mask"])}
    torch.testing.assert_close(program.module()(**whole).logits, model(**whole).logits)
    torch._dynamo.reset()
    with torch.no_grad(), torch._dynamo.config.patch(allow_rnn=True):  # torch compiles around its LSTM otherwise
        explained = torch._dynamo.explain(model)(**inputs)
    assert explained.graph_count == 1, explained.break_reasons


@pytest.mark.parametrize("encoded", [3, "x", [], [3], {}, {"labels": [1]}, {"input_ids": 3}, {"input_ids": []}])
def test_what_is_not_encoded_cannot_be_padded(tokenizer, encoded):
    with pytest.raises((TypeError, ValueError), match="encoded inputs must be"):
        tokenizer.pad(encoded)


def test_arrays_that_are_none_are_refused_by_name(tokenizer):
    for samples, message in (([[1], []], "nested lists of equal length"), ([1j], "real numbers, got complex128")):
        with pytest.raises(ValueError, match=rf"audio\['array'\] must be .*{message}"):
            tokenizer(audio={"array": samples, "sampling_rate": 8000})
    with pytest.raises(TypeError, match="ids must be integers, got timedelta64"):
        tokenizer.decode(np.array([3, 4], "timedelta64[s]"))
    with pytest.raises(ValueError, match="ids must be an array, or nested lists of equal length"):
        tokenizer.decode([1, [2]])
