"""Flipped records: right, undone by flipping again, and the same whenever they are asked for."""

import dataclasses

import numpy as np
import pytest

from pixelbytes_hf.data.augmentation import Augmentation, flip_record
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.six_cells import gather_window

BOTH = Augmentation(mirror=True, invert=True)


@pytest.fixture
def record(paper, rng):
    pixels = rng.integers(paper.pixel_ids.start, paper.pixel_ids.stop, (3, 4, 5))
    levels = rng.integers(paper.level_ids.start, paper.level_ids.stop, (7, 2))
    return [text_segment(np.array([5, 6, 7]), paper), image_segment(pixels, paper), audio_segment(levels, paper)]


def test_flips_are_those_of_the_media(record, paper):
    ids, shapes = flatten(record)
    text, image, audio = record
    expected = [
        text,
        image_segment(image.ids[:, :, :-1][:, :, ::-1], paper),
        audio_segment(paper.level_ids.start + paper.level_ids.stop - 1 - audio.ids[:-1, 0].astype(int), paper),
    ]
    assert np.array_equal(flip_record(ids, shapes, BOTH, paper), flatten(expected)[0])


@pytest.mark.parametrize("flips", [Augmentation(True, False), Augmentation(False, True), BOTH])
def test_flipping_twice_gives_the_record_back(record, paper, flips):
    ids, shapes = flatten(record)
    once = flip_record(ids, shapes, flips, paper)
    assert once.dtype == ids.dtype and not np.array_equal(once, ids)
    assert np.array_equal(flip_record(once, shapes, flips, paper), ids)


def test_nothing_to_do_is_the_same_array(record, paper):
    ids, shapes = flatten(record)
    assert flip_record(ids, shapes, Augmentation(False, False), paper) is ids


def test_levels_that_are_not_symmetrical_are_refused(record, paper):
    crooked = dataclasses.replace(paper, levels=tuple(0.5 * level + 0.1 for level in paper.levels))
    with pytest.raises(ValueError, match="levels must be symmetrical"):
        flip_record(*flatten(record), BOTH, crooked)


def test_draws_depend_on_seed_epoch_and_index_only():
    augmentation = Augmentation(mirror=True, invert=True)
    draws = [augmentation.draw(seed, epoch, record) for seed in range(2) for epoch in range(4) for record in range(50)]
    assert draws == [augmentation.draw(s, e, r) for s in range(2) for e in range(4) for r in range(50)]
    shares = np.mean(draws, axis=0)
    assert (abs(shares - 0.5) < 0.1).all() and len(set(draws)) == 4
    assert not any(any(Augmentation(False, False).draw(0, 0, record)) for record in range(20))


def test_windows_are_those_of_the_flipped_record(record, paper):
    corpus = TokenCorpus.from_records([record] * 8, paper)
    augmentation = Augmentation(mirror=True, invert=True)
    windows = WindowDataset(corpus, 30, seed=3, augmentation=augmentation)
    windows.set_epoch(2)
    for index in range(len(windows)):
        number, start, stop = windows.locate(index)
        ids, shapes = corpus.record(number)
        ids = flip_record(ids, shapes, augmentation.draw(3, 2, index), paper)
        assert np.array_equal(windows[index]["labels"], ids[start:stop])
        expected = gather_window(ids, shapes, start, stop, pad_id=paper.pad_id)
        assert np.array_equal(windows[index]["input_ids"], expected)
