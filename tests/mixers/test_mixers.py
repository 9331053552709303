"""Mixers: one body over all of them, against a slow reference where there is one."""

import copy

import pytest
import torch
from fakes import FakeCorpus
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig, PreTrainedConfig
from transformers.cache_utils import DynamicCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils.import_utils import is_mambapy_available

from pixelbytes_hf import ActionPixelBytesTokenizer
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.mixers.backbones import build_backbone, read_vectors
from pixelbytes_hf.mixers.configuration_mixers import (
    PixelBytesBidirectionalConfig,
    PixelBytesFirstSSMConfig,
    PixelBytesLSTMConfig,
    build_mixer_config,
)
from pixelbytes_hf.mixers.mixer_first_attention import PixelBytesFirstAttentionModel
from pixelbytes_hf.mixers.mixer_lstm import PixelBytesLSTMCacheLayer, PixelBytesLSTMModel
from pixelbytes_hf.mixers.mixer_properties import sees_future
from pixelbytes_hf.mixers.mixers import MIXERS as OWN_MIXERS
from pixelbytes_hf.mixers.mixers import build_mixer
from pixelbytes_hf.mixers.padding import plan_padding, reverse_positions
from pixelbytes_hf.mixers.selective_scan import selective_scan
from pixelbytes_hf.mixers.state_caches import RecurrentCache, build_cache
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel

WIDTH = 12
LSTM = {"input_size": WIDTH, "hidden_size": 8}
CAUSAL = {
    "lstm": {**LSTM},
    "lstm-1": {**LSTM, "num_hidden_layers": 1},
    "lstm-3-dropout": {**LSTM, "num_hidden_layers": 3, "dropout": 0.5},
    "llama": {"model_type": "llama"},
    "llama-no-positions": {"model_type": "llama", "positions": "none"},
    "qwen3": {"model_type": "qwen3"},
    "llama-prefix": {"model_type": "llama", "prefix_lm": True},
    "mamba2": {"model_type": "mamba2", "chunk_size": 4},
    "mamba": {"model_type": "mamba"},
    "lfm2": {"model_type": "lfm2"},
    "xlstm": {"model_type": "xlstm", "chunk_size": 4},
    "first-ssm": {"model_type": "pixelbytes_first_ssm", "state_size": 4, "bidirectional": False},
}
BOTH_WAYS = {"model_type": "pixelbytes_bidirectional"}
FUTURE = {
    "lstm-bidirectional": {**LSTM, "bidirectional": True},
    "lstm-first": {**LSTM, "bidirectional": "first"},
    "llama-all": {"model_type": "llama", "is_causal": False},
    "llama-all-no-positions": {"model_type": "llama", "is_causal": False, "positions": "none"},
    "first-ssm-bidirectional": {"model_type": "pixelbytes_first_ssm", "state_size": 4},
    "first-attention": {"model_type": "pixelbytes_first_attention"},
    "mamba2-both-ways": {**BOTH_WAYS, "inner_config": {"model_type": "mamba2", "chunk_size": 4}},
    "mamba-first": {**BOTH_WAYS, "first_only": True, "inner_config": {"model_type": "mamba"}},
    "xlstm-separate": {**BOTH_WAYS, "shared_weights": False, "inner_config": {"model_type": "xlstm"}},
    "lfm2-concatenation": {**BOTH_WAYS, "merge": "concatenation", "inner_config": {"model_type": "lfm2"}},
    "lstm-both-ways-first": {**BOTH_WAYS, "first_only": True, "inner_config": {"model_type": "pixelbytes_lstm"}},
}
MIXERS = CAUSAL | FUTURE
TINY = {"hidden_size": WIDTH, "num_hidden_layers": 2}


def config_of(name):
    settings = {"model_type": "pixelbytes_lstm", **MIXERS[name]}
    return PixelBytesConfig(embedding_dim=WIDTH, mixer_config=settings, allow_future=True).mixer_config


def make(name, seed=0):
    torch.manual_seed(seed)
    return build_mixer(config_of(name)).eval()


def model_of(name, seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"embedding_dim": WIDTH, "allow_future": name in FUTURE, **settings}
    return aPxBySequenceModel(PixelBytesConfig(mixer_config=dict(MIXERS[name]), **settings)).eval()


def vectors_of(batch=3, length=9, seed=1):
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def read(mixer, vectors, attention_mask=None, cache=None, **kwargs):
    with torch.no_grad():
        return read_vectors(mixer, vectors, attention_mask, cache, **kwargs)


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", MIXERS)
def test_output_has_the_width_the_config_names(name):
    config = config_of(name)
    width = getattr(config, "output_size", config.hidden_size)
    assert read(make(name), vectors_of()).last_hidden_state.shape == (3, 9, width)


