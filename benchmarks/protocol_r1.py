"""Protocol R1: 300 steps of 8 windows of 512 tokens at the paper's size, then matched bits on 16 species held out.

Budget, data and evaluation are those of ``../shared/protocol_r1/README.md``: full windows only, training stride 256,
validation without overlap and with a state of zero at each window's start.

Recipes: ``preset`` trains as the preset says, in the paper's AdamW at a constant 1e-3 from torch's own initialisation.
``tuned`` has the same tokens, steps and parameters; what differs is listed in `RECIPES` and nowhere else.

``--times 4`` gives every run four times the steps, and so the tokens; ``--batch-size 4`` twice the steps of half the
size. Presets with the objectives ``last`` and ``masked`` are not for this benchmark.

Run: ``python benchmarks/protocol_r1.py --preset paper-lstm-predictive --recipe preset --seeds 0 1 2 --json r1.json``
(two to three minutes a seed on two cores).
"""

import argparse
import json
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset
from transformers import set_seed

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.tokens.grid import MEDIA, Segment
from pixelbytes_hf.tokens.six_cells import gather_window
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.builders import build_model
from pixelbytes_hf.training.presets import PRESETS, Preset, get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.training_windows import make_windows
from pixelbytes_hf.training.trainer import make_training_arguments

SHARED = Path(__file__).resolve().parents[2] / "shared" / "protocol_r1"
LENGTH, STRIDE, BATCH, STEPS = 512, 256, 8, 300
NUM_VALIDATION_POSITIONS = 443_392
COLUMNS = ("", "_text", "_pixel", "_level", "_row_end", "_segment_end")

BUDGET: dict[str, Any] = {"window_length": LENGTH, "stride": STRIDE, "batch_size": BATCH, "max_steps": STEPS}
BUDGET |= {"gradient_accumulation_steps": 1}  # the paper's presets have 4
RECIPES: dict[str, dict[str, Any]] = {
    "preset": {},
    "tuned": {
        "initialisation": "ordered",
        "optimiser": "muon",
        "matrix_learning_rate": 0.02,
        "learning_rate": 3e-3,
        "betas": (0.9, 0.95),
        "schedule": "cosine",
        "warmup_steps": 15,
        "max_grad_norm": 1.0,
        "repeats": {"text": 18},
    },
}


def read_corpus(folder: Path, split: str, vocabulary: Vocabulary) -> TokenCorpus:
    """Return the species of a split, after checking that our contexts are the reference's."""
    arrays, table = np.load(folder / "tokens.npz"), json.loads((folder / "tokens.json").read_text())
    records = []
    for species in table["splits"][split]:
        ids, start, segments = arrays[f"{split}_{species['id']}"], 0, []
        for modality, shape in zip(MEDIA, species["shapes"], strict=True):
            stop = start + int(np.prod(shape))
            segments.append(Segment(modality, ids[start:stop].reshape(shape)))
            start = stop
        shapes = [segment.shape for segment in segments]
        context = gather_window(ids, shapes, 0, len(ids), pad_id=vocabulary.pad_id).astype(np.uint8)
        if zlib.crc32(np.ascontiguousarray(context)) != species["input_ids_crc32"]:
            raise ValueError(f"{split} {species['id']}: contexts differ from those of the protocol")
        records.append(segments)
    return TokenCorpus.from_records(records, vocabulary)


def full_windows(windows: WindowDataset) -> Subset[Any]:
    """Return the windows of exactly `LENGTH` tokens: the protocol leaves the tails of the species out."""
    places = (windows.locate(index) for index in range(len(windows)))
    return Subset(windows, [index for index, (_, start, stop) in enumerate(places) if stop - start == LENGTH])


def run_seed(plan: Preset, seed: int, corpora: dict[str, TokenCorpus], vocabulary: Vocabulary) -> dict[str, Any]:
    """Train and evaluate one model."""
    plan = plan.replace(seed=seed)
    set_seed(seed)
    model = build_model(plan, vocabulary, corpora["train"])
    cells = model.config.context_size
    with tempfile.TemporaryDirectory() as folder:
        options = {"save_strategy": "no", "eval_strategy": "no", "use_cpu": True}
        trainer = PixelBytesTrainer(
            model,
            make_training_arguments(plan.training, folder, **options),
            settings=plan.training,
            vocabulary=vocabulary,
            train_dataset=full_windows(make_windows(corpora["train"], plan.training, plan.objective, model.config)),
            eval_dataset=full_windows(WindowDataset(corpora["validation"], LENGTH, context_size=cells)),
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        metrics = trainer.evaluate()
    if (trainer.state.global_step, metrics["eval_count"]) != (plan.training.max_steps, NUM_VALIDATION_POSITIONS):
        raise ValueError(f"protocol not kept: {trainer.state.global_step} steps, {metrics['eval_count']} positions")
    figures = {name.removeprefix("eval_"): value for name, value in metrics.items()}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"seed": seed, "parameters": parameters, "train_seconds": seconds, "figures": figures}


def format_row(name: str, figures: dict[str, float]) -> str:
    """Return one row of the README's table."""
    cells = [
        f"{figures[f'bits{c}']:.3f} / {figures[f'accuracy{c}']:.1%}" if index < 4 else f"{figures[f'bits{c}']:.2f}"
        for index, c in enumerate(COLUMNS)
    ]
    return " | ".join([f"| {name}", *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="paper-lstm-predictive")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="preset")
    parser.add_argument("--training", type=json.loads, default={}, metavar="JSON", help="settings over the recipe's")
    parser.add_argument("--model", type=json.loads, metavar="JSON", help="settings of the model over the preset's")
    parser.add_argument("--times", type=int, default=1, help="steps, as a multiple of the protocol's 300")
    parser.add_argument("--batch-size", type=int, default=BATCH, choices=(1, 2, 4, 8), help="the tokens stay the same")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    vocabulary = Vocabulary.from_preset("paper")
    splits = (("train", "train"), ("validation", "val"))
    corpora = {name: read_corpus(options.data, split, vocabulary) for name, split in splits}
    print("| validation | all | text | pixel | level | row end | segment end |\n|---|---|---|---|---|---|---|")
    steps = STEPS * options.times * BATCH // options.batch_size
    budget = {**BUDGET, "batch_size": options.batch_size, "max_steps": steps}
    training = {**RECIPES[options.recipe], **options.training, **budget}
    plan = get_preset(options.preset).replace(model=options.model, **training)
    runs = []
    for seed in options.seeds:
        runs.append(run_seed(plan, seed, corpora, vocabulary))
        print(format_row(f"{options.preset}, {options.recipe}, seed {seed}", runs[-1]["figures"]), flush=True)
    mean = {name: float(np.mean([run["figures"][name] for run in runs])) for name in runs[0]["figures"]}
    print(format_row(f"{options.preset}, {options.recipe}, mean of {len(runs)}", mean))
    if options.json:
        result = {
            "preset": options.preset,
            "recipe": options.recipe,
            "steps": plan.training.max_steps,
            "settings": RECIPES[options.recipe] | options.training,
            "model": options.model,
            "data": {name: corpus.fingerprint for name, corpus in corpora.items()},
            "mean": mean,
            "runs": runs,
        }
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
