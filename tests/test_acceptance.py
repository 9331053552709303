"""The acceptance table of `systems.md` 3.6 on the embedded corpus; each row is a test, here or where it is named.

Rows tested elsewhere: causality, cache and tied weights (test_modeling.py), the canvas (test_generation.py), decoding
(test_tokenization.py, test_grid.py), every token a target once (test_windows.py). The row on diffusion belongs to that
objective; the row on the real corpus needs a GPU.
"""

import math

import numpy as np
import pytest
import torch

from dataset_builder.creatures import describe, draw
from dataset_builder.mini import draw_attributes
from pixelbytes_hf import ActionPixelBytesTokenizer, PixelBytesConfig, aPxBySequenceModel

NUM_CREATURES, NUM_STEPS, WINDOW = 8, 150, 128


@pytest.fixture(scope="module")
def windows():
    """Return all windows of the sprites and sentences of eight creatures, (B, L, 6) and (B, L)."""
    tokenizer = ActionPixelBytesTokenizer()
    creatures = list(draw_attributes(64, seed=0))[:: 64 // NUM_CREATURES]
    records = [
        tokenizer(text=describe(attributes, seed), image=draw(attributes, seed), return_tensors="np")
        for seed, (_, attributes) in enumerate(creatures)
    ]
    rows = np.concatenate([record["input_ids"][0] for record in records])
    labels = np.concatenate([record["labels"][0] for record in records])
    count = len(labels) // WINDOW
    shape = (count, WINDOW)
    return torch.from_numpy(rows[: count * WINDOW]).view(*shape, 6), torch.from_numpy(labels[: count * WINDOW]).view(
        shape
    )


def make_model():
    torch.manual_seed(0)
    return aPxBySequenceModel(
        PixelBytesConfig(embedding_dim=126, mixer_config={"hidden_size": 128, "num_hidden_layers": 1})
    )


def pixel_bits(model, rows, labels):
    with torch.no_grad():
        logits = model.eval()(input_ids=rows).logits
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return nats[(labels.flatten() >= 58) & (labels.flatten() < 113)].mean().item() / math.log(2)


def fit(rows, labels):
    """Train on all windows, and return the bits per pixel they then cost."""
    model = make_model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(NUM_STEPS):
        chosen = torch.randperm(len(rows), generator=generator)[:8]
        model.train()(input_ids=rows[chosen], labels=labels[chosen]).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return pixel_bits(model, rows, labels)


def test_untrained_model_is_uniform(windows):
    rows, labels = windows
    with torch.no_grad():
        loss = make_model().eval()(input_ids=rows, labels=labels).loss.item() / math.log(2)
    assert abs(loss - math.log2(151)) < 0.15


def test_six_cells_overfit_and_one_cell_is_worse(windows):
    rows, labels = windows
    blind = rows.clone()
    blind[..., :5] = 0
    with_six, with_one = fit(rows, labels), fit(blind, labels)
    # with_six is 0.26 and with_one 0.72 on the machine where the thresholds were set
    assert with_six < 0.60
    assert with_one - with_six > 0.3
