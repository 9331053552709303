"""Control signals: train a model on linear systems, then predict and steer systems that it never saw.

Builds the corpus `control`, trains the preset `control` on its signals (the text, which says what system it is, is
left out: the model has to find out from the past), and runs two tasks on the held-out systems:

- prediction: the first half of a record is known; of the second half the actions alone (free), or all rows before each
  state (one step ahead). Error against the exact simulation, in level steps; beside it the last state held, least
  squares on the same past (ARX of order 1 to 3), the mean system of the training data, and an oracle that knows the
  system but reads and writes levels: the floor of quantisation.
- set-points: unseen systems of order 1 are steered, by the actions whose predicted state is nearest to what is wanted
  (model), and by the actions that the model expects of a controller (model, imitating). Beside them: an open loop that
  knows the mean gain of the training data, one that knows each system's, the model's rule with the state extrapolated
  in place of its predictions, PI controllers tuned to the mean system and to each, and the LQR.

Writes ``control.json``, ``prediction.png`` and ``steering.png`` into the folder given.

Run: ``python benchmarks/control.py --out /tmp/control --seeds 0 1 2`` (two minutes a seed on one core).
"""

import argparse
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from datasets import load_dataset
from numpy.typing import NDArray

from dataset_builder import build
from dataset_builder.arx import fit_arx, predict_next_arx, simulate_arx
from dataset_builder.builder import REPORT_NAME
from dataset_builder.control import CLOSED_LOOP_KINDS, DEFAULT_NUM_SYSTEMS, draw_setpoints, make_controller
from dataset_builder.controllers import LQR, PI, Extrapolation, OpenLoop, known_setpoints, run_loop, trajectory_cost
from dataset_builder.linear_systems import LinearSystem, Plant, read_system, simulate
from pixelbytes_hf.control.signal_stream import to_amplitudes, to_ids
from pixelbytes_hf.control.tasks import (
    ACTION,
    LEAST_SLOPE,
    STATE,
    predict_next_states,
    simulate_states,
    steer,
    steer_by_prediction,
)
from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.train import HISTORY_NAME, train

Floats = NDArray[np.float64]
NUM_KNOWN = 64
MAX_RECORDS = 306
ARX_ORDERS = (1, 2, 3)
SETPOINT_SEED = 11
NUM_SETPOINT_SAMPLES = 128
SETPOINT_HOLD = (48, 96)  # samples: at least four of the longest time constants
SHOWN = ("next: model", "next: ARX(3) on levels", "next, free: oracle on levels", "free: model")


@dataclass(frozen=True)
class Records:
    """Records of inputs that look at no state: systems, signals as stored (B, T, 2) and exact states (B, T)."""

    systems: list[LinearSystem]
    kinds: list[str]
    signals: Floats
    exact: Floats

    @classmethod
    def read(cls, split: Any) -> "Records":
        """Read the open-loop records of a split and simulate their states from the stored actions."""
        rows = [row for row in split if row["types"][0] not in CLOSED_LOOP_KINDS][:MAX_RECORDS]
        signals = np.stack([soundfile.read(io.BytesIO(row["audio"]["bytes"]))[0] for row in rows])
        systems = [read_system(row["text"]) for row in rows]
        exact = np.stack([simulate(system, s[:, ACTION]) for system, s in zip(systems, signals, strict=True)])
        return cls(systems, [row["types"][0] for row in rows], signals, exact)


def reference_predictions(records: Records, vocabulary: Vocabulary, mean: LinearSystem) -> dict[str, Floats]:
    """Return what references make of the second half of every record, (B, T - NUM_KNOWN) each."""
    levels = to_amplitudes(to_ids(records.signals, vocabulary), vocabulary)
    known, actions, states = slice(NUM_KNOWN), levels[..., ACTION], levels[..., STATE]
    oracle = np.stack([simulate(system, u) for system, u in zip(records.systems, actions, strict=True)])
    found = {
        "next: last state held": states[:, NUM_KNOWN - 1 : -1],
        "next, free: oracle on levels": to_amplitudes(to_ids(oracle, vocabulary), vocabulary)[:, NUM_KNOWN:],
        "free: last state held": np.repeat(states[:, NUM_KNOWN - 1 : NUM_KNOWN], states.shape[1] - NUM_KNOWN, axis=1),
        "free: mean system": np.stack([simulate(mean, u) for u in actions])[:, NUM_KNOWN:],
    }
    exact_signals = (records.signals[..., ACTION], records.exact)
    for order in ARX_ORDERS:
        for name, (u, y) in {"levels": (actions, states), "exact signals": exact_signals}.items():
            fits = [fit_arx(a[known], b[known], order) for a, b in zip(u, y, strict=True)]
            rows = list(zip(fits, u, y, strict=True))
            found[f"next: ARX({order}) on {name}"] = np.stack([predict_next_arx(*row)[NUM_KNOWN:] for row in rows])
            found[f"free: ARX({order}) on {name}"] = np.stack([simulate_arx(c, a, b[known]) for c, a, b in rows])
    return found


