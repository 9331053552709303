"""Comparisons: finished runs stay, interrupted ones go on, failures are named, streams are not mixed."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.compare import compare as compare_module
from pixelbytes_hf.compare import report as report_module
from pixelbytes_hf.compare.compare import compare
from pixelbytes_hf.compare.report import bootstrap_difference, compare_to_best, format_report, format_rows
from pixelbytes_hf.compare.run import Folders, Job, count_steps, run_job
from pixelbytes_hf.compare.settings import ComparisonConfig
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.training import callbacks as training_module
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.training_windows import make_windows

TINY = {"embedding_dim": 12, "mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}
PRESETS = {
    "one": get_preset("small-lstm-predictive").replace(model=TINY),
    "two": get_preset("small-lstm-autoregressive").replace(model=TINY),
}
SETTINGS = {
    "tokens": 700,
    "seeds": (0, 1),
    "window_length": 64,
    "batch_size": 2,
    "max_records": 2,
    "validation_records": 1,
    "validations": 2,
    "continuations": 2,
    "training": {"learning_rate": 0.01, "warmup_steps": 1},
}


def settings(**changes):
    return ComparisonConfig(**{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def data(corpus):
    from datasets import load_dataset

    return {name: split.select(range(min(len(split), 6))) for name, split in load_dataset(str(corpus)).items()}


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Return the folder and the content of a comparison; tests must not write into it."""
    folder = tmp_path_factory.mktemp("compared") / "x"
    return folder, compare(PRESETS, data, folder, settings(), jobs=0, progress=False)


@pytest.fixture(autouse=True)
def figures_are_not_drawn(monkeypatch):
    """Leave empty files in the place of figures, which take longer than runs; those of `finished` are drawn."""

    def touch(_, path, **__):
        path.touch()
        return path

    for name in ("draw_comparison_curves", "draw_bits_by_kind"):
        monkeypatch.setattr(report_module, name, touch)


def test_every_preset_and_seed_is_trained_within_the_budget_and_evaluated(finished):
    folder, result = finished
    assert [(run["preset"], run["seed"]) for run in result["runs"]] == [("one", 0), ("two", 0), ("one", 1), ("two", 1)]
    assert result["failures"] == [] and result == read_json(folder / "results.json")
    for run in result["runs"]:
        assert 700 <= run["training"]["tokens"] < 700 + 2 * 64
        assert run["training"]["tokens_per_second"] == run["training"]["tokens"] / run["training"]["seconds"]
        assert run["evaluation"]["corpus"]["num_records"] == 2
        assert sum(run["evaluation"]["records"]["tokens"]) == run["evaluation"]["matched"]["all"]["tokens"]
        assert [point["step"] for point in run["curve"]][-1] == run["training"]["steps"] and len(run["curve"]) == 2
        assert run["curve"][-1]["num_input_tokens_seen"] == run["training"]["tokens"]
        assert (folder / "runs" / f"{run['preset']}-seed{run['seed']}" / "config.json").is_file()
    pictures = {path.name: path.read_bytes()[:4] for path in folder.glob("*.png")}
    assert pictures == dict.fromkeys(("bits_by_tokens.png", "bits_by_seconds.png", "bits_by_modality.png"), b"\x89PNG")


def test_table_has_means_deviations_costs_and_baselines(finished):
    folder, result = finished
    table = (folder / "table.md").read_text()
    bits = [run["evaluation"]["matched"]["all"]["bits"] for run in result["runs"] if run["preset"] == "one"]
    row = next(line for line in table.splitlines() if line.startswith("| one "))
    assert f"{np.mean(bits):.3f} ± {abs(bits[0] - bits[1]) / np.sqrt(2):.3f}" in row
    assert f"{result['runs'][0]['evaluation']['settings']['parameters']:,}" in row
    assert all(name in table for name in ("(uniform)", "(adaptive count coder)", "(copy the six cells)"))
    assert "more bits per token than" in table and "≤" not in table
    alike = [run["continuations"]["paper_windows"]["hamming"]["mean"] for run in result["runs"][::2]]
    row = next(line for line in table.split("| continuations ")[1].splitlines() if line.startswith("| one "))
    assert f"{np.mean(alike):.3f} ±" in row and result["runs"][0]["continuations"]["windows"] == 2


def test_finished_runs_are_not_repeated(finished, data, monkeypatch):
    folder, result = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    monkeypatch.setattr(compare_module, "run_job", lambda *_, **__: pytest.fail("a finished run was repeated"))
    monkeypatch.setattr(compare_module, "evaluate_baselines", lambda *_, **__: pytest.fail("so were the baselines"))
    again = compare(PRESETS, data, folder, settings(), jobs=0, progress=False)
    assert again["runs"] == result["runs"] and len(before) == 4
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == before
    with pytest.raises(ValueError, match=r"batch_size was 16, got 4"):
        compare(PRESETS, data, folder, settings(evaluation_batch_size=4), jobs=0, progress=False)


