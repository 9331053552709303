"""Training: it learns, it resumes exactly, its figures do not depend on batches or processes."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import MODEL, PAPER, RUN, assert_same_weights, make_corpus, make_trainer, run, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

from pixelbytes_hf.data.batches import WindowCollator
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.tokens.vocabulary import IGNORE_INDEX, KINDS
from pixelbytes_hf.training.builders import build_model
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.validation import sum_kinds, summarise_kinds
from pixelbytes_hf.training.train import train
from pixelbytes_hf.training.trainer import gather_model, make_training_arguments


@pytest.mark.parametrize(
    ("preset", "optimiser"), [("paper-lstm-predictive", "adamw"), ("paper-lstm-autoregressive", "muon")]
)
def test_one_batch_overfits(tmp_path, preset, optimiser):
    options = {"max_steps": 120, "save_steps": 120, "eval_steps": 120, "logging_steps": 50, "optimiser": optimiser}
    corpus = make_corpus(1)
    plan = {"jitter": False, "learning_rate": 0.01, "window_length": 64, "stride": 64}
    model = {"embedding_dim": 96, "mixer_config": {"dropout": 0.0, "hidden_size": 96}}
    folder = train(
        {"train": corpus, "validation": corpus},
        get_preset(preset).replace(model=MODEL),
        tmp_path / "run",
        model=model,
        progress=False,
        **{**RUN, **options, **plan},
    )
    last = json.loads((folder / "history.json").read_text())["validation"][-1]
    assert last["bits"] < 0.2 and last["accuracy"] > 0.95
    assert last["count"] == corpus.num_tokens


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Return a function that gives the folder of an uninterrupted run; tests must not write into it."""
    return functools.cache(lambda optimiser: run(tmp_path_factory.mktemp("whole") / "x", optimiser=optimiser))


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_interrupted_and_resumed_run_equals_an_uninterrupted_one(whole_run, tmp_path, monkeypatch, optimiser):
    whole = whole_run(optimiser)
    step, calls = PixelBytesTrainer.training_step, []

    def fail_at_the_tenth(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 10:  # in the second epoch, past checkpoint-8
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(PixelBytesTrainer, "training_step", fail_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", optimiser=optimiser)
    monkeypatch.undo()
    # what a kill during the next checkpoint leaves: the model, but not the state that is written last
    (tmp_path / "cut" / "checkpoints" / "checkpoint-9").mkdir()
    cut = run(tmp_path / "cut", optimiser=optimiser, resume=True)
    assert_same_weights(weights(whole), weights(cut))
    histories = [json.loads((folder / "history.json").read_text()) for folder in (whole, cut)]
    assert [point["loss"] for point in histories[0]["train"]] == [point["loss"] for point in histories[1]["train"]]
    assert [point["bits"] for point in histories[0]["validation"]] == [p["bits"] for p in histories[1]["validation"]]


def test_resume_before_the_first_checkpoint_starts_anew(whole_run, tmp_path, monkeypatch):
    monkeypatch.setattr(PixelBytesTrainer, "train", lambda self, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.undo()
    assert_same_weights(weights(run(tmp_path / "cut", resume=True)), weights(whole_run("muon")))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    folder = run(tmp_path / "whole", max_steps=5, save_steps=5)  # ends within an epoch
    before = weights(folder), (folder / "history.json").read_text(), sorted((folder / "checkpoints").iterdir())
    run(tmp_path / "whole", max_steps=5, save_steps=5, resume=True)
    assert_same_weights(weights(folder), before[0])
    assert (folder / "history.json").read_text() == before[1]
    assert sorted((folder / "checkpoints").iterdir()) == before[2]


def test_resuming_with_another_number_of_processes_is_refused(tmp_path):
    folder = run(tmp_path / "whole", max_steps=2)
    record = json.loads((folder / "training.json").read_text())
    record["settings"]["num_processes"] = 2
    (folder / "training.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="num_processes was 2, got 1"):
        run(tmp_path / "whole", max_steps=2, resume=True)


def test_a_run_that_diverges_says_so_and_leaves_no_model(tmp_path):
    with pytest.raises(ValueError, match="diverged"):
        run(tmp_path / "broken", learning_rate=1e30, optimiser="adamw", max_grad_norm=None)
    assert not (tmp_path / "broken" / "config.json").exists()


def test_the_tokenizer_that_was_used_is_recorded(tmp_path):
    own = ActionPixelBytesTokenizer(slicing={"image": 2, "audio": 4})
    folder = run(tmp_path / "own", max_steps=1, tokenizer=own)
    recorded = json.loads((folder / "training.json").read_text())["tokenizer"]
    assert recorded["slicing"] == own.slicing and recorded["preset"] == "paper"


@pytest.mark.slow
def test_killed_process_resumes_to_the_same_weights(tmp_path):
    script = "import sys; sys.path[:0] = sys.argv[2:]; from tiny_training import run; run(sys.argv[1], save_steps=1)"
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "cut"), *paths])
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "checkpoints" / "checkpoint-3").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    cut = run(tmp_path / "cut", save_steps=1, resume=True)
    assert_same_weights(weights(cut), weights(run(tmp_path / "whole", save_steps=1)))


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys; sys.path[:0] = sys.argv[2:4]\n"
        "from tiny_training import run, MODEL\n"
        "MODEL['mixer_config']['dropout'] = 0.0\n"
        "folder = run(sys.argv[1], batch_size=int(sys.argv[4]), num_records=8)\n"  # 16 windows: batches are full
        "import torch.distributed as d\n"
        "world = d.get_world_size() if d.is_initialized() else 1\n"
        "open(f'{sys.argv[1]}.world', 'w').write(str(world))\n"
    )
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for start, name, batch in (([sys.executable], "one", 4), (launch, "two", 2)):
        subprocess.run([*start, script, tmp_path / name, *paths, str(batch)], check=True, env=environment, timeout=300)
    assert [(tmp_path / f"{name}.world").read_text() for name in ("one", "two")] == ["1", "2"]
    one, two = (weights(tmp_path / name) for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=2e-6)
    histories = [json.loads((tmp_path / name / "history.json").read_text())["validation"] for name in ("one", "two")]
    assert [point["count"] for point in histories[0]] == [point["count"] for point in histories[1]]
    assert [p["bits"] for p in histories[0]] == pytest.approx([p["bits"] for p in histories[1]], rel=1e-5)


