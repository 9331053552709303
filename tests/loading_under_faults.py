"""Loads a model and a data set from a loopback Hub under every fault, and prints what came of it as JSON.

A process of its own, because transformers and datasets read the address of the Hub when they are imported. Each line
of the result is `kind, where, fault, outcome`; the outcome is "equal", "different" or the name of the error.
"""

import json
import os
import tempfile
import time

from loopback_hub import LoopbackHub

MODEL_PLACES = {
    "head of the configuration": ("HEAD", "/config.json"),
    "configuration": ("GET", "/config.json"),
    "head of the weights": ("HEAD", "/model.safetensors"),
    "weights": ("GET", "/model.safetensors"),
}
DATA_PLACES = {
    "about": ("GET", "/api/datasets/user/name"),
    "listing": ("GET", "/tree/"),
    "card": ("GET", "/README.md"),
    "head of the data": ("HEAD", ".parquet"),
    "data": ("GET", ".parquet"),
}
FAULTS = (401, 403, 404, 409, 429, 500, 503, "cut", "lost", "hash", "flip")


def write_model(folder):
    """Write a tiny model and return its weights."""
    import torch

    from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel

    torch.manual_seed(0)
    settings = {"embedding_dim": 12, "mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}
    model = aPxBySequenceModel(PixelBytesConfig(**settings))
    model.save_pretrained(folder)
    return model.state_dict()


def load_model(source):
    from pixelbytes_hf import aPxBySequenceModel

    return aPxBySequenceModel.from_pretrained(source, cache_dir=tempfile.mkdtemp()).state_dict()


def is_same_model(found, expected):
    import torch

    return set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


def write_data(folder):
    """Write a data set of one Parquet file and return its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"number": number} for number in range(999)]
    (folder / "data").mkdir(parents=True)
    # stored plainly, so that the byte in the middle belongs to a number and not to what holds the file together
    path = folder / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="none", use_dictionary=False)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Rows\n")
    return rows


def load_data(source):
    from datasets import load_dataset

    return load_dataset(str(source), split="train", cache_dir=tempfile.mkdtemp()).to_list()


def outcomes(hub, kind, places, load, is_same):
    """Yield (kind, where, fault, outcome) for every fault at every place."""
    from huggingface_hub import HfFileSystem, constants

    for where, place in places.items():
        for fault in FAULTS:
            if fault == "flip" and place[0] == "HEAD":
                continue
            constants.HF_HUB_CACHE = tempfile.mkdtemp()
            HfFileSystem.clear_instance_cache()
            hub.inject(*place, fault)
            try:
                outcome = "equal" if is_same(load("user/name")) else "different"
            except Exception as error:
                outcome = type(error).__name__
            struck = not hub.waiting_faults
            hub.clear_faults()
            yield kind, where, str(fault), outcome if struck else "not asked"


def main(folder):
    with LoopbackHub() as hub:
        os.environ.update(hub.environment(folder))
        os.environ.pop("HF_HUB_OFFLINE", None)
        from pixelbytes_hf.hub.download import fetch_folder
        from pixelbytes_hf.hub.upload import publish_folder

        time.sleep = lambda seconds: None
        weights, rows = write_model(folder / "model"), write_data(folder / "data")
        publish_folder(folder / "model", "user/name", repo_type="model", message="weights")
        publish_folder(folder / "data", "user/name", repo_type="dataset", message="rows")
        lines = [
            *outcomes(hub, "model", MODEL_PLACES, load_model, lambda found: is_same_model(found, weights)),
            *outcomes(hub, "dataset", DATA_PLACES, load_data, lambda found: found == rows),
        ]
        hub.inject("GET", "/model.safetensors", "flip")
        checked = is_same_model(load_model(fetch_folder("user/name")), weights)
        lines.append(("model", "weights, fetched first", "flip", "equal" if checked else "different"))
        hub.inject("GET", ".parquet", "flip")
        checked = load_data(fetch_folder("user/name", repo_type="dataset")) == rows
        lines.append(("dataset", "data, fetched first", "flip", "equal" if checked else "different"))
    print(json.dumps(lines))