def test_interrupted_run_goes_on_from_its_checkpoint_to_the_same_figures(finished, data, tmp_path, monkeypatch):
    _, whole = finished
    step, calls = PixelBytesTrainer.training_step, []

    def fail_once(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 5:  # past the checkpoint of step 3
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(PixelBytesTrainer, "training_step", fail_once)
    some, once = {"one": PRESETS["one"]}, settings(seeds=(0,), baselines=False)
    with pytest.raises(KeyboardInterrupt):
        compare(some, data, tmp_path, once, jobs=0, progress=False)
    result = compare(some, data, tmp_path, once, jobs=0, progress=False)
    assert len(calls) < 5 + whole["runs"][0]["training"]["steps"]
    assert result["runs"][0]["evaluation"]["matched"] == whole["runs"][0]["evaluation"]["matched"]
    assert result["runs"][0]["training"]["tokens"] == whole["runs"][0]["training"]["tokens"]


@pytest.fixture
def pretend(finished, monkeypatch):
    """Let runs leave the figures of `finished` at once; those named "broken" are run."""

    def run_or_copy(job, folders, **options):
        if job.name == "broken":
            run_job(job, folders, **options)
        path = folders.result(job.label)
        path.parent.mkdir(parents=True, exist_ok=True)
        own = {"preset": job.name, "seed": job.seed, "job": job.to_dict()}
        path.write_text(json.dumps({**finished[1]["runs"][0], **own}))

    monkeypatch.setattr(compare_module, "run_job", run_or_copy)


@pytest.mark.usefixtures("pretend")
def test_a_failed_run_is_reported_and_does_not_end_the_others(data, tmp_path):
    presets = {"broken": PRESETS["one"].replace(model={"mixer_config": {"dropout": 7}}), "one": PRESETS["one"]}
    result = compare(presets, data, tmp_path, settings(seeds=(3,), baselines=False), jobs=0, progress=False)
    assert [run["preset"] for run in result["runs"]] == ["one"] and not result["baselines"]
    [failure] = result["failures"]
    assert (failure["preset"], failure["seed"]) == ("broken", 3)
    assert "dropout must be in [0, 1), got 7" in failure["reason"]
    assert "- broken, seed 3: ValueError: dropout" in (tmp_path / "table.md").read_text()


@pytest.mark.usefixtures("pretend")
def test_other_token_streams_get_a_table_of_their_own(data, tmp_path):
    other = PRESETS["one"].replace(tokenizer={"slicing": {"image": 3, "audio": 8}})
    once = settings(seeds=(0,), baselines=False)
    result = compare({"one": PRESETS["one"], "other": other}, data, tmp_path, once, jobs=0, progress=False)
    streams = [result["corpora"][name]["test"] for name in ("one", "other")]
    assert streams[0]["num_tokens"] > streams[1]["num_tokens"]
    first, second = format_report(result).split("## Token stream ")[1:]
    assert "| one " in first and "| other " not in first
    assert "| other " in second and "| one " not in second and "more bits per token" not in first + second
    for text, stream in zip((first, second), streams, strict=True):
        assert f"{stream['num_tokens']:,} tokens of 2 records" in text and stream["fingerprint"][:8] in text
    assert len(list(tmp_path.glob("bits_by_modality-*.png"))) == 2


@pytest.mark.slow
def test_a_process_of_its_own_knows_its_memory_and_names_its_failure(data, tmp_path):
    presets = {"broken": PRESETS["one"].replace(model={"mixer_config": {"dropout": 7}}), "one": PRESETS["one"]}
    once = settings(seeds=(0,), tokens=200, baselines=False)
    result = compare(presets, data, tmp_path, once, jobs=2, progress=False)
    [run], [failure] = result["runs"], result["failures"]
    assert run["preset"] == "one" and run["training"]["peak_memory_bytes"] > 100 * 2**20
    assert failure["reason"].startswith("ValueError: dropout must be")


def test_processes_run_side_by_side_and_each_tells_how_it_ended(finished, data, tmp_path, monkeypatch):
    started = []

    def start(job, folders, threads):
        started.append((job.label, threads))
        folders.log(job.label).parent.mkdir(parents=True, exist_ok=True)
        folders.result(job.label).parent.mkdir(parents=True, exist_ok=True)
        folders.result(job.label).write_text(json.dumps(finished[1]["runs"][0]))
        script = "import sys, time; time.sleep(0.1); sys.exit('bad luck' if sys.argv[1] == 'two' else 0)"
        with folders.log(job.label).open("wb") as log:
            return subprocess.Popen([sys.executable, "-S", "-c", script, job.name], stderr=log)

    monkeypatch.setattr(compare_module, "_start", start)
    monkeypatch.setattr(compare_module.os, "cpu_count", lambda: 8)
    result = compare(PRESETS, data, tmp_path, settings(baselines=False), jobs=2, progress=False)
    assert sorted(started) == [(f"{name}-seed{seed}", 4) for name in ("one", "two") for seed in (0, 1)]
    assert [run["preset"] for run in result["runs"]] == ["one", "one"]
    assert [(run["preset"], run["reason"]) for run in result["failures"]] == [("two", "bad luck")] * 2


def test_a_killed_process_is_a_failure(tmp_path):
    (tmp_path / "log").write_text("loading\n")
    assert "signal 9" in compare_module._reason(-signal.SIGKILL, tmp_path / "log")
    assert compare_module._reason(1, tmp_path / "log") == "loading" and compare_module._reason(0, tmp_path) is None


def test_seconds_end_a_run_and_are_kept_over_its_interruption(data, tmp_path, monkeypatch):
    step, calls, clock = PixelBytesTrainer.training_step, [], [0.0]

    def take_an_eighth(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        clock[0] += 1 / 8
        return step(self, *args, **kwargs)

    monkeypatch.setattr(training_module, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(PixelBytesTrainer, "training_step", take_an_eighth)
    budget = settings(tokens=None, seconds=1.0, seeds=(0,), baselines=False)
    with pytest.raises(KeyboardInterrupt):
        compare({"one": PRESETS["one"]}, data, tmp_path, budget, jobs=0, progress=False)
    state = read_json(tmp_path / "runs" / "one-seed0" / "checkpoints" / "checkpoint-4" / "trainer_state.json")
    assert state["stateful_callbacks"]["Stopwatch"]["attributes"]["seconds"] == 1 / 2
    clock[0] += 100  # between the sessions
    [run] = compare({"one": PRESETS["one"]}, data, tmp_path, budget, jobs=0, progress=False)["runs"]
    assert (run["training"]["seconds"], run["training"]["steps"]) == (1.0, 8)
    assert [point["seconds"] for point in run["curve"]] == [(n + 1) / 8 for n in range(8)]


def test_steps_are_counted_by_the_tokens_that_are_read(finished):
    folder, result = finished
    job = Job.from_dict(result["runs"][0]["job"])
    corpus = TokenCorpus.load(Folders(folder).corpus(job.corpora["train"]))
    windows = make_windows(corpus, job.plan.training, job.plan.objective)
    epoch = sum(stop - start for _, start, stop in map(windows.locate, range(len(windows))))
    steps = -(-len(windows) // 2)
    assert epoch == corpus.num_tokens
    assert count_steps(corpus, job.plan, epoch) == steps and count_steps(corpus, job.plan, epoch + 1) == steps + 1
    assert count_steps(corpus, job.plan, 1) == 1
    pairs = job.plan.replace(gradient_accumulation_steps=3)
    assert count_steps(corpus, pairs, epoch) == -(-steps // 3)


def test_job_survives_json(finished):
    job = Job.from_dict(finished[1]["runs"][1]["job"])
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job and job.label == "two-seed0"
    with pytest.raises(FileNotFoundError):
        run_job(job, Folders(finished[0] / "absent"), is_alone=False)


def run_of(name, bits, *, likelihood="exact", tokens=(10, 30)):
    matched = {"all": {"bits": sum(bits) / sum(tokens), "accuracy": 0.5, "tokens": sum(tokens)}}
    evaluation = {
        "likelihood": likelihood,
        **({} if likelihood == "none" else {"matched": matched}),
        "records": {"bits": list(bits), "tokens": list(tokens)},
        "paper": {"loss": 1.0, "accuracy": 0.5, "targets": 40},
        "settings": {"parameters": 7, "state": "zero"},
    }
    training = {"tokens": 9, "tokens_per_second": 1.0, "peak_memory_bytes": None}
    return {"preset": name, "evaluation": evaluation, "training": training}


def test_bounds_are_marked_and_left_out_of_the_differences():
    runs = [run_of("exact", (20, 60)), run_of("masked", (10, 30), likelihood="upper bound")]
    runs += [run_of("worse", (30, 90)), run_of("noise", (0, 0), likelihood="none")]
    lines = format_rows(runs, {}).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == ["masked", "exact", "worse", "noise"]
    assert "≤ 1.000" in lines[2] and "≤" not in lines[3] and " - " in lines[5]
    assert "upper bound" in lines[-3] and "no likelihood" in lines[-1]
    assert compare_to_best(runs) == {"worse": {"best": "exact", "difference": 1.0, "low": 1.0, "high": 1.0}}


def test_the_report_says_what_was_scored_otherwise_than_asked():
    runs = [run_of("exact", (20, 60)), run_of("window", (30, 90))]
    runs[0]["evaluation"]["settings"]["state"] = "carried"
    runs[1]["evaluation"]["settings"]["every"] = 16
    for run in runs:
        run["job"] = {"corpora": {"test": "stream"}}
    corpora = {"exact": {"test": {"fingerprint": "stream", "num_tokens": 40, "num_records": 2}}}
    asked = {
        "tokens": 9,
        "window_length": 4,
        "batch_size": 1,
        "gradient_accumulation_steps": 1,
        "split": "test",
        "state": "carried",
    }
    result = {"settings": asked, "runs": runs, "baselines": {}, "corpora": corpora, "failures": []}
    text = format_report(result)
    assert "With the objective `last` one token in 16 is scored" in text
    assert "Read from state `zero` in every window, as their objective has no other: window." in text
    for run in runs:
        run["evaluation"]["settings"] = {"parameters": 7, "state": "carried"}
    assert "one token in" not in format_report(result) and "Read from state" not in format_report(result)


def test_records_without_a_scored_token_are_left_out_of_the_differences():
    best, other = run_of("best", (20, 0, 60), tokens=(10, 0, 30)), run_of("other", (30, 0, 90), tokens=(10, 0, 30))
    assert compare_to_best([other, best])["other"] == {"best": "best", "difference": 1.0, "low": 1.0, "high": 1.0}
    alone = [run_of(name, (bits, 0), tokens=(10, 0)) for name, bits in (("best", 20), ("other", 30))]
    assert compare_to_best(alone) == {}  # one record says nothing of others


def test_bootstrap_covers_a_difference_that_varies(rng):
    tokens = np.full(200, 10.0)
    differences = rng.normal(5.0, 20.0, 200)
    found = bootstrap_difference(differences, tokens)
    deviation = differences.std() / 10 / np.sqrt(200)
    assert found["difference"] == pytest.approx(differences.sum() / 2000)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.15)
    assert found["low"] < found["difference"] < found["high"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": 3}, "tokens or of seconds"),
        ({"tokens": None}, "tokens or of seconds"),
        ({"tokens": 0}, "tokens must be positive"),
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"tokens": None, "seconds": float("nan")}, "seconds must be positive and finite"),
        ({"stride": 65}, r"stride must be at most window_length \(64\), got 65"),
        ({"state": "warm"}, "state must be one of"),
        ({"training": {"max_steps": 3}}, "max_steps"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_missing_splits_and_presets_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="no split"):
        compare(PRESETS, {"train": data["train"]}, tmp_path, settings(), jobs=0)
    with pytest.raises(ValueError, match="expected presets"):
        compare({}, data, tmp_path, settings(), jobs=0)
    with pytest.raises(ValueError, match="nonesuch"):
        compare(["nonesuch"], data, tmp_path, settings(), jobs=0)


def test_the_command_passes_its_options_and_fails_where_a_run_failed(corpus, tmp_path, monkeypatch, capsys, finished):
    seen = {}

    def fake(presets, data, output_dir, given, *, jobs):
        seen.update(presets=presets, splits=sorted(data), folder=output_dir, settings=given, jobs=jobs)
        report_module.write_report(finished[1], tmp_path)
        return finished[1] | {"failures": [{"preset": "one", "seed": 0, "reason": "no luck"}]}

    monkeypatch.setattr(compare_module, "compare", fake)
    places = ["--dataset", str(corpus), "--output-dir", str(tmp_path)]
    command = ["compare", "--presets", "mini", "small-lstm-masked", *places]
    options = ["--tokens", "9", "--seeds", "4", "5", "--window-length", "32", "--jobs", "2", "--no-baselines"]
    assert main([*command, *options, "--training", '{"learning_rate": 0.1}']) == 1
    assert seen["presets"] == ["mini", "small-lstm-masked"] and (seen["jobs"], seen["folder"]) == (2, str(tmp_path))
    assert seen["settings"] == ComparisonConfig(
        tokens=9, seeds=(4, 5), window_length=32, baselines=False, training={"learning_rate": 0.1}
    )
    printed = capsys.readouterr()
    assert "| one " in printed.out and "one, seed 0 failed: no luck" in printed.err
    assert main([*command]) == 2 and "tokens or of seconds" in capsys.readouterr().err


def test_presets_of_tasks_are_refused(data, tmp_path):
    tasks = {"text-to-video": 1}
    posed = {**PRESETS, "two": PRESETS["two"].replace(tasks=tasks)}
    for plans, options in ((posed, settings()), (PRESETS, settings(training={"tasks": tasks}))):
        with pytest.raises(ValueError, match=r"must not be trained on tasks.*'two'"):
            compare(plans, data, tmp_path / "x", options, jobs=0, progress=False)
    assert not (tmp_path / "x").exists()
