"""Which checkpoints are whole, and files that are never half written."""

import json
import os
from pathlib import Path

import pytest

from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.runs.files import write_json, write_pretrained
from pixelbytes_hf.training.checkpoints import find_newest_complete, is_complete


def make_checkpoint(folder, step, *, ranks=1, state='{"global_step": 1}'):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    for name in ["rng_state.pth"] if ranks == 1 else [f"rng_state_{rank}.pth" for rank in range(ranks)]:
        (checkpoint / name).write_bytes(b"x")
    if state is not None:
        (checkpoint / "trainer_state.json").write_text(state)
    return checkpoint


def test_newest_complete_skips_what_was_cut_short(tmp_path):
    whole = make_checkpoint(tmp_path, 9)
    make_checkpoint(tmp_path, 10, state=None)
    make_checkpoint(tmp_path, 11, state='{"global_st')
    make_checkpoint(tmp_path, 100, ranks=0)
    make_checkpoint(tmp_path, 8)
    (tmp_path / "checkpoint-last").mkdir()
    assert find_newest_complete(tmp_path) == whole


def test_steps_are_compared_as_numbers(tmp_path):
    make_checkpoint(tmp_path, 900)
    assert find_newest_complete(tmp_path) == tmp_path / "checkpoint-900"
    make_checkpoint(tmp_path, 1000)
    assert find_newest_complete(tmp_path) == tmp_path / "checkpoint-1000"


def test_every_process_must_have_saved_its_random_state(tmp_path):
    two = make_checkpoint(tmp_path, 5, ranks=2)
    assert is_complete(two, num_processes=2)
    assert not is_complete(two, num_processes=3) and not is_complete(two, num_processes=1)


def test_nothing_to_resume_from(tmp_path):
    assert find_newest_complete(tmp_path) is None
    assert find_newest_complete(tmp_path / "absent") is None


@pytest.mark.parametrize("content", [b'{"a": ', b"\xff\x00"])
def test_file_that_is_no_json_is_named(tmp_path, content):
    (tmp_path / "cut.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"cut\.json' cannot be read as JSON"):
        read_json(tmp_path / "cut.json")


def test_failed_write_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"new": object()})
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_failed_save_leaves_the_folder_as_it_was(tmp_path):
    class Part:
        def __init__(self, name, fails=False):
            self.name, self.fails = name, fails

        def save_pretrained(self, folder):
            with open(f"{folder}/{self.name}", "w") as file:
                file.write("new")
            if self.fails:
                raise OSError(28, "No space left on device")

    (tmp_path / "config.json").write_text("old")
    with pytest.raises(OSError, match="No space"):
        write_pretrained(tmp_path, Part("config.json"), Part("model.safetensors", fails=True))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"config.json": "old"}
    write_pretrained(tmp_path, Part("config.json"), Part("model.safetensors"))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert json.dumps((tmp_path / "config.json").read_text()) == '"new"'


class Parts:
    """Two files, of which an alphabet would put the configuration first."""

    def save_pretrained(self, folder):
        for name in ("config.json", "model.safetensors"):
            with open(f"{folder}/{name}", "w") as file:
                file.write("new")


def test_config_comes_last(tmp_path, monkeypatch):
    replaced, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (replaced.append(Path(new).name), replace(old, new)))
    write_pretrained(tmp_path, Parts())
    assert replaced == ["model.safetensors", "config.json"]


def test_a_reader_of_the_old_file_goes_on_reading_it(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with (tmp_path / "a.json").open() as reader:
        write_json(tmp_path / "a.json", {"new": 2})
        assert json.load(reader) == {"old": 1}
    assert read_json(tmp_path / "a.json") == {"new": 2}
