"""The model: one body over mixers and objectives."""

import json
import math
import pickle
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM

from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import PixelBytesModel, aPxBySequenceModel
from pixelbytes_hf.objectives.objectives import OBJECTIVES

MIXERS = {
    "lstm": {"hidden_size": 16},
    "llama": {
        "model_type": "llama",
        "hidden_size": 24,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 1,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    },
}
# those that read the future have tests of their own: their loss needs more than contexts
CAUSAL = sorted(name for name, kind in OBJECTIVES.items() if not kind.allows_future)
MODELS = [(mixer, objective) for mixer in MIXERS for objective in CAUSAL]
V = 19


def make(mixer="lstm", objective="predictive", seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"vocab_size": V, "embedding_dim": 24, "mixer_config": dict(MIXERS[mixer]), **settings}
    return aPxBySequenceModel(PixelBytesConfig(objective=objective, **settings)).eval()


def batch_of(batch=3, length=10, seed=1):
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(0, V, (batch, length, 6), generator=generator)
    return input_ids, torch.randint(0, V, (batch, length), generator=generator)


def run(model, input_ids, **kwargs):
    with torch.no_grad():
        return model(input_ids=input_ids, **kwargs)


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_logits_have_an_axis_for_every_predicted_cell(mixer, objective):
    outputs = run(make(mixer, objective), batch_of()[0])
    assert outputs.logits.shape == ((3, 10, V) if objective == "predictive" else (3, 10, 6, V))
    assert outputs.loss is None
    assert outputs.hidden_states is None


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_saved_model_loads_bit_equal(mixer, objective, tmp_path):
    model, (input_ids, _) = make(mixer, objective), batch_of()
    model.save_pretrained(tmp_path)
    for loader in (aPxBySequenceModel, AutoModelForCausalLM):
        loaded, report = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert type(loaded) is aPxBySequenceModel
        assert not any(report.values())
        assert loaded.state_dict().keys() == model.state_dict().keys()
        assert all(torch.equal(weight, model.state_dict()[key]) for key, weight in loaded.state_dict().items())
        assert torch.equal(run(loaded, input_ids).logits, run(model, input_ids).logits)
    base = AutoModel.from_pretrained(tmp_path)
    assert type(base) is PixelBytesModel
    assert torch.equal(run(base, input_ids).last_hidden_state, run(model.model, input_ids).last_hidden_state)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_batch_equals_its_sequences_one_by_one(mixer, objective):
    model, (input_ids, _) = make(mixer, objective), batch_of()
    one_by_one = torch.cat([run(model, input_ids[b : b + 1]).logits for b in range(3)])
    close(run(model, input_ids).logits, one_by_one)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_neither_logits_nor_loss(mixer, objective, side):
    model, (input_ids, labels) = make(mixer, objective), batch_of()
    blank = torch.zeros(3, 4, 6, dtype=torch.int64)
    parts = [blank, input_ids] if side == "left" else [input_ids, blank]
    missing = [torch.full((3, 4), -100), labels] if side == "left" else [labels, torch.full((3, 4), -100)]
    padded, kept = torch.cat(parts, dim=1), slice(4, 14) if side == "left" else slice(0, 10)
    mask = torch.zeros(3, 14, dtype=torch.int64)
    mask[:, kept] = 1
    outputs = run(model, padded, attention_mask=mask, labels=torch.cat(missing, dim=1))
    expected = run(model, input_ids, labels=labels)
    close(outputs.logits[:, kept], expected.logits)
    close(outputs.loss, expected.loss)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_logits_never_see_the_rows_that_follow(mixer, objective):
    model, (input_ids, _) = make(mixer, objective), batch_of()
    changed = input_ids.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % V
    before, after = run(model, input_ids).logits, run(model, changed).logits
    assert float((before[:, :6] - after[:, :6]).abs().max()) == 0.0
    assert not torch.equal(before[:, 6], after[:, 6])


@pytest.mark.parametrize("cell", range(6))
def test_every_cell_reaches_the_logits(cell):
    model, (input_ids, _) = make(), batch_of(length=1)
    changed = input_ids.clone()
    changed[..., cell] = (changed[..., cell] + 1) % V
    assert not torch.equal(run(model, input_ids).logits, run(model, changed).logits)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