def test_sums_of_kinds_equal_a_loop(rng):
    logits = torch.from_numpy(rng.normal(size=(3, 5, PAPER.size))).float()
    labels = torch.tensor([[4, 60, 2, 1, 150], [58, 58, 3, 114, 1], [2, 5, -100, -100, -100]])
    expected = np.zeros((3, len(KINDS), 3))
    for row in range(3):
        for place in range(5):
            if labels[row, place] != IGNORE_INDEX:
                chances = logits[row, place].softmax(-1)
                token = int(labels[row, place])
                kind = PAPER.kind_of_id[token]
                expected[row, kind] += [-chances[token].log(), float(chances.argmax() == token), 1]
    sums = sum_kinds(logits, labels, torch.from_numpy(PAPER.kind_of_id.astype(np.int64)))
    np.testing.assert_allclose(sums.numpy(), expected, rtol=1e-5)


def test_bits_are_sums_over_tokens_not_means_of_windows():
    sums = np.zeros((2, len(KINDS), 3))
    sums[0, KINDS.index("text")] = [3 * np.log(2), 1, 1]
    sums[1, KINDS.index("text")] = [9 * np.log(2), 2, 5]
    sums[1, KINDS.index("pixel")] = [4 * np.log(2), 3, 4]
    prediction = type("Prediction", (), {"predictions": sums})()
    metrics = summarise_kinds(prediction)
    assert metrics == pytest.approx(
        {
            **{"bits": 1.6, "accuracy": 0.6, "count": 10},
            **{"bits_text": 2.0, "accuracy_text": 0.5, "count_text": 6},
            **{"bits_pixel": 1.0, "accuracy_pixel": 0.75, "count_pixel": 4},
        }
    )


def test_validation_does_not_depend_on_the_batch_size(tmp_path):
    figures = []
    for batch in (1, 4, 64):
        metrics = make_trainer(tmp_path / str(batch), batch_size=batch).evaluate()
        figures.append([value for name, value in metrics.items() if "bits" in name or "count" in name])
    assert figures[0] == pytest.approx(figures[1], rel=1e-6) and figures[0] == pytest.approx(figures[2], rel=1e-6)


