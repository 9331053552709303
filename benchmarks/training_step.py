"""Time of our training step over that of a bare loop on ready tensors: the paper's predictive model, fp32.

Both do forward, loss, backward, AdamW with the same batch size, window length and number of threads. Ours reads
windows through `WindowDataset` and `WindowCollator` and runs the steps of `PixelBytesTrainer`; the bare loop has one
`nn.LSTM` of two layers, an embedding, a head, and batches that lie ready. Rounds of the two alternate; the median
ratio is reported.

Run: ``python benchmarks/training_step.py [--threads 2] [--rounds 7] [--json FILE]``
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.tokens.grid import image_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.builders import build_model
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.training_windows import make_windows
from pixelbytes_hf.training.trainer import make_training_arguments


class BareModel(nn.Module):
    """Embedding, LSTM and head, and nothing else."""

    def __init__(self) -> None:
        """Make the paper's sizes."""
        super().__init__()
        self.embedding = nn.Embedding(151, 21)
        self.lstm = nn.LSTM(126, 512, num_layers=2, batch_first=True)
        self.fc = nn.Linear(512, 151)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the logits."""
        return self.fc(self.lstm(self.embedding(input_ids).flatten(2))[0])


def bare_steps(batches: list[dict[str, Tensor]]) -> Callable[[], None]:
    """Return a function that trains once over ready batches."""
    model = BareModel()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        for batch in batches:
            logits = model(batch["input_ids"])
            loss = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return run


def trainer_steps(trainer: PixelBytesTrainer, indices: list[list[int]]) -> Callable[[], None]:
    """Return a function that trains over the windows of the same batches, read anew."""
    trainer.create_optimizer_and_scheduler(num_training_steps=10_000)
    windows, collate, model = trainer.train_dataset, trainer.data_collator, trainer.model
    optimiser, schedule = trainer.optimizer, trainer.lr_scheduler

    def run() -> None:
        for chosen in indices:
            batch = collate([windows[index] for index in chosen])
            count = trainer._get_num_items_in_batch([batch], torch.device("cpu"))
            trainer.training_step(model, batch, count)
            optimiser.step()
            schedule.step()
            model.zero_grad()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=2, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    vocabulary, rng = Vocabulary.from_preset("paper"), np.random.default_rng(0)
    records = [[image_segment(rng.integers(58, 113, (24, 24, 24)), vocabulary)] for _ in range(4)]
    corpus = TokenCorpus.from_records(records, vocabulary)
    plan = get_preset("paper-lstm-predictive").replace(window_length=options.length, stride=options.length)
    model = build_model(plan, vocabulary, corpus)
    windows = make_windows(corpus, plan.training, plan.objective, model.config)
    indices = [[step * options.batch + n for n in range(options.batch)] for step in range(options.steps)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = PixelBytesTrainer(
            model,
            make_training_arguments(plan.training, folder, has_validation=False, use_cpu=True, disable_tqdm=True),
            settings=plan.training,
            vocabulary=vocabulary,
            train_dataset=windows,
        )
        batches = [trainer.data_collator([windows[index] for index in chosen]) for chosen in indices]
        ours, bare = trainer_steps(trainer, indices), bare_steps(batches)
        ours(), bare()
        times: list[tuple[float, float]] = []
        for _ in range(options.rounds):
            marks = [time.perf_counter()]
            for run in (ours, bare):
                run()
                marks.append(time.perf_counter())
            times.append(((marks[1] - marks[0]) / options.steps, (marks[2] - marks[1]) / options.steps))
    result = {
        "batch": options.batch,
        "length": options.length,
        "threads": options.threads,
        "rounds": options.rounds,
        "ours_seconds": statistics.median(own for own, _ in times),
        "bare_seconds": statistics.median(other for _, other in times),
        "ratio": statistics.median(own / other for own, other in times),
        "ratios": [own / other for own, other in times],
    }
    times_text = "ours {ours_seconds:.3f} s, bare {bare_seconds:.3f} s a step".format(**result)
    print(f"{times_text}, ratio {result['ratio']:.3f} (target 1.10)")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