@pytest.mark.parametrize("name", MIXERS)
def test_the_future_is_seen_where_the_config_says_so(name):
    mixer, vectors = make(name), vectors_of()
    changed = vectors.clone()
    changed[:, 5:] = 7.0
    before, after = (read(mixer, v, use_cache=False).last_hidden_state for v in (vectors, changed))
    assert sees_future(config_of(name)) == (name in FUTURE)
    assert not torch.equal(before[:, 5], after[:, 5])
    if name in FUTURE:
        assert all(not torch.equal(before[:, n], after[:, n]) for n in range(5))
    else:
        close(before[:, :5], after[:, :5], 0 if name.startswith("lstm") else 1e-6)


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize(
    "kept", [range(9), range(5, 14), (0, 1, 4, 5, 6, 9, 11, 12, 13)], ids=["right", "left", "holes"]
)
@pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
def test_padding_has_no_influence(name, kept, use_cache):
    if name in FUTURE and use_cache:
        pytest.skip("a mixer that sees the future keeps no state")
    if name == "lfm2" and use_cache and kept not in (range(9), range(5, 14)):
        pytest.skip("its convolution sees holes where attention keeps its positions")
    mixer, vectors = make(name), vectors_of()
    padded, mask = vectors_of(length=14, seed=2) * 100, torch.zeros(3, 14, dtype=torch.int64)
    padded[:2, list(kept)], mask[:2, list(kept)] = vectors[:2], 1
    padded[2], mask[2] = padded[2] / 100, 1
    outputs = read(mixer, padded, mask, use_cache=use_cache)
    alone = read(mixer, vectors[:2], use_cache=use_cache)
    close(outputs.last_hidden_state[:2, list(kept)], alone.last_hidden_state)
    close(outputs.last_hidden_state[2:], read(mixer, padded[2:], use_cache=False).last_hidden_state)
    if not use_cache:
        return
    assert outputs.past_key_values.get_seq_length() == 14
    if name == "lfm2" and kept == range(9):
        pytest.skip("its convolution has read the padding")
    # neither has the state read it
    following = vectors_of(length=2, seed=3)
    longer = torch.cat([mask, torch.ones(3, 2, dtype=torch.int64)], dim=1)
    got = read(mixer, following, longer, outputs.past_key_values).last_hidden_state[:2]
    close(got, read(mixer, following[:2], None, alone.past_key_values).last_hidden_state)


@pytest.mark.parametrize("name", ["lstm", "mamba2", "mamba", "xlstm", "first-ssm"])
def test_sequences_that_end_earlier_keep_their_state(name):
    mixer, vectors = make(name), vectors_of(length=13)
    cache = read(mixer, vectors[:, :6], use_cache=True).past_key_values
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    read(mixer, vectors[:, 6:10], mask, cache)
    got = read(mixer, vectors[:, 10:], None, cache).last_hidden_state
    for row, real in enumerate((10, 7, 6)):
        whole = torch.cat([vectors[row : row + 1, :real], vectors[row : row + 1, 10:]], dim=1)
        close(got[row], read(mixer, whole, use_cache=False).last_hidden_state[0, real:])


@pytest.mark.parametrize("name", ["mamba2", "xlstm"])
def test_batch_of_nothing_but_padding_leaves_the_state(name):
    mixer, vectors = make(name), vectors_of()
    cache = read(mixer, vectors, use_cache=True).past_key_values
    expected = read(mixer, vectors, None, cache.take(torch.arange(3))).last_hidden_state
    read(mixer, vectors[:, :2], torch.zeros(3, 2), cache)
    assert cache.get_seq_length() == 11
    assert torch.equal(read(mixer, vectors, None, cache).last_hidden_state, expected)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("chunks", [(1,) * 9, (4, 5), (3, 1, 4, 1)], ids=str)
def test_reading_in_parts_equals_reading_at_once(name, chunks):
    mixer, vectors = make(name), vectors_of()
    cache, parts = build_cache(config_of(name)), []
    for part in vectors.split(chunks, dim=1):
        outputs = read(mixer, part, None, cache)
        assert outputs.past_key_values is cache
        parts.append(outputs.last_hidden_state)
    close(torch.cat(parts, dim=1), read(mixer, vectors, use_cache=False).last_hidden_state)
    assert cache.get_seq_length() == 9
    assert not cache.is_compileable


