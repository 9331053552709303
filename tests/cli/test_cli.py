"""The verbs, end to end on a corpus of a few creatures, and what they say of bad input."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from dataset_builder.corpora import DEFAULT_SIZES
from pixelbytes_hf.cli.main import _in_options, main
from pixelbytes_hf.compare.settings import ComparisonConfig
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.training.settings import TrainingConfig

TRAIN = ["train", "--dataset", "{corpus}", "--preset", "mini", "--output-dir"]
SMALL = ["--model", '{"mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}']


def test_build_writes_what_load_dataset_opens(tmp_path, capsys, monkeypatch):
    from datasets import load_dataset

    monkeypatch.chdir(tmp_path)
    assert main(["build", "--config", "mini", "--out", "pixelbytes-mini"]) == 0
    splits = load_dataset("pixelbytes-mini")
    assert sum(split.num_rows for split in splits.values()) >= 512
    assert main(["build", "--config", "mini", "--out", "pixelbytes-mini"]) == 2
    assert "pixelbytes-mini" in capsys.readouterr().err


def test_trained_run_has_a_layout_and_loads(run_folder):
    run = Run.load(run_folder)
    assert [segment.modality for segment in run.layout.segments] == ["text", "image", "audio"]
    assert not run.model.training and run.tokenizer.vocab_size == 151


def test_evaluate_prints_the_table_and_writes_it(run_folder, corpus, tmp_path, capsys):
    run_folder = shutil.copytree(run_folder, tmp_path / "x")
    assert main(["evaluate", str(run_folder), "--dataset", str(corpus)]) == 0
    printed = capsys.readouterr().out
    written = json.loads((run_folder / "evaluation-test.json").read_text())
    assert all(name in printed for name in written) and len(written) > 3
    assert 0 < written["run x"]["matched"]["all"]["bits"] < 10 and written["run x"]["seed"] == 0


@pytest.mark.parametrize(
    ("preset", "name", "value", "other", "shown"),
    [
        ("first-rnn-uni-conv-81-64-2", "every", 40, "num_draws", "run x (one token in 40)"),
        ("small-lstm-masked", "num_draws", 2, "every", "run x (upper bound)"),
    ],
)
def test_evaluate_scores_a_part_by_default(corpus, tmp_path, capsys, preset, name, value, other, shown):
    run = tmp_path / "x"
    steps = ["--max-steps", "1", "--batch-size", "8", "--window-length", "256", "--stride", "256"]
    train = ["train", "--dataset", str(corpus), "--preset", preset, "--output-dir", str(run), *SMALL]
    assert main([*train, *steps, "--eval-steps", "none"]) == 0
    command = ["evaluate", str(run), "--dataset", str(corpus), "--no-baselines", "--window-length", "512"]
    assert main(command) == 0
    first = json.loads((run / "evaluation-test.json").read_text())["run x"]
    assert first["settings"][name] == 16 and first["settings"]["state"] == "zero"
    capsys.readouterr()
    assert main([*command, f"--{name.replace('_', '-')}", str(value)]) == 0
    second = json.loads((run / "evaluation-test.json").read_text())["run x"]
    assert second["settings"][name] == value
    assert shown in capsys.readouterr().out
    assert main([*command, f"--{other.replace('_', '-')}", "2"]) == 2
    assert "must not be given with the objective" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "settings"), [("train", TrainingConfig), ("compare", ComparisonConfig)])
def test_help_explains_every_setting(command, settings, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    printed = capsys.readouterr().out
    for field in dataclasses.fields(settings):
        option = f"--{field.name.replace('_', '-')}"
        after = printed.partition("options:")[2].partition(f"\n  {option}")[2]
        # an explanation of a few words, of which none belongs to the next option
        assert len(after.partition("\n  -")[0].split()) > 4, option
    assert "Tokens of a window" in printed and "`" not in printed.replace("`pixelbytes presets`", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "--presets", "mini", "--training", "3"], "argument --training: expected a JSON object"),
        (["compare", "--presets", "mini", "--training", "{a"], "argument --training: expected JSON, got '{a'"),
        (["compare", "--presets", "mini", "--tokenizer", "[]"], "argument --tokenizer: expected a JSON object"),
        (["train", "--preset", "mini", "--betas", "0.9"], "argument --betas: expected a JSON list"),
        (["train", "--preset", "mini", "--model", "[1]"], "argument --model: expected a JSON object"),
        (["generate", "x", "--out", "y", "--layout", "{a"], "argument --layout: expected JSON"),
    ],
)
def test_arguments_that_are_no_json_are_usage_errors(words, message, tmp_path, capsys):
    places = ["--dataset", str(tmp_path), "--output-dir", str(tmp_path / "y")]
    with pytest.raises(SystemExit, match="2"):
        main([*words, *(places if words[0] != "generate" else [])])
    assert message in capsys.readouterr().err


def test_generate_writes_media_that_open(run_folder, tmp_path, capsys):
    command = ["generate", str(run_folder), "--out", str(tmp_path), "--text", "a small red leaf beast"]
    assert main([*command, "--seed", "1"]) == 0
    assert len(capsys.readouterr().out.split()) == 4
    assert read_frames(tmp_path / "creature.gif").array.shape[0] == 4
    assert read_sound(tmp_path / "cry.wav").array.shape[1] == 2
    assert (tmp_path / "description.txt").read_text() == "a small red leaf beast\n"


def test_generate_goes_from_sprite_to_sentence_and_on_from_half_a_sprite(run_folder, corpus, tmp_path):
    from datasets import Image, load_dataset

    row = load_dataset(str(corpus), split="test").cast_column("pixels", Image(decode=False))[0]
    (tmp_path / "real.gif").write_bytes(row["pixels"]["bytes"])
    start = ["generate", str(run_folder), "--image", str(tmp_path / "real.gif"), "--greedy"]
    assert main([*start, "--out", str(tmp_path / "text"), "--layout", "text"]) == 0
    assert (tmp_path / "text" / "description.txt").is_file()
    assert main([*start, "--out", str(tmp_path / "half"), "--keep", "78"]) == 0
    real, made = (read_frames(tmp_path / name).array[0] for name in ("real.gif", "half/creature.gif"))
    assert np.array_equal(made[:6, :, :3], real[:6, :, :3])  # six rows of 12 pixels and an end mark are kept


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["generate", "{run}", "--out", "{tmp}"], "--text, --image or --audio"),
        (["generate", "{run}", "--out", "{tmp}", "--text", "a", "--layout", "smell"], "smell"),
        (["generate", "{run}", "--out", "{tmp}", "--image", "absent.gif"], "absent.gif"),
        (["generate", "{tmp}", "--out", "{tmp}", "--text", "a"], "config.json"),
        ([*TRAIN, "{run}"], "not empty: expected a free name, or --resume"),
        ([*TRAIN, "{tmp}/y", "--batch-size", "0"], "--batch-size must be"),
        ([*TRAIN, "{tmp}/y", "--model", '{{"size": 3}}'], "size"),
        (["evaluate", "{run}", "--dataset", "{tmp}/absent"], "absent"),
        (["evaluate", "{run}", "--dataset", "{corpus}", "--split", "train"], "--no-baselines"),
        (["evaluate", "{run}", "--dataset", "{corpus}", "--split", "nope"], "nope"),
        ([*TRAIN, "{tmp}/y", "--tokenizer", '{{"slicng": 2}}'], "slicng"),
    ],
)
def test_bad_input_ends_with_a_message_and_code_2(run_folder, corpus, tmp_path, capsys, command, message):
    places = {"run": run_folder, "tmp": tmp_path, "corpus": corpus}
    assert main([word.format(**places) for word in command]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


def test_a_name_of_bytes_that_are_no_text_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(DEFAULT_SIZES, "mini", 40)
    assert main(["build", "--config", "mini", "--out", f"{tmp_path}/\udce9"]) == 2
    assert "has bytes that are no text: expected words in UTF-8" in capsys.readouterr().err


def test_messages_speak_of_options_and_leave_names_of_files_alone():
    names = ["batch_size", "resume", "run_folder", "max_steps"]
    said = _in_options(
        "'batch_size' in batch_size/max_steps.txt: batch_size, run_folder or resume=True, not resume", names
    )
    assert said == "'batch_size' in batch_size/max_steps.txt: --batch-size, RUN or --resume, not resume"


def test_what_is_begun_from_is_made_to_fit_and_said(run_folder, tmp_path, capsys):
    from media_files import noisy_tone, sound_file
    from PIL import Image

    Image.new("RGB", (200, 120), (216, 40, 0)).save(tmp_path / "photo.png")
    (tmp_path / "long.wav").write_bytes(sound_file(noisy_tone(96_000, 2), 48_000, "WAV"))
    command = [
        "generate",
        str(run_folder),
        "--out",
        str(tmp_path / "made"),
        "--layout",
        "text",
        "--text",
        "a 赤い one",
    ]
    command += ["--image", str(tmp_path / "photo.png"), "--audio", str(tmp_path / "long.wav")]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "photo.png: 1 frame of 200 x 120, read as 1 frame of 12 x 12" in said
    assert "long.wav: 2.00 s at 48000 Hz; the model hears 0.10 s" in said
    assert "2 characters are not in the vocabulary: '赤い'; the tokenizer's preset `full` reads them" in said


def test_checkpoint_of_another_vocabulary_is_refused(run_folder, tmp_path, capsys):
    import shutil

    from pixelbytes_hf import ActionPixelBytesTokenizer

    shutil.copytree(run_folder, tmp_path / "mixed")
    ActionPixelBytesTokenizer(preset="full").save_pretrained(tmp_path / "mixed")
    assert main(["generate", str(tmp_path / "mixed"), "--out", str(tmp_path), "--text", "a"]) == 2
    assert "expected the same" in capsys.readouterr().err


def test_a_checkpoint_cut_short_is_refused(run_folder, tmp_path, capsys):
    import shutil

    shutil.copytree(run_folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main(["generate", str(tmp_path / "cut"), "--out", str(tmp_path), "--text", "a"]) == 2
    assert "cut" in capsys.readouterr().err


def test_presets_are_listed(capsys):
    assert main(["presets"]) == 0
    assert "paper-lstm-predictive" in capsys.readouterr().out


def test_unknown_command_is_a_usage_error():
    with pytest.raises(SystemExit, match="2"):
        main(["sing"])


def test_train_goes_on_from_a_checkpoint(run_folder, corpus, tmp_path, capsys):
    train = ["train", "--dataset", str(corpus), "--preset", "mini", "--start-from", str(run_folder)]
    train += ["--max-steps", "1", "--batch-size", "2"]
    assert main([*train, "--output-dir", str(tmp_path / "on")]) == 0
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (run_folder, tmp_path / "on"))
    assert before["mixer_config"].items() <= after["mixer_config"].items()
    for options, said in (
        (["--tokenizer", '{"preset": "full"}'], "--tokenizer must not be given with --start-from"),
        (SMALL, "model must be None with --start-from"),
    ):
        assert main([*train, *options, "--output-dir", str(tmp_path / "no")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "no").exists()
