"""Masked diffusion: the loss is the bound, it trains and resumes through `train`, it is evaluated as a bound."""

import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from pixelbytes_hf.data.batches import WindowCollator
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.evaluation.evaluation import evaluate_model
from pixelbytes_hf.generation.regions import hide_random
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.objectives.corruption import Window
from pixelbytes_hf.objectives.objective_masked import MaskedObjective, TokenMasking, bound_weights
from pixelbytes_hf.tokens.grid import Segment, audio_segment, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.validation import sum_kinds, summarise_kinds
from pixelbytes_hf.training.train import train

PAPER = Vocabulary.from_preset("paper")
MODEL = {
    "objective": "masked",
    "context_size": 7,
    "embedding_dim": 28,
    "mixer_config": {"hidden_size": 8, "num_hidden_layers": 2, "bidirectional": True},
}
RUN = {"window_length": 24, "stride": 24, "batch_size": 3, "num_train_epochs": 2, "save_steps": 3, "eval_steps": 3}
RUN |= {"jitter": True, "warmup_steps": 2, "logging_steps": 1, "initialisation": "default", "prefix_windows": 1}
V, L = 11, 6
generator = torch.Generator().manual_seed(0)
LOGITS = torch.randn(3, L, V, generator=generator)
LABELS = torch.randint(0, V, (3, L), generator=generator)
LABELS[1, 4:] = -100
CORRUPTION = {
    "times": torch.tensor([0.5, 0.25, 1.0]),
    "masked": torch.rand(3, L, generator=generator) < 0.6,
}
CORRUPTION["masked"] &= LABELS != -100
ROWS = torch.zeros(3, L, 7, dtype=torch.int64)


def make_model(seed=0, **settings):
    torch.manual_seed(seed)
    return aPxBySequenceModel(PixelBytesConfig(**{**MODEL, **settings})).eval()


def make_corpus(num_records=5, seed=0):
    rng = np.random.default_rng(seed)
    return TokenCorpus.from_records(
        [
            [
                text_segment(rng.integers(3, 58, 4 + n), PAPER),
                image_segment(rng.integers(58, 62, (2, 3, 3)), PAPER),
                audio_segment(rng.integers(113, 120, (4, 2)), PAPER),
            ]
            for n in range(num_records)
        ],
        PAPER,
    )


def slow_bound(weighted=True):
    total = 0.0
    for b, n in itertools.product(range(3), range(L)):
        if CORRUPTION["masked"][b, n]:
            weight = 1 / float(CORRUPTION["times"][b]) if weighted else 2.0
            total -= weight * float(LOGITS[b, n].double().log_softmax(-1)[LABELS[b, n]])
    return total / int((LABELS != -100).sum())


@pytest.mark.parametrize("weighted", [True, False])
def test_loss_equals_the_slow_reference(weighted):
    objective = MaskedObjective(weight_by_time=weighted)
    loss = objective.loss(LOGITS, ROWS, LABELS, corruption=CORRUPTION)
    assert float(loss) == pytest.approx(slow_bound(weighted), abs=1e-5)
    count = (LABELS != -100).sum()
    parts = [
        objective.loss(
            LOGITS[b : b + 1],
            ROWS[b : b + 1],
            LABELS[b : b + 1],
            num_items_in_batch=count,
            corruption={name: value[b : b + 1] for name, value in CORRUPTION.items()},
        )
        for b in range(3)
    ]
    assert float(sum(parts)) == pytest.approx(float(loss), abs=1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_what_was_drawn_may_lie_on_another_device(weighted):
    there = (tensor.to("meta") for tensor in (LOGITS, ROWS, LABELS))
    assert MaskedObjective(weight_by_time=weighted).loss(*there, corruption=CORRUPTION).device.type == "meta"


def test_even_logits_cost_log_v_on_average():
    corpus = make_corpus()
    windows = WindowDataset(corpus, 24, context_size=7, corruption=TokenMasking(151, 7))
    losses = []
    for epoch in range(40):
        windows.set_epoch(epoch)
        batch = WindowCollator(0)([windows[index] for index in range(len(windows))])
        logits = torch.zeros(*batch["labels"].shape, 151)
        losses.append(MaskedObjective().loss(logits, **{k: v for k, v in batch.items() if k != "attention_mask"}))
    # every window's share of masked tokens is what its loss is divided by: no draw changes it
    assert np.allclose(losses, math.log(151), atol=1e-4)


def test_validation_weighs_bits_by_time_and_accuracy_by_what_was_masked():
    logits = torch.randn(2, 3, PAPER.size, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[60, 61, 4], [60, -100, -100]])
    corruption = {"times": torch.tensor([2 / 3, 1.0]), "masked": torch.tensor([[1, 0, 1], [1, 0, 0]]).bool()}
    tokens, weights = MaskedObjective().scored(ROWS, labels, corruption)
    logits[0, 0, 60] = 20.0  # the only hit
    sums = sum_kinds(logits, tokens, torch.from_numpy(PAPER.kind_of_id.astype(np.int64)), weights)
    metrics = summarise_kinds(SimpleNamespace(predictions=sums.numpy()), num_draws=1)
    chances = logits.log_softmax(-1)
    pixels = -1.5 * chances[0, 0, 60] - chances[1, 0, 60]
    assert metrics["bits_pixel"] == pytest.approx(float(pixels) / 3 / math.log(2), rel=1e-5)
    assert metrics["accuracy_pixel"] == pytest.approx(1.5 / 2.5)
    assert (metrics["count"], metrics["count_pixel"], metrics["count_text"]) == (4, 3, 1)


