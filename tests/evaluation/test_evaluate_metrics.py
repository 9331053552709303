"""The metrics of `evaluate`: loaded from the package's folder, offline, in batches and from two processes."""

import json
import os
import re
from importlib.resources import files

import numpy as np
import pytest
import torch

from dataset_builder.creatures import CRY_RATE_HZ, cry, describe, draw
from dataset_builder.mini import draw_attributes
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.runs.run_folder import Run

evaluate = pytest.importorskip("evaluate")
FOLDER = files("pixelbytes_hf.evaluation") / "evaluate_metrics"
NAMES = ("attribute_agreement", "hamming", "matched_bits")


def load(name, tmp_path, **options):
    return evaluate.load(str(FOLDER / name), cache_dir=str(tmp_path), **options)


@pytest.fixture
def creatures():
    """Return sentences of the embedded corpus, with sprites and cries that agree with them."""
    drawn = [attributes for _, attributes in draw_attributes(4)]
    sentences = [describe(attributes, seed) for seed, attributes in enumerate(drawn)]
    media = [
        {"frames": draw(attributes, seed), "sound": cry(attributes, seed), "sampling_rate": CRY_RATE_HZ}
        for seed, attributes in enumerate(drawn)
    ]
    return sentences, media


def test_every_wrapper_is_tested():
    assert not (FOLDER / "__init__.py").is_file()
    assert sorted(path.name for path in FOLDER.iterdir() if not path.name.startswith("_")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_wrappers_are_read_by_evaluate(name, tmp_path):
    source = (FOLDER / name / f"{name}.py").read_text()
    # evaluate finds imports by lines
    assert not re.search(r"^(?:from|import) .*[(\\]$", source, flags=re.MULTILINE)
    metric = load(name, tmp_path)
    assert metric.description and "references" in metric.features
    assert len(metric) == 0


def test_matched_bits_are_those_of_hand(tmp_path):
    metric = load("matched_bits", tmp_path)
    metric.add_batch(predictions=[np.log([0.5, 0.25]), np.log([0.125])], references=[[58, 59], [3]])
    metric.add(prediction=np.log([1.0]), reference=[1])
    assert metric.compute() == {
        "matched_bits": 1.5,
        "matched_bits_text": 3.0,
        "matched_bits_pixel": 1.5,
        "matched_bits_row_end": 0.0,
        "num_tokens": 4,
    }


def test_matched_bits_equal_our_own_evaluation(run_folder, tmp_path):
    run, metric = Run.load(run_folder), load("matched_bits", tmp_path)
    texts = ["a small red leaf beast", "a large blue bird"]
    corpus = TokenCorpus.from_records(
        [run.tokenizer.encode_record(text=text)[0] for text in texts], run.tokenizer.tables
    )
    for text in texts:
        inputs = run.tokenizer(text=text, return_tensors="pt")
        labels = inputs.pop("labels")
        # row n of the contexts is what is seen before token n, so nothing is shifted
        with torch.inference_mode():
            chances = run.model(**inputs).logits.log_softmax(-1)
        metric.add(prediction=chances.gather(-1, labels[..., None])[0, :, 0].double().numpy(), reference=labels[0])
    expected = evaluate_model(run.model, corpus, progress=False)["matched"]["all"]
    found = metric.compute()
    assert found["matched_bits"] == pytest.approx(expected["bits"], rel=1e-6)
    assert found["num_tokens"] == expected["tokens"]


def test_matched_bits_take_other_vocabularies_and_refuse_what_does_not_fit(tmp_path):
    metric = load("matched_bits", tmp_path)
    assert metric.compute(predictions=[[0.0]], references=[[600]], vocabulary="full")["matched_bits"] == 0
    for references, message in (([[600]], r"ids in 0\.\.150"), ([[3, 4]], "a prediction per token, got 1 for 2")):
        with pytest.raises(ValueError, match=message):
            load("matched_bits", tmp_path).compute(predictions=[[0.0]], references=references)
    for chance in (-np.inf, 0.5, np.nan):  # 0.5 is a probability, not its logarithm
        with pytest.raises(ValueError, match=f"predictions must be logarithms .* got {chance}"):
            load("matched_bits", tmp_path).compute(predictions=[[chance]], references=[[3]])


@pytest.mark.parametrize("name", ["hamming", "matched_bits"])
def test_figures_of_no_record_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="at least one record, got none"):
        load(name, tmp_path).compute(predictions=[], references=[])


def test_hamming_is_the_mean_over_records(tmp_path):
    metric = load("hamming", tmp_path)
    metric.add_batch(predictions=[[7, 8, 5]], references=[[7, 8, 9, 9]])
    metric.add_batch(predictions=[[1]], references=[[1]])
    assert metric.compute() == {"hamming": 0.25, "num_records": 2}


def test_agreement_of_real_creatures_is_whole_and_of_missing_ones_none(creatures, tmp_path):
    sentences, media = creatures
    metric = load("attribute_agreement", tmp_path)
    for start in (0, 2):
        metric.add_batch(predictions=media[start : start + 2], references=sentences[start : start + 2])
    assert metric.compute() == dict.fromkeys(("colour", "size", "shape", "pose", "element", "pitch"), 1.0)
    sprites = [{**item, "sound": None, "sampling_rate": None} for item in media]
    sprites[0] = {**sprites[0], "frames": None}
    found = load("attribute_agreement", tmp_path).compute(predictions=sprites, references=sentences)
    assert found == dict.fromkeys(("colour", "size", "shape", "pose"), 0.75)


def test_sound_without_rate_is_refused(tmp_path):
    item = {"frames": None, "sound": np.zeros((1, 4)), "sampling_rate": None}
    with pytest.raises(ValueError, match="record 0 has a sound: expected its sampling_rate"):
        load("attribute_agreement", tmp_path).compute(predictions=[item], references=["a red beast"])


@pytest.mark.parametrize(("prediction", "got"), [(None, "NoneType"), ({"frames": None}, r"\['frames'\]")])
def test_prediction_without_its_parts_is_refused(prediction, got, tmp_path):
    with pytest.raises(TypeError, match=f"must be a dictionary of .* got {got}"):
        load("attribute_agreement", tmp_path).compute(predictions=[prediction], references=["a red beast"])


WORKERS = """
import json, os, sys
import evaluate
folder, cache = sys.argv[1:]
rank = 0 if (other := os.fork()) else 1
options = {"num_process": 2, "process_id": rank, "experiment_id": "two", "cache_dir": cache}
metric = evaluate.load(folder, **options)
streams = [[7, 8, 9, 9], [1, 1], [3]][rank::2]
metric.add_batch(predictions=[stream[:-1] + [5] for stream in streams], references=streams)
with open(f"{rank}.json", "w") as file:
    json.dump(metric.compute(), file)
if rank:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""


def test_two_processes_give_one_result(forks, tmp_path):
    environment = {**os.environ, "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    forks.run(WORKERS, FOLDER / "hamming", tmp_path / "cache", folder=tmp_path, environment=environment)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == {"hamming": pytest.approx((0.25 + 0.5 + 1.0) / 3), "num_records": 3} and second is None
