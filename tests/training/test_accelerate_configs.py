"""The configuration files of `examples/accelerate`: accelerate reads them, and they say what was tried."""

import json
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "accelerate"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture
def environment(monkeypatch):
    """Keep what accelerate would leave in the environment to this test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return os.environ


def launch_environment(path):
    """Return what `accelerate launch --config_file` sets for the processes of a file."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    arguments = launch_command_parser().parse_args(["--config_file", str(path), "-m", "pixelbytes_hf.cli", "train"])
    arguments, _, _ = _validate_launch_command(arguments)
    # the rest of DeepSpeed's needs the package itself
    return arguments, {} if arguments.use_deepspeed else prepare_multi_gpu_env(arguments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_accelerate_reads_the_file(path, environment, monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    arguments, told = launch_environment(path)
    assert arguments.num_processes == 2 and arguments.num_machines == 1
    assert (told.get("ACCELERATE_USE_FSDP") == "true") == (path.stem == "fsdp")
    assert bool(arguments.use_deepspeed) == (path.stem == "deepspeed")
    assert not arguments.use_deepspeed or Path(arguments.deepspeed_config_file).is_file()


def test_the_file_of_fsdp_makes_the_plugin_it_describes(environment, monkeypatch):
    from accelerate import FullyShardedDataParallelPlugin

    _, told = launch_environment(FOLDER / "fsdp.yaml")
    environment.update({name: value for name, value in told.items() if name.startswith(("FSDP", "ACCELERATE"))})
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    # `gather_model` needs whole weights at the end, and Trainer writes no checkpoint of shards
    assert "FULL_STATE_DICT" in str(plugin.state_dict_type)
    assert plugin.auto_wrap_policy is None


def test_the_file_of_deepspeed_exists_and_leaves_sizes_to_the_run():
    [path] = FOLDER.glob("*.json")
    assert f"examples/accelerate/{path.name}" in (FOLDER / "deepspeed.yaml").read_text()
    settings = json.loads(path.read_text())
    assert settings["zero_optimization"]["stage"] == 2  # of stage 3 the weights would be shards too
    assert settings["train_micro_batch_size_per_gpu"] == settings["gradient_accumulation_steps"] == "auto"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_what_was_tried_and_what_was_not(path):
    text = path.read_text()
    assert "# Tried: " in text and "# Not tried: " in text
    assert f"accelerate launch --config_file examples/accelerate/{path.name} -m pixelbytes_hf.cli train" in text
