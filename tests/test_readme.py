"""What the README shows, run; what it lists, looked up."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BASH = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_python_blocks_run(block, corpus, run_folder, tmp_path, monkeypatch):
    shutil.copytree(corpus, tmp_path / "pixelbytes-mini")
    shutil.copytree(run_folder, tmp_path / "runs" / "x")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


def test_commands_of_the_readme_parse():
    from pixelbytes_hf.cli import _parser

    commands = [line.split("pixelbytes ", 1)[1] for line in BASH.splitlines() if re.search(r"(^|/)pixelbytes ", line)]
    import shlex

    assert len(commands) >= 5
    for command in commands:
        assert _parser().parse_args(shlex.split(command)).command in command


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"make ([a-z]+)", README)
    assert {"quickstart", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_file_map_matches_the_tree():
    listed = set(re.findall(r"`([\w/]+\.py)`", README))
    modules = {
        f"{package}/{path.name}"
        for package in ("pixelbytes_hf", "dataset_builder")
        for path in (ROOT / package).glob("*.py")
        if path.name != "__init__.py"
    }
    assert modules <= listed | {f"pixelbytes_hf/{name}" for name in listed}
    assert all((ROOT / name).is_file() or (ROOT / "pixelbytes_hf" / name).is_file() for name in listed)
