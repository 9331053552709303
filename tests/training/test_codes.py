"""Corpora of codes are corpora: training, evaluation, baselines, tables and generation take them as they are."""

import json

import numpy as np
import pytest

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.evaluation.evaluation import evaluate_baselines, evaluate_model
from pixelbytes_hf.evaluation.tables import format_table
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.runs.corpus_layout import layout_of_corpus
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.grid import (
    audio_code_segment,
    codes_of_segment,
    image_code_segment,
    task_segment,
    text_segment,
)
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.train import train

CODED = Vocabulary.from_preset("full").with_codes(image=6, audio=(4, 3))
MODEL = {"embedding_dim": 24, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}


def make_corpus(num_records, seed):
    rng = np.random.default_rng(seed)
    return TokenCorpus.from_records(
        [
            [
                task_segment(["<task:text-to-video-and-sound>"], CODED),
                text_segment(rng.integers(CODED.byte_ids.start, CODED.byte_ids.start + 3, 5), CODED),
                image_code_segment(rng.integers(0, 6, (2, 2, 2)), CODED),
                audio_code_segment(rng.integers(0, (4, 3), (4, 2)), CODED),
            ]
            for _ in range(num_records)
        ],
        CODED,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a run of 20 steps and its corpora."""
    splits = {"train": make_corpus(12, 0), "validation": make_corpus(3, 1)}
    settings = {
        "window_length": 48,
        "stride": 48,
        "batch_size": 3,
        "max_steps": 20,
        "save_steps": 20,
        "eval_steps": 10,
    }
    folder, plan = tmp_path_factory.mktemp("codes") / "run", get_preset("mini")
    plan = plan.replace(tokenizer={"vocabulary": CODED.to_dict()}, model=MODEL, **settings)
    return train(splits, plan, folder, progress=False), splits


def test_a_model_of_codes_is_trained_evaluated_and_tabulated(trained):
    folder, splits = trained
    run = Run.load(folder)
    result = evaluate_model(run.model, splits["validation"], progress=False)
    for kind in ("image_code", "audio_code"):
        assert 0 < result["matched"][kind]["bits"] < np.log2(CODED.size)
        assert result["by_modality"][kind]["tokens"] > result["matched"][kind]["tokens"]
    assert result["matched"]["image_code"]["tokens"] == 3 * 8 == result["matched"]["audio_code"]["tokens"]
    rows = evaluate_baselines(splits["train"], splits["validation"], progress=False)
    table = format_table({"run": result, **rows})
    assert "image code" in table and "audio code" in table and "adaptive count coder" in table
    point = json.loads((folder / "history.json").read_text())["validation"][-1]
    assert point["bits_image_code"] > 0 and point["count_audio_code"] == 24
    # 20 steps suffice to know which ids a place can hold better than a uniform guess over the vocabulary
    assert result["matched"]["all"]["bits"] < rows["uniform"]["matched"]["all"]["bits"]


def test_what_is_generated_under_the_layout_of_the_corpus_is_legal(trained):
    folder, splits = trained
    run = Run.load(folder)
    assert run.layout == layout_of_corpus(splits["train"])
    [stream] = run.model.generate(layout=run.layout, tokenizer=run.tokenizer, do_sample=True, seed=0).numpy()
    segments, problems = parse(stream[1:], CODED)
    assert not problems
    assert [segment.modality for segment in segments] == ["task", "text", "image_code", "audio_code"]
    assert segments[2].shape == ("image_code", 2, 2, 3) and segments[3].shape == ("audio_code", 5, 1, 2)
    record = run.tokenizer.decode_modalities(stream[1:])
    picture, sound = (segment.value for segment in record.segments[2:])
    np.testing.assert_array_equal(picture, codes_of_segment(segments[2], CODED))
    assert picture.shape == (2, 2, 2) and sound.shape == (4, 2) and sound.max() < 4


def test_the_tokenizer_of_a_run_keeps_its_codes(trained, tmp_path):
    tokenizer = ActionPixelBytesTokenizer.from_pretrained(trained[0])
    assert tokenizer.tables == CODED and tokenizer.vocab_size == CODED.size
    assert tokenizer.convert_tokens_to_ids(["<v:5>", "<s1:2>"]) == [
        CODED.image_code_ids[5],
        CODED.audio_code_ids[1][2],
    ]
    tokenizer.save_pretrained(tmp_path)
    vocab = json.loads((tmp_path / "vocab.json").read_text())
    assert vocab["<s0:0>"] == CODED.audio_code_ids[0].start
    other = CODED.to_dict() | {"codes": {"image": 6, "audio": [3, 4]}}
    with pytest.raises(ValueError, match="does not match"):
        ActionPixelBytesTokenizer(vocabulary=other, vocab_file=str(tmp_path / "vocab.json"))
    assert tokenizer.order == ["text", "image", "audio"]  # what files hold: codes come from codecs


def test_corpora_of_codes_are_saved(tmp_path):
    corpus = make_corpus(3, 2)
    corpus.save(tmp_path / "corpus")
    loaded = TokenCorpus.load(tmp_path / "corpus")
    assert loaded.fingerprint == corpus.fingerprint and loaded.vocabulary == CODED
    assert loaded.record(1)[1] == corpus.record(1)[1]
