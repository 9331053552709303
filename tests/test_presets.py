"""Presets: the paper's sizes, and names that do not exist are refused."""

import pytest

from pixelbytes_hf.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.presets import PRESETS, TrainingConfig, get_preset
from pixelbytes_hf.tokenization_pixelbytes import ActionPixelBytesTokenizer


@pytest.mark.parametrize(("objective", "millions"), [("predictive", 3.49), ("autoregressive", 3.88)])
def test_paper_presets_have_the_paper_sizes(objective, millions):
    preset = get_preset(f"paper-lstm-{objective}")
    model = aPxBySequenceModel(PixelBytesConfig(**preset.model))
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    assert model.config.objective == objective
    settings = preset.training
    assert (settings.window_length, settings.stride, settings.batch_size) == (1024, 512, 32)
    assert settings.learning_rate == 1e-3 and settings.schedule == "constant"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_configuration_and_a_tokenizer(name):
    tokenizer = ActionPixelBytesTokenizer(**PRESETS[name].tokenizer)
    config = PixelBytesConfig(vocab_size=tokenizer.vocab_size, **PRESETS[name].model)
    assert config.vocab_size == 151 and PRESETS[name].training.keep_checkpoints >= 2


def test_replace_merges_nested_settings_and_leaves_the_preset():
    preset = get_preset("mini")
    changed = preset.replace(model={"mixer_config": {"hidden_size": 7}}, tokenizer={"errors": "strict"}, seed=5)
    assert changed.model["mixer_config"] == {**preset.model["mixer_config"], "hidden_size": 7}
    assert changed.tokenizer == {**preset.tokenizer, "errors": "strict"} and changed.training.seed == 5
    assert get_preset("mini").training.seed == 0 and get_preset("mini").model["mixer_config"]["hidden_size"] != 7


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="paper-lstm-predictive"):
        get_preset("papper")
    with pytest.raises(ValueError, match="learning_speed"):
        get_preset("mini").replace(learning_speed=1)


@pytest.mark.parametrize(
    "field",
    [
        {"schedule": "staircase"},
        {"optimiser": "sgd"},
        {"initialisation": "lucky"},
        {"batch_size": 0},
        {"learning_rate": -1.0},
        {"max_steps": 0},
        {"max_gradient_norm": 0.0},
        {"keep_checkpoints": 1},
        {"final_ratio": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        TrainingConfig(**field)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"window_length": 8, "stride": 9}, "stride"),
        ({"betas": (0.9,)}, "betas"),
        ({"report_to": "tensorboard"}, "report_to"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings)
