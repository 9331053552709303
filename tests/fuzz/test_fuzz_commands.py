"""Command lines over a run, a corpus and a folder of pictures, with odd values of any of their options.

The options are read from the parser, so that a new one is tried without a word here.
"""

import contextlib

import pytest
from fuzzing import run_cases
from PIL import Image
from transformers import Trainer

from pixelbytes_hf.cli.main import _parser, main

ODD = (
    *("", "-1", "0", "1", "3", "0.5", "nan", "inf", "1e400", "1" * 400, "x", "none", "\0", "\udc80", "é", "--", "{}"),
    *(
        "[1]",
        '{"a": 1}',
        '{"embedding_dim": "x"}',
        '{"segments": [{"modality": "text"}]}',
        "text,image",
        "text",
        "../x",
    ),
    *("/dev/null", "a" * 300, "user/name", "name", "test", "mini", "[[[[", '{"vocab_size": 1e99}', "~", "."),
)
# they would fetch, publish or write where others look
LEFT_OUT = {"--help", "--traceback", "--install", "--push", "--jobs"}


@pytest.fixture
def commands(run_folder, corpus, tmp_path, monkeypatch):
    """Return the whole command lines that odd options are added to; what takes long is not begun."""
    import gradio

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "train", lambda *_, **__: None)
    monkeypatch.setattr(Trainer, "evaluate", lambda *_, **__: {})
    monkeypatch.setattr(gradio.Blocks, "launch", lambda *_, **__: None)
    sprites = tmp_path / "sprites"
    sprites.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (4, 3), (9, 9, 90)).save(sprites / f"{name}.png")
        (sprites / f"{name}.txt").write_text(f"a blue {name}")
    run, data = str(run_folder), str(corpus)
    return (
        ["train", "--dataset", data, "--preset", "mini", "--output-dir", "made"],
        ["evaluate", run, "--dataset", data, "--out", "e.json", "--no-baselines", "--split", "test"],
        ["generate", run, "--text", "a red beast", "--layout", "text", "--out", "media"],
        ["push", run, "user/name", "--dry-run", "--no-samples"],
        ["demo", run],
        ["build", "--config", "folder", "--source", str(sprites), "--out", "built"],
    )


def options_of(name):
    """Return the actions of a command that can be odd."""
    [commands] = (action for action in _parser()._actions if action.dest == "command")
    actions = commands.choices[name]._actions
    return [action for action in actions if action.option_strings and not LEFT_OUT & {*action.option_strings}]


def make_odd(words, options, rng):
    """Return a command line with some options added, and perhaps a word of its own replaced."""
    words = [words[0], "--traceback", *words[1:]]
    if rng.random() < 0.3:
        at = rng.randrange(2, len(words))
        words[at] = rng.choice(ODD)
    for action in rng.choices(options, k=rng.randrange(1, 4)):
        words += [action.option_strings[0], *([] if action.nargs == 0 else [rng.choice(ODD)])]
    return words


def test_fuzz_odd_options(commands, capsys):
    options = {words[0]: options_of(words[0]) for words in commands}

    def attempt(rng):
        words = rng.choice(commands)
        with contextlib.suppress(SystemExit):
            assert main(make_odd(words, options[words[0]], rng)) == 0

    run_cases(0.008, attempt)
