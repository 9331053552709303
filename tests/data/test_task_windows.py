"""Windows of tasks: what is a target, which task when, the order of an epoch, padding, mixtures in phases."""

from collections import Counter

import numpy as np
import pytest
import torch
from tiny_tasks import CODED, FULL, HalvingCodec, corpus_of, record_of

from pixelbytes_hf.data.batches import WindowCollator, WindowSampler, share_of_padding
from pixelbytes_hf.data.corpus import TokenCorpus, given_tokens
from pixelbytes_hf.data.posed import read_posed
from pixelbytes_hf.data.task_corpus import TaskCorpus
from pixelbytes_hf.data.task_mixture import TaskMixture
from pixelbytes_hf.data.task_windows import TaskWindows
from pixelbytes_hf.data.tasks import TASKS
from pixelbytes_hf.data.token_table import gather_table
from pixelbytes_hf.objectives.objective_masked import TokenMasking
from pixelbytes_hf.tokens.grid import unflatten
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import IGNORE_INDEX

LONG_AND_SHORT = {"text-to-sound": 1, "text-to-video": 1, "outpainting-central": 1}


def windows_of(settings, corpus=None, **options):
    mixture = TaskMixture(settings)
    return TaskWindows(TaskCorpus(corpus or corpus_of(), mixture.names), mixture, **options)


def read_epoch(windows, epoch, batch_size=2):
    """Return the order and the tasks of an epoch."""
    sampler = WindowSampler(windows, 0, batch_size=batch_size)
    sampler.set_epoch(epoch)
    order = list(sampler)
    return order, [windows.task_of(index) for index in order]


@pytest.mark.parametrize("vocabulary", [FULL, CODED], ids=["raw", "codes"])
@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_is_asked_alone_is_a_target(name, vocabulary):
    corpus = corpus_of(2, vocabulary=vocabulary)
    streams = TaskCorpus(corpus, [name], codec=HalvingCodec() if vocabulary is CODED else None)
    windows = TaskWindows(streams, TaskMixture({name: 1}))
    for index in range(2):
        window, (ids, shapes, num_given) = windows[index], streams.stream(index)
        posed = read_posed(unflatten(ids, shapes), vocabulary)
        asked = np.concatenate([segment.ids.reshape(-1) for segment in posed.asked])
        is_target = window["labels"] != IGNORE_INDEX
        np.testing.assert_array_equal(window["labels"][is_target], asked)
        np.testing.assert_array_equal(window["prefix_mask"] == 1, ~is_target)
        assert not is_target[:num_given].any() and is_target[num_given:].all()
        assert given_tokens(streams, index) == num_given and given_tokens(corpus, index) == 0
        # contexts are those of any record: every segment by itself
        rows = [gather_context(each.ids, pad_id=0) for each in unflatten(ids, shapes)]
        np.testing.assert_array_equal(window["input_ids"], np.concatenate(rows))
        assert windows.locate(index) == (index, 0, len(ids))


def test_tables_of_tasks_hold_what_is_asked():
    streams = TaskCorpus(corpus_of(3), ["text-to-image", "sound-to-text"])
    asked = [streams.stream(n).ids[streams.num_given(n) :] for n in range(streams.num_records)]
    np.testing.assert_array_equal(gather_table(streams).ids, np.concatenate(asked))
    assert [streams.task_of(n) for n in range(4)] == ["text-to-image", "sound-to-text"] * 2


def test_tasks_and_order_are_a_function_of_seed_epoch_and_index():
    corpus = corpus_of(24)
    first, second = windows_of(LONG_AND_SHORT, corpus, seed=3), windows_of(LONG_AND_SHORT, corpus, seed=3)
    epochs = [read_epoch(first, epoch) for epoch in range(3)]
    assert read_epoch(second, 2) == epochs[2] and read_epoch(second, 0) == epochs[0]  # in any order of reading
    assert epochs[0] != epochs[1] and epochs[0][1] != epochs[1][1]
    assert read_epoch(windows_of(LONG_AND_SHORT, corpus, seed=4), 0) != epochs[0]
    assert all(sorted(order) == [*range(24)] for order, _ in epochs)


def test_tasks_are_drawn_by_weight_among_those_that_fit(rng):
    still = TokenCorpus.from_records([record_of(rng, frames=1)], FULL)
    settings = {"text-to-sound": 3, "text-to-video": 1, "interpolation": 96}
    windows, drawn = windows_of(settings, still), Counter()
    for epoch in range(400):
        windows.set_epoch(epoch)
        drawn[windows.task_of(0)] += 1
    assert drawn["interpolation"] == 0 and 0.68 < drawn["text-to-sound"] / 400 < 0.82


