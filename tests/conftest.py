"""Fixtures shared by all tests; no test reaches a network."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: tests must pass on a lone machine
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"reference data is absent: no folder {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def paper():
    """Return the paper's vocabulary."""
    from pixelbytes_hf.tokens.vocabulary import Vocabulary

    return Vocabulary.from_preset("paper")


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded source of randomness."""
    return np.random.default_rng(0)


TINY = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}']


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Return the folder of a small embedded corpus."""
    from dataset_builder import build

    folder = tmp_path_factory.mktemp("corpora") / "pixelbytes-mini"
    build("mini", folder, num_creatures=40, progress=False)
    return folder


@pytest.fixture(scope="session")
def run_folder(corpus, tmp_path_factory):
    """Return the folder of a run of two steps; tests must not write into it."""
    from pixelbytes_hf.cli.main import main

    folder = tmp_path_factory.mktemp("runs") / "x"
    command = ["train", "--dataset", str(corpus), "--preset", "mini", "--output-dir", str(folder), *TINY]
    assert main([*command, "--max-steps", "2", "--batch-size", "2"]) == 0
    return folder


@pytest.fixture(scope="session")
def forks():
    """Return a Python that has imported what takes long, none of it ours, and runs scripts in new processes."""
    from forks import Forks

    with Forks("import torch._dynamo, torch.distributed.tensor, torch.export, pandas, pyarrow.parquet") as forks:
        yield forks


@pytest.fixture(scope="session")
def lone(tmp_path_factory):
    """Return a Python that sees neither the package nor what it needs to train, but a Hub of its own, `lone.hub`."""
    from forks import Forks
    from lone_loading import PREPARATION
    from loopback_hub import LoopbackHub

    with LoopbackHub() as hub, Forks(PREPARATION, hub.environment(tmp_path_factory.mktemp("lone"))) as forks:
        forks.hub = hub
        yield forks


@pytest.fixture
def loopback_hub():
    """Return a Hub of its own on 127.0.0.1; `loopback_hub.environment(tmp_path)` is what a process needs to see it."""
    from loopback_hub import LoopbackHub

    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def online(loopback_hub, tmp_path):
    """Let this very process see the loopback Hub."""
    with loopback_hub.seen_here(tmp_path):
        yield loopback_hub
