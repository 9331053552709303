"""Quantisers: codes and vectors and back, the entropy's identity, straight-through gradients, settings."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F

from pixelbytes_hf.codecs.quantisers.quantiser import Usage, measure_usage
from pixelbytes_hf.codecs.quantisers.quantisers import QUANTISERS, find_quantiser

SINGLE = [name for name, kind in QUANTISERS.items() if not kind.is_residual]
SMALL_RVQ = {"num_quantizers": 3, "codebook_size": 8, "codebook_dim": 4}


def make(name, **settings):
    torch.manual_seed(0)
    return find_quantiser(name)(settings or (SMALL_RVQ if name == "rvq" else {})).eval()


def all_codes(quantiser):
    return torch.cartesian_prod(*map(torch.arange, quantiser.code_sizes)).reshape(-1, len(quantiser.code_sizes))


@pytest.mark.parametrize("name", SINGLE)
def test_every_code_is_the_code_of_its_vector(name):
    quantiser = make(name)
    codes = all_codes(quantiser)
    vectors = quantiser.decode(codes)
    assert vectors.unique(dim=0).shape == vectors.shape == (len(codes), quantiser.width)
    quantiser.needs_norm = False  # a norm takes some vectors out of reach, here each is its own
    if name == "fsq":  # its vectors are bounded by a tanh before they are rounded: turned back here
        half = (torch.tensor(quantiser.settings["levels"]) - 1) * 1.001 / 2
        even = torch.tensor(quantiser.settings["levels"]) % 2 == 0
        offset = torch.where(even, 0.5, 0.0)
        width = torch.tensor(quantiser.settings["levels"]) // 2
        vectors = torch.atanh((vectors * width + offset) / half) - torch.atanh(offset / half)
    assert torch.equal(quantiser.encode(vectors), codes)


@pytest.mark.parametrize("name", QUANTISERS)
def test_decoding_the_codes_gives_the_rounded_vectors(name):
    quantiser = make(name)
    vectors = torch.randn(2, 3, 5, quantiser.width)
    quantised = quantiser(vectors)
    assert quantised.codes.shape == (2, 3, 5, len(quantiser.code_sizes)) and quantised.codes.dtype == torch.int64
    assert torch.allclose(quantiser.decode(quantised.codes), quantised.vectors, atol=1e-6)
    assert torch.equal(quantiser.encode(vectors), quantised.codes)


def test_residual_codes_are_nearest_entries_of_what_is_left():
    quantiser = make("rvq")
    vectors = torch.randn(6, 4)
    left, codes = vectors, quantiser.encode(vectors)
    for level, codebook in enumerate(quantiser.codebooks.codebooks):
        nearest = torch.cdist(left, codebook).argmin(dim=-1)
        assert torch.equal(nearest, codes[:, level])
        left = left - codebook[nearest]
        assert torch.allclose(quantiser.decode(codes[:, : level + 1]), vectors - left, atol=1e-6)


def test_bits_stand_most_significant_first_and_zero_is_negative():
    quantiser = make("lfq", num_bits=3)
    quantiser.needs_norm = False
    vectors = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [0, 0, 0], [0, 1, 0]])
    assert quantiser.encode(vectors)[:, 0].tolist() == [4, 1, 0, 2]


@pytest.mark.parametrize("name", ["lfq", "bsq"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_entropy_of_single_positions_is_the_sum_over_bits(name, temperature):
    quantiser = make(name, num_bits=6, temperature=temperature).train()
    vectors = torch.randn(50, 6)
    if name == "lfq":
        signs, scaled = 1.0, F.layer_norm(vectors, (6,))
    else:  # codes are of unit length too
        signs, scaled = 6**-0.5, F.normalize(vectors, dim=-1)
    chance = torch.sigmoid(4 * signs * scaled / temperature).double()
    of_bits = torch.special.entr(chance) + torch.special.entr(1 - chance)
    assert float(quantiser(vectors).losses.sample_entropy) == pytest.approx(float(of_bits.sum(-1).mean()), abs=1e-3)


def bound(vectors, levels):
    """Return what finite scalar quantisation rounds, in the unit of its vectors."""
    levels = torch.tensor(levels)
    half, offset = (levels - 1) * 1.001 / 2, torch.where(levels % 2 == 0, 0.5, 0.0)
    return (torch.tanh(vectors + torch.atanh(offset / half)) * half - offset) / (levels // 2)


@pytest.mark.parametrize("name", SINGLE)
def test_gradients_pass_the_rounding_as_if_it_were_not_there(name):
    quantiser = make(name).train()
    unrounded = {
        "lfq": lambda vectors: F.layer_norm(vectors, (quantiser.width,)),
        "bsq": lambda vectors: F.normalize(vectors, dim=-1),
        "fsq": lambda vectors: bound(vectors, quantiser.settings["levels"]),
    }[name]
    vectors, weights = torch.randn(7, quantiser.width, requires_grad=True), torch.randn(7, quantiser.width)
    (through,) = torch.autograd.grad((quantiser(vectors).vectors * weights).sum(), vectors)
    (direct,) = torch.autograd.grad((unrounded(vectors) * weights).sum(), vectors)
    assert torch.allclose(through, direct, atol=1e-5)


def test_gradients_pass_a_residual_quantiser_whole():
    quantiser = make("rvq").train()
    vectors, weights = torch.randn(7, 4, requires_grad=True), torch.randn(7, 4)
    (through,) = torch.autograd.grad((quantiser(vectors).vectors * weights).sum(), vectors)
    assert torch.allclose(through, weights, atol=1e-6)


@pytest.mark.parametrize("name", QUANTISERS)
def test_quantisation_is_in_float32_under_autocast(name):
    quantiser = make(name)
    vectors = torch.randn(64, quantiser.width)
    with torch.autocast("cpu", torch.bfloat16):
        under = quantiser(vectors)
    plain = quantiser(vectors)
    assert torch.equal(under.codes, plain.codes) and torch.equal(under.vectors, plain.vectors)
    assert quantiser(vectors.bfloat16()).vectors.dtype == torch.bfloat16


@pytest.mark.parametrize("name", SINGLE)
def test_a_quantiser_that_was_used_can_be_copied_and_trained(name):
    quantiser = make(name)
    vectors = torch.randn(4, quantiser.width)
    with torch.inference_mode():
        codes = quantiser.encode(vectors)
    for copied in (copy.deepcopy(quantiser), pickle.loads(pickle.dumps(quantiser))):
        assert torch.equal(copied.encode(vectors), codes) and not copied.state_dict()
    vectors.requires_grad_()
    quantised = quantiser.train()(vectors)
    (quantised.vectors.sum() + sum(quantised.losses)).backward()
    assert vectors.grad.isfinite().all()


def test_usage_counts_codes():
    assert measure_usage(torch.tensor([[1, 1], [5, 1]]), 8)[:2] == (2, 8)
    assert measure_usage(torch.arange(8), 8) == Usage(8, 8, 8.0)
    assert [usage.used for usage in make("rvq").usage(torch.tensor([[0, 1, -1], [0, 2, 7]]))] == [1, 2, 1]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("lfq", {"num_bits": 1}, "num_bits"),
        ("lfq", {"num_bits": 40}, "at most 16"),
        ("lfq", {"temperature": 0}, "temperature"),
        ("bsq", {"bits": 9}, "of 'bsq' must be of"),
        ("fsq", {"levels": []}, "levels"),
        ("fsq", {"levels": [8, 2]}, "at least 3"),
        ("fsq", {"levels": [999, 999]}, "at most"),
        ("rvq", {"decay": 1.0}, "decay"),
        ("rvq", {"num_quantizers": 0}, "num_quantizers"),
        ("rvq", {"num_quantizers": 10**6}, "num_quantizers"),
        ("rvq", {"quantize_dropout": 1}, "quantize_dropout"),
    ],
)
def test_malformed_settings_are_named(name, settings, said):
    with pytest.raises(ValueError, match=said):
        make(name, **settings)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="'vq'"):
        find_quantiser("vq")
    with pytest.raises(ValueError, match="width 9"):
        make("lfq")(torch.zeros(3, 8))
    with pytest.raises(ValueError, match=r"0\.\.511, got 0\.\.512"):
        make("lfq").decode(torch.tensor([[0], [512]]))
    with pytest.raises(ValueError, match="1 levels"):
        make("fsq").decode(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="3 levels"):
        make("rvq").decode(torch.zeros(3, 4, dtype=torch.int64))