def test_batches_hold_windows_of_like_length():
    windows = windows_of(LONG_AND_SHORT, corpus_of(50, word="fire"))
    order, _ = read_epoch(windows, 0, batch_size=4)
    lengths = windows.lengths[order]
    by_chance = np.random.default_rng(0).permutation(lengths)
    grouped, mixed = share_of_padding(lengths, 4), share_of_padding(by_chance, 4)
    # three lengths: two batches hold two of them, and what is left fills none
    assert grouped < 0.1 < 0.3 < mixed
    assert sum(len({*lengths[n : n + 4].tolist()}) > 1 for n in range(0, 48, 4)) <= 2
    steps = lengths[:48:4]
    assert not (np.diff(steps) >= 0).all() and not (np.diff(steps) <= 0).all()  # batches come in random order
    sampler = WindowSampler(windows, 0, batch_size=4)
    assert sampler.describe() == {}
    sampler.set_epoch(0)
    batches = [WindowCollator()([windows[n] for n in order[i : i + 4]]) for i in range(0, 50, 4)]
    padding = sum(int((batch["attention_mask"] == 0).sum()) for batch in batches)
    places = sum(batch["attention_mask"].numel() for batch in batches)
    assert sampler.describe() == {"padding": pytest.approx(padding / places)} == {"padding": pytest.approx(grouped)}
    for batch in batches:
        assert batch["prefix_mask"].shape == batch["labels"].shape
        assert torch.equal(batch["prefix_mask"] + batch["labels"].ne(IGNORE_INDEX), batch["attention_mask"])


def test_phases_come_one_after_another():
    settings = {"0": {"text-to-image": 9, "text-to-video": 1}, "0.5": {"text-to-video": 1}, "2": {"text-to-sound": 2}}
    windows = windows_of(settings, corpus_of(40))
    _, tasks = read_epoch(windows, 0)
    assert Counter(tasks[:20])["text-to-image"] >= 14 and set(tasks[20:]) == {"text-to-video"}
    assert set(read_epoch(windows, 1)[1]) == {"text-to-video"} and set(read_epoch(windows, 2)[1]) == {"text-to-sound"}


def test_records_without_a_task_are_left_out(rng):
    records = [record_of(rng), record_of(rng)[1:], record_of(rng)]
    corpus = TokenCorpus.from_records(records, FULL)
    windows = windows_of({"text-to-video": 1}, corpus)
    assert windows.records.tolist() == [0, 2] and len(windows) == 2 and sum(windows.streams.num_unfit) == 1
    phases = windows_of({"0": {"text-to-video": 1}, "1": {"video-to-sound": 1}}, corpus)
    assert phases.records.tolist() == [0, 2]
    streams = TaskCorpus(corpus, LONG_AND_SHORT, max_length=60)
    assert streams.lengths.max() <= 60 and sum(streams.num_long) > 0
    with pytest.raises(ValueError, match="are longer than 5 tokens"):
        TaskCorpus(corpus, ["text-to-video"], max_length=5)
    with pytest.raises(ValueError, match="tasks must fit a record in every phase"):
        mixture = TaskMixture({"text-to-video": 1, "video-to-sound": 0})
        TaskWindows(
            TaskCorpus(TokenCorpus.from_records(records[1:2], FULL), ["text-to-video", "video-to-sound"]), mixture
        )


def test_conditions_of_codes_are_encoded_once():
    class Counting(HalvingCodec):
        calls = 0

        def encode(self, segment, vocabulary=None):
            self.calls += 1
            return super().encode(segment, vocabulary)

    codec = Counting()
    streams = TaskCorpus(corpus_of(3, vocabulary=CODED), ["outpainting-central"], codec=codec)
    for _ in range(2):
        assert [len(streams.record(n)[0]) for n in range(3)] == streams.lengths.tolist()
    assert codec.calls == 3


def test_masks_fall_on_what_is_asked():
    windows = windows_of({"text-to-image": 1}, context_size=7, corruption=TokenMasking(FULL.size, 7))
    read_epoch(windows, 0)
    for index in range(len(windows)):
        window = windows[index]
        masked = window["corruption"]["masked"]
        assert masked.any() and not (masked & (window["prefix_mask"] == 1)).any()
        np.testing.assert_array_equal(masked, window["input_ids"][:, 6] == FULL.size)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, ValueError, "tasks must be weights by name"),
        ({"text-to-smell": 1}, ValueError, "task must be one of"),
        ({"text-to-video": -1}, ValueError, "weight of at least 0"),
        ({"text-to-video": "much"}, TypeError, "numbers for each weight"),
        ({"text-to-video": 0}, ValueError, "a weight over 0"),
        ({"1": {"text-to-video": 1}}, ValueError, "begin at epoch 0"),
        ({"0": {"text-to-video": 1}, "later": {"text-to-video": 1}}, TypeError, "numbers for each epoch"),
        ({"0": {"text-to-video": 1}, "0.0": {"text-to-image": 1}}, ValueError, "differ"),
        ({"0": {"text-to-video": 1}, "1": 2}, TypeError, "weights by name in every phase"),
    ],
)
def test_what_is_no_mixture_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        TaskMixture(settings)