@pytest.mark.parametrize("name", ["llama", "lfm2"])
def test_mask_of_attention_covers_what_was_read_before(name):
    mixer, vectors = make(name), vectors_of()
    new = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    cache = read(mixer, vectors[:, :4], use_cache=True).past_key_values
    with pytest.raises(ValueError, match=r"must cover the 4 positions .* and the 3 new ones, got shape \(3, 3\)"):
        read(mixer, vectors[:, 4:7], new, cache)
    whole = read(mixer, vectors[:, :7], use_cache=False).last_hidden_state[:, 4:]
    got = read(mixer, vectors[:, 4:7], torch.cat([torch.ones(3, 4), new], dim=1), cache).last_hidden_state
    close(got[new == 1], whole[new == 1])


def test_longer_mask_counts_from_its_end_where_nothing_was_read_before():
    mixer, vectors = make("llama-all"), vectors_of()
    mask = torch.ones(3, 9)
    mask[0, :4] = 0
    got, expected = (
        read(mixer, vectors, each).last_hidden_state for each in (torch.cat([torch.zeros(3, 2), mask], dim=1), mask)
    )
    assert torch.equal(got, expected)


@pytest.mark.parametrize("chunks", [(1,) * 9, (4, 5)], ids=str)
def test_other_state_spaces_go_on_from_their_state(chunks):
    settings = {"model_type": "falcon_mamba"} | TINY
    mixer, vectors = build_mixer(PixelBytesConfig(mixer_config=settings).mixer_config).eval(), vectors_of()
    cache = build_cache(mixer.config)
    parts = [read(mixer, part, None, cache).last_hidden_state for part in vectors.split(chunks, dim=1)]
    close(torch.cat(parts, dim=1), read(mixer, vectors, use_cache=False).last_hidden_state)


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "rwkv", "attention_hidden_size": WIDTH},
        {"model_type": "recurrent_gemma", "num_attention_heads": 2, "intermediate_size": WIDTH},
    ],
    ids=["rwkv", "recurrent_gemma"],
)
def test_state_that_a_backbone_would_pass_over_is_refused(settings):
    mixer = build_mixer(PixelBytesConfig(mixer_config=settings | TINY).mixer_config).eval()
    assert read(mixer, vectors_of()).past_key_values is None
    for given in ({"use_cache": True}, {"cache": build_cache(mixer.config)}):
        with pytest.raises(ValueError, match=f"use_cache must be False with '{mixer.config.model_type}'"):
            read(mixer, vectors_of(), **given)


@pytest.mark.parametrize("name", CAUSAL)
def test_sequences_of_a_cache_can_be_chosen(name):
    mixer, vectors = make(name), vectors_of()
    expected = read(mixer, vectors, use_cache=False).last_hidden_state[:, 6:]
    for order in ([2, 0], [1]):
        cache = read(mixer, vectors[:, :6], use_cache=True).past_key_values
        cache.batch_select_indices(torch.tensor(order))
        close(read(mixer, vectors[order, 6:], None, cache).last_hidden_state, expected[order])
    cache = read(mixer, vectors[:, :6], use_cache=True).past_key_values
    cache.reorder_cache(torch.tensor([2, 0, 0]))
    close(read(mixer, vectors[[2, 0, 0], 6:], None, cache).last_hidden_state, expected[[2, 0, 0]])
    cache = read(mixer, vectors[:, :6], use_cache=True).past_key_values
    cache.batch_repeat_interleave(2)
    close(read(mixer, vectors[[0, 0, 1, 1, 2, 2], 6:], None, cache).last_hidden_state, expected[[0, 0, 1, 1, 2, 2]])


@pytest.mark.parametrize("name", MIXERS)
def test_every_weight_gets_a_gradient(name):
    mixer = make(name)
    with torch.no_grad():
        for weight in mixer.parameters():
            # transformers begins an xLSTM with gates of zero, which let no gradient through
            weight.add_(0.1 * torch.randn_like(weight))
    read_vectors(mixer, vectors_of(), use_cache=False).last_hidden_state.square().sum().backward()
    assert not [key for key, weight in mixer.named_parameters() if weight.grad is None or not weight.grad.any()]