@pytest.mark.parametrize("read", ["forward", "step"])
def test_cached_logits_equal_recomputed_ones_over_200_steps(mixer, objective, read):
    model, (input_ids, _) = make(mixer, objective), batch_of(batch=2, length=200)
    cache = model.new_cache()
    with torch.no_grad():
        rows = input_ids.unbind(1)
        if read == "step":
            logits = torch.stack([model.step(row, cache) for row in rows], dim=1)
        else:
            logits = torch.cat([model(row[:, None], past_key_values=cache).logits for row in rows], dim=1)
    assert float((logits - run(model, input_ids, use_cache=False).logits).abs().max()) < 1e-4
    assert cache.get_seq_length() == 200


@pytest.mark.parametrize("objective", CAUSAL)
def test_state_of_a_padded_prompt_continues_it(objective):
    model, (input_ids, _) = make(objective=objective), batch_of()
    mask = torch.ones(3, 10, dtype=torch.int64)
    mask[1, :4] = 0
    cache = run(model, input_ids[:, :8], attention_mask=mask[:, :8], use_cache=True).past_key_values
    rest = run(model, input_ids[:, 8:], attention_mask=mask, past_key_values=cache).logits
    close(rest[:1], run(model, input_ids[:1]).logits[:, 8:])
    close(rest[1:2], run(model, input_ids[1:2, 4:]).logits[:, 4:])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("objective", CAUSAL)
def test_untrained_loss_is_near_log2_of_the_vocabulary(objective, seed):
    model = make(objective=objective, seed=seed, vocab_size=151, embedding_dim=128, mixer_config={"hidden_size": 128})
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(0, 151, (4, 64, 6), generator=generator)
    loss = run(model, input_ids, labels=torch.randint(0, 151, (4, 64), generator=generator)).loss
    assert abs(float(loss) / math.log(2) - math.log2(151)) < 0.15


