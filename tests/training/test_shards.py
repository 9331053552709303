"""Training in shards: FSDP and DeepSpeed with the settings of `examples/accelerate`, in two processes on CPU.

accelerate shards on GPUs only, and falls back to plain data parallelism elsewhere without a word; the script tells it
to shard here too, which torch and DeepSpeed can.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from test_accelerate_configs import FOLDER, launch_environment
from tiny_training import weights

SCRIPT = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from accelerate import state
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
begin = state.AcceleratorState.__init__

def begin_and_shard(self, *args, fsdp_plugin=None, deepspeed_plugin=None, **options):
    begin(self, *args, fsdp_plugin=fsdp_plugin, deepspeed_plugin=deepspeed_plugin, **options)
    if self.distributed_type != DistributedType.MULTI_CPU:
        return
    if deepspeed_plugin is not None:
        plugins = deepspeed_plugin if isinstance(deepspeed_plugin, dict) else {"default": deepspeed_plugin}
        self.distributed_type, self.deepspeed_plugins = DistributedType.DEEPSPEED, plugins
        for plugin in plugins.values():
            plugin.set_mixed_precision("no")
        next(iter(plugins.values())).select(_from_accelerator_state=True)
    elif os.environ.get("ACCELERATE_USE_FSDP") == "true":
        self.distributed_type = DistributedType.FSDP
        self.fsdp_plugin = fsdp_plugin or FullyShardedDataParallelPlugin()

state.AcceleratorState.__init__ = begin_and_shard
from tiny_training import MODEL, run
mixer, optimiser, batch_size = sys.argv[4:7]
MODEL["mixer_config"]["dropout"] = 0.0
if mixer != "pixelbytes_lstm":
    MODEL["mixer_config"] = {"model_type": mixer, "hidden_size": 16, "num_hidden_layers": 2}
plain = {} if mixer == "pixelbytes_lstm" else {"initialisation": "default", "memory_horizon": None}
options = {**plain, "optimiser": optimiser, "batch_size": int(batch_size), "max_steps": 8, "resume": len(sys.argv) > 7}
run(sys.argv[3], num_records=8, **options)
open(f"{sys.argv[3]}.how", "w").write(state.AcceleratorState().distributed_type.value)
"""


def launch(folder, mixer, optimiser, *, processes, resume=False, environment=None):
    script = folder.parent / "run.py"
    script.write_text(SCRIPT)
    paths = [Path(__file__).parents[1], Path(__file__).parents[2]]
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(start if processes > 1 else []), script, *paths, folder, mixer, optimiser]
    command += [str(4 // processes), *(["resume"] if resume else [])]
    told = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.fixture
def sharding(request, monkeypatch):
    """Return what accelerate tells the processes, by the file of FSDP or of DeepSpeed."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    if request.param == "DEEPSPEED":
        if find_spec("deepspeed") is None:
            pytest.skip("deepspeed is not installed; it is no dependency of ours")
        settings = {"USE_DEEPSPEED": "true", "DEEPSPEED_CONFIG_FILE": str(FOLDER / "deepspeed_zero2.json")}
        return {f"ACCELERATE_{name}": value for name, value in settings.items()} | {"DS_ACCELERATOR": "cpu"}
    _, told = launch_environment(FOLDER / "fsdp.yaml")
    return {name: value for name, value in told.items() if name.startswith(("FSDP", "ACCELERATE"))}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharding", "mixer", "optimiser"),
    [("FSDP", "pixelbytes_lstm", "muon"), ("FSDP", "lfm2", "adamw"), ("DEEPSPEED", "pixelbytes_lstm", "adamw")],
    indirect=["sharding"],
)
def test_two_processes_of_shards_equal_one(tmp_path, request, sharding, mixer, optimiser):
    launch(tmp_path / "one", mixer, optimiser, processes=1)
    launch(tmp_path / "two", mixer, optimiser, processes=2, environment=sharding)
    kind = request.node.callspec.params["sharding"]
    assert [(tmp_path / f"{name}.how").read_text() for name in ("one", "two")] == ["NO", kind]
    one, two = (weights(tmp_path / name) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=5e-6)
    bits = [
        [point["bits"] for point in json.loads((tmp_path / name / "history.json").read_text())["validation"]]
        for name in ("one", "two")
    ]
    assert bits[0] == pytest.approx(bits[1], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["FSDP", "DEEPSPEED"], indirect=True)
def test_a_run_of_shards_resumes(tmp_path, sharding):
    launch(tmp_path / "whole", "pixelbytes_lstm", "adamw", processes=2, environment=sharding)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "checkpoint-8")
    (tmp_path / "cut" / "model.safetensors").unlink()
    said = launch(tmp_path / "cut", "pixelbytes_lstm", "adamw", processes=2, resume=True, environment=sharding)
    assert "starts from step 0" not in said
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
