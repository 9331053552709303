"""A disk that takes no more, with the errors that libraries raise over it: here the system refuses large files."""

import errno
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.pretrained.full_disks import FullDiskError, writing

TINY = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}']


@contextmanager
def files_of_at_most(num_bytes):
    """Let the system refuse to write further into any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITES = {
    "torch": lambda path: torch.save({"a": torch.zeros(20_000)}, path),
    "safetensors": lambda path: save_file({"a": torch.zeros(20_000)}, path),
    "numpy": lambda path: np.save(path, np.zeros(20_000)),
    "python": lambda path: path.write_bytes(bytes(80_000)),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_cannot_be_written_is_named_with_the_reason(name, tmp_path):
    message = r"folder' could not be written: .* MB are free there: leave"
    inner = writing(tmp_path / "folder", "leave")
    with pytest.raises(FullDiskError, match=message) as caught, files_of_at_most(10_000), writing("outer"), inner:
        WRITES[name](tmp_path / "a.bin")
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)


def test_other_errors_go_through(tmp_path):
    for error in (FileNotFoundError(2, "absent"), RuntimeError("shapes differ"), OSError("no number")):
        with pytest.raises(type(error)) as caught, writing(tmp_path):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("num_bytes", [12_000, 20_000])
def test_training_on_a_full_disk_ends_with_one_line(corpus, tmp_path, capsys, num_bytes):
    folder = tmp_path / "run"
    command = ["train", "--dataset", str(corpus), "--preset", "mini", "--output-dir", str(folder), *TINY]
    assert main([*command, "--max-steps", "0", "--batch-size", "2"]) in (0, 2)  # what is cached is written before
    capsys.readouterr()
    with files_of_at_most(num_bytes):
        assert main([*command[:6], str(tmp_path / "b"), *TINY, "--max-steps", "1", "--batch-size", "2"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "checkpoint-1' could not be written: " in last and last.endswith("make room there and go on with --resume")
