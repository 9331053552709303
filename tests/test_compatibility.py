"""What was made before must keep loading: runs, exported checkpoints, settings under their old names."""

import shutil

import numpy as np
import pytest
import torch
from tiny_training import assert_same_weights, run, weights

from pixelbytes_hf import Audio, Image
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.models.pixelbytes.family_code import write_family_code
from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.publishing.export import write_checkpoint
from pixelbytes_hf.runs.files import write_json
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.settings import OLD_NAMES, rename_settings

SENTENCE = "a small round red fire beast jumping with a high cry."
LAYOUT = [Image(frames=2, height=12, width=12), Audio(channels=2, samples=20)]
# loads a checkpoint where this package cannot be imported, and computes what the reference holds
LONELY = """
import sys
import numpy as np, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
place, reply = sys.argv[1:3]
tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(place, trust_remote_code=True).eval()
inputs = tokenizer(text=sys.argv[3], return_tensors="pt")
with torch.inference_mode():
    logits = model(inputs["input_ids"]).logits.numpy()
layout = {"segments": [
    {"modality": "image", "frames": 2, "height": 12, "width": 12}, {"modality": "audio", "channels": 2, "samples": 20}
]}
made = model.generate(**inputs, layout=layout, do_sample=True, temperature=0.7, seed=0)
assert "pixelbytes_hf" not in sys.modules
np.savez(reply, logits=logits, generated=made.numpy())
"""


@pytest.fixture(scope="module")
def compat(shared):
    """Return the folder of what was made before the package had rooms."""
    return shared / "compat"


@pytest.fixture(scope="module")
def expected(compat):
    with np.load(compat / "quickstart_expected.npz") as arrays:
        return dict(arrays)


def assert_expected(logits, generated, expected):
    np.testing.assert_allclose(logits, expected["logits"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(generated, expected["generated"])


def compute_lonely(lone, place, folder):
    lone.run(LONELY, place, folder / "reply.npz", SENTENCE, folder=folder)
    with np.load(folder / "reply.npz") as arrays:
        return dict(arrays)


def test_run_of_before_gives_the_same_logits_and_creature(compat, expected):
    made, threads = Run.load(compat / "quickstart_run"), torch.get_num_threads()
    inputs = made.tokenizer(text=SENTENCE, return_tensors="pt")
    np.testing.assert_array_equal(inputs["input_ids"], expected["input_ids"])
    np.testing.assert_array_equal(inputs["labels"], expected["labels"])
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            logits = made.model(inputs["input_ids"]).logits
        generated = made.model.generate(**inputs, layout=LAYOUT, do_sample=True, temperature=0.7, seed=0)
    finally:
        torch.set_num_threads(threads)
    assert_expected(logits, generated, expected)


def test_exported_checkpoint_of_before_loads_without_the_package(lone, compat, expected, tmp_path):
    place = shutil.copytree(compat / "quickstart_exported", tmp_path / "exported")
    # stored once, beside the run they are of
    shutil.copy(compat / "quickstart_run" / "model.safetensors", place)
    assert_expected(**compute_lonely(lone, place, tmp_path), expected=expected)


def test_checkpoint_exported_today_loads_without_the_package(lone, compat, expected, tmp_path):
    write_family_code(tmp_path / "exported")
    write_checkpoint(Run.load(compat / "quickstart_run"), tmp_path / "exported")
    assert_expected(**compute_lonely(lone, tmp_path / "exported", tmp_path), expected=expected)


def test_a_run_begun_with_the_old_names_of_settings_is_resumed(tmp_path):
    cut = run(tmp_path / "cut", max_steps=8, save_steps=4)
    record = read_json(cut / "training.json")
    new = {after: before for before, after in OLD_NAMES.items()}
    record["settings"] = {new.get(name, name): value for name, value in record["settings"].items()}
    write_json(cut / "training.json", record)
    assert "num_epochs" in record["settings"]
    for name in ("config.json", "model.safetensors"):
        (cut / name).unlink()
    resumed = run(cut, max_steps=8, save_steps=4, resume=True)
    assert_same_weights(weights(resumed), weights(run(tmp_path / "whole", max_steps=8, save_steps=4)))


def test_old_names_of_settings_mean_the_new_ones(corpus, tmp_path):
    plan = get_preset("mini")
    assert (
        plan.replace(num_epochs=3, openings=2).training == plan.replace(num_train_epochs=3, prefix_windows=2).training
    )
    with pytest.raises(ValueError, match=r"under one name, got \[\('num_epochs', 'num_train_epochs'\)\]"):
        rename_settings({"num_epochs": 3, "num_train_epochs": 4})
    command = ["train", "--dataset", str(corpus), "--preset", "mini", "--output-dir", str(tmp_path / "x")]
    command += ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 8}}', "--max-steps", "1"]
    assert main([*command, "--accumulation", "2", "--batch-size", "1", "--keep-checkpoints", "3"]) == 0
    settings = read_json(tmp_path / "x" / "training.json")["settings"]
    assert (settings["gradient_accumulation_steps"], settings["save_total_limit"]) == (2, 3)