def test_autoregressive_on_the_new_token_alone_is_predictive_for_tied_weights():
    predictive, autoregressive = make(), make(objective="autoregressive", copy_loss_weight=0.0, seed=5)
    autoregressive.model.load_state_dict(predictive.model.state_dict())
    with torch.no_grad():
        autoregressive.fc.weight[-V:] = predictive.fc.weight
        autoregressive.fc.bias[-V:] = predictive.fc.bias
    input_ids, labels = batch_of()
    one, other = run(predictive, input_ids, labels=labels), run(autoregressive, input_ids, labels=labels)
    assert abs(float(one.loss) - float(other.loss)) < 1e-6


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_tiny_batch_overfits(mixer, objective):
    model = make(mixer, objective).train()
    input_ids, labels = batch_of(batch=1, length=6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(input_ids=input_ids, labels=labels).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("objective", CAUSAL)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_weight_gets_the_same_gradient_with_and_without_checkpointing(objective, checkpointing):
    input_ids, labels = batch_of()
    reference, model = make(objective=objective).train(), make(objective=objective).train()
    if checkpointing:
        model.activation_checkpointing_enable()
        assert model.is_activation_checkpointing
    for m in (reference, model):
        m(input_ids=input_ids, labels=labels).loss.backward()
    for (name, weight), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert weight.grad.any(), name
        close(weight.grad, other.grad, 1e-6)


@pytest.mark.parametrize(("mixer", "objective"), MODELS)
def test_bfloat16_stays_near_float32(mixer, objective, tmp_path):
    model, (input_ids, labels) = make(mixer, objective), batch_of()
    model.save_pretrained(tmp_path)
    half = aPxBySequenceModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    outputs, expected = run(half, input_ids, labels=labels), run(model, input_ids, labels=labels)
    assert outputs.logits.dtype == torch.bfloat16
    close(outputs.loss, expected.loss, 2e-2)
    with torch.no_grad():
        assert half.step(input_ids[:, 0], half.new_cache()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=input_ids, labels=labels).loss
        loss.backward()
    assert loss.dtype == torch.float32
    close(loss.detach(), expected.loss, 2e-2)


def test_embedded_cells_may_stand_for_ids():
    model, (input_ids, _) = make(), batch_of()
    embedded = model.get_input_embeddings()(input_ids)
    for inputs_embeds in (embedded, embedded.flatten(2)):
        assert torch.equal(run(model, None, inputs_embeds=inputs_embeds).logits, run(model, input_ids).logits)


def test_hidden_states_and_tuples_are_returned_when_asked_for():
    model, (input_ids, labels) = make(), batch_of()
    outputs = run(model, input_ids, labels=labels, output_hidden_states=True)
    assert [h.shape[-1] for h in outputs.hidden_states] == [24, 16, 16]
    loss, logits, _ = run(model, input_ids, labels=labels, return_dict=False)
    assert torch.equal(loss, outputs.loss)
    assert torch.equal(logits, outputs.logits)


@pytest.mark.parametrize("objective", CAUSAL)
def test_resized_vocabulary_keeps_the_old_logits(objective, tmp_path):
    model, (input_ids, _) = make(objective=objective), batch_of()
    before = run(model, input_ids).logits
    model.resize_token_embeddings(V + 4)
    close(run(model, input_ids).logits[..., :V], before, 1e-6)
    assert model.config.vocab_size == V + 4
    assert run(model, input_ids + 4).logits.shape[-1] == V + 4
    model.save_pretrained(tmp_path)
    assert torch.equal(
        run(aPxBySequenceModel.from_pretrained(tmp_path), input_ids).logits, run(model, input_ids).logits
    )
    model.resize_token_embeddings(V)
    close(run(model, input_ids).logits, before, 1e-6)


def test_initial_weights_are_torchs():
    model = make(embedding_dim=600, mixer_config={"hidden_size": 64})
    embedding = model.model.embedding.weight
    assert abs(float(embedding[1:].detach().std()) - 1) < 0.05
    assert not embedding[0].any()
    assert float(model.fc.weight.detach().abs().max()) <= 64**-0.5
    assert abs(float(model.fc.weight.detach().std()) - (3 * 64) ** -0.5) < 0.01


def test_model_survives_pickling():
    model, (input_ids, _) = make(), batch_of()
    assert torch.equal(run(pickle.loads(pickle.dumps(model)), input_ids).logits, run(model, input_ids).logits)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"input_ids": torch.zeros(2, 3, 5, dtype=torch.int64)},
            r"input_ids must have shape \(B, L, 6\), got \(2, 3, 5\)",
        ),
        ({"input_ids": torch.full((1, 3, 6), V)}, rf"input_ids must be in 0..{V - 1}, got {V}..{V}"),
        ({"input_ids": torch.full((1, 3, 6), -1)}, rf"input_ids must be in 0..{V - 1}, got -1..-1"),
        ({}, "exactly one of input_ids and inputs_embeds"),
        (
            {"input_ids": torch.zeros(1, 2, 6, dtype=torch.int64), "labels": torch.zeros(1, 3)},
            r"labels must have shape \(1, 2\)",
        ),
        ({"inputs_embeds": torch.zeros(1, 2, 24), "labels": torch.zeros(1, 2)}, "labels must come with input_ids"),
        ({"input_ids": torch.zeros(1, 2, 6, dtype=torch.int64), "labels": torch.full((1, 2), V)}, "labels must be in"),
    ],
)
def test_inputs_that_do_not_fit_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make()(**kwargs)


@pytest.mark.parametrize("name", ["fc.weight", "model.embedding.weight", "model.mixer.layers.0.lstm.weight_hh_l0"])
def test_a_checkpoint_without_a_weight_is_refused_by_name(name, tmp_path):
    config = PixelBytesConfig(embedding_dim=12, mixer_config={"hidden_size": 8})
    aPxBySequenceModel(config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))}.* are {re.escape(name)}$"):
        aPxBySequenceModel.from_pretrained(tmp_path)


def test_a_claimed_width_takes_no_memory(tmp_path):
    config = PixelBytesConfig(embedding_dim=12, mixer_config={"hidden_size": 8})
    aPxBySequenceModel(config).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["mixer_config"]["hidden_size"] = 2**20  # 16 TiB of recurrent weights
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"of another shape, are fc\.weight"):
        aPxBySequenceModel.from_pretrained(tmp_path)
