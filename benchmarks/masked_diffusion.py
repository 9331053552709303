"""Masked diffusion against one token at a time: bits on unseen creatures, and how well hidden pixels are filled in.

Trains a bidirectional masked LSTM and a predictive LSTM of about equal size on the embedded corpus, in the same steps,
and prints one JSON line for each. The masked model's bits are an upper bound given the shapes; if they were far below
the predictive model's, its targets would have leaked.

Usage: python benchmarks/masked_diffusion.py [--num-creatures 160] [--max-steps 400] [--seed 0] [--unweighted]
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import load_dataset
from transformers import AutoModelForCausalLM

from dataset_builder import build
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.generation.regions import hide_channel, hide_frame, hide_half, hide_random, hide_span
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.tokens.grid import Segment, flatten
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.train import train

logging.basicConfig(level=logging.INFO, format="%(message)s")
logger = logging.getLogger(__name__)
MODELS: dict[str, dict[str, Any]] = {
    "masked": {
        "objective": "masked",
        "context_size": 7,
        "embedding_dim": 112,
        "mixer_config": {"hidden_size": 64, "num_hidden_layers": 2, "bidirectional": True},
    },
    "predictive": {
        "objective": "predictive",
        "embedding_dim": 96,
        "mixer_config": {"hidden_size": 128, "num_hidden_layers": 2},
    },
}
# small models on small data: Muon, torch's own start, no prefix_windows
RUN = {"window_length": 2048, "stride": 2048, "prefix_windows": 0, "batch_size": 8, "num_train_epochs": 100_000}
RUN |= {"learning_rate": 2e-3, "matrix_learning_rate": 0.02, "initialisation": "default", "memory_horizon": None}
RUN |= {"eval_steps": 100_000, "save_steps": 100_000, "warmup_steps": 20}


def segments_of(corpus: TokenCorpus, index: int) -> list[Segment]:
    """Return the segments of one record."""
    ids, shapes = corpus.record(index)
    found, start = [], 0
    for shape in shapes:
        found.append(Segment(shape.modality, ids[start : start + shape.size].reshape(shape[1:])))
        start += shape.size
    return found


def fill_regions(model: Any, corpus: TokenCorpus) -> dict[str, float]:
    """Return the share of hidden tokens that are filled in as they were, by region."""
    records = [segments_of(corpus, index) for index in range(corpus.num_records)]
    shapes = [flatten(record)[1] for record in records]
    regions = {
        "half of all tokens": [hide_random(s, 0.5, n) for n, s in enumerate(shapes)],
        "lower half of the sprite": [hide_half(s, 1, "lower") for s in shapes],
        "second frame": [hide_frame(s, 1, 1) for s in shapes],
        "channel 1 of the sound": [hide_channel(s, 2, 1) for s in shapes],
        "8 bytes of text": [hide_span(s, 0, 8, 16) for s in shapes],
    }
    found = {}
    for name, masks in regions.items():
        filled = model.infill(records, masks, num_steps=12, temperature=0.0, seed=0)
        right = [
            (flatten(one)[0] == flatten(other)[0])[mask]
            for one, other, mask in zip(filled, records, masks, strict=True)
        ]
        found[name] = round(float(np.concatenate(right).mean()), 4)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-creatures", type=int, default=160)
    parser.add_argument("--max-steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unweighted", action="store_true")
    arguments = parser.parse_args()
    plan = get_preset("mini")
    tokenizer = ActionPixelBytesTokenizer(**plan.tokenizer)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build("mini", folder / "corpus", num_creatures=arguments.num_creatures, progress=False)
        data = load_dataset(str(folder / "corpus"))
        corpora = {name: tokenize_dataset(data[name], tokenizer, progress=False) for name in ("train", "validation")}
        for name, model in MODELS.items():
            settings = {**model, "weight_by_time": not arguments.unweighted}
            options = {**RUN, "max_steps": arguments.max_steps, "seed": arguments.seed}
            start = time.monotonic()
            run = train(corpora, plan, folder / name, tokenizer=tokenizer, model=settings, progress=False, **options)
            seconds = time.monotonic() - start
            loaded = AutoModelForCausalLM.from_pretrained(run).eval()
            result = evaluate_model(loaded, corpora["validation"], window_length=2048, progress=False)
            line = {
                "model": name,
                "weighted": not arguments.unweighted,
                "parameters": result["settings"]["parameters"],
                "train_seconds": round(seconds, 1),
                "evaluation_seconds": round(result["seconds"], 1),
                "likelihood": result["likelihood"],
                "bits": {kind: round(row["bits"], 4) for kind, row in result["matched"].items()},
            }
            if name == "masked":
                line["filled"] = fill_regions(loaded, corpora["validation"])
            logger.info(json.dumps(line))


if __name__ == "__main__":
    main()
