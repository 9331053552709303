"""Exact contexts against the model's own: greedy continuations of trained autoregressive models, both ways.

The autoregressive objective predicts the whole next row. While generating, that row can be read next, as the paper
does (``model``), or the row that follows from the tokens given so far (``exact``).

Run: ``python benchmarks/contexts.py runs/comparison/runs/small-lstm-autoregressive-seed* --dataset pixelbytes-mini``
"""

import argparse
import json
from pathlib import Path

import numpy as np
from datasets import load_dataset

from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.evaluation.continuations import evaluate_continuations
from pixelbytes_hf.runs.run_folder import Run

SHOWN = ("hamming", "ngram_overlap")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--num-windows", type=int, default=128)
    parser.add_argument("--num-new", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for folder in options.runs:
        run = Run.load(folder)
        corpus = tokenize_dataset(load_dataset(options.dataset, split="test"), run.tokenizer)
        for context in ("exact", "model"):
            result = evaluate_continuations(
                run.model, corpus, num_windows=options.num_windows, num_new=options.num_new, context=context
            )
            rows.append({"run": folder.name, "context": context, **{n: result["tokens"][n]["mean"] for n in SHOWN}})
    print("| context | Hamming distance of tokens | n-gram overlap |\n|---|---|---|")
    for context in ("exact", "model"):
        figures = np.array([[row[name] for name in SHOWN] for row in rows if row["context"] == context])
        cells = [f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(figures.mean(0), figures.std(0), strict=True)]
        print(f"| {context} | {' | '.join(cells)} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
