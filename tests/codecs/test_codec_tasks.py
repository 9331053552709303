"""Tasks of a run on codes: conditions are cut as pixels and encoded by the codec, from training to the files made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pixelbytes_hf.cli.corpora import open_corpus
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.data.posed import pose
from pixelbytes_hf.data.tasks import find_task
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.runs.codec_run import CodecRun, load_codec
from pixelbytes_hf.tokens.grid import Segment, unflatten

CODEC = '{"widths": [8, 8], "num_groups": 2, "quantiser_settings": {"num_bits": 5}}'
MODEL = '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}'
FULL = ["--tokenizer", '{"preset": "full", "order": ["image"]}']
STEP = ["--max-steps", "1", "--batch-size", "2", "--eval-steps", "1", "--save-steps", "1"]


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    """Return the folders of a codec of pictures, of a corpus of its codes, and of a run on tasks of them."""
    folder = tmp_path_factory.mktemp("coded")
    codec, codes, run = (str(folder / name) for name in ("codec", "codes", "run"))
    words = ["train", "--dataset", str(corpus), "--preset", "codec-lfq", "--output-dir", codec, "--model", CODEC]
    assert main([*words, *FULL, "--warmup-steps", "0", *STEP]) == 0
    assert main(["encode", "--codec", codec, "--dataset", str(corpus), "--out", codes]) == 0
    words = ["train", "--dataset", codes, "--preset", "mini", "--output-dir", run, "--model", MODEL, *STEP]
    words += ["--prefix-windows", "0", "--tasks", '{"interpolation": 1, "text-to-video": 1}']
    assert main([*words, "--codec", codec]) == 0
    return codec, codes, run


def test_conditions_are_those_of_pixels_encoded_again(made):
    corpus = open_corpus(made[1])["train"]
    codec, vocabulary = CodecRun.load(made[0]).codec, corpus.vocabulary
    record = unflatten(*corpus.record(0))
    [given] = pose(find_task("interpolation"), record, vocabulary, codec).given
    clip = codec.decode(record[1], vocabulary=vocabulary)
    ends = codec.encode(Segment("image", np.concatenate([clip.ids[:1], clip.ids[-1:]])), vocabulary)
    np.testing.assert_array_equal(given.ids, ends.ids)
    # codes of the last frames of the clip would tell of what is asked
    assert not np.array_equal(given.ids[-1], record[1].ids[-1])


def test_a_run_on_codes_performs_tasks(made, tmp_path, capsys):
    codec, _, run = made
    command = ["generate", run, "--out", str(tmp_path)]
    assert main([*command, "--task", "text-to-video", "--text", "a red beast.", "--codec", codec]) == 0
    clip = read_frames(tmp_path / "creature.gif").array
    assert clip.shape[1:3] == (12, 12) and len(clip) >= 4
    picture = ["--image", str(tmp_path / "creature.gif")]
    assert main([*command, "--task", "interpolation", *picture, "--codec", codec]) == 0
    assert read_frames(tmp_path / "creature.gif").array.shape[1:3] == (12, 12)
    capsys.readouterr()
    assert main([*command, "--task", "text-to-video", "--text", "a red beast."]) == 2
    assert "--codec must be given, as the run reads codes of image" in capsys.readouterr().err
    assert main([*command, "--text", "a red beast.", "--codec", codec]) == 2
    assert "must be given with --task" in capsys.readouterr().err


def test_a_run_on_codes_is_scored_by_tasks(made, tmp_path, capsys):
    codec, codes, run = made
    command = ["evaluate", run, "--dataset", codes, "--out", str(tmp_path / "x.json")]
    assert main(command) == 0
    rows = json.loads((tmp_path / "x.json").read_text())
    scored = rows["run run: interpolation"]["matched"]
    assert scored["image_code"]["tokens"] > 0 and "text" not in scored and "uniform" in rows
    assert main([*command, "--no-baselines", "--tasks", "outpainting-central", "--codec", codec]) == 0
    assert [*json.loads((tmp_path / "x.json").read_text())] == ["run run: outpainting-central"]


def test_a_codec_that_moved_is_given_again(made, tmp_path, capsys):
    codec, codes, _ = made
    first, moved, run = (str(tmp_path / name) for name in ("first", "moved", "run"))
    shutil.copytree(codec, first)
    words = ["train", "--dataset", codes, "--preset", "mini", "--output-dir", run, "--model", MODEL, *STEP]
    words += ["--prefix-windows", "0", "--tasks", '{"interpolation": 1, "text-to-video": 1}']
    assert main([*words, "--codec", first]) == 0
    Path(first).rename(moved)
    command = ["evaluate", run, "--dataset", codes, "--no-baselines", "--out", str(tmp_path / "x.json"), "--tasks"]
    assert main([*command, "text-to-video"]) == 0
    capsys.readouterr()
    assert main([*command, "interpolation"]) == 2 and "first' has no config.json" in capsys.readouterr().err
    assert main([*command, "interpolation", "--codec", moved]) == 0
    assert main([*words, "--codec", moved, "--resume"]) == 0
    capsys.readouterr()
    assert main([*words, "--codec", moved, "--resume", "--seed", "5"]) == 2
    assert "the run to resume had other settings: seed was" in capsys.readouterr().err


def test_another_codec_is_refused(made, corpus, tmp_path, capsys):
    codec, codes, _ = made
    digest = CodecRun.load(codec).codec.digest
    assert load_codec(codec, "image", {"image": digest}).digest == digest
    with pytest.raises(ValueError, match="must be the codec that made the corpus, of the codec 0123"):
        load_codec(codec, "image", {"image": "0123" * 16})
    with pytest.raises(ValueError, match="which has no codes"):
        load_codec(codec, "image", {})
    with pytest.raises(ValueError, match="must be a codec of audio"):
        load_codec(codec, "audio", {"audio": digest})
    words = ["train", "--dataset", codes, "--preset", "mini", "--output-dir", str(tmp_path / "x"), "--model", MODEL]
    words += ["--prefix-windows", "0", *STEP]
    assert main([*words, "--tasks", '{"interpolation": 1}']) == 2
    assert "codec must be given to cut a picture of codes as pixels" in capsys.readouterr().err
    assert main([*words, "--codec", codec]) == 2
    assert "codec must be None without tasks" in capsys.readouterr().err and not (tmp_path / "x").exists()
