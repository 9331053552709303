"""The cards of the checkpoints that exist: rendered from their run folders and the figures that were measured on them.

Writes ``NAME.md``, the card, and ``NAME.json``, the facts it was rendered from, for

- ``mini``: the quick start (`pixelbytes quickstart --out QUICKSTART`), with its contact sheet, a sprite and a cry;
- ``small-mamba2-predictive``: of a comparison on the embedded corpus (`pixelbytes compare --output-dir COMPARISON`, as
  in RESULTS.md), its seed 0, with the figures of the other seeds beside it;
- ``control``: of `benchmarks/control.py --out CONTROL`, seed 0; its bits are measured here, on the signals alone, as
  it was trained.

Run: ``python benchmarks/cards.py --quickstart DIR --comparison DIR --control DIR [--out model_cards]``
"""

import argparse
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from control import select_records
from datasets import load_dataset

from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.evaluation.evaluation import evaluate_baselines, evaluate_model
from pixelbytes_hf.evaluation.tables import TABLE_KINDS
from pixelbytes_hf.publishing.card_facts import CardFacts, gather_facts
from pixelbytes_hf.publishing.cards import render_model_card
from pixelbytes_hf.runs.files import read_json, write_json
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.training.resume import RECORD_NAME

COMPARED = "small-mamba2-predictive"
GIVEN = (
    *("tokens", "batch_size", "window_length", "max_records", "validation_records", "validations", "num_draws"),
    "continuations",
)
SHOWN = {
    "contact_sheet.png": "Real and generated sprites of the same held-out sentences, side by side",
    "creature_large.gif": "A generated sprite, enlarged: {sentence}",
    "cry.wav": "Its cry",
}
PREDICTORS = {"this model": "model", "ARX(3) on levels": "ARX(3) on levels", "last state held": "last state held"}
CONTROLLERS = (
    "model",
    "PI for the mean system",
    "PI tuned to each system",
    "LQR, knows each system",
    "open loop, mean gain",
)


def mini_facts(folder: Path, out: Path) -> CardFacts:
    """Return the facts of a quick start's model, and copy what it made beside the card."""
    sentence = (folder / "description.txt").read_text(encoding="utf-8").strip()
    (out / "mini").mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        shutil.copyfile(folder / name, out / "mini" / name)
    seed = read_json(folder / "metrics.json")["seed"]
    return replace(
        gather_facts(folder / "run", name="mini", dataset=str(folder / "pixelbytes-mini")),
        commands=[f"pixelbytes quickstart --out outputs/quickstart --seed {seed}"],
        samples={f"mini/{name}": caption.format(sentence=sentence) for name, caption in SHOWN.items()},
    )


def compared_facts(folder: Path) -> CardFacts:
    """Return the facts of one run of a comparison, with its other seeds as a table."""
    settings = read_json(folder / "results.json")["settings"]
    results = {seed: read_json(folder / "results" / f"{COMPARED}-seed{seed}.json") for seed in settings["seeds"]}
    corpora = results[0]["job"]["corpora"]
    baselines = read_json(folder / "results" / f"baselines-{corpora['train'][:16]}-{corpora['test'][:16]}.json")
    by_seed = {
        f"seed {seed}": {kind.replace("_", " "): result["evaluation"]["matched"][kind]["bits"] for kind in TABLE_KINDS}
        for seed, result in results.items()
    }
    words = ["pixelbytes compare --presets", COMPARED, "--dataset pixelbytes-mini --output-dir runs/mini --seeds"]
    words += map(str, settings["seeds"])
    for name in GIVEN:
        words += [f"--{name.replace('_', '-')}", str(settings[name])]
    for name in ("tokenizer", "training"):
        words += [f"--{name}", f"'{json.dumps(settings[name])}'"]
    facts = gather_facts(
        folder / "runs" / f"{COMPARED}-seed0",
        name=COMPARED,
        dataset="pixelbytes-mini",
        evaluation={"model": results[0]["evaluation"], **baselines},
    )
    return replace(
        facts,
        tables=[
            {
                "title": "Other seeds",
                "caption": "Bits per new token of the same settings with other seeds; this model is the first.",
                "unit": "number",
                "rows": by_seed,
            }
        ],
        commands=["pixelbytes build --config mini --out pixelbytes-mini", " ".join(words)],
    )


def control_facts(folder: Path) -> CardFacts:
    """Return the facts of a model of control signals, whose bits are measured on the way.

    Raises:
        ValueError: If the corpus is not the one that the model was trained on.
    """
    run_folder, tasks = folder / "seed-0", read_json(folder / "control.json")[0]
    run, data = Run.load(run_folder), load_dataset(str(folder / "corpus"))
    train, test = (
        tokenize_dataset(split, run.tokenizer, columns={"audio": "audio"}, progress=False)
        for split in (select_records(data["train"]), data["test"])
    )
    expected = read_json(run_folder / RECORD_NAME)["data"]["train"]["fingerprint"]
    if train.fingerprint != expected:
        raise ValueError(f"the corpus in {str(folder)!r} must have fingerprint {expected}, got {train.fingerprint}")
    evaluation = {"model": evaluate_model(run.model, test, seed=tasks["seed"], progress=False)}
    evaluation |= evaluate_baselines(train, test, progress=False)
    errors, loops = tasks["error_in_level_steps"], tasks["steering"]
    predicted = {
        label: {"next state": errors.get(f"next: {name}"), "free run": errors.get(f"free: {name}")}
        for label, name in PREDICTORS.items()
    }
    floor = errors["next, free: oracle on levels"]
    facts = gather_facts(
        run_folder,
        name="control",
        dataset=str(folder / "corpus"),
        evaluation=evaluation,
    )
    return replace(
        facts,
        dataset={**facts.dataset, "name": "pixelbytes-control"},  # the folder's name is the script's
        tables=[
            {
                "title": "Saying what an unseen system will do",
                "caption": (
                    "Mean absolute error of the state in the second half of a record, in steps of the levels, against "
                    "the exact simulation: of the next state, and running free on the actions alone. The model is not "
                    "told what system it is, and finds out from the first half. The oracle knows, but reads and "
                    "writes levels."
                ),
                "unit": "number",
                "rows": {**predicted, "oracle": {"next state": floor, "free run": floor}},
            },
            {
                "title": "Steering unseen systems of order one",
                "caption": "Root of the mean squared distance from the set-point; full scale is one.",
                "unit": "number",
                "rows": {name: {"tracking error": loops[name]["rmse"]} for name in CONTROLLERS},
            },
        ],
        commands=["python benchmarks/control.py --out outputs/control --seeds 0"],
    )


def write_card(facts: CardFacts, out: Path) -> list[Path]:
    """Write a card and its facts."""
    card, content = out / f"{facts.name}.md", out / f"{facts.name}.json"
    card.write_text(render_model_card(facts), encoding="utf-8")
    write_json(content, asdict(facts))
    return [card, content]


def main() -> None:
    """Render the cards of the folders that are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("quickstart", "comparison", "control"):
        parser.add_argument(f"--{name}", type=Path, help="its folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "model_cards")
    options = parser.parse_args()
    gathered: list[Any] = []
    if options.quickstart is not None:
        gathered.append(mini_facts(options.quickstart, options.out))
    if options.comparison is not None:
        gathered.append(compared_facts(options.comparison))
    if options.control is not None:
        gathered.append(control_facts(options.control))
    for facts in gathered:
        for path in write_card(facts, options.out):
            print(path)


if __name__ == "__main__":
    main()
