"""Mixers: one body over all of them, against a slow reference where there is one."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig

from pixelbytes_hf.configuration_pixelbytes import PixelBytesLSTMConfig
from pixelbytes_hf.mixer_lstm import PixelBytesLSTMCacheLayer, PixelBytesLSTMModel, plan_padding
from pixelbytes_hf.mixers import build_cache, build_mixer

WIDTH = 12
LSTM = {"input_size": WIDTH, "hidden_size": 8}
LLAMA = {
    "hidden_size": WIDTH,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "vocab_size": 1,
    "pad_token_id": None,
}
CAUSAL = {
    "lstm": PixelBytesLSTMConfig(**LSTM),
    "lstm-1": PixelBytesLSTMConfig(**LSTM, num_hidden_layers=1),
    "lstm-3-dropout": PixelBytesLSTMConfig(**LSTM, num_hidden_layers=3, dropout=0.5),
    "llama": LlamaConfig(**LLAMA, num_hidden_layers=2, bos_token_id=None, eos_token_id=None),
}
MIXERS = CAUSAL | {"lstm-bidirectional": PixelBytesLSTMConfig(**LSTM, bidirectional=True)}


def make(name, seed=0):
    torch.manual_seed(seed)
    return build_mixer(MIXERS[name]).eval()


def vectors_of(batch=3, length=9, seed=1):
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def read(mixer, vectors, **kwargs):
    with torch.no_grad():
        return mixer(inputs_embeds=vectors, **kwargs)


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", MIXERS)
def test_output_has_the_width_the_config_names(name):
    config = MIXERS[name]
    width = getattr(config, "output_size", config.hidden_size)
    assert read(make(name), vectors_of()).last_hidden_state.shape == (3, 9, width)


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize(
    "kept", [range(9), range(5, 14), (0, 1, 4, 5, 6, 9, 11, 12, 13)], ids=["right", "left", "holes"]
)
@pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
def test_padding_has_no_influence(name, kept, use_cache):
    if name == "lstm-bidirectional" and use_cache:
        pytest.skip("two directions keep no state")
    if name == "llama" and kept not in (range(9), range(5, 14)):
        pytest.skip("rotary positions count holes")
    mixer, vectors = make(name), vectors_of()
    padded, mask = vectors_of(length=14, seed=2) * 100, torch.zeros(3, 14, dtype=torch.int64)
    padded[:2, list(kept)], mask[:2, list(kept)] = vectors[:2], 1
    mask[2] = 1
    outputs = read(mixer, padded, attention_mask=mask, use_cache=use_cache)
    close(outputs.last_hidden_state[:2, list(kept)], read(mixer, vectors[:2], use_cache=False).last_hidden_state)
    close(outputs.last_hidden_state[2:], read(mixer, padded[2:], use_cache=False).last_hidden_state)
    if use_cache and name != "llama":
        expected = read(mixer, vectors[:2], use_cache=True).past_key_values
        for layer, other in zip(outputs.past_key_values.layers, expected.layers, strict=True):
            close(layer.keys[:2], other.keys)
            close(layer.values[:2], other.values)


@pytest.mark.parametrize("name", CAUSAL)
def test_outputs_never_see_what_follows(name):
    mixer, vectors = make(name), vectors_of()
    changed = vectors.clone()
    changed[:, 5:] = 7.0
    before, after = (read(mixer, v, use_cache=False).last_hidden_state for v in (vectors, changed))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5], after[:, 5])


def test_two_directions_see_what_follows():
    mixer, vectors = make("lstm-bidirectional"), vectors_of()
    changed = vectors.clone()
    changed[:, 8] = 7.0
    before, after = (read(mixer, v).last_hidden_state for v in (vectors, changed))
    assert not torch.equal(before[:, 0], after[:, 0])


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("chunks", [(1,) * 9, (4, 5), (3, 1, 4, 1)], ids=str)
def test_reading_in_parts_equals_reading_at_once(name, chunks):
    mixer, vectors = make(name), vectors_of()
    cache, parts = build_cache(MIXERS[name]), []
    for part in vectors.split(chunks, dim=1):
        outputs = read(mixer, part, past_key_values=cache, use_cache=True)
        assert outputs.past_key_values is cache
        parts.append(outputs.last_hidden_state)
    close(torch.cat(parts, dim=1), read(mixer, vectors, use_cache=False).last_hidden_state)
    assert cache.get_seq_length() == 9


@pytest.mark.parametrize("name", CAUSAL)
def test_reordered_cache_continues_the_other_sequence(name):
    mixer, vectors = make(name), vectors_of()
    cache = read(mixer, vectors[:, :6], use_cache=True).past_key_values
    order = torch.tensor([2, 0, 0])
    cache.reorder_cache(order)
    got = read(mixer, vectors[order, 6:], past_key_values=cache, use_cache=True).last_hidden_state
    close(got, read(mixer, vectors, use_cache=False).last_hidden_state[order, 6:])


@pytest.mark.parametrize("name", MIXERS)
def test_every_weight_gets_a_gradient(name):
    mixer = make(name)
    mixer(inputs_embeds=vectors_of(), use_cache=False).last_hidden_state.square().sum().backward()
    without = [key for key, weight in mixer.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@pytest.mark.parametrize("name", ["lstm", "lstm-bidirectional", "llama"])
def test_checkpointed_gradients_are_equal(name):
    gradients = []
    for checkpointing in (False, True):
        mixer = make(name).train()
        if checkpointing:
            mixer.activation_checkpointing_enable()
        mixer(inputs_embeds=vectors_of(), use_cache=False).last_hidden_state.square().sum().backward()
        gradients.append([weight.grad for weight in mixer.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        close(checkpointed, plain, 1e-6)


@pytest.mark.parametrize("name", MIXERS)
def test_hidden_states_begin_with_the_input_and_end_with_the_output(name):
    mixer, vectors = make(name), vectors_of()
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[1, :4] = 0
    outputs = read(mixer, vectors, attention_mask=mask, output_hidden_states=True, use_cache=False)
    assert len(outputs.hidden_states) == MIXERS[name].num_hidden_layers + 1
    close(outputs.hidden_states[0], vectors)
    close(outputs.hidden_states[-1], outputs.last_hidden_state)


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


def test_step_equals_forward_and_updates_the_cache():
    mixer, vectors = make("lstm"), vectors_of()
    by_step, by_forward = build_cache(mixer.config), build_cache(mixer.config)
    with torch.no_grad():
        for position in range(9):
            got = mixer.step(vectors[:, position], by_step)
            close(got, read(mixer, vectors[:, : position + 1]).last_hidden_state[:, -1])
    read(mixer, vectors, past_key_values=by_forward)
    for layer, other in zip(by_step.layers, by_forward.layers, strict=True):
        close(layer.values, other.values)
    assert by_step.get_seq_length() == by_forward.get_seq_length() == 9


def test_masked_step_leaves_that_sequences_state():
    mixer, vectors = make("lstm"), vectors_of()
    cache = read(mixer, vectors).past_key_values
    before = [(layer.keys, layer.values) for layer in cache.layers]
    read(mixer, vectors[:, :1], attention_mask=torch.tensor([[1], [0], [1]]), past_key_values=cache)
    for layer, (keys, values) in zip(cache.layers, before, strict=True):
        assert torch.equal(layer.keys[1], keys[1])
        assert torch.equal(layer.values[1], values[1])
        assert not torch.equal(layer.keys[0], keys[0])


def test_state_carries_gradients_only_where_it_is_asked_for():
    mixer = make("lstm").train()
    assert mixer(inputs_embeds=vectors_of()).past_key_values is None
    cache = mixer(inputs_embeds=vectors_of(), use_cache=True).past_key_values
    assert cache.layers[0].keys.requires_grad


def test_dropout_acts_between_layers_while_training_only():
    mixer = make("lstm-3-dropout")
    assert torch.equal(read(mixer, vectors_of()).last_hidden_state, read(mixer, vectors_of()).last_hidden_state)
    mixer.train()
    assert not torch.equal(read(mixer, vectors_of()).last_hidden_state, read(mixer, vectors_of()).last_hidden_state)


def test_initial_weights_are_torchs():
    mixer = PixelBytesLSTMModel(PixelBytesLSTMConfig(input_size=100, hidden_size=64))
    bound = 64**-0.5
    for weight in mixer.parameters():
        assert weight.abs().max() <= bound
        assert abs(weight.std() - bound / 3**0.5) < 0.15 * bound


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
    assert (layer.get_seq_length(), layer.values.tolist()) == (0, [[0.0], [0.0]])


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


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"inputs_embeds": torch.zeros(1, 2, 5)}, r"inputs_embeds must have shape \(B, L, 12\), got \(1, 2, 5\)"),
        ({"attention_mask": torch.ones(1, 3)}, r"attention_mask must have shape \(1, 9\), got \(1, 3\)"),
        ({"attention_mask": torch.ones(1, 9, 1)}, "attention_mask must have shape"),
        ({"attention_mask": torch.ones(2, 9)}, "attention_mask must have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make("lstm")(**{"inputs_embeds": vectors_of(batch=1), **kwargs})


@pytest.mark.parametrize("kwargs", [{"use_cache": True}, {"past_key_values": build_cache(CAUSAL["lstm"])}])
def test_two_directions_refuse_a_state(kwargs):
    with pytest.raises(ValueError, match="must not be set with two directions"):
        make("lstm-bidirectional")(inputs_embeds=vectors_of(), **kwargs)