def model_predictions(model: Any, records: Records, vocabulary: Vocabulary) -> dict[str, Floats]:
    """Return what the model makes of the second half of every record, (B, T - NUM_KNOWN) each."""
    return {
        "next: model": predict_next_states(model, records.signals, vocabulary)[:, NUM_KNOWN:],
        "free: model": simulate_states(model, records.signals, vocabulary, num_known=NUM_KNOWN),
    }


def errors(predictions: dict[str, Floats], records: Records, step: float) -> dict[str, float]:
    """Return mean absolute errors against the exact simulation, in level steps."""
    exact = records.exact[:, NUM_KNOWN:]
    return {name: float(np.abs(found - exact).mean() / step) for name, found in predictions.items()}


def errors_by(labels: list[Any], predictions: dict[str, Floats], records: Records, step: float) -> dict[str, Any]:
    """Return the errors of every group of records that share a label."""
    exact, table = records.exact[:, NUM_KNOWN:], {}
    for label in sorted(set(labels)):
        chosen = [index for index, other in enumerate(labels) if other == label]
        found = {name: float(np.abs(p - exact)[chosen].mean() / step) for name, p in predictions.items()}
        table[str(label)] = found
    return table


def explain_gap(test: dict[str, float], train_systems: dict[str, float], task: str) -> dict[str, float]:
    """Split the model's error into quantisation, what it did not learn, and what does not carry over, level steps."""
    floor = test["next, free: oracle on levels"]
    return {
        "quantisation (oracle on levels)": floor,
        "learning (model on training systems, above the floor)": train_systems[f"{task}: model"] - floor,
        "generalisation (unseen above training systems)": test[f"{task}: model"] - train_systems[f"{task}: model"],
        "ARX(3) on levels above ARX(3) on exact signals": test[f"{task}: ARX(3) on levels"]
        - test[f"{task}: ARX(3) on exact signals"],
        "total": test[f"{task}: model"],
    }


def run_references(
    systems: list[LinearSystem], setpoints: Floats, mean: LinearSystem
) -> dict[str, tuple[Floats, Floats]]:
    """Return actions and states of every reference controller, (B, T) each; they read and write exact numbers."""
    makers: dict[str, Callable[[Plant], Any]] = {
        "open loop, mean gain": lambda plant: OpenLoop(mean.dc_gain),
        "open loop, exact gain": lambda plant: OpenLoop(plant.system.dc_gain),
        "model's rule without a model": lambda plant: Extrapolation(LEAST_SLOPE),
        "PI for the mean system": lambda plant: PI.tuned(mean.dc_gain, mean.time_constant),
        "PI tuned to each system": lambda plant: make_controller("pi", plant),
        "LQR, knows each system": LQR,
    }
    found = {}
    for name, make in makers.items():
        loops = []
        for system, wanted in zip(systems, setpoints, strict=True):
            plant = Plant(system)
            loops.append(run_loop(plant, make(plant), wanted))
        found[name] = (np.stack([u for u, _ in loops]), np.stack([y for _, y in loops]))
    return found


def judge(
    loops: dict[str, tuple[Floats, Floats]], systems: list[LinearSystem], setpoints: Floats
) -> dict[str, dict[str, float]]:
    """Return tracking error (root mean square), and cost per sample, of every controller."""
    wanted, table = known_setpoints(setpoints), {}
    for name, (actions, states) in loops.items():
        costs = [trajectory_cost(*loop) for loop in zip(systems, actions, states, setpoints, strict=True)]
        table[name] = {"rmse": float(np.sqrt(np.mean((states - wanted) ** 2))), "cost": float(np.mean(costs))}
    return table