def test_validation_scores_the_new_token_of_either_objective(tmp_path):
    trainer = make_trainer(tmp_path, preset="paper-lstm-autoregressive")
    metrics = trainer.evaluate()
    windows = trainer.eval_dataset
    nats = 0.0
    with torch.no_grad():
        for index in range(len(windows)):
            batch = WindowCollator()([windows[index]])
            logits = trainer.model(batch["input_ids"]).logits[..., -1, :]
            nats += float(torch.nn.functional.cross_entropy(logits[0], batch["labels"][0], reduction="sum"))
    assert metrics["eval_bits"] == pytest.approx(nats / windows.corpus.num_tokens / np.log(2), rel=1e-5)


def test_epoch_reaches_the_windows(tmp_path):
    trainer = make_trainer(tmp_path, save_steps=None, eval_steps=None, num_train_epochs=3)
    seen = []
    trainer.train_dataset.set_epoch = lambda epoch: seen.append(epoch)
    trainer.train()
    assert sorted(set(seen)) == [0, 1, 2]


def test_folder_holds_model_tokenizer_and_curves(whole_run):
    folder = whole_run("muon")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, ActionPixelBytesTokenizer) and model.config.vocab_size == tokenizer.vocab_size
    history = json.loads((folder / "history.json").read_text())
    steps = [point["step"] for point in history["train"]]
    assert steps == list(range(1, steps[-1] + 1)) and history["validation"][-1]["step"] == steps[-1]
    assert all(np.isfinite(point["loss"]) for point in history["train"])
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"]["window_length"] == 24
    assert record["data"]["train"]["fingerprint"] == make_corpus().fingerprint
    assert not list(folder.glob(".*"))


def test_cards_are_never_overwritten(tmp_path):
    trainer = make_trainer(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    trainer.create_model_card(model_name="other")
    assert (tmp_path / "README.md").read_text() == "mine"


def test_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        run(tmp_path / "run")
    with pytest.raises(ValueError, match="no run that can be resumed"):
        run(tmp_path / "run", resume=True)


def test_resume_refuses_other_settings_or_data(tmp_path):
    run(tmp_path / "run", max_steps=2)
    with pytest.raises(ValueError, match="learning_rate was"):
        run(tmp_path / "run", max_steps=2, learning_rate=0.5, resume=True)
    with pytest.raises(ValueError, match="other data"):
        train(make_corpus(2), "mini", tmp_path / "run", model=MODEL, resume=True, **{**RUN, "max_steps": 2})


def test_data_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split 'train'"):
        train({"test": make_corpus()}, "mini", tmp_path / "run")
    with pytest.raises(ValueError, match="not the tokenizer's"):
        train(make_corpus(), "mini", tmp_path / "run", tokenizer=ActionPixelBytesTokenizer(preset="full"))
    with pytest.raises(ValueError, match="learning_speed"):
        train(make_corpus(), "mini", tmp_path / "run", learning_speed=1)
    assert not (tmp_path / "run").exists()


def test_persistent_workers_are_refused(tmp_path):
    plan = get_preset("mini").replace(model=MODEL)
    args = make_training_arguments(
        plan.training, tmp_path, has_validation=False, dataloader_num_workers=1, dataloader_persistent_workers=True
    )
    with pytest.raises(ValueError, match="persistent"):
        PixelBytesTrainer(build_model(plan, PAPER, make_corpus()), args, settings=plan.training, vocabulary=PAPER)


def test_start_from_trains_a_checkpoint_further(tmp_path):
    first, slow = run(tmp_path / "first", max_steps=4), {"learning_rate": 1e-12, "matrix_learning_rate": 1e-12}
    further = {**RUN, "max_steps": 2, **slow, "progress": False}
    second = train(make_corpus(seed=2), "mini", tmp_path / "second", start_from=first, **further)
    assert AutoTokenizer.from_pretrained(second).options == AutoTokenizer.from_pretrained(first).options
    before, after = weights(first), weights(second)
    for name in before:  # and not the widths of the preset, nor weights drawn anew
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=1e-6)
    assert json.loads((second / "training.json").read_text())["model"] == {"start_from": str(first)}
    assert train(make_corpus(seed=2), "mini", second, start_from=first, resume=True, **further) == second
    with pytest.raises(ValueError, match="other model: start_from was"):
        train(make_corpus(seed=2), "mini", second, start_from=second, resume=True, **further)
    with pytest.raises(ValueError, match="model must be None with start_from"):
        train(make_corpus(), "mini", tmp_path / "third", start_from=first, model=MODEL)
    with pytest.raises(ValueError, match="not the tokenizer's"):
        train(make_corpus(), "mini", tmp_path / "third", start_from=first, tokenizer=ActionPixelBytesTokenizer("full"))


