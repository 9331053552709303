"""The first approach's windows, tokens, metrics and checkpoints, against stored outputs of its unmodified code."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from reference.published_first import (
    PublishedWindowGenerator,
    read_images_as_published,
    read_texts_as_published,
    windows_as_published,
    wrapped_windows_as_published,
)
from transformers import AutoModelForCausalLM

from pixelbytes_hf.evaluation.similarity import paper_bleu, paper_cosine, paper_hamming
from pixelbytes_hf.generation.grammar import FreeGrammar
from pixelbytes_hf.generation.segment_grammar import LegalIds
from pixelbytes_hf.models.pixelbytes.embeddings import build_join
from pixelbytes_hf.models.pixelbytes.legacy_first import convert_first_settings
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.models.pixelbytes.tokenization_first import PixelBytesTokenizer
from pixelbytes_hf.tokens.contexts import CONTEXT_RULES, WINDOW_CELLS
from pixelbytes_hf.tokens.grid import image_segment
from pixelbytes_hf.tokens.pixel_codec import encode_pixels
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

FIRST = Vocabulary.from_preset("first")
WINDOWS = CONTEXT_RULES[9]
CHECKPOINTS = [
    "rnn_bi_pxby_conv_81_64_2",
    "rnn_uni_pxby_noconv_36_32_1",
    "attention_pxby_conv_36_1",
    "ssm_bi_pxby_conv_36_16_2",
]


@pytest.fixture(scope="module")
def stored(shared):
    with np.load(shared / "parity" / "old.npz") as file:
        return {key: file[key] for key in file}


@pytest.fixture(scope="module")
def cases(shared):
    """Return the cases by kind; a test of a kind checks that there are as many as it has been written for."""
    found = {}
    for case in json.loads((shared / "parity" / "old_cases.json").read_text())["cases"]:
        found.setdefault(case["kind"], []).append(case)
    return found


def centres(windows):
    return windows[:, 1, 1].astype(np.uint8)


def test_ids_stand_for_the_same_tokens(shared):
    reference = json.loads((shared / "parity" / "old_cases.json").read_text())
    tokens = [
        f"<0x{t.upper()}>" if isinstance(t, str) else "<#{:02X}{:02X}{:02X}>".format(*t) for t in reference["tokens"]
    ]
    assert list(FIRST.tokens) == tokens
    assert FIRST.size == reference["vocab_size"] == 113


def test_windows_of_grids(cases, stored):
    assert len(cases["input_seq_construct"]) == 11
    for case in cases["input_seq_construct"]:
        grid, expected = stored[case["input"]], stored[case["output"]]
        side = case["args"]["dim"]
        windows = windows_as_published(grid, side=side)
        assert np.array_equal(windows.reshape(expected.shape), expected), case["id"]
        if side < 4:
            segment = image_segment(grid[None].astype(np.uint8), FIRST)
            assert np.array_equal(gather_context(segment.ids, WINDOW_CELLS, pad_id=0), windows), case["id"]


def test_colours_of_the_palette(cases, stored):
    (case,) = cases["image_paletization"]
    ids = encode_pixels(stored[case["input"]][None], FIRST)
    colours = np.array(FIRST.colours, np.uint8)[ids[0] - FIRST.pixel_ids.start]
    assert np.array_equal(colours, stored[case["output"]])


def test_tokens_and_windows_of_records(cases, stored):
    assert len(cases["add_pixelbyte_columns"]) == 4
    tokenizer = PixelBytesTokenizer(header="as_published", errors="strict")
    for case in cases["add_pixelbyte_columns"]:
        record = {"text": case["caption"], "image": stored[case["image"]]}
        if "raises" in case:
            with pytest.raises(ValueError, match="is not in the vocabulary's bytes"):
                tokenizer(**record)
            continue
        expected = stored[case["output"]]
        encoding = tokenizer(**record, return_tensors="np")
        assert np.array_equal(encoding["labels"][0], expected[:, 1, 1])
        # row n is the window centred on token n - 1
        assert np.array_equal(encoding["input_ids"][0, 1:], expected.reshape(-1, 9)[:-1])
        assert not encoding["input_ids"][0, 0].any()
        assert tokenizer.decode(encoding["labels"][0]).startswith(case["shape_text"])


def test_windows_that_come_token_by_token(cases, stored):
    assert len(cases["SequenceGenerator"]) == 51
    legal_ids = LegalIds(FIRST)
    for case in cases["SequenceGenerator"]:
        begun = [] if case["start_from"] is None else centres(stored[case["start_from"]])
        start, expected = case["start"], stored[case["output"]].reshape(-1, 9)
        is_published_only = "tokens" in case
        if "feed" in case:
            tokens = begun[start : start + case["feed"]]
        else:
            tokens = stored[case["tokens"]] if is_published_only else case["token_list"]
        published = PublishedWindowGenerator(FIRST, begun[:start])
        assert [published.push(int(token)) for token in tokens] == expected.tolist(), case["id"]
        if "clock_tail" in case:
            assert published.marks[-4:] == case["clock_tail"], case["id"]
        if not is_published_only:  # random tokens are no records, and there the original's rows are wrong
            grammar = FreeGrammar(legal_ids, [int(token) for token in begun[:start]], rule=WINDOWS)
            for token, window in zip(tokens, expected.tolist(), strict=True):
                grammar.push(int(token))
                assert grammar.context() == window, case["id"]


def test_training_windows_that_wrap_around(cases, stored):
    assert len(cases["PxByDataset"]) == 4
    for case in cases["PxByDataset"]:
        ids = centres(stored[case["sequence"]])
        tokens, targets = wrapped_windows_as_published(ids, case["seq_length"], case["stride"])
        assert len(targets) == case["n"]
        assert np.array_equal(tokens, stored[case["centres_of_inputs"]])
        assert np.array_equal(targets, stored[case["targets"]])


def test_texts_and_pictures_that_were_shown(cases, stored):
    assert len(cases["Displays"]) == 3
    for case in cases["Displays"]:
        ids = centres(stored[case["sequence"]])
        texts = [
            {"text": t.text.decode(), "start": t.start, "end": t.stop} for t in read_texts_as_published(ids, FIRST)
        ]
        assert texts == case["texts"]
        images = read_images_as_published(ids, FIRST)
        assert [(image.start, image.stop) for image in images] == [(c["start"], c["end"]) for c in case["images"]]
        for image, expected in zip(images, case["images"], strict=True):
            assert np.array_equal(image.image, stored[expected["image"]])


def test_metrics(cases, stored):
    assert len(cases["EvaluateMetric"]) == 3
    for case in cases["EvaluateMetric"]:
        pair = stored[case["target"]], stored[case["generated"]]
        for name, metric in (("hamming", paper_hamming), ("cosine", paper_cosine), ("bleu", paper_bleu)):
            assert metric(*pair) == pytest.approx(case[name], abs=1e-12), (case["id"], name)


@pytest.fixture(scope="module", params=CHECKPOINTS)
def checkpoint(request, shared):
    """Return a folder and its reference outputs."""
    folder = shared / "parity" / "models" / request.param
    with np.load(folder / "vectors.npz") as file:
        return folder, {key: torch.from_numpy(file[key]) for key in file}


def read_last(model, reference):
    with torch.no_grad():
        return model(reference["input"].long().flatten(2)).logits[:, -1]


def test_checkpoint_gives_the_papers_logits(checkpoint):
    folder, reference = checkpoint
    model, report = aPxBySequenceModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    assert model.config.objective == "last" and model.config.context_size == 9
    assert float((read_last(model, reference) - reference["logits"]).abs().max()) < 1e-5
    by_auto_class = AutoModelForCausalLM.from_pretrained(folder)
    assert type(by_auto_class) is aPxBySequenceModel
    assert torch.equal(read_last(by_auto_class, reference), read_last(model, reference))


def test_checkpoint_gives_the_papers_vectors(checkpoint):
    folder, reference = checkpoint
    model = aPxBySequenceModel.from_pretrained(folder)
    with torch.no_grad():
        vectors = model.model.embed(reference["input"].long().flatten(2))
    assert float((vectors - reference["embedding"]).abs().max()) < 1e-5
    assert type(build_join(model.config)) is type(model.model.join)


def test_checkpoint_is_saved_as_ours(checkpoint, tmp_path):
    folder, reference = checkpoint
    model = aPxBySequenceModel.from_pretrained(folder)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "pixelbytes"
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert all(torch.equal(weight, model.state_dict()[key]) for key, weight in loaded.state_dict().items())
    assert torch.equal(read_last(loaded, reference), read_last(model, reference))
    entry = next(
        e for e in json.loads((folder.parent / "models.json").read_text())["models"] if e["id"] == folder.name
    )
    assert sum(weight.numel() for weight in loaded.parameters()) == entry["params"]


@pytest.mark.slow
def test_importing_the_package_makes_the_checkpoints_known(shared):
    code = (
        "import sys, pixelbytes_hf; from transformers import AutoModelForCausalLM as A; "
        "print(type(A.from_pretrained(sys.argv[1])).__name__)"
    )
    folder = shared / "parity" / "models" / CHECKPOINTS[1]
    result = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "aPxBySequenceModel"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"architectures must name one of .*, got \[None\]"),
        ({"architectures": ["bMamba", "SimpleRNNModel"]}, r"architectures must .*got \['bMamba', 'SimpleRNNModel'\]"),
        ({"architectures": ["bMamba"]}, "dim must be in a config"),
        ({"architectures": ["bMamba"], "dim": 81, "depth": 17}, "depth must be at most 16, got 17"),
    ],
)
def test_settings_that_are_no_checkpoints_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        convert_first_settings(settings)
