"""What a training step costs with each mixer: ours on Mamba2 against transformers' model alone, and a table of all.

The first figure sets our model (ids, embedding, mixer, head, loss) against transformers' own `Mamba2Model` of the same
settings on the embeddings that ours made, with a head and a loss of its own; rounds of the two alternate and the
median of their ratios counts. The table gives tokens per second of a training step at about equal parameters.

Run: ``python benchmarks/mixers.py [--threads 2] [--rounds 9] [--parameters 1000000] [--cpu-time] [--json FILE]``
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils.import_utils import is_mambapy_available

from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel

Clock = Callable[[], float]
BOTH_WAYS = {"model_type": "pixelbytes_bidirectional"}
MIXERS: dict[str, Mapping[str, Any]] = {
    "lstm": {"model_type": "pixelbytes_lstm"},
    "lstm, first layer both ways": {"model_type": "pixelbytes_lstm", "bidirectional": "first"},
    "lfm2": {"model_type": "lfm2"},
    "xlstm": {"model_type": "xlstm"},
    "llama": {"model_type": "llama"},
    "llama, no positions": {"model_type": "llama", "positions": "none"},
    "mamba2": {"model_type": "mamba2"},
    "mamba2, both ways": {**BOTH_WAYS, "inner_config": {"model_type": "mamba2"}},
    "mamba": {"model_type": "mamba"},
    "mamba, mambapy's scan": {"model_type": "mamba", "use_mambapy": True},
    "first approach, ssm": {"model_type": "pixelbytes_first_ssm", "state_size": 16},
    "first approach, attention": {"model_type": "pixelbytes_first_attention"},
}


def build(settings: Mapping[str, Any], width: int | None = None) -> aPxBySequenceModel:
    """Return the paper's predictive model with another mixer, `width` numbers wide."""
    settings = copy.deepcopy(dict(settings))
    if width is not None:
        settings.get("inner_config", settings)["hidden_size"] = width
    return aPxBySequenceModel(PixelBytesConfig(mixer_config=settings, allow_future=True)).train()


def fit_width(settings: Mapping[str, Any], num_parameters: int) -> int:
    """Return the multiple of 16 with which a model comes nearest to a number of parameters."""

    def miss(width: int) -> int:
        with torch.device("meta"):
            return abs(build(settings, width).num_parameters() - num_parameters)

    width = 16
    while miss(width + 16) < miss(width):
        width += 16
    return width


def steps_of(model: nn.Module, loss_of: Callable[[], Tensor], clock: Clock) -> Callable[[], float]:
    """Return a function that trains once and returns the seconds it took."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def run() -> float:
        start = clock()
        optimiser.zero_grad()
        loss_of().backward()
        optimiser.step()
        return clock() - start

    return run


def compare_with_bare(batch: int, length: int, rounds: int, clock: Clock) -> dict[str, Any]:
    """Return the seconds of a step of ours and of transformers' model, and the median of their ratios."""
    torch.manual_seed(0)
    ids, labels = torch.randint(0, 151, (batch, length, 6)), torch.randint(0, 151, (batch, length))
    model = build(MIXERS["mamba2"])
    vectors = model.model.embed(ids).detach()
    backbone = AutoModel.from_config(model.config.mixer_config).train()
    bare = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(vectors.shape[-1], 151)})
    backbone.set_input_embeddings(nn.Identity())

    def bare_loss() -> Tensor:
        hidden = bare["backbone"](inputs_embeds=vectors).last_hidden_state
        return F.cross_entropy(bare["head"](hidden).flatten(0, 1), labels.flatten())

    ours = steps_of(model, lambda: model(ids, labels=labels).loss, clock)
    theirs = steps_of(bare, bare_loss, clock)
    ours(), theirs()
    times = [(ours(), theirs()) if turn % 2 else (theirs(), ours())[::-1] for turn in range(rounds)]
    return {
        "parameters": model.num_parameters(),
        "ours_seconds": statistics.median(own for own, _ in times),
        "bare_seconds": statistics.median(other for _, other in times),
        "ratio": statistics.median(own / other for own, other in times),
        "ratios": [own / other for own, other in times],
    }


def measure_all(
    batch: int, length: int, rounds: int, num_parameters: int, clock: Clock
) -> dict[str, dict[str, float]]:
    """Return width, parameters and tokens per second of every mixer; the rounds of all alternate."""
    ids, labels = torch.randint(0, 151, (batch, length, 6)), torch.randint(0, 151, (batch, length))
    rows, runs = {}, {}
    for name, settings in MIXERS.items():
        if "mambapy" in name and not is_mambapy_available():
            continue
        width = fit_width(settings, num_parameters)
        model = build(settings, width)
        rows[name] = {"width": width, "parameters": model.num_parameters()}
        runs[name] = steps_of(model, lambda model=model: model(ids, labels=labels).loss, clock)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            seconds = run()
            if turn:
                times[name].append(seconds)
    for name, seconds in times.items():
        rows[name]["tokens_per_second"] = batch * length / statistics.median(seconds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds: for a machine that others use too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    torch.set_num_threads(options.threads)
    ratio = compare_with_bare(options.batch, options.length, options.rounds, clock)
    text = "Mamba2: ours {ours_seconds:.3f} s a step, transformers' own model {bare_seconds:.3f} s".format(**ratio)
    print(f"{text}, ratio {ratio['ratio']:.3f} (target 1.15)")
    rows = measure_all(options.batch, options.length, max(1, options.rounds // 3), options.parameters, clock)
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["tokens_per_second"]):
        print(f"{name:28} width {row['width']:4} {row['parameters']:9,} {row['tokens_per_second']:9,.0f} tokens/s")
    if options.json:
        options.json.write_text(json.dumps({"settings": vars(options) | {"json": None}, **ratio, "table": rows}))


if __name__ == "__main__":
    main()
