"""Put another backbone under the same task, and read the bits: what mixes positions is one setting.

    python examples/other_backbone.py --dataset outputs/quickstart/pixelbytes-mini --out outputs/backbones

Each mixer is a JSON of settings: ``model_type`` names one of ours or any model of transformers that takes
`inputs_embeds`; what is left out follows from the width of an embedded row. All of them read the same windows in the
same order, for as many steps. (`pixelbytes compare` does this with presets, several seeds and a report.)
"""

import argparse
import json
from pathlib import Path
from typing import Any

from datasets import load_dataset

from pixelbytes_hf import Run, evaluate_model, get_preset, tokenize_dataset, train

MIXERS: dict[str, dict[str, Any]] = {
    "lstm": {"model_type": "pixelbytes_lstm", "hidden_size": 96, "num_hidden_layers": 2},
    "lfm2": {"model_type": "lfm2", "hidden_size": 96, "num_hidden_layers": 4},
    "llama": {"model_type": "llama", "hidden_size": 96, "num_hidden_layers": 3},
}
# plain settings, so that none of the mixers has what only an LSTM can use
SETTINGS = {
    "initialisation": "default",
    "memory_horizon": None,
    "prefix_windows": 0,
    "window_length": 512,
    "stride": 512,
}


def name_mixers(mixers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mixers by their ``model_type``; of several of one kind the later ones are numbered."""
    named: dict[str, dict[str, Any]] = {}
    for mixer in mixers:
        kind = mixer["model_type"]
        number = 1 + sum(other["model_type"] == kind for other in named.values())
        named[kind if number == 1 else f"{kind}-{number}"] = mixer
    return named


def compare_backbones(
    data: Any, out: Path, mixers: dict[str, dict[str, Any]], *, max_steps: int, **settings: Any
) -> list[tuple[str, int, float]]:
    """Train every mixer alike and return name, parameters and bits per new token of the test split.

    Args:
        data: With the splits ``train`` and ``test``.
        out: Folder of the runs.
        mixers: Settings by name.
        max_steps: Optimiser steps of each.
        settings: Fields of `TrainingConfig`, over `SETTINGS`.
    """
    rows = []
    for name, mixer in mixers.items():
        plan = get_preset("mini").replace(**{**SETTINGS, "max_steps": max_steps, "num_train_epochs": 1000, **settings})
        folder = train({"train": data["train"]}, plan, out / name, model={"mixer_config": mixer})
        run = Run.load(folder)
        result = evaluate_model(run.model, tokenize_dataset(data["test"], run.tokenizer), window_length=2048)
        rows.append((name, run.model.num_parameters(), result["matched"]["all"]["bits"]))
    return rows


def main() -> None:
    """Parse the command line, train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--mixer", action="append", type=json.loads, help="JSON of a mixer; may be given repeatedly")
    parser.add_argument("--max-steps", type=int, default=100, help="optimiser steps (default: %(default)s)")
    options = parser.parse_args()
    mixers = name_mixers(options.mixer) if options.mixer else MIXERS
    print(f"{'mixer':12}{'parameters':>12}{'bits':>8}")
    for name, size, bits in compare_backbones(
        load_dataset(options.dataset), Path(options.out), mixers, max_steps=options.max_steps
    ):
        print(f"{name:12}{size:12,}{bits:8.3f}")


if __name__ == "__main__":
    main()
