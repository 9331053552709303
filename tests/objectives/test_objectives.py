"""Objectives: one body over all of them, and how they relate."""

import ast
import math
from pathlib import Path
from typing import get_args

import pytest
import torch

import pixelbytes_hf
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.objectives.losses import score_tokens
from pixelbytes_hf.objectives.objective import Decoding, Likelihood, WindowKind
from pixelbytes_hf.objectives.objectives import OBJECTIVES, build_corruption, build_objective, find_objective

V = 11
IGNORED = -100
NAMES = sorted(name for name, kind in OBJECTIVES.items() if not kind.allows_future)
generator = torch.Generator().manual_seed(0)
INPUT_IDS = torch.randint(0, V, (3, 7, 6), generator=generator)
LABELS = torch.randint(0, V, (3, 7), generator=generator)
MASK = torch.ones(3, 7, dtype=torch.int64)
MASK[0, 5:] = 0
MASK[1, :3] = 0


def build(name, **settings):
    return build_objective(PixelBytesConfig(objective=name, vocab_size=V, **settings))


def logits_of(objective, seed=1):
    shape = (3, 7, V) if objective.predicted_cells == 1 else (3, 7, objective.predicted_cells, V)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def slow_cells(name, labels, mask):
    """Return (batch, position, cell or None, target) of every target, one at a time."""
    cells = []
    for b in range(3):
        for n in range(7):
            follows = n + 1 < 7 and (mask is None or mask[b, n + 1] == 1)
            if mask is not None and mask[b, n] == 0:
                continue
            if labels is None and not follows:
                continue
            new_token = int(INPUT_IDS[b, n + 1, 5] if labels is None else labels[b, n])
            if new_token == IGNORED:
                continue
            if name == "predictive":
                cells.append((b, n, None, new_token))
                continue
            cells.append((b, n, 5, new_token))
            if follows:
                cells += [(b, n, c, int(INPUT_IDS[b, n + 1, c])) for c in range(5)]
    return cells