@pytest.mark.parametrize("name", MIXERS)
def test_checkpointed_gradients_are_equal(name):
    if name == "lstm-3-dropout" or name == "first-attention":
        pytest.skip("dropout draws anew")
    gradients = []
    for checkpointing in (False, True):
        mixer = make(name).train()
        if checkpointing:
            mixer.activation_checkpointing_enable()
        read_vectors(mixer, vectors_of(), use_cache=False).last_hidden_state.square().sum().backward()
        gradients.append([weight.grad for weight in mixer.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(checkpointed, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["first-ssm", "mamba2", "mamba", "xlstm", "lfm2", "llama"])
def test_state_that_checkpointing_would_update_twice_is_refused(name):
    mixer = make(name).train()
    cache = read(mixer, vectors_of(), use_cache=True).past_key_values
    mixer.activation_checkpointing_enable()
    with pytest.raises(ValueError, match="use_cache must be False while training with gradient checkpointing"):
        read_vectors(mixer, vectors_of(seed=5), None, cache)


def test_state_of_an_lstm_may_be_kept_with_checkpointing():
    gradients = []
    for checkpointing in (False, True):
        mixer = make("lstm").train()
        cache = read(mixer, vectors_of(), use_cache=True).past_key_values
        if checkpointing:
            mixer.activation_checkpointing_enable()
        read_vectors(mixer, vectors_of(seed=5), None, cache).last_hidden_state.square().sum().backward()
        gradients.append([weight.grad for weight in mixer.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        close(checkpointed, plain)


@pytest.mark.parametrize("name", MIXERS)
def test_hidden_states_begin_with_the_input_and_end_with_the_output(name):
    mixer, vectors = make(name), vectors_of()
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[1, :4] = 0
    outputs = read(mixer, vectors, mask, output_hidden_states=True, use_cache=False)
    if "pixelbytes_bidirectional" not in str(MIXERS[name]):
        assert len(outputs.hidden_states) == config_of(name).num_hidden_layers + 1
    close(outputs.hidden_states[0], vectors)
    close(outputs.hidden_states[-1], outputs.last_hidden_state)


@pytest.mark.parametrize("name", MIXERS)
def test_saved_model_loads_bit_equal(name, tmp_path):
    model, ids = model_of(name), torch.randint(0, 151, (2, 7, 6))
    model.save_pretrained(tmp_path)
    loaded, report = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for config in (loaded.config.mixer_config, model.config.mixer_config):
        config.dtype = None
    assert loaded.config.mixer_config.to_json_string() == model.config.mixer_config.to_json_string()
    with torch.no_grad():
        assert torch.equal(loaded.eval()(ids).logits, model(ids).logits)


@pytest.mark.parametrize("name", MIXERS)
def test_bfloat16_stays_near_float32(name):
    model, ids = model_of(name), torch.randint(0, 151, (2, 12, 6))
    with torch.no_grad():
        expected, got = model(ids).logits, model.to(torch.bfloat16)(ids).logits
    assert got.dtype == torch.bfloat16
    assert got.isfinite().all()
    assert (got.float() - expected).abs().max() < 0.1


@pytest.mark.parametrize("name", ["mamba2", "xlstm", "lfm2"])
def test_tiny_batch_overfits(name):
    model, ids = model_of(name).train(), torch.randint(0, 151, (2, 8, 6))
    labels, losses = torch.randint(0, 151, (2, 8)), []
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        loss = model(ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 4.5
    assert losses[-1] < 1.0


@pytest.mark.parametrize("name", sorted(CAUSAL.keys() - {"lstm-1", "lstm-3-dropout"}))
def test_generation_with_a_cache_equals_without_and_alone(name):
    model, tokenizer = model_of(name), ActionPixelBytesTokenizer()
    with torch.no_grad():
        model.fc.weight.mul_(20.0)
    examples = [tokenizer(text="hi"), tokenizer(text="a fire lizard")]
    batch = tokenizer.pad(examples, padding_side="left", return_tensors="pt")
    wanted = {"max_new_tokens": 9, "return_dict_in_generate": True, "output_logits": True}
    cached = model.generate(**batch, **wanted)
    plain = model.generate(**batch, **wanted, use_cache=False)
    assert torch.equal(cached.sequences, plain.sequences)
    for ours, theirs in zip(cached.logits, plain.logits, strict=True):
        close(ours, theirs, 1e-3)
    alone = tokenizer.pad(examples[:1], return_tensors="pt")
    assert torch.equal(model.generate(**alone, **wanted).sequences[0, -9:], cached.sequences[0, -9:])


@pytest.mark.parametrize("name", ["mamba2", "mamba", "xlstm", "lfm2", "llama"])
def test_evaluation_with_a_carried_state_equals_reading_at_once(name):
    corpus, model = FakeCorpus(lengths=(3, 6, 0)), model_of(name)
    options = {"state": "carried", "progress": False}
    parts = evaluate_model(model, corpus, window_length=16, batch_size=2, **options)
    whole = evaluate_model(model, corpus, window_length=256, batch_size=1, **options)
    assert parts["matched"]["all"]["bits"] == pytest.approx(whole["matched"]["all"]["bits"], rel=1e-5)


def test_configurations_are_ours_whatever_another_copy_of_this_code_has_registered(monkeypatch):
    class Older(PreTrainedConfig):
        model_type = PixelBytesLSTMConfig.model_type

    monkeypatch.setitem(CONFIG_MAPPING._extra_content, Older.model_type, Older)
    assert type(AutoConfig.for_model(Older.model_type)) is Older
    assert type(config_of("lstm")) is type(config_of("lstm-both-ways-first").inner_config) is PixelBytesLSTMConfig


@pytest.mark.parametrize("name", FUTURE)
def test_mixer_that_sees_the_future_is_refused_unless_asked_for(name):
    with pytest.raises(ValueError, match=r"mixer_config must not see the future.*allow_future=True"):
        model_of(name, allow_future=False)
    model = model_of(name)
    assert model.config.sees_future and model.config.reads_targets
    with pytest.raises(ValueError, match="keeps no state"):
        model.new_cache()
    with pytest.raises(ValueError, match="must not be set with"):
        read(model.model.mixer, vectors_of(), use_cache=True)


@pytest.mark.parametrize(
    ("declared", "is_causal", "sees"), [(False, None, False), (True, None, True), (False, False, True)]
)
def test_a_mixer_from_elsewhere_says_itself_whether_it_sees_the_future(declared, is_causal, sees):
    config = PreTrainedConfig(**({} if is_causal is None else {"is_causal": is_causal}))
    config.model_type, config.sees_future = "from_elsewhere", declared
    assert sees_future(config) == sees


def test_causal_mixer_reads_no_target():
    config = model_of("mamba2", allow_future=True).config
    assert not config.sees_future and not config.reads_targets


def test_attention_without_positions_is_permutation_equivariant():
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    vectors = vectors_of()
    for name, is_equivariant in (("llama-all-no-positions", True), ("first-attention", True), ("llama-all", False)):
        mixer = make(name)
        straight, shuffled = (read(mixer, v).last_hidden_state for v in (vectors, vectors[:, order]))
        assert torch.allclose(straight[:, order], shuffled, atol=1e-5) == is_equivariant


def test_attention_without_positions_knows_the_past_as_a_set():
    # of one layer only: a second one reads what the first made of shorter pasts
    vectors, config = vectors_of(), config_of("llama-no-positions")
    shuffled = vectors[:, [3, 1, 0, 2, *range(4, 9)]]
    config.num_hidden_layers = 1
    torch.manual_seed(0)
    mixer = build_mixer(config).eval()
    straight, other = (read(mixer, v, use_cache=False).last_hidden_state[:, -1] for v in (vectors, shuffled))
    close(straight, other)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_stack_equals_one_fused_lstm(bidirectional):
    torch.manual_seed(0)
    fused = nn.LSTM(WIDTH, 8, 2, batch_first=True, bidirectional=bidirectional)
    mixer = PixelBytesLSTMModel(PixelBytesLSTMConfig(**LSTM, bidirectional=bidirectional)).eval()
    for name, weight in fused.named_parameters():
        layer = int(name.split("_l")[1][0])
        mixer.layers[layer].lstm.get_parameter(name.replace(f"_l{layer}", "_l0")).data.copy_(weight.data)
    vectors = vectors_of()
    with torch.no_grad():
        expected, (h, c) = fused(vectors)
    outputs = read(mixer, vectors)
    close(outputs.last_hidden_state, expected, 1e-6)
    if not bidirectional:
        for layer, h_layer, c_layer in zip(outputs.past_key_values.layers, h, c, strict=True):
            close(layer.keys, h_layer, 1e-6)
            close(layer.values, c_layer, 1e-6)


def test_first_layer_of_two_directions_equals_the_papers_two_modules():
    torch.manual_seed(0)
    both, forward = nn.LSTM(WIDTH, 4, batch_first=True, bidirectional=True), nn.LSTM(8, 8, 2, batch_first=True)
    mixer = PixelBytesLSTMModel(PixelBytesLSTMConfig(**LSTM, num_hidden_layers=3, bidirectional="first")).eval()
    mixer.layers[0].lstm.load_state_dict(both.state_dict())
    for name, weight in forward.named_parameters():
        stem, layer = name.rsplit("_l", 1)
        mixer.layers[int(layer) + 1].lstm.get_parameter(f"{stem}_l0").data.copy_(weight.data)
    with torch.no_grad():
        expected = forward(both(vectors_of())[0])[0]
    close(read(mixer, vectors_of()).last_hidden_state, expected, 1e-6)


def test_both_ways_equals_the_readings_added_and_normalised():
    for name in ("first-ssm-bidirectional", "mamba2-both-ways"):
        mixer, vectors = make(name), vectors_of(batch=1)
        if name == "mamba2-both-ways":
            inner, norm = mixer.forward_mixer, mixer.norm
            one_way = [read(inner, v, use_cache=False).last_hidden_state for v in (vectors, vectors.flip(1))]
        else:
            inner, norm = mixer.layers[0].mamba, mixer.layers[0].norm
            with torch.no_grad():
                one_way = [inner(v) for v in (vectors, vectors.flip(1))]
        with torch.no_grad():
            expected = norm(one_way[0] + one_way[1].flip(1))
            if name != "mamba2-both-ways":
                expected = mixer.layers[1].mamba(expected)
        close(read(mixer, vectors).last_hidden_state, expected)


def test_layers_are_shared_out_between_the_first_and_the_rest():
    inner = build_mixer_config({"model_type": "lfm2", "num_hidden_layers": 3}, WIDTH)
    config = PixelBytesBidirectionalConfig(inner_config=inner, first_only=True)
    mixer = build_mixer(config)
    assert [len(part.layers) for part in (mixer.forward_mixer, mixer.rest)] == [1, 2]
    assert mixer.forward_mixer.config.layer_types == ["conv"]
    assert mixer.rest.config.layer_types == ["full_attention", "conv"]
    assert config.inner_config.num_hidden_layers == 3


def slow_scan(inputs, time_steps, decay, write, read, state):
    outputs = []
    for n in range(inputs.shape[1]):
        state = torch.exp(time_steps[:, n, :, None] * decay) * state
        state = state + (time_steps * inputs)[:, n, :, None] * write[:, n, None, :]
        outputs.append((state * read[:, n, None, :]).sum(-1))
    return torch.stack(outputs, dim=1), state


def test_scan_and_its_gradients_equal_those_of_a_loop():
    torch.manual_seed(0)
    shapes = (2, 7, 5), (2, 7, 5), (5, 3), (2, 7, 3), (2, 7, 3), (2, 5, 3)
    given = [torch.randn(shape) for shape in shapes]
    given[1], given[2] = given[1].abs(), -given[2].abs()
    results = []
    for scan in (slow_scan, selective_scan):
        inputs = [each.clone().requires_grad_() for each in given]
        outputs, state = scan(*inputs)
        (outputs.square().sum() + state.sin().sum()).backward()
        results.append([outputs.detach(), state.detach(), *(each.grad for each in inputs)])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scan", ["loop", "mambapy"])
def test_our_scan_equals_transformers_own(scan):
    if scan == "mambapy":
        pytest.importorskip("mambapy")
    config, results = config_of("mamba"), []
    torch.manual_seed(0)
    ours = build_mixer(config).train()
    config.use_mambapy = scan == "mambapy"
    theirs = AutoModel.from_config(config).train()
    assert not theirs.load_state_dict(ours.state_dict(), strict=False).unexpected_keys
    for mixer in (ours, theirs):
        vectors = vectors_of(length=21).requires_grad_()
        got = mixer(inputs_embeds=vectors, use_cache=False).last_hidden_state
        got.square().sum().backward()
        results.append((got.detach(), vectors.grad, mixer.layers[0].mixer.A_log.grad))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)


def test_mambapy_goes_on_from_a_state_position_by_position():
    settings = {"model_type": "mamba", "use_mambapy": True}
    if not is_mambapy_available():
        with pytest.raises(ValueError, match="use_mambapy must be False where the package is not installed"):
            build_mixer(PixelBytesConfig(mixer_config=settings).mixer_config)
        return
    mixer = build_mixer(PixelBytesConfig(embedding_dim=WIDTH, mixer_config=settings).mixer_config).eval()
    vectors = vectors_of()
    cache = read(mixer, vectors[:, :4], use_cache=True).past_key_values
    got = read(mixer, vectors[:, 4:], None, cache).last_hidden_state
    close(got, read(mixer, vectors, use_cache=False).last_hidden_state[:, 4:])


def test_step_equals_forward_and_updates_the_cache():
    mixer, vectors = make("lstm"), vectors_of()
    by_step, by_forward = build_cache(mixer.config), build_cache(mixer.config)
    with torch.no_grad():
        for position in range(9):
            got = mixer.step(vectors[:, position], by_step)
            close(got, read(mixer, vectors[:, : position + 1]).last_hidden_state[:, -1])
    read(mixer, vectors, None, by_forward)
    for layer, other in zip(by_step.layers, by_forward.layers, strict=True):
        close(layer.values, other.values)
    assert by_step.get_seq_length() == by_forward.get_seq_length() == 9


def test_masked_step_leaves_that_sequences_state():
    mixer, vectors = make("lstm"), vectors_of()
    cache = read(mixer, vectors).past_key_values
    before = [(layer.keys, layer.values) for layer in cache.layers]
    read(mixer, vectors[:, :1], torch.tensor([[1], [0], [1]]), cache)
    for layer, (keys, values) in zip(cache.layers, before, strict=True):
        assert torch.equal(layer.keys[1], keys[1])
        assert torch.equal(layer.values[1], values[1])
        assert not torch.equal(layer.keys[0], keys[0])


@pytest.mark.parametrize("name", ["lstm", "llama", "mamba2", "first-ssm"])
def test_state_is_kept_while_training_only_where_it_is_asked_for(name):
    mixer = make(name).train()
    assert read_vectors(mixer, vectors_of()).past_key_values is None
    assert read_vectors(mixer, vectors_of(), use_cache=True).past_key_values is not None


def test_state_of_an_lstm_carries_gradients():
    cache = read_vectors(make("lstm").train(), vectors_of(), use_cache=True).past_key_values
    assert cache.layers[0].keys.requires_grad


def test_dropout_acts_between_layers_while_training_only():
    mixer = make("lstm-3-dropout")
    assert torch.equal(read(mixer, vectors_of()).last_hidden_state, read(mixer, vectors_of()).last_hidden_state)
    mixer.train()
    assert not torch.equal(read(mixer, vectors_of()).last_hidden_state, read(mixer, vectors_of()).last_hidden_state)


def test_dropout_acts_on_a_single_position_that_follows_a_state_too():
    mixer = make("lstm-3-dropout")
    state = read(mixer, vectors_of()).past_key_values
    plain = read(mixer, vectors_of()[:, :1], None, copy.deepcopy(state)).last_hidden_state
    assert not torch.equal(read(mixer.train(), vectors_of()[:, :1], None, state).last_hidden_state, plain)


def test_initial_weights_are_torchs():
    mixer = PixelBytesLSTMModel(PixelBytesLSTMConfig(input_size=100, hidden_size=64))
    bound = 64**-0.5
    for weight in mixer.parameters():
        assert weight.abs().max() <= bound
        assert abs(weight.std() - bound / 3**0.5) < 0.15 * bound
    layer = PixelBytesFirstAttentionModel(config_of("first-attention")).layers[0]
    plain = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH)
    for key, weight in plain.named_parameters():
        ours = layer.get_parameter(key)
        assert ours.shape == weight.shape
        assert abs(float(ours.detach().float().std() - weight.detach().std())) < 0.06


def test_embedded_rows_are_projected_to_another_width():
    config = PixelBytesConfig(embedding_dim=12, mixer_config={"model_type": "mamba2", "hidden_size": 20})
    model = aPxBySequenceModel(config).eval()
    assert model.config.needs_projection and model.model.in_proj.weight.shape == (20, 12)
    ids = torch.randint(0, 151, (2, 5, 6))
    with torch.no_grad():
        vectors = model.model.in_proj(model.model.embed(ids))
        expected = model.fc(read(model.model.mixer, vectors).last_hidden_state)
        close(model(ids).logits, expected)
        cache = model.new_cache()
        close(torch.stack([model.step(ids[:, n], cache) for n in range(5)], dim=1), expected)
    assert not model_of("mamba2").config.needs_projection
    assert not list(model_of("mamba2").model.in_proj.parameters())


def test_embedding_of_the_backbone_costs_nothing():
    for name in ("llama", "mamba2", "mamba", "lfm2", "xlstm"):
        assert config_of(name).vocab_size == 1
        assert not [key for key, _ in make(name).named_parameters() if "embeddings" in key or "embed_tokens" in key]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "unheard"}, "model_type must be a mixer of ours or a model of transformers, got 'unheard'"),
        ({"model_type": "llama", "num_layers": 3}, "LlamaConfig has no keyword 'num_layers'"),
        ({"model_type": "llama", "num_attention_heads": 5}, "multiple of its 5 heads, got 12"),
        ({"model_type": "llama", "num_attention_heads": 4}, "heads of even width.*got 3"),
        ({"model_type": "llama", "positions": "learnt"}, "positions must be one of .*got 'learnt'"),
        ({"model_type": "mamba2", "positions": "none"}, "positions must be 'rotary' for 'mamba2'"),
        ({"model_type": "mamba2", "is_causal": False}, "is_causal must be True for 'mamba2'"),
        (
            {"model_type": "mamba2", "num_heads": 5},
            r"num_heads \* head_dim must be hidden_size \* expand = 24, got 5 \* 4",
        ),
        ({"model_type": "xlstm", "num_heads": 4}, "qk_dim_factor must be a multiple of num_heads = 4, got 6"),
        ({"model_type": "bert"}, "must not see the future"),
        ({"bidirectional": "last"}, "bidirectional must be True, False or 'first', got 'last'"),
        ({"bidirectional": "first", "hidden_size": 7}, "hidden_size must be even"),
        ({"model_type": "pixelbytes_first_attention", "hidden_size": 10}, "a multiple of num_attention_heads = 4"),
        ({"model_type": "pixelbytes_first_ssm", "expand": 0}, "expand must be an integer of at least 1"),
        ({**BOTH_WAYS, "merge": "product"}, "merge must be one of .*got 'product'"),
        ({**BOTH_WAYS, "merge": "concatenation", "first_only": True}, "merge must be 'sum' with first_only"),
        ({**BOTH_WAYS, "inner_config": {"model_type": "llama", "is_causal": False}}, "inner_config must be causal"),
        ({**BOTH_WAYS, "inner": {}}, "PixelBytesBidirectionalConfig has no keyword 'inner'"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        aPxBySequenceModel(PixelBytesConfig(embedding_dim=WIDTH, mixer_config=settings))


def test_table_holds_every_mixer_of_ours():
    assert {model.config_class.model_type for model in OWN_MIXERS.values()} == OWN_MIXERS.keys()
    assert all(name.startswith("pixelbytes_") for name in OWN_MIXERS)


def test_cache_layer_repeats_selects_and_resets():
    layer = PixelBytesLSTMCacheLayer()
    layer.batch_repeat_interleave(2)
    layer.batch_select_indices(torch.tensor([0]))
    assert layer.get_seq_length() == 0
    layer.update(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0]]), num_positions=5)
    layer.batch_repeat_interleave(2)
    assert layer.keys.tolist() == [[1.0], [1.0], [2.0], [2.0]]
    layer.batch_select_indices(torch.tensor([3, 0]))
    assert layer.values.tolist() == [[4.0], [3.0]]
    assert layer.get_mask_sizes(2) == (7, 0)
    assert layer.get_max_length() == -1
    layer.crop(0)
    with pytest.raises(ValueError, match="tokens_to_remove must be 0 for a recurrent state, got 1"):
        layer.crop(1)
    layer.reset()
    assert (layer.get_seq_length(), layer.is_initialized) == (0, False)


