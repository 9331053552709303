"""From the built wheel in an empty environment to a model that others load: one path, far from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from environments import install, link_required, make_environment, pip
from forks import Forks
from lone_loading import PREPARATION
from loopback_hub import LoopbackHub
from test_push import LAYOUT, ask_lonely, assert_equal

ROOT = Path(__file__).parents[2]
# what a build reads; a name to leave out, such as "runs", could be a room's
READ_BY_BUILD = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "pixelbytes_hf", "dataset_builder")
TINY = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}']
pytestmark = pytest.mark.slow


def call(*words, folder, environment=None):
    """Return what a command prints; its last lines are the message if it fails."""
    kept = {name: value for name, value in (environment or os.environ).items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout[-500:]} {done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel, built from a copy of what the build reads."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    asked = subprocess.run([*pip, "download", "--no-deps", "setuptools"], cwd=folder, capture_output=True, text=True)
    if asked.returncode:
        pytest.skip(f"the package index is out of reach: {asked.stderr.strip().splitlines()[-1]}")
    source = folder / "source"
    source.mkdir()
    for name in READ_BY_BUILD:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    call(*pip, "wheel", "--no-deps", "--wheel-dir", folder / "dist", source, folder=folder)
    [built] = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Return the programs of a new virtual environment that holds the wheel and what it asks for, and nothing else."""
    python = make_environment(tmp_path_factory.mktemp("environment") / "venv")
    assert install(python, "--no-deps", "--no-index", wheel).returncode == 0
    link_required(python, "pixelbytes-hf")
    checked = pip(python, "check")
    assert checked.returncode == 0, checked.stdout
    return python.parent


def test_wheel_holds_every_file_of_the_packages(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    endings = {".py", ".jinja", ".typed", ".js", ".css", ".html", ".svg"}
    for package in ("pixelbytes_hf", "dataset_builder"):
        files = [path for path in (ROOT / package).rglob("*") if path.suffix in endings or path.name == "py.typed"]
        assert files and {path.relative_to(ROOT).as_posix() for path in files} <= held
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/", "examples/"))]


def test_wheel_trains_and_pushes_what_others_load_and_generate_from(environment, tmp_path):
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    elsewhere.mkdir()
    pixelbytes = environment / "pixelbytes"
    with LoopbackHub() as hub:
        options = {"folder": work, "environment": hub.environment(work)}
        # fewer creatures than the command builds
        script = (
            "import pixelbytes_hf, dataset_builder; print(pixelbytes_hf.__file__)\n"
            "dataset_builder.build('mini', 'pixelbytes-mini', num_creatures=40, progress=False)"
        )
        place = call(environment / "python", "-c", script, **options)
        assert place.startswith(str(environment.parent))
        settings = [*TINY, "--max-steps", "6", "--batch-size", "2", "--eval-steps", "none"]
        train = ["train", "--dataset", "pixelbytes-mini", "--preset", "mini", "--output-dir", "x", *settings]
        call(pixelbytes, *train, **options)
        call(pixelbytes, "push", "x", "user/x", "--dataset", "pixelbytes-mini", **options)
        assert hub.commits("user/x") == ["Publish x", "initial commit"]
        assert "samples/contact_sheet.png" in hub.files("user/x")
        request = [{"place": "user/x", "options": {}, "layout": LAYOUT}]
        with Forks(PREPARATION, hub.environment(elsewhere)) as lone:
            reply = ask_lonely(lone, request, elsewhere)
        # the environment of the wheel loads it by name too, with the package
        script = (
            "import json, pixelbytes_hf, sys; sys.path.append(sys.argv[1]); from lone_loading import compute\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
            "model = AutoModelForCausalLM.from_pretrained('user/x').eval()\n"
            "tokenizer = AutoTokenizer.from_pretrained('user/x')\n"
            "print(json.dumps(compute(model, tokenizer, json.loads(sys.argv[2]))))"
        )
        words = ["-c", script, Path(__file__).parents[1], json.dumps(LAYOUT)]
        told = json.loads(call(environment / "python", *words, **options).splitlines()[-1])
    [answer] = reply["answers"]
    assert reply["imported"] == [] and answer["text"] == "a small red beast"
    assert {name: answer[name] for name in told} == told
    from pixelbytes_hf.runs.run_folder import Run

    assert_equal(answer, Run.load(work / "x"), LAYOUT)
