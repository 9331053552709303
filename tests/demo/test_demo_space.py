"""The demo page as a Space of the Hub."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, RepoCard

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.demo import space
from pixelbytes_hf.demo.space import push_space, requirements, write_space
from pixelbytes_hf.hub.upload import publish_folder
from pixelbytes_hf.runs.run_folder import Run


def test_a_space_holds_all_it_needs(run_folder, tmp_path, capsys):
    assert main(["demo", str(run_folder), "--space", str(tmp_path / "space"), "--title", "Tiny <b>beasts"]) == 0
    space = tmp_path / "space"
    names = {str(path.relative_to(space)) for path in space.rglob("*") if path.is_file()}
    assert {"app.py", "README.md", "requirements.txt", "dataset_builder/signals.py"} <= names
    assert {"pixelbytes_hf/demo/assets/stage.js", "pixelbytes_hf/runs/run_folder.py", "run/model.safetensors"} <= names
    assert not any("checkpoint-" in name or name.endswith(("optimizer.pt", ".pyc")) for name in names)
    assert f"in {len(names)} files" in capsys.readouterr().out
    card = (space / "README.md").read_text()
    head = RepoCard(card).data
    assert (head.title, head.sdk, head.app_file) == ("Tiny <b>beasts", "gradio", "app.py")
    assert head.sdk_version == version("gradio") and "\n# Tiny &lt;b&gt;beasts\n" in card
    assert "{{" not in card and "None" not in card and "nan" not in card.split()
    lines = (space / "requirements.txt").read_text().splitlines()
    assert lines == requirements() and any(line.startswith("gradio") for line in lines)
    assert not any(line.startswith(("datasets", "pixelbytes", "matplotlib")) for line in lines)
    compile((space / "app.py").read_text(), "app.py", "exec")
    Run.load(space / "run")


def test_a_space_is_not_written_over_anything(run_folder, tmp_path):
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_space(run_folder, tmp_path / "space")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        write_space(tmp_path, tmp_path / "other")
    with pytest.raises(FileNotFoundError, match=r"no app\.py"):
        push_space(tmp_path / "space", "user/space")


def test_the_command_says_what_it_needs(run_folder, capsys, monkeypatch):
    assert main(["demo", str(run_folder), "--push", "user/space"]) == 2
    assert "name a folder for it, --space DIR" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", str(run_folder)]) == 2
    assert "the page needs gradio" in capsys.readouterr().err


# the app in a process that has neither the checkout nor what its requirements leave out
ALONE = """
import os, sys, runpy
HIDDEN = {"datasets", "accelerate", "matplotlib", "evaluate", "mambapy"}
class Without:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, *rest)
space, checkout = sys.argv[1:]
sys.path[:] = [space, *(path for path in sys.path if not path.startswith(checkout))]
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import gradio
launch = gradio.Blocks.launch
def once(self, **options):
    launch(self, **options, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    import urllib.request
    page = urllib.request.urlopen(self.local_url, timeout=20).read().decode()
    assert "PixelBytes" in page, page[:500]
    self.close()
    print("served", sys.modules["pixelbytes_hf"].__file__)
gradio.Blocks.launch = once
runpy.run_path(os.path.join(space, "app.py"), run_name="__main__")
"""


@pytest.mark.parametrize("name", ["model.safetensors", "other.safetensors", "config.json", "notes.json"])
def test_a_space_holds_nothing_that_lies_elsewhere(run_folder, tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("checkpoints"))
    elsewhere = tmp_path / "elsewhere"
    (run / name).replace(elsewhere) if (run / name).exists() else elsewhere.write_text("secret")
    (run / name).symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"must hold {name} itself, got a link"):
        write_space(run, tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_a_space_holds_no_file_and_no_key_that_is_not_ours(run_folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("checkpoints"))
    for name in ("tokenizer_config.json", "generation_config.json"):
        (run / name).write_text(json.dumps({**json.loads((run / name).read_text()), "note": "secret"}))
    for name in (".env", "notes.json", "chat_template.jinja"):
        (run / name).write_text('"secret"')
    written = write_space(run, tmp_path / "space")
    assert not [path for path in written if b"secret" in path.read_bytes() and path.parent.name == "run"]
    (tmp_path / "space" / "run" / ".env").write_text("secret")
    with pytest.raises(ValueError, match=r"no hidden files, got run/\.env"):
        publish_folder(tmp_path / "space", "user/space", repo_type="space", message="x")


def test_a_space_goes_to_the_hub_whole(run_folder, tmp_path, online, capsys):
    assert main(["demo", str(run_folder), "--space", str(tmp_path / "space"), "--push", "user/beasts"]) == 0
    assert "user/beasts" in capsys.readouterr().out.splitlines()[-1]
    sent = online.files("user/beasts", "space")
    for path in (tmp_path / "space").rglob("*"):
        if path.is_file():
            assert sent[str(path.relative_to(tmp_path / "space"))] == path.read_bytes()
    # an earlier demo may be replaced; what somebody else shows may not
    (tmp_path / "space" / "README.md").write_text("changed")
    push_space(tmp_path / "space", "user/beasts")
    assert online.files("user/beasts", "space")["README.md"] == b"changed"
    HfApi().create_repo("user/other", repo_type="space", space_sdk="gradio")
    HfApi().upload_file(path_or_fileobj=b"1", path_in_repo="app.py", repo_id="user/other", repo_type="space")
    with pytest.raises(ValueError, match="would lose 1 files"):
        push_space(tmp_path / "space", "user/other")
    assert online.files("user/other", "space")["app.py"] == b"1"


@pytest.mark.slow
def test_a_space_runs_without_the_package(run_folder, tmp_path):
    pytest.importorskip("gradio", reason="the page needs gradio")
    write_space(run_folder, tmp_path / "space")
    checkout = str(Path(__file__).parents[2])
    served = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "space"), checkout],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert served.returncode == 0, served.stderr
    assert f"served {tmp_path / 'space'}" in served.stdout


def test_the_run_of_a_space_is_the_run(run_folder, tmp_path):
    write_space(run_folder, tmp_path / "space")
    assert {path.name for path in (tmp_path / "space" / "run").iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer_config.json", "vocab.json"),
        *("processor_config.json", "layout.json"),
    }
    ours, theirs = Run.load(run_folder), Run.load(tmp_path / "space" / "run")
    rows = torch.from_numpy(ours.tokenizer(text=["a small beast."], return_tensors="np")["input_ids"].astype(np.int64))
    with torch.no_grad():
        assert torch.equal(ours.model(input_ids=rows).logits, theirs.model(input_ids=rows).logits)


def test_a_space_holds_no_links_of_the_package(run_folder, tmp_path, monkeypatch):
    package = tmp_path / "package"
    shutil.copytree(Path(space.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "key").write_text("secret")
    (package / "demo" / "key.py").symlink_to(tmp_path / "key")
    monkeypatch.setattr(space, "__file__", str(package / "demo" / "space.py"))
    with pytest.raises(ValueError, match=r"no links .*demo/key\.py"):
        write_space(run_folder, tmp_path / "space")
    assert not [path for path in (tmp_path / "space").rglob("*") if path.name == "key.py"]