@pytest.mark.parametrize("name", ["mamba2", "xlstm", "first-ssm"])
def test_recurrent_cache_begins_anew_and_does_not_go_back(name):
    mixer, vectors = make(name), vectors_of()
    expected = read(mixer, vectors, use_cache=False).last_hidden_state
    cache = read(mixer, vectors[:, :5], use_cache=True).past_key_values
    cache.crop(0)
    with pytest.raises(ValueError, match="tokens_to_remove must be 0 for a recurrent state, got 1"):
        cache.crop(1)
    assert cache.get_mask_sizes(2, 0) == (7, 0)
    cache.reset()
    assert cache.get_seq_length() == 0
    close(read(mixer, vectors, None, cache).last_hidden_state, expected)
    RecurrentCache(PixelBytesFirstSSMConfig()).batch_repeat_interleave(2)


@pytest.mark.parametrize("name", ["mamba2", "first-ssm"])
def test_state_that_does_not_know_what_was_read_is_refused(name):
    with pytest.raises(TypeError, match=r"a state of new_cache\(\) or of a forward pass, got DynamicCache"):
        read(make(name), vectors_of(), None, DynamicCache(config=config_of(name)))


def test_mask_of_ones_needs_no_plan():
    assert plan_padding(torch.ones(2, 5), 2, 5) is None
    assert plan_padding(torch.tensor([[0, 0, 1, 1]]), 1, 2) is None
    plan = plan_padding(torch.tensor([[0, 1, 0, 1], [1, 1, 1, 1]]), 2, 4)
    assert plan.order.tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]
    assert plan.lengths.tolist() == [2, 4]


