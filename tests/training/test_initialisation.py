"""The ordered initialisation: what it promises of a new model, before any step."""

import numpy as np
import pytest
import torch

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.tokens.grid import image_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.sequence.initialisation import initialise_ordered

PAPER = Vocabulary.from_preset("paper")


def make_model(objective="predictive", hidden_size=256, vocabulary=PAPER):
    torch.manual_seed(0)
    mixer = {"hidden_size": hidden_size, "num_hidden_layers": 2}
    return aPxBySequenceModel(PixelBytesConfig(vocab_size=vocabulary.size, objective=objective, mixer_config=mixer))


@torch.no_grad()
def roughness(rows):
    """Return the mean squared step between neighbouring rows over their variance; 2 for independent rows."""
    return float((rows.diff(dim=0) ** 2).mean() / rows.var())


@pytest.mark.parametrize("objective", ["predictive", "autoregressive"])
@pytest.mark.parametrize("vocabulary", [PAPER, Vocabulary.from_preset("full")], ids=["paper", "full"])
def test_levels_are_smooth_and_sizes_unchanged(objective, vocabulary):
    model = make_model(objective, vocabulary=vocabulary)
    before = {name: value.shape for name, value in model.state_dict().items()}
    levels = slice(vocabulary.level_ids.start, vocabulary.level_ids.stop)
    assert roughness(model.model.embedding.weight[levels]) > 1.5
    initialise_ordered(model, vocabulary, np.ones(vocabulary.size, np.int64))
    assert {name: value.shape for name, value in model.state_dict().items()} == before
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert roughness(model.model.embedding.weight[levels]) < 0.3
    for weight in model.fc.weight.chunk(model.objective.predicted_cells):
        assert roughness(weight[levels]) < 0.3


def test_repeats_are_favoured_in_the_distribution_of_the_new_token():
    torch.manual_seed(0)
    settings = {"objective": "autoregressive", "context_size": 9, "embedding_dim": 72}
    model = aPxBySequenceModel(PixelBytesConfig(**settings, mixer_config={"hidden_size": 256}))
    initialise_ordered(model, PAPER, np.ones(PAPER.size, np.int64))
    pixels = slice(PAPER.pixel_ids.start, PAPER.pixel_ids.stop)
    sizes = [float(weight[pixels, :72].norm()) for weight in model.fc.weight.detach().chunk(9)]
    assert np.argmax(sizes) == model.config.newest_cell == 4
    assert sizes[4] > 3 * sorted(sizes)[-2]


def test_recurrent_gates_are_orthogonal_where_nothing_is_passed_through():
    model = make_model(hidden_size=48)  # too narrow to carry the context
    initialise_ordered(model, PAPER, np.ones(PAPER.size, np.int64))
    for layer in model.model.mixer.layers:
        for gate in layer.lstm.weight_hh_l0.split(48):
            torch.testing.assert_close(gate @ gate.T, torch.eye(48), rtol=0, atol=1e-5)


def test_first_guess_is_the_marginal_of_text_and_a_copy_of_pixels(rng):
    frame = rng.integers(58, 113, (1, 8, 8))
    corpus = TokenCorpus.from_records([[image_segment(np.repeat(frame, 4, 0), PAPER)]], PAPER)
    counts = np.bincount(corpus.ids, minlength=PAPER.size)
    item = WindowDataset(corpus, 400)[0]
    is_later_pixel = (np.arange(len(item["labels"])) >= 72) & (item["labels"] >= 58)
    hits = []
    for is_ordered in (False, True):
        model = make_model().eval()
        if is_ordered:
            initialise_ordered(model, PAPER, counts)
        with torch.no_grad():
            guesses = model(torch.from_numpy(item["input_ids"].astype(np.int64))[None]).logits[0].argmax(-1).numpy()
        hits.append((guesses == item["labels"])[is_later_pixel].mean())
    assert hits[0] < 0.2 and hits[1] > 0.5
    assert model.fc.bias[counts.argmax()] == model.fc.bias.max()


def test_counts_of_another_vocabulary_are_refused():
    with pytest.raises(ValueError, match="counts"):
        initialise_ordered(make_model(), PAPER, np.ones(7, np.int64))


def test_delay_line_holds_the_tokens_read_before(rng):
    model = make_model(hidden_size=512).eval()
    initialise_ordered(model, PAPER, np.ones(PAPER.size, np.int64))
    corpus = TokenCorpus.from_records([[image_segment(rng.integers(58, 113, (1, 1, 60)), PAPER)]], PAPER)
    item = WindowDataset(corpus, 100)[0]
    contexts = torch.from_numpy(item["input_ids"].astype(np.int64))[None]
    with torch.no_grad():
        embedded = model.model.embedding(torch.from_numpy(item["labels"]))
        outputs, _ = model.model.mixer.layers[0](model.model.embed(contexts))
    width = model.config.cell_width
    for lag in range(1, 9):  # the cell of the token just before is lag 0
        held = outputs[0, 20:, (5 + lag) * width : (6 + lag) * width]
        agreements = [
            float(torch.corrcoef(torch.stack([held.flatten(), embedded[start : start + len(held)].flatten()]))[0, 1])
            for start in (18 - lag, 19 - lag, 20 - lag)
        ]
        assert agreements[1] > 0.75 and max(agreements[0], agreements[2]) < 0.4


def test_long_memory_keeps_what_units_hold():
    def kept(horizon):
        model = make_model().eval()
        initialise_ordered(model, PAPER, np.ones(PAPER.size, np.int64), memory_horizon=horizon)
        lstm, hidden = model.model.mixer.layers[0].lstm, torch.zeros(1, 1, 256)
        with torch.no_grad():
            ends = [
                lstm(torch.zeros(1, 100, 126), (hidden, torch.full_like(hidden, held)))[1][1] for held in (0.0, 0.1)
            ]
        return (ends[1] - ends[0])[0, 0, -10:].abs().mean() / 0.1

    assert kept(400) > 0.3 and kept(400) > 10 * kept(None)
    with pytest.raises(ValueError, match="memory_horizon"):
        kept(3)
