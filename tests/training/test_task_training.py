"""Runs on tasks: they learn what is asked from what is given, resume exactly, are evaluated, and perform tasks."""

import json

import numpy as np
import pytest
import torch
from tiny_tasks import CODED, FULL, WORDS, HalvingCodec, corpus_of, text_of
from tiny_training import assert_same_weights, weights

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.task_corpus import TaskCorpus
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.evaluation.evaluation_tasks import ALL_TASKS, evaluate_task_baselines, evaluate_tasks
from pixelbytes_hf.objectives.losses import cell_losses
from pixelbytes_hf.objectives.objectives import find_objective
from pixelbytes_hf.runs.perform import perform_task
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.contexts import context_rule
from pixelbytes_hf.tokens.grid import image_code_segment, image_segment, unflatten
from pixelbytes_hf.tokens.pixel_codec import decode_pixels
from pixelbytes_hf.training.builders import build_config, build_tokenizer
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.training_windows import make_windows
from pixelbytes_hf.training.train import train

ATTENTION = {"model_type": "qwen3", "prefix_lm": True, "hidden_size": 32, "num_hidden_layers": 1}
TASKS = {"text-to-image": 2, "frame-prediction": 1, "video-to-type": 1}
SETTINGS = {"window_length": 96, "stride": 96, "batch_size": 4, "prefix_windows": 0, "initialisation": "default"}
SETTINGS |= {"memory_horizon": None, "warmup_steps": 0, "logging_steps": 1, "optimiser": "adamw", "tasks": TASKS}


def colours_of(word):
    """Return a clip of two frames, one colour each: which, says the word."""
    colour = FULL.pixel_ids.start + 1 + 3 * WORDS.index(word)
    return np.array([[[colour, colour]], [[colour + 1, colour + 1]]])


def paired_corpus(vocabulary=FULL, copies=2):
    records = [
        [
            text_of(f"a {word} one", vocabulary),
            image_code_segment((colours_of(word) - FULL.pixel_ids.start) % 6, vocabulary)
            if vocabulary.codes.image
            else image_segment(colours_of(word), vocabulary),
        ]
        for word in WORDS * copies
    ]
    return TokenCorpus.from_records(records, vocabulary)


def plan_of(*, vocabulary=FULL, mixer=ATTENTION, objective="predictive", **options):
    plan = get_preset("mini").replace(
        model={"objective": objective, "embedding_dim": 36, "mixer_config": mixer}, **{**SETTINGS, **options}
    )
    return plan.replace(tokenizer={"vocabulary": vocabulary.to_dict()})