def test_start_from_trains_weights_of_half_precision_in_full(tmp_path):
    first = run(tmp_path / "first", max_steps=1)
    AutoModelForCausalLM.from_pretrained(first).bfloat16().save_pretrained(first)
    options = {**RUN, "max_steps": 1, "progress": False}
    further = train(make_corpus(), "mini", tmp_path / "on", start_from=first, **options)
    assert {value.dtype for value in weights(further).values()} == {torch.float32}


def test_start_from_makes_the_windows_of_the_run_those_of_the_model(tmp_path):
    last = {**RUN, "model": {**MODEL, "objective": "last"}, "progress": False, "max_steps": 1, "prefix_windows": 0}
    first = train(make_corpus(), "mini", tmp_path / "first", **last)
    last |= {"model": None, "window_length": 12, "stride": 12}
    second = train(make_corpus(), "mini", tmp_path / "second", start_from=first, **last)
    lengths = [json.loads((folder / "config.json").read_text())["window_length"] for folder in (first, second)]
    assert lengths == [24, 12]


def test_start_from_nothing_ends_with_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    for start in (tmp_path / "empty", tmp_path / "absent", "no/name/of/the/hub", "user/absent"):
        with pytest.raises(ValueError, match="start_from must be the folder of a checkpoint or a name") as caught:
            train(make_corpus(), "mini", tmp_path / "run", start_from=start, progress=False)
        assert repr(str(start)) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_sharded_weights_are_written_whole(tmp_path):
    trainer = make_trainer(tmp_path)
    assert gather_model(trainer) is trainer.model
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.model.generation_config.temperature = 0.3
    trainer.is_fsdp_enabled = True  # what FSDP leaves in a process is a shard: here, nothing
    trainer.accelerator.get_state_dict = lambda wrapped: before
    for value in trainer.model.parameters():
        value.data.zero_()
    whole = gather_model(trainer)
    assert_same_weights(whole.state_dict(), before)
    assert whole.generation_config.temperature == 0.3


def test_muon_under_deepspeed_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, optimiser="muon")
    trainer.is_deepspeed_enabled = True
    with pytest.raises(ValueError, match="optimiser must be 'adamw' with DeepSpeed"):
        trainer.create_optimizer()


@pytest.mark.parametrize(("part", "change"), [("threads", 7), ("versions", {"torch": "1.0"})])
def test_a_run_computed_otherwise_is_resumed_only_on_request(tmp_path, part, change, caplog):
    folder = run(tmp_path / "x", max_steps=2, save_steps=1)
    record = json.loads((folder / "training.json").read_text())
    record[part] = {**record[part], **change} if isinstance(change, dict) else change
    (folder / "training.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"{next(iter(change)) if part == 'versions' else part} was .*--allow-other"):
        run(folder, max_steps=2, save_steps=1, resume=True)
    run(folder, max_steps=2, save_steps=1, resume=True, allow_other_versions=True)
    assert "resumed with a difference that changes the weights" in caplog.text


def test_what_a_kill_left_before_the_record_is_no_obstacle(tmp_path):
    folder = tmp_path / "x"
    (folder / ".save.abcd1234").mkdir(parents=True)
    (folder / ".training.json.abcd1234").write_text("{")
    os.utime(folder / ".save.abcd1234", (0, 0))
    assert run(folder, max_steps=1) == folder
    # a young part may be of a process that is still at it
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".training.json.abcd1234"]
