"""The paper's own checkpoints and its short training runs, against reference outputs of its unmodified code."""

import json
import logging
import shutil
import zlib

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import PixelBytesModel, aPxBySequenceModel

STORED = [
    "apx_autoregressive_small",
    "apx_predict_small",
    "apx_legacyA_autoregressive",
    "apx_legacyA_predictive",
    "apx_legacyB_autoregressive",
    "apx_legacyB2_bidirectional",
]
RECIPES = ["apx_autoregressive_paper", "apx_predict_paper"]
DIFFUSION = ["apx_diffusion_small_bi", "apx_diffusion_control"]
OBJECTIVES = {"predict": "predictive", "autoregressive": "autoregressive"}
TOLERANCE = 1e-5


def reference_of(folder):
    with np.load(folder / "vectors.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in ("input_ids", "logits")}


def largest_difference(model, reference):
    with torch.no_grad():
        logits = model(input_ids=reference["input_ids"].long()).logits
    assert logits.shape == reference["logits"].shape
    return float((logits - reference["logits"]).abs().max())


def recipe_weight(name, shape, seed):
    """Return the weight that models.json describes: uniform numbers from the name's checksum and the seed."""
    bound = 1 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.25
    state = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    return torch.from_numpy(state.uniform(-bound, bound, shape).astype(np.float32))


def legacy_weights(model):
    """Return every weight of ours under the name that the original gave it."""
    named = {}
    for name, weight in model.named_parameters():
        name = name.removeprefix("model.")
        if name.startswith("mixer.layers."):
            layer, name = name.removeprefix("mixer.layers.").split(".lstm.")
            name = "sequence_model." + name.replace("_l0", f"_l{layer}")
        named[name] = weight
    return named


@pytest.fixture(scope="module")
def folders(shared):
    return shared / "parity" / "models"


@pytest.mark.parametrize("name", STORED)
def test_stored_checkpoint_gives_the_papers_logits(name, folders):
    reference = reference_of(folders / name)
    config = PixelBytesConfig.from_pretrained(folders / name)
    for model in (
        aPxBySequenceModel.from_pretrained(folders / name),
        AutoModelForCausalLM.from_pretrained(folders / name, config=config),
    ):
        assert type(model) is aPxBySequenceModel
        assert largest_difference(model, reference) < TOLERANCE


@pytest.mark.parametrize("name", STORED)
def test_legacy_checkpoint_is_saved_as_ours(name, folders, tmp_path):
    model, report = aPxBySequenceModel.from_pretrained(folders / name, output_loading_info=True)
    assert not any(report.values())
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "pixelbytes"
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.allow_future == model.config.allow_future
    assert all(torch.equal(weight, model.state_dict()[key]) for key, weight in loaded.state_dict().items())
    with torch.no_grad():
        input_ids = reference_of(folders / name)["input_ids"].long()
        assert torch.equal(loaded(input_ids=input_ids).logits, model(input_ids=input_ids).logits)


def test_base_model_loads_from_a_legacy_checkpoint(folders):
    folder = folders / "apx_predict_small"
    model, report = PixelBytesModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    whole = aPxBySequenceModel.from_pretrained(folder)
    assert all(torch.equal(weight, whole.model.state_dict()[key]) for key, weight in model.state_dict().items())


def test_tensors_win_over_a_wrong_config(folders, tmp_path):
    source = folders / "apx_legacyB2_bidirectional"
    settings = json.loads((source / "config.json").read_text())
    # as if the width of both directions had been stored, and the other entries had never been
    settings = {**{k: v for k, v in settings.items() if k not in ("bidirection", "num_layers")}, "hidden_size": 20}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    shutil.copy(source / "model.safetensors", tmp_path)
    assert largest_difference(aPxBySequenceModel.from_pretrained(tmp_path), reference_of(source)) < TOLERANCE


def test_bidirectional_checkpoint_loads_with_a_warning(folders, caplog, monkeypatch):
    logger = "pixelbytes_hf.models.pixelbytes.configuration_pixelbytes"
    monkeypatch.setattr(logging.getLogger(logger), "propagate", True)
    with caplog.at_level("WARNING", logger=logger):
        config = PixelBytesConfig.from_pretrained(folders / "apx_legacyB2_bidirectional")
    assert config.allow_future
    assert "reads the tokens it predicts" in caplog.text


@pytest.mark.parametrize("name", RECIPES)
def test_checkpoint_of_the_papers_size_gives_its_logits(name, folders):
    (entry,) = (e for e in json.loads((folders / "models.json").read_text())["models"] if e["id"] == name)
    model = aPxBySequenceModel(PixelBytesConfig.from_pretrained(folders / name)).eval()
    weights = legacy_weights(model)
    assert {key: list(weight.shape) for key, weight in weights.items()} == entry["keys"]
    assert sum(weight.numel() for weight in weights.values()) == entry["params"]
    with torch.no_grad():
        for key, weight in weights.items():
            weight.copy_(recipe_weight(key, weight.shape, entry["seed"]))
    assert largest_difference(model, reference_of(folders / name)) < TOLERANCE


@pytest.mark.parametrize("name", DIFFUSION)
def test_diffusion_checkpoint_is_known_by_its_objective(name, folders):
    """Its logits and its sampling are in test_objective_diffusion."""
    config = PixelBytesConfig.from_pretrained(folders / name)
    assert (config.objective, config.num_diffusion_steps, config.allow_future) == ("diffusion", 5, False)
    assert config.mixer_config.bidirectional


def count_hits(model, logits, input_ids, labels):
    """Return how many target cells are right, and how many the paper counts: padded labels are among them."""
    targets = model.objective.targets(input_ids, labels)
    counted = targets.numel() if labels is not None else int((targets != -100).sum())
    return np.array([int((logits.argmax(-1) == targets).sum()), counted])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_short_training_run_is_reproduced(objective, shared):
    """Three epochs of six batches, as `_process_epoch` of the original runs them, accumulation 1, 2 and 4."""
    cases = json.loads((shared / "parity" / "train_cases.json").read_text())
    (case,) = (c for c in cases if c["objective"] == objective)
    with np.load(shared / "parity" / "train.npz") as file:
        prefix = f"{objective}__"
        arrays = {k.removeprefix(prefix): torch.from_numpy(file[k]) for k in file if k.startswith(prefix)}
    size = case["constructor"]
    config = PixelBytesConfig(
        objective=OBJECTIVES[objective],
        embedding_dim=size["embed_size"],
        mixer_config={"hidden_size": size["hidden_size"], "num_hidden_layers": size["num_layers"]},
    )
    model = aPxBySequenceModel(config).eval()
    weights = legacy_weights(model)
    with torch.no_grad():
        for key, weight in weights.items():
            weight.copy_(arrays[f"init__{key}"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def run_epoch(accumulation):
        losses, hits = [], np.zeros(2)
        for index in range(6):
            input_ids = arrays[f"b{index}_input_ids"].long()
            # the autoregressive objective of the paper never looks at the labels
            labels = arrays[f"b{index}_labels"].long()[..., 0] if objective == "predict" else None
            logits = model(input_ids=input_ids).logits
            loss = model.objective.loss(logits, input_ids, labels)
            losses.append(loss.item())
            hits += count_hits(model, logits, input_ids, labels)
            if accumulation is not None:
                (loss / accumulation).backward()
                if (index + 1) % accumulation == 0:
                    optimizer.step()
                    optimizer.zero_grad()
        return np.mean(losses), hits[0] / hits[1]

    for epoch in case["epochs_in_order"]:
        np.testing.assert_allclose(run_epoch(epoch["accumulation"]), epoch["loss_accuracy"], atol=1e-5)
    np.testing.assert_allclose(run_epoch(None), case["evaluation_after"], atol=1e-5)
    for key, weight in weights.items():
        torch.testing.assert_close(weight.detach(), arrays[f"final__{key}"], atol=2e-5, rtol=0)