def test_only_masked_tokens_train_the_logits():
    logits = LOGITS.clone().requires_grad_()
    MaskedObjective().loss(logits, ROWS, LABELS, corruption=CORRUPTION).backward()
    assert torch.equal(logits.grad.abs().sum(-1) > 0, CORRUPTION["masked"])


def test_missing_parts_are_named():
    objective = MaskedObjective()
    with pytest.raises(ValueError, match="corruption must be given with labels and the objective 'masked', got None"):
        objective.loss(LOGITS, ROWS, LABELS)
    with pytest.raises(ValueError, match="labels must be given with the objective 'masked', got None"):
        objective.loss(LOGITS, ROWS, None, corruption=CORRUPTION)
    with pytest.raises(ValueError, match=r"corruption must have \['masked', 'times'\], got \['times'\]"):
        bound_weights({"times": torch.ones(1)})


@pytest.mark.parametrize("settings", [{"context_size": 6}, {"objective": "predictive", "context_size": 7}])
def test_own_cell_belongs_to_masked_models_alone(settings):
    with pytest.raises(ValueError, match=r"context_size must be 7 with the objectives \['masked'\] and with no other"):
        PixelBytesConfig(**{**MODEL, **settings, "mixer_config": {"hidden_size": 8}})


def test_mask_is_an_input_but_no_output(tmp_path):
    model = make_model()
    assert model.config.mask_token_id == 151
    assert model.get_input_embeddings().num_embeddings == 152
    rows = torch.full((1, 5, 7), 151)
    with torch.no_grad():
        assert model(input_ids=rows).logits.shape == (1, 5, 151)
    with pytest.raises(ValueError, match=r"input_ids must be in 0\.\.151, got 152\.\.152"):
        model(input_ids=rows + 1)
    with pytest.raises(ValueError, match="new_num_tokens must be None with the objective 'masked', got 160"):
        model.resize_token_embeddings(160)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=rows).logits, model(input_ids=rows).logits)


def run(folder, *, num_records=5, **options):
    splits = {"train": make_corpus(num_records), "validation": make_corpus(3, seed=1)}
    return train(splits, "mini", folder, model=MODEL, progress=False, **{**RUN, **options})


