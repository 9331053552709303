"""Time of a generated token, against a bare loop over `torch.lstm_cell`, a head and a draw.

Both generate with batch 1 at the paper's size; ours computes exact contexts under a layout, the bare loop feeds what
it drew and nothing else. Repetitions are interleaved; medians are compared.

Run: ``python benchmarks/generation.py`` (``--growth`` also measures the cost per token up to 10,000 tokens).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel
from pixelbytes_hf.generation.layout import Image, Layout

WIDTH = 24


def layout_of(num_tokens: int) -> Layout:
    """Return an image of one frame that takes at least `num_tokens` tokens."""
    return Layout((Image(height=-(-num_tokens // (WIDTH + 1)), width=WIDTH),))


@torch.inference_mode()
def run_bare(model: aPxBySequenceModel, num_tokens: int) -> Tensor:
    """Generate as directly as torch allows: embed, two cells, head, softmax, draw."""
    layers = [layer.lstm for layer in model.model.mixer.layers]
    weights = [(cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0) for cell in layers]
    states = [(torch.zeros(1, cell.hidden_size), torch.zeros(1, cell.hidden_size)) for cell in layers]
    row, drawn = torch.zeros(1, model.config.context_size, dtype=torch.int64), []
    for _ in range(num_tokens):
        vectors = model.model.embedding(row).flatten(1)
        for index, weight in enumerate(weights):
            states[index] = torch.lstm_cell(vectors, states[index], *weight)
            vectors = states[index][0]
        probabilities = model.fc(vectors).softmax(dim=-1)
        token = torch.multinomial(probabilities, 1)
        row[:, -1:] = token
        drawn.append(token)
    return torch.cat(drawn, dim=1)


def run_ours(model: aPxBySequenceModel, num_tokens: int) -> Tensor:
    """Generate an image with exact contexts."""
    return model.generate(layout=layout_of(num_tokens), do_sample=True)


def seconds_per_token(run: Callable[[aPxBySequenceModel, int], Tensor], model: aPxBySequenceModel, num: int) -> float:
    """Return the time of one run, divided by the tokens it made."""
    start = time.perf_counter()
    tokens = run(model, num)
    return (time.perf_counter() - start) / (tokens.shape[1] - (run is run_ours))


def compare(model: aPxBySequenceModel, num_tokens: int, num_repetitions: int) -> dict[str, float]:
    """Return the medians in milliseconds, their ratio, and the median of the ratios of neighbouring runs."""
    for run in (run_bare, run_ours):
        seconds_per_token(run, model, 100)
    pairs = [
        (seconds_per_token(run_bare, model, num_tokens), seconds_per_token(run_ours, model, num_tokens))
        for _ in range(num_repetitions)
    ]
    bare, ours = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    return {
        "bare_ms_per_token": round(bare, 4),
        "ours_ms_per_token": round(ours, 4),
        "ratio_of_medians": round(ours / bare, 3),
        "median_of_ratios": round(statistics.median(b / a for a, b in pairs), 3),
    }


def main() -> None:
    """Measure and write JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--growth", action="store_true", help="also measure 100, 1,000 and 10,000 tokens")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = aPxBySequenceModel(PixelBytesConfig()).eval()
    report: dict[str, object] = {"threads": arguments.threads, "torch": torch.__version__}
    report |= compare(model, arguments.tokens, arguments.repetitions)
    if arguments.growth:
        report["ours_ms_per_token_at"] = {
            num: round(statistics.median(seconds_per_token(run_ours, model, num) for _ in range(3)) * 1e3, 4)
            for num in (100, 1000, 10_000)
        }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
