"""Corruption: draws are pure functions, times cover (0, 1] evenly, and a masked token is nowhere to be seen."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pixelbytes_hf.data.batches import WindowCollator, WindowSampler, stack_drawn
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.objectives.corruption import Moment, Window, mask_tokens
from pixelbytes_hf.objectives.objective_diffusion import CellNoise
from pixelbytes_hf.objectives.objective_masked import TokenMasking
from pixelbytes_hf.objectives.objectives import build_corruption
from pixelbytes_hf.objectives.published_diffusion import betraying_cells
from pixelbytes_hf.tokens.contexts import context_rule
from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER = Vocabulary.from_preset("paper")
MASK = PAPER.size
MASKING = TokenMasking(MASK, 7)
NOISE = CellNoise(5, 6, 12)


def make_record(seed=0):
    rng = np.random.default_rng(seed)
    return [
        text_segment(rng.integers(3, 58, 6), PAPER),
        image_segment(rng.integers(58, 113, (3, 3, 4)), PAPER),
        audio_segment(rng.integers(113, 151, (5, 2)), PAPER),
    ]


def make_windows(corruption, *, num_records=4, length=20, **options):
    corpus = TokenCorpus.from_records([make_record(n) for n in range(num_records)], PAPER)
    size = 6 if corruption is None else corruption.context_size
    return WindowDataset(corpus, length, context_size=size, corruption=corruption, **options)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            assert_same(value, other[name])
        else:
            np.testing.assert_array_equal(value, other[name])


@pytest.mark.parametrize("corruption", [MASKING, NOISE])
def test_draws_are_a_pure_function_of_seed_epoch_and_index(corruption):
    one, other = (make_windows(corruption, seed=3) for _ in range(2))
    for windows in (one, other):
        windows.set_epoch(2)
    for index in reversed(range(len(one))):
        assert_same(one[index], other[index])
    name = "masked" if corruption is MASKING else "noise"
    drawn = one[0]["corruption"][name].copy()
    for change in ({"seed": 4}, {}):
        changed = make_windows(corruption, **{"seed": 3, **change})
        changed.set_epoch(2 if change else 3)
        assert not np.array_equal(changed[0]["corruption"][name], drawn)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_with_workers_gives_the_same_batches(num_workers):
    windows = make_windows(MASKING)
    sampler = WindowSampler(windows, seed=1)
    sampler.set_epoch(1)
    loader = DataLoader(windows, 3, sampler=sampler, collate_fn=WindowCollator(0), num_workers=num_workers)
    order = list(sampler)
    for batch, first in zip(loader, range(0, len(order), 3), strict=True):
        assert_same(batch, WindowCollator(0)([windows[index] for index in order[first : first + 3]]))


def test_times_cover_the_interval_evenly_in_any_batch():
    for epoch, first, size in itertools.product(range(3), (0, 17, 1000), (4, 16, 64)):
        times = sorted(Moment(0, epoch, 0, rank).time() for rank in range(first, first + size))
        assert times[0] > 0 and times[-1] <= 1
        around = np.diff([*times, times[0] + 1])
        assert around.max() < 2.7 / size  # random times leave gaps of about ln(size) / size
    times = [Moment(seed, 0, 0, 5).time() for seed in range(2000)]
    assert np.mean(times) == pytest.approx(0.5, abs=0.02)


def test_order_of_the_epoch_spreads_the_times_of_a_batch():
    windows = make_windows(MASKING, num_records=40, length=60)
    sampler = WindowSampler(windows, seed=0)
    sampler.set_epoch(1)
    order = list(sampler)
    for first in range(0, 40, 8):
        times = sorted(float(windows[index]["corruption"]["times"]) for index in order[first : first + 8])
        assert np.diff([0, *times, 1]).max() < 0.4


@pytest.mark.parametrize("time", [1e-9, 0.3, 0.5, 1.0])
def test_exact_share_of_the_targets_is_masked(time, rng):
    is_target = np.arange(20) >= 7
    counts = np.zeros(20)
    for _ in range(500):
        masked = mask_tokens(is_target, time, rng)
        assert masked.sum() == max(1, math.ceil(time * 13))
        counts += masked
    assert not counts[:7].any()
    assert np.ptp(counts[7:]) < 130  # every target alike


def test_bound_equals_that_of_tokens_masked_one_by_one(rng):
    """For any losses: the mean over the number of masked tokens is the integral over independent masks."""
    length = 4
    nats = {s: rng.random(length) for n in range(length + 1) for s in itertools.combinations(range(length), n)}

    def total(masked):
        return sum(nats[masked][i] for i in masked)

    subsets = [s for s in nats if s]
    times = (np.arange(4000) + 0.5) / 4000
    independent = np.mean(
        [sum(t ** len(s) * (1 - t) ** (length - len(s)) * total(s) / t for s in subsets) for t in times]
    )
    exact = np.mean(
        [np.mean([total(s) for s in subsets if len(s) == count]) * length / count for count in range(1, length + 1)]
    )
    assert exact == pytest.approx(independent, rel=1e-5)


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (5, 30), (0, 65), (40, 65)])
def test_masked_token_is_visible_nowhere(start, stop, rng):
    ids, shapes = flatten(make_record())
    stop = min(stop, len(ids))
    window = Window(ids, shapes, start, stop, np.ones(stop - start, bool))
    for index in range(5):
        moment = Moment(0, 0, index, index)
        rows, drawn = MASKING.corrupt(window, moment, pad_id=0)
        other = ids.copy()
        places = start + np.flatnonzero(drawn["masked"])
        other[places] = rng.integers(3, PAPER.size, len(places))
        changed, same = MASKING.corrupt(window._replace(ids=other), moment, pad_id=0)
        np.testing.assert_array_equal(rows, changed)
        np.testing.assert_array_equal(drawn["masked"], same["masked"])
        assert (rows[drawn["masked"], 6] == MASK).all()
        np.testing.assert_array_equal(rows[~drawn["masked"], 6], ids[start:stop][~drawn["masked"]])
        assert drawn["times"] == pytest.approx(drawn["masked"].mean())


def test_rows_are_those_of_the_masked_grid():
    ids, shapes = flatten(make_record())
    masked = np.zeros(len(ids), bool)
    masked[[2, 9, 10, 30]] = True
    window = Window(ids, shapes, 0, len(ids), ~masked)
    rows = MASKING.contexts(window, masked, pad_id=0)
    plain = MASKING.contexts(window, np.zeros(len(ids), bool), pad_id=0)
    assert rows.dtype == np.int64
    # the grid of places tells which cell shows which token
    places = TokenMasking(-1, 7).contexts(window._replace(ids=np.arange(1, len(ids) + 1)), masked, pad_id=0)
    np.testing.assert_array_equal(rows, np.where(places == -1, MASK, plain))


def test_validation_reads_every_window_several_times():
    once, often = make_windows(MASKING), make_windows(MASKING, num_draws=4)
    assert len(often) == 4 * len(once)
    for index in range(len(often)):
        assert often.locate(index) == once.locate(index // 4)
    assert len({float(often[index]["corruption"]["times"]) for index in range(4)}) == 4
    with pytest.raises(ValueError, match="num_draws must be at least 1, and 1 with prefix_windows, got 0"):
        make_windows(MASKING, num_draws=0)


def test_papers_noise_hides_three_quarters_of_draws():
    ids, shapes = flatten(make_record())
    window = Window(ids, shapes, 0, len(ids), np.ones(len(ids), bool))
    times, shares = set(), []
    for index in range(40):
        rows, drawn = NOISE.corrupt(window, Moment(0, 0, index, index), pad_id=0)
        assert rows.shape == drawn["replaced"].shape == (len(ids), 6)
        assert drawn["noise"].shape == (len(ids), 12)
        times.add(int(drawn["times"]))
        hidden = np.flatnonzero(drawn["replaced"][:, -1])
        shares.append(len(hidden) / len(ids))
        np.testing.assert_array_equal(drawn["replaced"], betraying_cells(hidden.tolist(), len(ids)).numpy())
    assert times == {4, 5}
    assert np.mean(shares) == pytest.approx(1 - math.exp(-0.75), abs=0.03)  # draws repeat


def test_batch_is_padded_with_zeros():
    batch = stack_drawn(
        [
            {"times": np.float32(0.5), "masked": np.array([True, False])},
            {"times": np.float32(1.0), "masked": np.array([True, True, True])},
        ]
    )
    assert torch.equal(batch["times"], torch.tensor([0.5, 1.0]))
    assert batch["masked"].tolist() == [[True, False, False], [True, True, True]]


def test_configuration_chooses_the_corruption():
    assert build_corruption(PixelBytesConfig()) is None
    assert build_corruption(PixelBytesConfig(objective="masked", context_size=7)) == TokenMasking(151, 7)
    assert build_corruption(PixelBytesConfig(objective="diffusion", num_diffusion_steps=3)) == CellNoise(3, 6, 126)


def test_rows_of_seven_cells_are_the_six_and_the_token_itself():
    ids, shapes = flatten(make_record())
    rule = context_rule(7)
    rows = rule.gather(ids, shapes, 3, 40, pad_id=0)
    np.testing.assert_array_equal(rows[:, :6], context_rule(6).gather(ids, shapes, 3, 40, pad_id=0))
    np.testing.assert_array_equal(rows[:, 6], ids[3:40])
    np.testing.assert_array_equal(rows[5:, rule.newest_cell], ids[7:39])  # the image begins at 7
    with pytest.raises(ValueError, match="rows of 7 cells hold the token itself"):
        rule.read(None, None, pad_id=0)