def run_in(folder, *, resume=False, vocabulary=FULL, **options):
    corpus = paired_corpus(vocabulary)
    data = {"train": corpus, "validation": paired_corpus(vocabulary, 1)}
    return train(data, plan_of(vocabulary=vocabulary, **options), folder, resume=resume, progress=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a run that has learnt four records by heart."""
    settings = {"max_steps": 80, "batch_size": 8, "learning_rate": 0.01, "eval_steps": 80, "save_steps": 80}
    return run_in(tmp_path_factory.mktemp("tasks") / "run", **settings)


def test_what_is_asked_follows_what_is_given(trained):
    run = Run.load(trained)
    for word in WORDS:
        clip = decode_pixels(colours_of(word), FULL)
        drawn = perform_task(run, "text-to-image", text=f"a {word} one", do_sample=False)
        assert drawn.text == f"a {word} one"
        np.testing.assert_array_equal(drawn.frames, clip[:1])
        # of a clip the first frame is given, and what is made is put behind it
        np.testing.assert_array_equal(perform_task(run, "frame-prediction", image=clip, do_sample=False).frames, clip)
        assert perform_task(run, "video-to-type", image=clip, do_sample=False).text == word


def test_curves_hold_bits_of_outputs_and_the_share_of_padding(trained):
    history = json.loads((trained / "history.json").read_text())
    last = history["validation"][-1]
    assert last["bits"] < 0.2 and 0 <= history["train"][0]["padding"] < 0.5
    # every record once with one of its tasks: no header, and of texts the type alone
    assert last["count"] < 4 * 6 and "count_task" not in last


def test_evaluation_scores_what_is_asked(trained):
    run, corpus = Run.load(trained), paired_corpus(copies=1)
    results = evaluate_tasks(run.model, corpus, TASKS, batch_size=3, progress=False)
    assert [*results] == [ALL_TASKS, *TASKS]
    total = 0.0
    for name in TASKS:
        streams, nats, count = TaskCorpus(corpus, [name]), 0.0, 0
        for index in range(4):
            ids, shapes, num_given = streams.stream(index)
            rows = context_rule(6).gather(ids, shapes, 0, len(ids), pad_id=0).astype(np.int64)
            prefix = (torch.arange(len(ids)) < num_given).long()[None]
            with torch.no_grad():
                logits = run.model(torch.from_numpy(rows)[None], prefix_mask=prefix).logits[0, num_given:]
            nats += float(cell_losses(logits, torch.from_numpy(ids[num_given:].astype(np.int64))).sum())
            count += len(ids) - num_given
        figures = results[name]["matched"]["all"]
        assert figures["tokens"] == count and figures["bits"] == pytest.approx(nats / count / np.log(2), abs=1e-5)
        total += nats
    over_all = results[ALL_TASKS]["matched"]["all"]
    assert over_all["bits"] * over_all["tokens"] == pytest.approx(total / np.log(2), abs=1e-3)
    records = evaluate_model(run.model, TaskCorpus(corpus, TASKS), window_length=96, per_record=True, progress=False)
    assert sum(records["records"]["tokens"]) == over_all["tokens"]
    baselines = evaluate_task_baselines(corpus, corpus, TASKS, progress=False)
    assert {row["matched"]["all"]["tokens"] for row in baselines.values() if "matched" in row} == {over_all["tokens"]}
    assert over_all["bits"] < baselines["uniform"]["matched"]["all"]["bits"] / 20


def test_an_interrupted_run_of_tasks_goes_on_bit_for_bit(tmp_path, monkeypatch):
    settings = {"num_train_epochs": 4, "eval_steps": 4, "save_steps": 2}
    settings["tasks"] = {"0": {"text-to-image": 1, "frame-prediction": 2}, "1.5": TASKS}
    whole = run_in(tmp_path / "whole", **settings)
    step, calls = PixelBytesTrainer.training_step, []

    def fail_at_the_sixth(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(PixelBytesTrainer, "training_step", fail_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path / "cut", **settings)
    monkeypatch.undo()
    assert_same_weights(weights(whole), weights(run_in(tmp_path / "cut", **settings, resume=True)))


@pytest.mark.parametrize(
    ("objective", "mixer"),
    [
        ("autoregressive", {"hidden_size": 16, "num_hidden_layers": 1}),
        ("masked", {"model_type": "llama", "is_causal": False, "hidden_size": 16, "num_hidden_layers": 1}),
    ],
)
def test_other_objectives_and_codes_take_tasks(tmp_path, objective, mixer):
    options = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "tasks": {"text-to-image": 1, "frame-prediction": 1}}
    plan = plan_of(vocabulary=CODED, objective=objective, mixer=mixer, **options)
    plan = plan.replace(model={"context_size": 7 if objective == "masked" else 6})
    corpus = paired_corpus(CODED, 1)
    folder = train({"train": corpus, "validation": corpus}, plan, tmp_path / "run", progress=False)
    run = Run.load(folder)
    settings = {"num_draws": 2} if objective == "masked" else {}
    [figures] = evaluate_tasks(run.model, corpus, ["text-to-image"], progress=False, **settings).values()
    assert figures["matched"]["all"]["tokens"] == 4 * 3
    # codes are decoded by the codec, and what is given is encoded by it
    codec, draws = HalvingCodec(), {"do_sample": True, "seed": 0}
    still = perform_task(run, "text-to-image", text="a fire one", codecs=[codec], **draws)
    assert still.frames.shape == (1, 2, 4, 4) and still.text == "a fire one"
    clip = perform_task(run, "frame-prediction", image=still.frames, codecs=[codec], **draws)
    assert clip.frames.shape == (2, 2, 4, 4) and np.array_equal(clip.frames[:1], still.frames)
    codes = perform_task(run, "text-to-image", text="a fire one", **draws).segments[-1]
    assert codes.modality == "image_code" and codes.value.shape == (1, 1, 2)
    with pytest.raises(ValueError, match="codecs must have one that makes image_code"):
        perform_task(run, "frame-prediction", image=still.frames)


def test_tasks_that_few_records_have_are_said_and_none_is_refused(caplog):
    corpus = TokenCorpus.from_records([[text_of("a fire one")], [text_of("nothing known")]], FULL)
    both = corpus_of(2, frames=2).record(0), corpus.record(0)
    mixed = TokenCorpus.from_records([unflatten(*record) for record in both], FULL)
    settings = plan_of(tasks={"text-to-video": 1, "unconditional": 1}).training
    make_windows(mixed, settings, find_objective("predictive"))
    assert "text-to-video: 1 of 2 records lack a medium or frames, 0 are longer" in caplog.text
    with pytest.raises(ValueError, match="each fit a record, but 'text-to-video' fits none of 2: 2 lack"):
        make_windows(corpus, settings, find_objective("predictive"))


def test_a_prefix_that_sees_itself_needs_tasks():
    plan = plan_of(tasks={})
    config = build_config(plan, build_tokenizer(plan).tables)
    with pytest.raises(ValueError, match="prefix_lm must be False without tasks"):
        make_windows(corpus_of(2), plan.training, find_objective("predictive"), config)


def test_settings_that_choose_windows_otherwise_are_refused():
    plan, corpus = plan_of(), corpus_of(2)
    for name, value in {"prefix_windows": 1, "mirror": True, "invert": True, "repeats": {"text": 2}}.items():
        with pytest.raises(ValueError, match="must not be set with tasks"):
            make_windows(corpus, plan.replace(**{name: value}).training, plan.objective)
    with pytest.raises(ValueError, match="jitter must be False with tasks"):
        make_windows(corpus, plan.replace(jitter=True).training, plan.objective)
    with pytest.raises(ValueError, match="tasks must not be set with the objective 'diffusion'"):
        make_windows(corpus, plan.training, find_objective("diffusion"))
    with pytest.raises(ValueError, match="tasks must not be set with the objective 'last'"):
        make_windows(corpus, plan.training, find_objective("last"))


def test_media_that_a_task_is_not_given_are_refused(trained):
    run = Run.load(trained)
    with pytest.raises(ValueError, match=r"is given \['text'\], got \['image'\]"):
        perform_task(run, "text-to-image", image=decode_pixels(colours_of("fire"), FULL))
    with pytest.raises(ValueError, match="layout must have"):
        perform_task(run, "text-to-sound", text="a fire one")


def test_the_command_line_performs_tasks(trained, tmp_path, capsys):
    out = tmp_path / "made"
    assert main(["generate", str(trained), "--task", "text-to-image", "--text", "a leaf one", "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"creature.gif", "creature_large.gif", "description.txt"}
    picture = str(out / "creature.gif")
    assert main(["generate", str(trained), "--task", "frame-prediction", "--image", picture, "--out", str(out)]) == 0
    assert main(["generate", str(trained), "--task", "text-to-smell", "--text", "x", "--out", str(out)]) == 2
    assert "task must be one of" in capsys.readouterr().err
    keep = ["--text", "x", "--keep", "2", "--out", str(out)]
    assert main(["generate", str(trained), "--task", "text-to-image", *keep]) == 2
    assert "--keep must not be given with --task" in capsys.readouterr().err
