"""What a user may import, and what importing costs."""

import subprocess
import sys

import numpy as np
import pytest

import pixelbytes_hf

HEAVY = ("datasets", "scipy", "skimage", "soundfile", "matplotlib", "accelerate.accelerator")


def test_every_public_name_can_be_imported():
    assert all(getattr(pixelbytes_hf, name) is not None for name in pixelbytes_hf.__all__)
    assert all(getattr(pixelbytes_hf, name) is not None for name in ("Audio", "Image", "Text"))


def test_a_star_leaves_the_names_of_others_alone(forks):
    code = "from datasets import Audio, Image; from pixelbytes_hf import *; print(Audio.__module__, Image.__module__)"
    assert forks.run(code).stdout.split() == ["datasets.features.audio", "datasets.features.image"]


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="PixelBitesTokenizer"):
        _ = pixelbytes_hf.PixelBitesTokenizer


def test_import_is_light():
    code = f"import sys, pixelbytes_hf; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_auto_classes_know_the_package(tmp_path):
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer

    config = pixelbytes_hf.PixelBytesConfig(
        embedding_dim=12, mixer_config={"model_type": "pixelbytes_lstm", "hidden_size": 8}
    )
    pixelbytes_hf.aPxBySequenceModel(config).save_pretrained(tmp_path)
    pixelbytes_hf.PixelBytesProcessor(pixelbytes_hf.ActionPixelBytesTokenizer()).save_pretrained(tmp_path)
    loaded = [kind.from_pretrained(tmp_path) for kind in (AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer)]
    names = ["PixelBytesConfig", "PixelBytesModel", "aPxBySequenceModel", "ActionPixelBytesTokenizer"]
    assert [type(item).__name__ for item in loaded] == names
    processor = AutoProcessor.from_pretrained(tmp_path)
    batch = processor(text="hi", return_tensors="pt")
    assert type(processor).__name__ == "PixelBytesProcessor" and batch["input_ids"].shape == (1, 3, 6)
    assert processor.post_process_multimodal_output(batch["labels"])[0].text == "hi"
    picture = np.zeros((2, 2, 3), np.uint8)
    assert (
        processor(image=picture)["labels"]
        == processor(images=picture)["labels"]
        == processor(videos=picture)["labels"]
    )
    with pytest.raises(ValueError, match="images and videos"):
        processor(images=picture, videos=picture)


@pytest.mark.parametrize("first", ["pixelbytes_hf.mixers.mixer_lstm", "transformers.modeling_layers"])
def test_any_module_may_be_imported_first(forks, first):
    code = (
        f"import pixelbytes_hf, {first}; from transformers import AutoModel\n"
        "print(type(AutoModel.from_config(pixelbytes_hf.PixelBytesConfig(embedding_dim=12))).__name__)"
    )
    assert forks.run(code).stdout.strip() == "PixelBytesModel"
