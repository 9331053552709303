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
    from pixelbytes_hf.vocabulary import Vocabulary

    return Vocabulary.from_preset("paper")


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded source of randomness."""
    return np.random.default_rng(0)