def plot_predictions(records: Records, found: dict[str, Floats], path: Path) -> None:
    """Draw action, exact state and predictions of two records of each order."""
    import matplotlib.pyplot as plt

    orders = [system.order for system in records.systems]
    chosen = [[n for n, other in enumerate(orders) if other == order][k] for order in (1, 2, 3) for k in (0, 4)]
    figure, axes = plt.subplots(3, 2, figsize=(12, 9), sharex=True, layout="constrained")
    time = np.arange(1, records.exact.shape[1] + 1)
    for index, axis in zip(chosen, axes.flat, strict=True):
        axis.step(time - 1, records.signals[index, :, ACTION], where="post", color="0.8", lw=1, label="action")
        axis.plot(time, records.exact[index], "k", lw=2, label="exact state")
        for name, style in (("free: ARX(2) on levels", "C0:"), ("free: model", "C3"), ("next: model", "C2--")):
            axis.plot(time[NUM_KNOWN:], found[name][index], style, lw=1.3, label=name)
        axis.axvline(NUM_KNOWN, color="0.5", lw=0.8)
        axis.set_title(f"order {orders[index]}, {records.kinds[index]}, gain {records.systems[index].dc_gain:.2f}")
        axis.set_ylim(-1.05, 1.05)
    axes[0, 0].legend(fontsize=8, ncols=2)
    figure.supxlabel("sample; known to the left of the line")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def plot_loops(
    systems: list[LinearSystem], setpoints: Floats, loops: dict[str, tuple[Floats, Floats]], path: Path
) -> None:
    """Draw states and actions of three systems, of small, middle and large gain, under every controller shown."""
    import matplotlib.pyplot as plt

    shown = {
        "open loop, mean gain": "C7--",
        "PI for the mean system": "C0",
        "LQR, knows each system": "C2",
        "model": "C3",
        "model, imitating": "C1",
    }
    by_gain = np.argsort([system.dc_gain for system in systems])
    figure, axes = plt.subplots(2, 3, figsize=(14, 7), sharex=True, layout="constrained")
    time = np.arange(1, setpoints.shape[1] + 1)
    for column, index in enumerate(by_gain[[len(by_gain) // 10, len(by_gain) // 2, -len(by_gain) // 10]]):
        system, (above, below) = systems[index], axes[:, column]
        above.step(time, setpoints[index], "k", where="post", lw=1, label="set-point")
        for name, style in shown.items():
            actions, states = loops[name]
            above.plot(time, states[index], style, lw=1.4, label=name)
            below.step(time - 1, actions[index], style, where="post", lw=1)
        above.set_title(f"gain {system.dc_gain:.2f}, time constant {system.time_constant:.1f}")
        below.set_ylim(-1.05, 1.05)
    axes[0, 0].legend(fontsize=8)
    axes[0, 0].set_ylabel("state")
    axes[1, 0].set_ylabel("action")
    figure.supxlabel("sample")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def select_records(split: Any) -> Any:
    """Return the records to learn from: those of the PI controller twice, those of the LQR not at all.

    The LQR knows its system before the first sample, so no past explains its actions; a third of the others' tokens
    would be of closed loops.
    """
    kinds = [row[0] for row in split["types"]]
    chosen = [n for n, kind in enumerate(kinds) if kind != "lqr"] + [n for n, kind in enumerate(kinds) if kind == "pi"]
    return split.select(chosen)


def train_or_load(out: Path, seed: int, data: Any) -> tuple[Run, int]:
    """Return the run of a seed, trained unless it is there already, and its number of steps."""
    folder, plan = out / f"seed-{seed}", get_preset("control")
    if not (folder / "config.json").exists():
        tokenizer = ActionPixelBytesTokenizer(**plan.tokenizer)
        corpus = tokenize_dataset(select_records(data["train"]), tokenizer, columns={"audio": "audio"}, progress=False)
        train({"train": corpus}, plan, folder, tokenizer=tokenizer, progress=False, resume=True, seed=seed)
    steps = json.loads((folder / HISTORY_NAME).read_text())["train"][-1]["step"]
    return Run.load(folder), steps


def mean_system(split: Any) -> LinearSystem:
    """Return a system of order 1 with the geometric mean gain and the mean lag of a split's systems of order 1."""
    systems = [read_system(text) for text in set(split["text"])]
    systems = [system for system in systems if system.order == 1]
    gain = float(np.exp(np.mean([np.log(system.dc_gain) for system in systems])))
    return LinearSystem((gain,), (float(np.mean([system.time_constant for system in systems])), 1.0))


def format_table(rows: dict[str, list[float]], digits: int) -> str:
    """Return rows of figures over seeds: the mean, and half of what lies between the least and the largest."""
    lines = []
    for name, values in rows.items():
        spread = f" +- {np.ptp(values) / 2:.{digits}f}" if np.ptp(values) > 0 else ""
        lines.append(f"  {name:58} {np.mean(values):.{digits}f}{spread}")
    return "\n".join(lines)


def main() -> None:
    """Build, train, run both tasks, and write figures and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of corpus, runs, plots and control.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--num-systems", type=int, default=DEFAULT_NUM_SYSTEMS)
    options = parser.parse_args()
    out: Path = options.out
    if not (out / "corpus").exists():
        build("control", out / "corpus", num_systems=options.num_systems, progress=False)
    sizes = json.loads((out / "corpus" / REPORT_NAME).read_text())["splits"].values()
    if (found := sum(size["num_families"] for size in sizes)) != options.num_systems:
        parser.error(f"--num-systems is {options.num_systems}, but the corpus in {out} has {found}: expected the same")
    data = load_dataset(str(out / "corpus"))
    mean = mean_system(data["train"])
    held_out, seen = Records.read(data["test"]), Records.read(data["train"])
    systems = sorted({s for s in map(read_system, data["test"]["text"]) if s.order == 1}, key=lambda s: s.numerator)
    setpoints = np.stack(
        [
            draw_setpoints(np.random.default_rng((SETPOINT_SEED, n)), NUM_SETPOINT_SAMPLES, hold=SETPOINT_HOLD)
            for n in range(len(systems))
        ]
    )
    loops, results = run_references(systems, setpoints, mean), []
    for seed in options.seeds:
        run, steps = train_or_load(out, seed, data)
        vocabulary = run.tokenizer.tables
        step = float(np.diff(vocabulary.levels).mean())
        found = reference_predictions(held_out, vocabulary, mean) | model_predictions(run.model, held_out, vocabulary)
        test = errors(found, held_out, step)
        fitted = errors(model_predictions(run.model, seen, vocabulary), seen, step)
        for name, way in (("model", steer_by_prediction), ("model, imitating", steer)):
            loops[name] = way(run.model, [Plant(system) for system in systems], setpoints, vocabulary)
        sizes = held_out.exact.std(axis=1)
        sizes = [("1 small", "2 middle", "3 large")[n] for n in np.digitize(sizes, np.quantile(sizes, [1 / 3, 2 / 3]))]
        results.append(
            {
                "seed": seed,
                "steps": steps,
                "parameters": run.model.num_parameters(),
                "level_step": step,
                "error_in_level_steps": test,
                "by_order": errors_by([s.order for s in held_out.systems], found, held_out, step),
                "by_kind": errors_by(held_out.kinds, found, held_out, step),
                "by_size": errors_by(sizes, found, held_out, step),
                "gap": {task: explain_gap(test, fitted, task) for task in ("next", "free")},
                "steering": judge(loops, systems, setpoints),
            }
        )
        if seed == options.seeds[0]:
            plot_predictions(held_out, found, out / "prediction.png")
            plot_loops(systems, setpoints, loops, out / "steering.png")
    (out / "control.json").write_text(json.dumps(results, indent=1) + "\n")
    print(format_report(results))


def format_report(results: list[dict[str, Any]]) -> str:
    """Return the figures of all seeds for a terminal."""

    def rows(*path: str, only: tuple[str, ...] | None = None) -> dict[str, list[Any]]:
        tables = results
        for name in path:
            tables = [table[name] for table in tables]
        return {name: [table[name] for table in tables] for name in (only or sorted(tables[0]))}

    first = results[0]
    parts = [
        f"{first['parameters']} parameters, {first['steps']} steps, seeds {[r['seed'] for r in results]}; "
        f"one level step is {first['level_step']:.4f} of full scale",
        "Prediction, unseen systems: mean absolute error in level steps",
        format_table(rows("error_in_level_steps"), 3),
    ]
    for task in ("next", "free"):
        parts += [f"Where the model's error comes from ({task})", format_table(rows("gap", task), 3)]
    for group in ("by_order", "by_size", "by_kind"):
        for label in first[group]:
            parts += [f"{group} {label}", format_table(rows(group, label, only=SHOWN), 3)]
    controllers = list(first["steering"])
    for figure, digits in (("rmse", 4), ("cost", 5)):
        found = {name: [result["steering"][name][figure] for result in results] for name in controllers}
        parts += [f"Steering, unseen systems of order 1: {figure}", format_table(found, digits)]
    errors_of = {name: [r["steering"][name]["rmse"] for r in results] for name in ("model", "open loop, mean gain")}
    ratios = [model / without for model, without in zip(*errors_of.values(), strict=True)]
    return "\n".join([*parts, format_table({"tracking error of the model over the open loop's": ratios}, 3)])


if __name__ == "__main__":
    main()
