"""What `docs/extending.md` says to add to the package, added to a copy of it, and used."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
USE = """
import sys, pixelbytes_hf
from datasets import load_dataset
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.runs.run_folder import Run
assert pixelbytes_hf.__file__.startswith(sys.argv[1]), pixelbytes_hf.__file__
tiny = '{"objective": "replaced", "context_size": 7, "embedding_dim": 14, "mixer_config": {"hidden_size": 16}}'
train = ["train", "--dataset", sys.argv[2], "--preset", "mini", "--output-dir", "run", "--model", tiny]
assert main([*train, "--initialisation", "default", "--memory-horizon", "none", "--prefix-windows", "0",
             "--max-steps", "2", "--batch-size", "2"]) == 0
assert main(["evaluate", "run", "--dataset", sys.argv[2], "--no-baselines"]) == 0
assert main(["generate", "run", "--text", "a red beast.", "--out", "made"]) == 0
run = Run.load("run")
ids = run.tokenizer(text="a red beast.", return_tensors="pt")
made = run.model.generate(**ids, layout=run.layout.segments[1:2], num_steps=3, seed=0, do_sample=True)
print(run.tokenizer.decode_modalities(made[0]).frames.shape)
print(run.model.objective, run.model.objective.likelihood)
"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    """Return a folder with a copy of the package to which the page's files and diffs were added."""
    if shutil.which("git") is None:
        pytest.skip("git is absent, which applies the page's diffs")
    folder = tmp_path_factory.mktemp("patched")
    for package in ("pixelbytes_hf", "dataset_builder", "tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "reference"))
    for name, content in re.findall(r"```python file=(\S+)\n(.*?)```", PAGE, re.DOTALL):
        assert not (folder / name).exists()
        (folder / name).write_text(content)
    for diff in re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL):
        command = ["git", "apply", "--recount", "--verbose", "-"]
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        done = subprocess.run(command, cwd=folder, input=diff, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "Skipped" not in done.stderr, done.stderr
    return folder


def test_an_objective_of_another_kind_is_one_file_and_one_row(forks, patched, corpus, tmp_path):
    done = forks.run(USE, patched, corpus, folder=tmp_path, paths=[patched])
    assert "(4, 12, 12, 3)" in done.stdout.splitlines()[-2]
    assert "ReplacedObjective(predicted_cells=1, newest_cell=-1, vocab_size=151) none" in done.stdout.splitlines()[-1]
    assert (tmp_path / "made" / "creature.gif").is_file()


def test_the_page_s_objective_keeps_the_rules_of_the_layout(forks, patched):
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    rules = ["test_architecture.py", "objectives/test_objectives.py"]
    words = ["-q", "-p", "no:cacheprovider", "--rootdir", patched / "tests", *rules]
    script, tests = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))", patched / "tests"
    done = forks.run(script, *words, folder=tests, environment=environment, paths=[patched])
    assert " passed" in done.stdout and " failed" not in done.stdout, done.stdout