def test_interrupted_and_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")
    step, calls = PixelBytesTrainer.training_step, []

    def fail_at_the_fifth(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(PixelBytesTrainer, "training_step", fail_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.undo()
    cut = run(tmp_path / "cut", resume=True)
    one, other = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (whole, cut))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    histories = [json.loads((folder / "history.json").read_text()) for folder in (whole, cut)]
    assert [h["likelihood"] for h in histories] == ["upper bound"] * 2
    bits = [[point["bits"] for point in h["validation"]] for h in histories]
    assert bits[0] == bits[1]
    assert histories[0]["validation"][-1]["count"] == make_corpus(3, seed=1).num_tokens


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys; sys.path[:0] = sys.argv[2:4]\n"
        "from test_objective_masked import run\n"
        "run(sys.argv[1], batch_size=int(sys.argv[4]), num_records=8)\n"  # 16 windows: batches are full
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for start, name, batch in (([sys.executable], "one", 4), (launch, "two", 2)):
        subprocess.run([*start, script, tmp_path / name, *paths, str(batch)], check=True, env=environment, timeout=300)
    one, two = (AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-4, atol=2e-6)
    histories = [json.loads((tmp_path / name / "history.json").read_text())["validation"] for name in ("one", "two")]
    assert [p["bits"] for p in histories[0]] == pytest.approx([p["bits"] for p in histories[1]], rel=1e-5)


def exact_bound(model, ids, shapes):
    """Return the bound of a record in bits per token: the mean over all orders, by all subsets of masked tokens."""
    total = 0.0
    for count in range(1, len(ids) + 1):
        costs = []
        for subset in itertools.combinations(range(len(ids)), count):
            masked = np.zeros(len(ids), bool)
            masked[list(subset)] = True
            rows = TokenMasking(151, 7).contexts(Window(ids, shapes, 0, len(ids), masked), masked, pad_id=0)
            with torch.no_grad():
                scores = model(input_ids=torch.from_numpy(rows)[None]).logits[0].log_softmax(-1)
            costs.append(-float(scores[masked, ids[masked].astype(int)].sum()))
        total += np.mean(costs) / count
    return total / len(ids) / math.log(2)


def test_evaluation_is_the_bound_over_all_orders():
    model = make_model()
    with torch.no_grad():
        model.fc.weight.mul_(30)  # far from even, so that the number of masked tokens matters
    corpus = TokenCorpus.from_records([[image_segment(np.array([[[60, 61], [58, 60]]]), PAPER)]], PAPER)
    ids, shapes = corpus.record(0)
    expected = exact_bound(model, ids, shapes)
    result = evaluate_model(model, corpus, num_draws=600, progress=False)
    assert result["matched"]["all"]["bits"] == pytest.approx(expected, rel=0.03)
    assert result["likelihood"] == "upper bound"
    assert result["settings"]["num_draws"] == 600


def test_figures_do_not_depend_on_the_batch_and_count_every_token_once():
    model, corpus = make_model(), make_corpus()
    one, other = (
        evaluate_model(model, corpus, window_length=20, batch_size=size, num_draws=4, per_record=True, progress=False)
        for size in (1, 7)
    )
    for table in ("matched", "by_modality", "by_change"):
        for kind, row in one[table].items():
            assert row == pytest.approx(other[table][kind], rel=1e-5)
    assert one["matched"]["all"]["tokens"] == corpus.num_tokens
    assert one["settings"]["state"] == "zero"
    total = one["matched"]["all"]["bits"] * corpus.num_tokens
    assert sum(one["records"]["bits"]) == pytest.approx(total)
    with pytest.raises(ValueError, match="num_draws must be at least 1, with an objective that draws, got 0"):
        evaluate_model(model, corpus, num_draws=0, progress=False)


def test_papers_diffusion_is_evaluated_without_bits():
    torch.manual_seed(0)
    model = aPxBySequenceModel(
        PixelBytesConfig(objective="diffusion", embedding_dim=12, mixer_config={"hidden_size": 8})
    )
    corpus = make_corpus()
    result = evaluate_model(model.eval(), corpus, num_draws=2, progress=False)
    assert result["likelihood"] == "none"
    assert result["matched"] == {}
    assert result["paper"]["targets"] == 2 * 6 * corpus.num_tokens
    assert 0 < result["hidden"]["targets"] < 2 * corpus.num_tokens


def sprites(folder, split, num_records):
    """Return the images of the first records of the embedded corpus, and the tokenizer."""
    from datasets import load_dataset

    data = load_dataset(str(folder), split=split).select(range(num_records))
    tokenizer = ActionPixelBytesTokenizer(**get_preset("mini").tokenizer)
    return tokenize_dataset(data, tokenizer, columns={"image": "pixels"}, progress=False), tokenizer


def train_on(corpus, tokenizer, folder, **options):
    settings = {
        "window_length": 2048,
        "stride": 2048,
        "prefix_windows": 0,
        "batch_size": 8,
        "num_train_epochs": 100_000,
    }
    settings |= {"learning_rate": 3e-3, "matrix_learning_rate": 0.02, "eval_steps": 100_000, "save_steps": 100_000}
    settings |= {"initialisation": "default", "memory_horizon": None, "progress": False, "tokenizer": tokenizer}
    run_folder = train(corpus, "mini", folder, **{**settings, **options})
    return AutoModelForCausalLM.from_pretrained(run_folder).eval()


LARGER = {**MODEL, "embedding_dim": 112, "mixer_config": {"hidden_size": 64, "bidirectional": True}}


@pytest.mark.slow
def test_tiny_corpus_is_learnt_and_hidden_pixels_are_filled(corpus, tmp_path):
    tiny, tokenizer = sprites(corpus, "train", 8)
    model = train_on(tiny, tokenizer, tmp_path / "run", model=LARGER, max_steps=300)
    result = evaluate_model(model, tiny, window_length=2048, num_draws=16, progress=False)
    assert result["matched"]["pixel"]["bits"] <= 0.40
    records = []
    for ids, (shape,) in (tiny.record(index) for index in range(8)):
        records.append([Segment("image", ids.reshape(shape[1:]))])
    masks = [hide_random([record[0].shape], 0.5, seed) for seed, record in enumerate(records)]
    filled = model.infill(records, masks, num_steps=12, temperature=0.0)
    right = [
        (one[0].ids == record[0].ids).reshape(-1)[mask]
        for one, record, mask in zip(filled, records, masks, strict=True)
    ]
    assert np.concatenate(right).mean() >= 0.90


@pytest.mark.slow
def test_bound_on_unseen_sprites_is_not_far_below_exact_bits(corpus, tmp_path):
    """A leak would show as a bound that no causal model of the same data comes near."""
    seen, tokenizer = sprites(corpus, "train", 24)
    unseen, _ = sprites(corpus, "validation", 4)
    causal = {"objective": "predictive", "embedding_dim": 96, "mixer_config": {"hidden_size": 128}}
    bits = {}
    for name, settings in (("masked", LARGER), ("causal", causal)):
        model = train_on(seen, tokenizer, tmp_path / name, model=settings, max_steps=120)
        result = evaluate_model(model, unseen, window_length=2048, num_draws=32, progress=False)
        bits[name] = result["matched"]["pixel"]["bits"]
    assert bits["masked"] > 0.8 * bits["causal"]
