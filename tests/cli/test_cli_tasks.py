"""Training on tasks, generating and evaluating by them, end to end on a corpus of a few creatures."""

import json

import pytest

from pixelbytes_hf.cli.main import main

MODEL = '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}'
TOKENIZER = '{"preset": "full", "slicing": {"image": 4, "audio": 16}}'
TASKS = '{"0": {"text-to-image": 1}, "1": {"text-to-image": 1, "video-to-type": 2}}'


@pytest.fixture(scope="module")
def posed(corpus, tmp_path_factory):
    """Return the folder of a run of two steps on tasks."""
    folder = tmp_path_factory.mktemp("runs") / "posed"
    command = ["train", "--dataset", str(corpus), "--preset", "mini", "--output-dir", str(folder), "--model", MODEL]
    command += ["--tokenizer", TOKENIZER, "--tasks", TASKS, "--prefix-windows", "0"]
    assert main([*command, "--max-steps", "2", "--batch-size", "2"]) == 0
    return folder


def test_evaluate_scores_the_tasks_of_the_training(posed, corpus, tmp_path, capsys):
    out = tmp_path / "scores.json"
    assert main(["evaluate", str(posed), "--dataset", str(corpus), "--out", str(out)]) == 0
    printed, scores = capsys.readouterr().out, json.loads(out.read_text())
    rows = [f"run posed: {name}" for name in ("all tasks", "text-to-image", "video-to-type")]
    assert [*scores][:3] == rows and all(name in printed for name in scores)
    counts = [scores[row]["matched"]["all"]["tokens"] for row in rows]
    assert counts[0] == counts[1] + counts[2] == scores["uniform"]["matched"]["all"]["tokens"]
    # of a picture one frame of 3 x 3 cells and their marks
    assert scores[rows[1]]["matched"]["pixel"]["tokens"] % 9 == 0 and "level" not in scores[rows[0]]["matched"]


def test_evaluate_scores_other_tasks(posed, corpus, tmp_path, capsys):
    command = ["evaluate", str(posed), "--dataset", str(corpus), "--no-baselines", "--out", str(tmp_path / "x.json")]
    assert main([*command, "--tasks", "video-to-sound"]) == 0
    assert [*json.loads((tmp_path / "x.json").read_text())] == ["run posed: video-to-sound"]
    for option in (["--window-length", "64"], ["--state", "zero"]):
        assert main([*command, *option]) == 2
        assert "must not be given with tasks" in capsys.readouterr().err
    assert main([*command, "--tasks", "video-to-smell"]) == 2
    assert "task must be one of" in capsys.readouterr().err


def test_a_vocabulary_without_tasks_is_refused(corpus, tmp_path, capsys):
    command = ["train", "--dataset", str(corpus), "--preset", "mini", "--output-dir", str(tmp_path / "x")]
    assert main([*command, "--model", MODEL, "--prefix-windows", "0", "--tasks", '{"text-to-image": 1}']) == 2
    assert "the vocabulary has no special '<task:text-to-image>'" in capsys.readouterr().err
    assert main([*command, "--tokenizer", TOKENIZER, "--tasks", '{"text-to-image": 1}']) == 2
    assert "must not be set with tasks" in capsys.readouterr().err and not (tmp_path / "x").exists()
