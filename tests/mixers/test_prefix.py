"""Prefixes that see themselves both ways: what sees what, against attention written out, and what is refused."""

import pytest
import torch

from pixelbytes_hf.generation.layout import Layout, Text
from pixelbytes_hf.mixers.backbones import build_backbone, read_vectors
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel

WIDTH, LENGTH, NUM_GIVEN = 12, 9, 4
MIXERS = ["llama", "qwen3"]


def model_of(name="llama", *, prefix_lm=True, objective="predictive", seed=0):
    torch.manual_seed(seed)
    mixer = {"model_type": name, "prefix_lm": prefix_lm, "num_hidden_layers": 2}
    return aPxBySequenceModel(PixelBytesConfig(embedding_dim=WIDTH, objective=objective, mixer_config=mixer)).eval()


def vectors_of(batch=2, length=LENGTH, seed=1):
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def prefix_of(batch=2, length=LENGTH, given=NUM_GIVEN):
    return (torch.arange(length) < given).long().expand(batch, -1)


def read(mixer, vectors, attention_mask=None, prefix_mask=None, **options):
    with torch.no_grad():
        outputs = read_vectors(mixer, vectors, attention_mask, prefix_mask=prefix_mask, use_cache=False, **options)
    return outputs.last_hidden_state


@pytest.mark.parametrize("name", MIXERS)
def test_a_prefix_sees_itself_and_nothing_after_it(name):
    mixer, vectors = model_of(name).model.mixer, vectors_of()
    before = read(mixer, vectors, prefix_mask=prefix_of())
    for changed in range(LENGTH):
        other = vectors.clone()
        other[:, changed] += 1.0
        after = read(mixer, other, prefix_mask=prefix_of())
        moved = [not torch.allclose(before[:, n], after[:, n], atol=1e-6) for n in range(LENGTH)]
        # of the prefix all, of the rest what comes after
        assert moved == [changed < NUM_GIVEN or n >= changed for n in range(LENGTH)]


@pytest.mark.parametrize("name", MIXERS)
def test_without_a_prefix_it_is_causal(name):
    mixer, vectors = model_of(name).model.mixer, vectors_of()
    causal = read(model_of(name, prefix_lm=False).model.mixer, vectors)
    torch.testing.assert_close(read(mixer, vectors), causal)
    for given in (0, 1):
        torch.testing.assert_close(read(mixer, vectors, prefix_mask=prefix_of(given=given)), causal)


def test_attention_is_that_of_a_mask_written_out():
    mixer, vectors = model_of().model.mixer, vectors_of()
    places = torch.arange(LENGTH)
    sees = (places[None] <= places[:, None]) | ((places[None] < NUM_GIVEN) & (places[:, None] < NUM_GIVEN))
    mask = torch.zeros(LENGTH, LENGTH).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]
    with torch.no_grad():
        slow = mixer(inputs_embeds=vectors, attention_mask=mask.expand(2, -1, -1, -1), use_cache=False)
    torch.testing.assert_close(read(mixer, vectors, prefix_mask=prefix_of()), slow.last_hidden_state)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_has_no_influence(side):
    mixer, vectors = model_of().model.mixer, vectors_of(1)
    kept = slice(3, 3 + LENGTH) if side == "left" else slice(0, LENGTH)
    padded, mask, prefix = (
        torch.full((1, LENGTH + 3, WIDTH), 9.0),
        torch.zeros(1, LENGTH + 3),
        prefix_of(1, LENGTH + 3),
    )
    padded[:, kept], mask[:, kept] = vectors, 1
    prefix = torch.zeros(1, LENGTH + 3, dtype=torch.int64)
    prefix[:, kept] = prefix_of(1)
    found = read(mixer, padded, mask.long(), prefix)[:, kept]
    torch.testing.assert_close(found, read(mixer, vectors, prefix_mask=prefix_of(1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("objective", ["predictive", "autoregressive"])
@pytest.mark.parametrize("name", [*MIXERS, "pixelbytes_lstm"])
def test_no_gradient_comes_from_predictions_of_the_prefix(name, objective):
    torch.manual_seed(0)
    mixer = {"model_type": name} if name == "pixelbytes_lstm" else {"model_type": name, "prefix_lm": True}
    model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=WIDTH, objective=objective, mixer_config=mixer))
    rows, labels = torch.randint(3, 58, (2, LENGTH, 6)), torch.randint(3, 58, (2, LENGTH))
    logits = []
    handle = model.fc.register_forward_hook(
        lambda module, inputs, output: logits.append(output) or output.retain_grad()
    )
    model(rows, labels=labels, prefix_mask=prefix_of()).loss.backward()
    handle.remove()
    gradient = logits[0].grad
    assert (gradient[:, :NUM_GIVEN] == 0).all() and (gradient[:, NUM_GIVEN:].abs().sum(-1) > 0).all()


def test_the_prompt_of_a_generation_is_the_prefix():
    model = model_of()
    labels = torch.randint(3, 58, (1, 5))
    rows = torch.zeros(1, 5, 6, dtype=torch.int64)
    rows[0, 1:, 5] = labels[0, :-1]
    labels[0, -1] = 2
    layout = Layout((Text(max_length=4),))
    made = {
        use_cache: model.generate(rows, labels=labels, layout=layout, do_sample=False, use_cache=use_cache)
        for use_cache in (True, False)
    }
    assert torch.equal(made[True], made[False])
    # the logits of the first new token are those of a forward pass with that prefix, and of no other
    output = model.generate(
        rows, labels=labels, layout=layout, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    following = torch.cat([rows, torch.zeros(1, 1, 6, dtype=torch.int64)], 1)
    with torch.no_grad():
        expected = model(following, prefix_mask=prefix_of(1, 6, 5)).logits[:, -1]
        causal = model(following).logits[:, -1]
    torch.testing.assert_close(output.logits[0], expected)
    assert not torch.allclose(expected, causal)


def test_what_cannot_join_a_prefix_is_refused():
    for mixer in ({"model_type": "mamba2"}, {"model_type": "lfm2"}, {"model_type": "llama", "is_causal": False}):
        with pytest.raises(ValueError, match="prefix_lm must be False"):
            PixelBytesConfig(embedding_dim=WIDTH, mixer_config={**mixer, "prefix_lm": True}, allow_future=True)
    inner = {"model_type": "llama", "prefix_lm": True}
    with pytest.raises(ValueError, match="prefix_lm must be False"):
        PixelBytesConfig(
            embedding_dim=WIDTH, mixer_config={"model_type": "pixelbytes_bidirectional", "inner_config": inner}
        )
    with pytest.raises(TypeError, match="must be a bool"):
        PixelBytesConfig(embedding_dim=WIDTH, mixer_config={"model_type": "llama", "prefix_lm": 1})
    model = model_of()
    cache = model(torch.zeros(1, 2, 6, dtype=torch.int64)).past_key_values
    with pytest.raises(ValueError, match="a prefix stands first"):
        model(torch.zeros(1, 3, 6, dtype=torch.int64), past_key_values=cache, prefix_mask=prefix_of(1, 3, 2))
    with pytest.raises(ValueError, match="must have shape"):
        model(torch.zeros(1, 3, 6, dtype=torch.int64), prefix_mask=prefix_of(1, 2, 2))


def test_queries_and_keys_of_qwen3_are_normalised():
    config = model_of("qwen3", prefix_lm=False).config.mixer_config
    attention = build_backbone(config).layers[0].self_attn
    assert attention.q_norm.weight.shape == (config.head_dim,) == attention.k_norm.weight.shape
    assert config.head_dim * config.num_attention_heads == WIDTH
