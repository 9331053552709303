"""Configurations: defaults, round trips, contradictions, and the paper's own formats."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, DynamicCache

from pixelbytes_hf.mixers.configuration_mixers import PixelBytesLSTMConfig
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.legacy_checkpoint import (
    convert_legacy_settings,
    measure_legacy_weights,
    read_tensor_shapes,
)
from pixelbytes_hf.tokens.vocabulary import Vocabulary

FORMAT_A = {"AR": False, "d_conv": 4, "d_state": 20, "expand": 2, "hidden_size": 20, "num_layers": 2}
FORMAT_B = {"auto_regressive": True, "diffusion": False, "num_diffusion_steps": 10, "hidden_size": 20, "num_layers": 2}
FORMAT_C = {"objective": "predict", "bidirection": False, "custom_model": None, "hidden_size": 20, "num_layers": 2}
LLAMA = {"model_type": "llama", "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
COMMON = {"architectures": ["aPxBySequenceModel"], "embed_size": 24, "pxby_dim": 6, "pxby_emb": 4, "vocab_size": 151}


def test_defaults_are_the_papers():
    config = PixelBytesConfig()
    assert (config.vocab_size, config.context_size, config.cell_width, config.context_width) == (151, 6, 21, 126)
    assert config.mixer_config.model_type == "pixelbytes_lstm"
    assert (config.hidden_size, config.num_hidden_layers, config.mixer_config.input_size) == (512, 2, 126)
    assert getattr(config, "eos_token_id", None) is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"objective": "autoregressive", "copy_loss_weight": 0.25, "embedding_dim": 48},
        {
            "vocab_size": 607,
            "embedding_dim": 12,
            "mixer_config": {"hidden_size": 9, "num_hidden_layers": 3, "dropout": 0.5},
        },
        {"allow_future": True, "mixer_config": {"bidirectional": True}},
        {"embedding_dim": 24, "mixer_config": LLAMA},
    ],
)
def test_saved_config_loads_equal(settings, tmp_path):
    config = PixelBytesConfig(**settings)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is PixelBytesConfig
    assert type(loaded.mixer_config) is type(config.mixer_config)
    assert {**loaded.to_dict(), "_name_or_path": ""} == {**config.to_dict(), "_name_or_path": ""}


def test_mixer_settings_are_merged_at_load(tmp_path):
    PixelBytesConfig(embedding_dim=48).save_pretrained(tmp_path)
    loaded = PixelBytesConfig.from_pretrained(tmp_path, mixer_config={"hidden_size": 64})
    assert (loaded.mixer_config.hidden_size, loaded.mixer_config.input_size) == (64, 48)


def test_lstm_config_builds_a_recurrent_cache():
    cache = DynamicCache(config=PixelBytesLSTMConfig(num_layers=3))
    assert [type(layer).__name__ for layer in cache.layers] == ["PixelBytesLSTMCacheLayer"] * 3
    assert not cache.is_compileable
    assert cache.get_seq_length() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hiden_size": 3}, "no keyword 'hiden_size'"),
        ({"objective": "diffuse"}, "objective must be one of .* got 'diffuse'"),
        ({"embedding": "dense"}, "embedding must be one of"),
        ({"vocab_size": 0}, "vocab_size must be an integer of at least 3, got 0"),
        ({"vocab_size": 151.0}, "vocab_size must be an integer"),
        ({"context_size": True}, "context_size must be an integer"),
        ({"window_length": 0}, "window_length must be an integer of at least 1, got 0"),
        ({"embedding_dim": 5}, "embedding_dim must be an integer of at least 6, got 5"),
        ({"copy_loss_weight": 1.5}, r"copy_loss_weight must be in \[0, 1\], got 1.5"),
        ({"copy_loss_weight": "much"}, "copy_loss_weight must be a number"),
        ({"pad_token_id": 151}, r"pad_token_id must be in 0..150, got 151"),
        (
            {"mixer_config": {"bidirectional": True}},
            "mixer_config must not see the future, bidirectional .* with the causal objective 'predictive'",
        ),
        ({"mixer_config": {"hidden": 3}}, "PixelBytesLSTMConfig has no keyword 'hidden'"),
        ({"mixer_config": {"dropout": 1.0}}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"mixer_config": {"num_hidden_layers": 0}}, "num_hidden_layers must be an integer of at least 1"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PixelBytesConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "objective"),
    [
        (FORMAT_A, "predictive"),
        (FORMAT_B, "autoregressive"),
        (FORMAT_C, "predictive"),
        ({"AR": True}, "autoregressive"),
    ],
)
def test_legacy_formats_are_read(settings, objective, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(COMMON | settings))
    for config in (PixelBytesConfig.from_pretrained(tmp_path), PixelBytesConfig(**COMMON, **settings)):
        assert (config.objective, config.vocab_size, config.context_width) == (objective, 151, 24)
        assert config.hidden_size == settings.get("hidden_size", 512)
        assert config.num_hidden_layers == 2
        assert not config.allow_future


def test_legacy_bidirectional_is_allowed_to_see_the_future():
    config = PixelBytesConfig(**COMMON, auto_regressive=True, bidirection=True, hidden_size=10, num_layers=2)
    assert config.allow_future
    assert config.mixer_config.bidirectional
    assert config.hidden_size == 20


def test_legacy_diffusion_may_see_the_future_as_it_is():
    config = PixelBytesConfig(**COMMON, diffusion=True, auto_regressive=False, bidirection=True, num_diffusion_steps=7)
    assert (config.objective, config.num_diffusion_steps) == ("diffusion", 7)
    assert config.mixer_config.bidirectional
    assert not config.allow_future


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"custom_model": "mamba"}, "custom_model must be None"), ({"num_layers": 17}, "num_layers must be at most 16")],
)
def test_legacy_settings_beyond_the_lstm_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        convert_legacy_settings(COMMON | settings)


def test_tensors_decide_where_the_config_is_wrong(tmp_path):
    lstm = torch.nn.LSTM(18, 7, num_layers=3, bidirectional=True)
    tensors = {f"sequence_model.{name}": weight.detach() for name, weight in lstm.named_parameters()}
    tensors |= {"embedding.weight": torch.zeros(40, 3), "fc.weight": torch.zeros(40, 14), "fc.bias": torch.zeros(40)}
    save_file(tensors, tmp_path / "model.safetensors")
    assert read_tensor_shapes(tmp_path / "model.safetensors")["fc.weight"] == (40, 14)
    (tmp_path / "config.json").write_text(json.dumps(COMMON | FORMAT_B))
    config = PixelBytesConfig.from_pretrained(tmp_path)
    assert (config.vocab_size, config.context_width, config.objective) == (40, 18, "predictive")
    assert (
        config.mixer_config.to_dict().items()
        >= {"hidden_size": 7, "num_hidden_layers": 3, "bidirectional": True}.items()
    )


@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0\0\0\0\0{nope", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 16])
def test_broken_weights_are_named(content, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights must be a safetensors file, .*model.safetensors"):
        read_tensor_shapes(path)


def test_weights_of_another_family_are_named(tmp_path):
    save_file({"fc.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"lacks \['embedding.weight', 'sequence_model.weight_hh_l0'\]"):
        measure_legacy_weights({}, tmp_path / "model.safetensors")


def test_auto_classes_know_ours_after_the_package_import_alone(forks):
    code = (
        "import pixelbytes_hf\n"
        "from transformers import AutoConfig, AutoModel, AutoModelForCausalLM\n"
        "config = AutoConfig.for_model('pixelbytes', embedding_dim=12, mixer_config={'hidden_size': 4})\n"
        "makers = (AutoModel, config), (AutoModelForCausalLM, config), (AutoModel, config.mixer_config)\n"
        "print(*(type(auto.from_config(c)).__name__ for auto, c in makers))\n"
    )
    done = forks.run(code)
    assert done.stdout.split() == ["PixelBytesModel", "aPxBySequenceModel", "PixelBytesLSTMModel"]


def test_another_vocabulary_is_refused():
    paper, full = Vocabulary.from_preset("paper"), Vocabulary.from_preset("full")
    recoloured = dataclasses.replace(paper, colours=paper.colours[::-1])
    config = PixelBytesConfig(vocab_size=paper.size, vocabulary_digest=paper.digest)
    config.check_vocabulary(paper)
    PixelBytesConfig(vocab_size=paper.size).check_vocabulary(recoloured)  # legacy: only the size is known
    for other, reason in ((full, "size"), (recoloured, "digest")):
        with pytest.raises(ValueError, match=f"vocabulary's {reason}"):
            config.check_vocabulary(other)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"mixer_config": {"num_hidden_layers": 10**6}}, "num_hidden_layers must be at most"),
        ({"mixer_config": {"hidden_size": 10**12}}, "hidden_size must be at most"),
        ({"mixer_config": {**LLAMA, "num_hidden_layers": 10**6}}, r"mixer_config\.num_hidden_layers must be at most"),
        ({"vocab_size": 10**12}, "vocab_size must be at most"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"mixer_config": {"num_hidden_layers": "two"}}, "num_hidden_layers"),
        ({"mixer_config": ["llama"]}, "mixer_config must be"),
    ],
)
def test_a_file_with_an_absurd_setting_is_refused_by_name(settings, name, tmp_path):
    PixelBytesConfig(embedding_dim=24, mixer_config={"hidden_size": 8}).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    with pytest.raises(ValueError, match=name):
        AutoConfig.from_pretrained(tmp_path)
