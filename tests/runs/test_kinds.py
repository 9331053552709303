"""Kinds of systems: every path of a row leads somewhere, old runs are sequences, what a kind lacks is said."""

import dataclasses
import inspect
import json
import subprocess
import sys

import pytest

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.compare.compare import compare
from pixelbytes_hf.compare.settings import ComparisonConfig
from pixelbytes_hf.runs import kinds as kinds_module
from pixelbytes_hf.runs.kinds import KINDS, find_kind, find_object, kind_of_run
from pixelbytes_hf.training.presets import PRESETS, Preset, get_preset
from pixelbytes_hf.training.recipe import Recipe
from pixelbytes_hf.training.settings import OptimisationConfig

# what functions behind verbs are called with, beside options of their own
PARAMETERS = {
    "evaluate": {"run_folder", "data", "split", "baselines"},
    "generate": {"run_folder", "out"},
    "compare": {"presets", "data", "output_dir", "settings", "jobs", "progress"},
    "push": {"run_folder", "root", "repo_id", "subfolder", "dataset", "with_samples", "seed", "card"},
    "demo": {"run_folder", "title", "options"},
    "space": {"run_folder", "target", "title"},
    "list": {"preset"},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_path_of_a_kind_leads_to_what_the_verb_calls(kind):
    assert issubclass(find_object(kind.settings), OptimisationConfig)
    assert issubclass(find_object(kind.recipe), Recipe)
    assert kind.verbs.keys() | kind.refusals.keys() == PARAMETERS.keys()
    for verb in kind.verbs:
        if verb != "demo" or pytest.importorskip("gradio"):
            assert PARAMETERS[verb] <= inspect.signature(kind.verb(verb)).parameters.keys()


def test_kinds_are_told_apart_by_their_checkpoints(tmp_path):
    model_types = [kind.model_type for kind in KINDS.values()]
    assert len(set(model_types)) == len(model_types)
    assert kind_of_run(tmp_path).name == "sequence"
    for model_type, name in (*((kind.model_type, kind.name) for kind in KINDS.values()), ("other", "sequence")):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        assert kind_of_run(tmp_path).name == name


def test_presets_of_before_are_sequences_and_unknown_kinds_are_refused():
    plan = PRESETS["mini"]
    settings = plan.to_dict()
    assert settings.pop("kind") == "sequence" and Preset.from_dict(settings) == plan
    with pytest.raises(ValueError, match=r"kind must be one of .*'sequence'.*got 'smell'"):
        Preset.from_dict({**settings, "kind": "smell"})


@pytest.fixture
def mute(monkeypatch):
    """Add a kind that has no verb."""
    row = dataclasses.replace(
        find_kind("sequence"), name="mute", model_type="mute", verbs={}, refusals={"generate": "it is mute"}
    )
    monkeypatch.setattr(kinds_module, "KINDS", {**KINDS, "mute": row})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "{run}", "--out", "{run}/out", "--text", "a"], "'generate' is not for a run of the kind 'mute'"),
        (["evaluate", "{run}", "--dataset", "x", "--state", "zero"], "'evaluate' is not for a run of the kind 'mute'"),
        (["push", "{run}", "me/x", "--no-samples"], "'push' is not for a run of the kind 'mute'"),
    ],
)
def test_a_verb_that_a_kind_lacks_is_said_in_a_line(mute, tmp_path, capsys, words, said):
    (tmp_path / "config.json").write_text('{"model_type": "mute"}')
    assert main([word.format(run=tmp_path) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_presets_of_two_kinds_are_not_compared(mute, tmp_path):
    plans = {"one": get_preset("mini"), "two": dataclasses.replace(get_preset("mini"), kind="mute")}
    with pytest.raises(ValueError, match=r"one kind, .* got \['mute', 'sequence'\]"):
        compare(plans, {}, tmp_path / "x", ComparisonConfig(tokens=1))


def test_an_option_of_another_kind_is_refused(run_folder, monkeypatch, capsys):
    def evaluate(run_folder, data, *, split, baselines):
        raise AssertionError("was called")

    monkeypatch.setattr("pixelbytes_hf.cli.evaluate.evaluate_sequence", evaluate)
    assert main(["evaluate", str(run_folder), "--dataset", "x", "--state", "zero"]) == 2
    assert "--state is not for a run of the kind 'sequence', got 'zero'" in capsys.readouterr().err


def test_kinds_are_loaded_when_they_are_used():
    script = "import sys, pixelbytes_hf.runs.kinds as k; k.find_kind('sequence'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
