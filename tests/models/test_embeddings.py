"""Embeddings: what joins the cells of a row."""

from typing import get_args

import pytest
import torch

from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import EmbeddingName, PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.embeddings import EMBEDDINGS, ProjectedWindow
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import PixelBytesModel, aPxBySequenceModel

V = 19
NINE = {"vocab_size": V, "context_size": 9, "embedding_dim": 20, "mixer_config": {"hidden_size": 8}}


def make(embedding, seed=0, **settings):
    torch.manual_seed(seed)
    return aPxBySequenceModel(PixelBytesConfig(**NINE | {"embedding": embedding} | settings)).eval()


def rows_of(seed=1):
    return torch.randint(0, V, (3, 7, 9), generator=torch.Generator().manual_seed(seed))


def test_table_and_configuration_name_the_same():
    assert set(get_args(EmbeddingName)) == EMBEDDINGS.keys()


def slow_window(join, cells):
    """Return one row as the definition reads, (9, E) -> (D,), one place after another."""
    share, width = torch.sigmoid(join.alpha[0, 0]), cells.shape[1]
    mixed = torch.zeros(width, 3, 3)
    for down in range(3):
        for right in range(3):
            value = share[down, right] * cells[3 * down + right]
            if join.patch_embedding is not None:
                around = join.patch_embedding.bias.clone()
                for r in range(3):
                    for c in range(3):
                        place = down + r - 1, right + c - 1
                        if 0 <= place[0] < 3 and 0 <= place[1] < 3:
                            around += join.patch_embedding.weight[:, :, r, c] @ cells[3 * place[0] + place[1]]
                value = value + (1 - share[down, right]) * around
            mixed[:, down, right] = value
    return join.norm(join.projection.weight @ mixed.flatten() + join.projection.bias)


@pytest.mark.parametrize("convolves", [True, False])
def test_window_equals_the_definition(convolves):
    torch.manual_seed(2)
    join, cells = ProjectedWindow(9, 5, 12, convolves=convolves), torch.randn(2, 4, 9, 5)
    expected = torch.stack([slow_window(join, row) for row in cells.flatten(0, 1)]).unflatten(0, (2, 4))
    torch.testing.assert_close(join(cells), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(join(cells[0, 0]), expected[0, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("embedding", sorted(EMBEDDINGS))
def test_widths_are_those_of_the_configuration(embedding):
    model = make(embedding)
    config = model.config
    assert model.get_input_embeddings().weight.shape == (V, config.cell_width)
    assert model.model.embed(rows_of()).shape == (3, 7, config.context_width)
    assert model.model.embed(rows_of()[:, 0]).shape == (3, config.context_width)
    assert config.mixer_config.input_size == config.context_width
    widths = {"concat": (2, 18), "conv": (9, 20), "noconv": (9, 20), "center": (20, 20)}
    assert (config.cell_width, config.context_width) == widths[embedding]


def test_wide_rows_have_wide_cells():
    # the original's rule: a ninth of the row, and at least nine
    assert PixelBytesConfig(**NINE | {"embedding": "conv", "embedding_dim": 162}).cell_width == 18


@pytest.mark.parametrize("embedding", sorted(EMBEDDINGS))
def test_every_weight_gets_a_gradient(embedding):
    model, input_ids = make(embedding).train(), rows_of()
    model(input_ids=input_ids, labels=input_ids[..., 0]).loss.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_center_reads_the_token_read_just_before():
    model, input_ids = make("center"), rows_of()
    assert torch.equal(model.model.embed(input_ids), model.model.embedding(input_ids[..., 4]))
    six = make("center", context_size=6)
    assert torch.equal(six.model.embed(input_ids[..., :6]), six.model.embedding(input_ids[..., 5]))


@pytest.mark.parametrize("embedding", sorted(EMBEDDINGS))
def test_embedded_cells_stand_for_ids(embedding):
    model, input_ids = make(embedding), rows_of()
    with torch.no_grad():
        expected = model(input_ids=input_ids).logits
        cells = model.model.embedding(input_ids)
        assert torch.equal(model(inputs_embeds=cells).logits, expected)
        assert torch.equal(model(inputs_embeds=model.model.embed(input_ids)).logits, expected)


@pytest.mark.parametrize("embedding", sorted(EMBEDDINGS))
def test_saved_model_loads_bit_equal(embedding, tmp_path):
    model, input_ids = make(embedding, head_bias=embedding != "conv"), rows_of()
    model.save_pretrained(tmp_path)
    loaded = aPxBySequenceModel.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=input_ids).logits, model(input_ids=input_ids).logits)
    base, report = PixelBytesModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and base.config.embedding == embedding
    assert (loaded.fc.bias is None) == (embedding == "conv")


def test_first_weights_are_the_originals():
    torch.manual_seed(0)
    join = make("conv").model.join
    alpha = join.alpha.detach()
    assert 0 <= float(alpha.min()) < 0.4 and 0.6 < float(alpha.max()) <= 1
    bound = (9 * 9) ** -0.5  # both layers have 81 inputs
    for layer in (join.patch_embedding, join.projection):
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound
    assert torch.equal(join.norm.weight, torch.ones(20))


def test_padding_has_a_vector_of_its_own():
    # the original learns it; side by side, as in the second approach, it is zero
    assert make("conv").model.embedding.weight[0].any()
    assert not make("concat").model.embedding.weight[0].any()


def test_resized_vocabulary_keeps_a_head_without_bias():
    model = make("conv", head_bias=False)
    old = model.fc.weight.clone()
    model.resize_token_embeddings(V + 3)
    assert model.fc.bias is None and model.fc.weight.shape[0] == V + 3
    assert torch.equal(model.fc.weight[:V], old)


def test_window_must_be_square():
    with pytest.raises(ValueError, match="num_cells must be a square, got 6"):
        ProjectedWindow(6, 4, 12, convolves=True)
    with pytest.raises(ValueError, match="context_size must be 9, a 3x3 window, with the embedding 'noconv', got 6"):
        PixelBytesConfig(embedding="noconv")
