"""Presets: the paper's sizes, names that do not exist are refused, all can be trained."""

import json

import numpy as np
import pytest

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.cli.preset_list import count_parameters, describe_preset, format_presets
from pixelbytes_hf.generation.layout import Audio, Image, Layout
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import Sound, read_sound, write_sound
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.training.builders import build_tokenizer
from pixelbytes_hf.training.presets import PRESETS, Preset, get_preset
from pixelbytes_hf.training.presets_small import SMALL_SOURCE
from pixelbytes_hf.training.settings import TrainingConfig

SEQUENCES = [name for name, preset in PRESETS.items() if preset.kind == "sequence"]
# what the paper's rows come to; it prints "under 100,000" for each of the first table
SIZES = {
    "first-ssm-bi-conv-81-64-1": 91_431,
    "first-ssm-bi-conv-81-64-2": 164_979,
    "first-ssm-uni-conv-81-64-2": 164_817,
    "first-attention-conv-81-64-1": 95_477,
    "first-attention-conv-81-64-2": 173_317,
    "first-rnn-bi-center-81-64-2": 79_218,
    "first-rnn-bi-conv-81-64-2": 78_633,
    "first-rnn-bi-conv-162-64-2": 122_508,
    "first-rnn-bi-conv-36-64-2": 63_333,
    "first-rnn-bi-conv-81-128-2": 230_505,
    "first-rnn-bi-conv-81-32-2": 33_417,
    "first-rnn-bi-conv-81-64-1": 45_353,
    "first-rnn-bi-conv-81-64-3": 111_913,
    "first-rnn-bi-noconv-81-64-2": 77_895,
    "first-rnn-uni-conv-81-64-2": 86_825,
    "paper-lstm-predictive": 3_492_602,
    "paper-lstm-autoregressive": 3_879_917,
    "paper-lstm-autoregressive-2-4": 3_879_917,
    "control-lstm-autoregressive": 3_879_917,
    "control-lstm-diffusion": 2_831_341,
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_preset_makes_a_tokenizer_and_a_model_of_the_printed_size(name):
    preset = PRESETS[name]
    tokenizer, described = build_tokenizer(preset), describe_preset(preset)
    config = PixelBytesConfig(vocab_size=tokenizer.vocab_size, **preset.model)
    model = aPxBySequenceModel(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == described["parameters"]
    assert described["parameters"] == SIZES.get(name, described["parameters"])
    assert described["ids"] == tokenizer.vocab_size and type(tokenizer).__name__ == preset.tokenizer_class
    assert len(model.get_input_embeddings().weight) >= tokenizer.vocab_size


def test_the_paper_has_twenty_rows():
    rows = [name for name, preset in PRESETS.items() if preset.source.startswith("paper")]
    assert sorted(rows) == sorted(SIZES)
    assert sum(name.startswith("first-") for name in rows) == 15


def test_settings_of_the_tables_are_those_of_their_notebooks():
    for name, preset in ((name, PRESETS[name]) for name in SEQUENCES):
        run = preset.training
        sizes = (
            run.window_length,
            run.stride,
            run.batch_size,
            run.gradient_accumulation_steps,
            run.num_train_epochs,
            run.learning_rate,
        )
        if preset.source == "paper, table 1":
            assert sizes == (256, 32, 32, 1, 200, 1e-3) and preset.model["objective"] == "last", name
            assert build_tokenizer(preset).vocab_size == 113
        elif preset.source.startswith("paper"):
            assert sizes == (1024, 512, 32, 4, 100, 1e-3), name
        assert not preset.source.startswith("paper") or (run.schedule, run.optimiser) == ("constant", "adamw")
    slicing = get_preset("paper-lstm-autoregressive-2-4").tokenizer["slicing"]
    assert slicing == {"image": 2, "audio": 4}


def test_control_presets_have_the_tables_of_the_paper(shared):
    tables = json.loads((shared / "parity" / "cases.json").read_text())["vocabs"]["control"]
    vocabulary = build_tokenizer(get_preset("control-lstm-diffusion")).tables
    assert [f"{value:02x}" for value in vocabulary.byte_values] == tables["bytes_hex"]
    assert [list(colour) for colour in vocabulary.colours] == tables["palette"]
    assert vocabulary.levels == pytest.approx(tables["action_state"], abs=1e-6) and vocabulary.size == 151


def test_small_presets_differ_in_what_is_compared_only():
    small = {name: preset for name, preset in PRESETS.items() if preset.source == SMALL_SOURCE}
    assert len(small) == 10
    for name, preset in small.items():
        size = count_parameters(PixelBytesConfig(**preset.model))
        assert abs(size - 500_000) < 25_000, (name, size)
        assert name.startswith(f"small-{preset.model['mixer_config']['model_type'].removeprefix('pixelbytes_')}-")
        assert preset.model["objective"] in name and preset.model["embedding_dim"] == 128
        first = get_preset("small-lstm-predictive")
        assert (preset.training, preset.tokenizer) == (first.training, first.tokenizer)


def test_list_shows_sizes_and_where_the_paper_contradicts_itself(capsys):
    assert main(["presets"]) == 0
    printed = capsys.readouterr().out
    head, *lines = printed.splitlines()
    place = head.index("parameters") + len("parameters")
    for name, size in SIZES.items():
        line = next(line for line in lines if line.startswith(f"{name} "))
        assert line[:place].endswith(f" {size:,}") and PRESETS[name].source in line
    names = [line.split()[0] for line in lines[: len(PRESETS)]]
    assert names == sorted(PRESETS, key=lambda name: (PRESETS[name].source, name))
    assert "ids: size of the tokenizer's vocabulary" in printed
    noted = {line.split(":")[0] for line in lines if "under 100,000" in line}
    assert noted == {name for name, size in SIZES.items() if name.startswith("first-") and size >= 100_000}


def test_notes_are_shown():
    note = "measured elsewhere"
    preset = Preset(**{**vars(get_preset("mini")), "note": note})
    assert format_presets({"mine": preset}).endswith(f"mine: {note}.")


@pytest.mark.parametrize("name", PRESETS)
def test_preset_survives_json(name):
    assert Preset.from_dict(json.loads(json.dumps(PRESETS[name].to_dict()))).to_dict() == PRESETS[name].to_dict()
    assert Preset.from_dict(PRESETS[name].to_dict()).training == PRESETS[name].training


@pytest.mark.parametrize("name", SEQUENCES)
def test_tokenizer_gives_the_rows_that_the_model_reads(name):
    preset = PRESETS[name]
    size = preset.model.get("context_size", 6)
    # a masked model has its own cell beside the six, which no prompt can give
    assert build_tokenizer(preset).context_size == (6 if preset.model["objective"] == "masked" else size)


@pytest.mark.slow
def test_every_preset_is_trained_evaluated_and_generates(corpus, tmp_path):
    from datasets import load_dataset

    from pixelbytes_hf.compare.compare import compare
    from pixelbytes_hf.compare.settings import ComparisonConfig

    data = {name: split.select(range(2)) for name, split in load_dataset(str(corpus)).items()}
    settings = ComparisonConfig(
        tokens=64,
        seeds=(0,),
        window_length=32,
        batch_size=2,
        validation_records=1,
        max_records=1,
        num_draws=1,
        every=64,
    )
    result = compare(SEQUENCES, data, tmp_path, settings, jobs=0, progress=False)
    assert not result["failures"] and len(result["runs"]) == len(SEQUENCES)
    write_sound(Sound(np.sin(np.arange(64)[:, None] * [0.3, 0.5]).astype(np.float32), 8000), tmp_path / "tone.wav")
    for name, preset in ((name, PRESETS[name]) for name in SEQUENCES):
        check_generation(tmp_path / "runs" / f"{name}-seed0", preset, tmp_path)


def check_generation(run_folder, preset, folder):
    """Check that the command makes media of the layout's sizes from a run, and that they open."""
    sound, picture = Audio(samples=8), Image(frames=1, height=2, width=3)
    begin, segments = ["--text", "10 01"], (picture, sound)
    if preset.tokenizer.get("order") == ["audio"]:
        begin, segments = ["--audio", str(folder / "tone.wav")], (sound,)
    elif preset.tokenizer_class == "PixelBytesTokenizer":
        segments = (picture,)
    layout, out = json.dumps(Layout(segments).to_dict()), folder / "made" / run_folder.name
    assert main(["generate", str(run_folder), "--out", str(out), *begin, "--layout", layout, "--seed", "3"]) == 0
    expected = set()
    if picture in segments:
        expected |= {"creature.gif", "creature_large.gif", "description.txt"}
        assert read_frames(out / "creature.gif").array.shape[:3] == (1, 2, 3), run_folder
        assert (out / "description.txt").read_text() == "10 01\n"
    if sound in segments:
        names = ["cry.wav"] if picture in segments else ["cry.wav", "cry_2.wav"]  # the first is the prompt
        array, rate = read_sound(out / names[-1])
        assert array.shape == (8 * rate / (Run.load(run_folder).tokenizer.level_rate_hz or rate), 2), run_folder
        expected |= set(names)
    assert {path.name for path in out.iterdir()} == expected


def test_replace_merges_nested_settings_and_leaves_the_preset():
    preset = get_preset("mini")
    changed = preset.replace(model={"mixer_config": {"hidden_size": 7}}, tokenizer={"errors": "strict"}, seed=5)
    assert changed.model["mixer_config"] == {**preset.model["mixer_config"], "hidden_size": 7}
    assert changed.tokenizer == {**preset.tokenizer, "errors": "strict"} and changed.training.seed == 5
    other = {"model_type": "llama", "num_hidden_layers": 3}
    assert preset.replace(model={"mixer_config": other}).model["mixer_config"] == other
    same = preset.replace(model={"mixer_config": {"model_type": "pixelbytes_lstm", "hidden_size": 7}})
    assert same.model["mixer_config"] == {**changed.model["mixer_config"], "model_type": "pixelbytes_lstm"}
    assert get_preset("mini").training.seed == 0 and get_preset("mini").model["mixer_config"]["hidden_size"] != 7


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="tokenizer_class"):
        Preset(model={}, tokenizer={}, training=TrainingConfig(), tokenizer_class="Tokeniser")
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
        {"matrix_learning_rate": 0.0},
        {"max_steps": 0},
        {"max_seconds": 0.0},
        {"max_grad_norm": 0.0},
        {"save_total_limit": 1},
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
