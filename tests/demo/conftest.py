"""Fixtures of the demo's tests."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pixelbytes_hf.demo.streaming import GenerationRequest, stream_tokens
from pixelbytes_hf.runs.run_folder import Run

SENTENCE = "a small red leaf beast."


@pytest.fixture(scope="session")
def run(run_folder):
    return Run.load(run_folder)


@pytest.fixture(scope="session")
def executor():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def sentence():
    return SENTENCE


@pytest.fixture(scope="session")
def stream(run, executor):
    """Return a whole stream, its prompt a sentence."""
    request = GenerationRequest(given={"text": SENTENCE}, layout=run.layout_after(["text"]), seed=3)
    return list(stream_tokens(run, request, executor, tick_seconds=0))[-1]


@pytest.fixture
def frames(rng):
    return rng.integers(0, 256, (4, 12, 12, 3), dtype="uint8")


@pytest.fixture(scope="session")
def tiny_run(run):
    """Return a function that makes an untrained run with settings of its own."""
    from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel

    def make(mixer=(), **config):
        torch.manual_seed(0)
        mixer = {"model_type": "pixelbytes_lstm", "hidden_size": 8} | dict(mixer)
        model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=14, mixer_config=mixer, **config)).eval()
        options = {"context_size": config["context_size"]} if "context_size" in config else {}
        tokenizer = type(run.tokenizer)(sampling_rate_hz=4000, slicing={"audio": 2}, **options)
        return Run(model, tokenizer, run.layout)

    return make