def slow_loss(name, logits, labels, mask, copy_loss_weight=1.0):
    total = count = 0.0
    for b, n, c, target in slow_cells(name, labels, mask):
        row = logits[b, n] if c is None else logits[b, n, c]
        weight = 1.0 if c in (None, 5) else copy_loss_weight
        total -= weight * float(row.double().log_softmax(-1)[target])
        count += weight
    return total / count


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labels", [None, LABELS], ids=["shift", "labels"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_loss_equals_the_slow_reference(name, labels, mask, weight):
    objective = build(name, copy_loss_weight=weight)
    logits = logits_of(objective)
    loss = objective.loss(logits, INPUT_IDS, labels, mask)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(slow_loss(name, logits, labels, mask, weight), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_zero_on_perfect_logits(name):
    objective = build(name)
    targets = objective.targets(INPUT_IDS, LABELS, MASK)
    perfect = torch.nn.functional.one_hot(targets.clamp(min=0), V) * 100.0
    assert float(objective.loss(perfect, INPUT_IDS, LABELS, MASK)) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_loss_of_even_logits_is_log_v(name):
    objective = build(name)
    loss = objective.loss(torch.zeros_like(logits_of(objective)), INPUT_IDS, LABELS)
    assert float(loss) == pytest.approx(math.log(V), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_padding_is_never_a_target(name):
    targets = build(name).targets(INPUT_IDS, LABELS, MASK)
    assert (targets[MASK == 0] == IGNORED).all()
    labels = LABELS.masked_fill(MASK == 0, IGNORED)
    assert torch.equal(build(name).targets(INPUT_IDS, labels, MASK), targets)


@pytest.mark.parametrize("name", NAMES)
def test_labels_alone_keep_right_padding_out(name):
    right = MASK.clone()
    right[1] = 1
    labels = LABELS.masked_fill(right == 0, IGNORED)
    objective = build(name)
    assert torch.equal(objective.targets(INPUT_IDS, labels), objective.targets(INPUT_IDS, labels, right))


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_parts_add_up_to_that_of_the_whole(name):
    objective = build(name)
    logits, labels = logits_of(objective), LABELS.masked_fill(MASK == 0, IGNORED)
    count = (labels != IGNORED).sum()
    whole = objective.loss(logits, INPUT_IDS, labels, MASK, count)
    parts = [
        objective.loss(logits[b : b + 1], INPUT_IDS[b : b + 1], labels[b : b + 1], MASK[b : b + 1], count)
        for b in range(3)
    ]
    assert float(sum(parts)) == pytest.approx(float(whole), abs=1e-6)


def test_predictive_loss_divided_by_its_own_count_is_the_mean():
    objective = build("predictive")
    logits = logits_of(objective)
    assert float(objective.loss(logits, INPUT_IDS, LABELS, None, 21)) == pytest.approx(
        float(objective.loss(logits, INPUT_IDS, LABELS)), abs=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_batch_without_targets_has_loss_zero(name):
    objective = build(name)
    assert float(objective.loss(logits_of(objective), INPUT_IDS, torch.full((3, 7), IGNORED))) == 0.0


def test_autoregressive_on_the_new_token_alone_is_predictive():
    autoregressive, predictive = build("autoregressive", copy_loss_weight=0.0), build("predictive")
    logits = logits_of(autoregressive)
    new_token = autoregressive.new_token_logits(logits)
    for labels, mask in ((None, None), (LABELS, None), (LABELS, MASK), (None, MASK)):
        one = autoregressive.loss(logits, INPUT_IDS, labels, mask)
        other = predictive.loss(predictive.new_token_logits(new_token), INPUT_IDS, labels, mask)
        assert abs(float(one) - float(other)) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_new_token_logits_are_those_the_labels_train(name):
    objective = build(name, copy_loss_weight=0.0)
    logits = logits_of(objective).requires_grad_()
    objective.loss(logits, INPUT_IDS, LABELS).backward()
    assert objective.new_token_logits(logits).shape == (3, 7, V)
    rest = logits.grad.clone()
    objective.new_token_logits(rest).zero_()
    assert logits.grad.any()
    assert not rest.any()


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_logits_give_a_float32_loss(name):
    objective = build(name)
    logits = logits_of(objective).bfloat16()
    loss = objective.loss(logits, INPUT_IDS, LABELS)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(objective.loss(logits.float(), INPUT_IDS, LABELS)), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_another_shape_are_refused(name):
    objective = build(name)
    with pytest.raises(ValueError, match=r"labels must have shape \(3, 7\), got \(3, 7, 1\)"):
        objective.loss(logits_of(objective), INPUT_IDS, LABELS[..., None])


def test_every_declaration_is_one_of_the_known():
    for name, kind in OBJECTIVES.items():
        assert kind.name == name and kind.predicts
        assert kind.windows in get_args(WindowKind) and kind.decoding in get_args(Decoding)
        assert kind.likelihood in get_args(Likelihood)
        assert (
            kind.decoding == "sequential" or (kind.allows_future and not kind.decoding_settings) or kind.is_corrupted
        )


def test_corruption_is_drawn_where_it_is_declared():
    for kind in OBJECTIVES.values():
        config = PixelBytesConfig(objective=kind.name, context_size=7 if kind.reads_own_cell else 6, embedding_dim=14)
        assert (build_corruption(config) is not None) == kind.is_corrupted


def test_an_objective_that_decodes_in_sequence_fills_nothing():
    for act in (lambda: build("last").fill(None, [], None), lambda: build("predictive").hide(None, None)):
        with pytest.raises(TypeError, match="decodes one token after another"):
            act()


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"objective must be one of .*'masked'.*, got 'guess'"):
        find_objective("guess")


def test_no_code_elsewhere_compares_names_of_objectives():
    package, names = Path(pixelbytes_hf.__file__).parent, set(OBJECTIVES)
    for path in package.rglob("*.py"):
        if path.parent.name == "objectives":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                literals = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                assert not names & {value for value in literals if isinstance(value, str)}, f"{path}:{node.lineno}"


def test_padding_is_never_a_hit():
    logits = torch.zeros(1, 3, V)
    logits[..., 0] = 5.0  # the id that fills padding
    nats, hits = score_tokens(logits, torch.tensor([[0, IGNORED, IGNORED]]))
    assert hits.tolist() == [[True, False, False]] and (nats[0, 1:] == 0).all()


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_z_loss_is_the_squared_logarithm_of_the_normaliser(mask):
    weight = 0.25
    plain, weighted = build("predictive"), build("predictive", z_loss_weight=weight)
    logits = logits_of(plain).requires_grad_()
    labels = LABELS.masked_fill(torch.arange(7) == 2, IGNORED)
    squares = [
        math.log(sum(math.exp(float(each)) for each in logits.detach()[b, n].double())) ** 2
        for b, n, _, _ in slow_cells("predictive", labels, mask)
    ]
    expected = plain.loss(logits, INPUT_IDS, labels, mask).item() + weight * sum(squares) / len(squares)
    loss = weighted.loss(logits, INPUT_IDS, labels, mask)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    loss.backward()
    is_target = (plain.targets(INPUT_IDS, labels, mask) != IGNORED)[..., None]
    # what holds all logits of a target together pulls at their sum; without it none does
    assert (logits.grad.sum(-1, keepdim=True).abs() > 1e-6).eq(is_target).all()
    logits.grad = None
    plain.loss(logits, INPUT_IDS, labels, mask).backward()
    assert logits.grad.sum(-1).abs().max() < 1e-6


def test_z_loss_is_for_the_predictive_objective():
    with pytest.raises(ValueError, match=r"z_loss_weight must be at least 0.*'predictive'"):
        PixelBytesConfig(objective="autoregressive", z_loss_weight=1e-5)
    with pytest.raises(ValueError, match="z_loss_weight must be at least 0"):
        PixelBytesConfig(z_loss_weight=-1.0)