def test_padding_at_the_end_needs_no_reordering():
    plan = plan_padding(torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]), 4, 3)
    assert plan.order is None
    assert plan.lengths.tolist() == [2, 1, 0, 3]


def test_reversal_leaves_padding_where_it_is():
    places = torch.arange(8).view(2, 4, 1)
    assert reverse_positions(places, torch.tensor([4, 2]))[..., 0].tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]
    assert reverse_positions(places, None)[..., 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


@pytest.mark.parametrize(
    ("vectors", "mask", "message"),
    [
        (torch.zeros(1, 2, 5), None, r"inputs_embeds must have shape \(B, L, 12\), got \(1, 2, 5\)"),
        (vectors_of(batch=1), torch.ones(1, 3), r"attention_mask must have shape \(1, 9\), got \(1, 3\)"),
        (vectors_of(batch=1), torch.ones(1, 9, 1), "attention_mask must have shape"),
        (vectors_of(batch=1), torch.ones(2, 9), "attention_mask must have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_named(vectors, mask, message):
    with pytest.raises(ValueError, match=message):
        read(make("lstm"), vectors, mask)


def test_settings_of_a_configuration_object_are_taken_as_they_are():
    config = LlamaConfig(hidden_size=12, intermediate_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=1)
    assert build_backbone(config).config.intermediate_size == 8
