"""Corpora and windows: coverage, contexts, jitter, repeats, padding, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.data.batches import WindowCollator, WindowSampler
from pixelbytes_hf.data.corpus import FORMAT_VERSION, TokenCorpus
from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.six_cells import CONTEXT_SIZE, gather_context
from pixelbytes_hf.tokens.vocabulary import IGNORE_INDEX, Vocabulary

PAPER = Vocabulary.from_preset("paper")


def text_record(length, rng):
    """Return a record of `length` tokens, its end mark included."""
    return [text_segment(rng.integers(3, 58, length - 1), PAPER)]


def mixed_record(rng, num_bytes=9):
    return [
        text_segment(rng.integers(3, 58, num_bytes), PAPER),
        image_segment(rng.integers(58, 113, (3, 4, 5)), PAPER),
        audio_segment(rng.integers(113, 151, (11, 2)), PAPER),
    ]


def mixed_corpus(num_records=4, seed=0):
    rng = np.random.default_rng(seed)
    return TokenCorpus.from_records([mixed_record(rng, 5 + n) for n in range(num_records)], PAPER)


def target_counts(windows, *, check=True):
    """Return for each record how often each of its tokens is a target, reading every window of an epoch."""
    corpus = windows.corpus
    counts = [np.zeros(len(corpus.record(r)[0]), int) for r in range(corpus.num_records)]
    for index in range(len(windows)):
        record, start, stop = windows.locate(index)
        labels = windows[index]["labels"]
        is_target = labels != IGNORE_INDEX
        if check:
            assert 0 < stop - start <= windows.window_length and len(labels) == stop - start
            np.testing.assert_array_equal(labels[is_target], corpus.record(record)[0][start:stop][is_target])
        counts[record][start:stop] += is_target
    return counts


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 24, 31, 32, 33, 100])
def test_every_token_is_a_target_once_when_windows_do_not_overlap(length, jitter, rng):
    corpus = TokenCorpus.from_records([text_record(n, rng) for n in (length, 5, length)], PAPER)
    windows = WindowDataset(corpus, 16, jitter=jitter, seed=3)
    for epoch in range(3):
        windows.set_epoch(epoch)
        for counts in target_counts(windows):
            assert (counts == 1).all()


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    window_length=st.integers(1, 40),
    share=st.floats(0.01, 1.0),
    jitter=st.booleans(),
    epoch=st.integers(0, 5),
)
def test_overlapping_windows_cover_all(lengths, window_length, share, jitter, epoch):
    rng = np.random.default_rng(0)
    corpus = TokenCorpus.from_records([text_record(length, rng) for length in lengths], PAPER)
    stride = max(1, int(window_length * share))
    windows = WindowDataset(corpus, window_length, stride=stride, jitter=jitter)
    windows.set_epoch(epoch)
    for counts in target_counts(windows):
        assert counts.min() >= 1 and counts.max() <= -(-window_length // stride)


def test_half_overlap_scores_inner_tokens_twice_and_ends_once(rng):
    windows = WindowDataset(TokenCorpus.from_records([text_record(64, rng)], PAPER), 16, stride=8)
    assert target_counts(windows)[0].tolist() == [1] * 8 + [2] * 48 + [1] * 8


@pytest.mark.parametrize(("window_length", "stride", "jitter"), [(16, 16, False), (16, 7, True), (500, 500, False)])
def test_contexts_equal_those_of_the_whole_record(window_length, stride, jitter):
    corpus = mixed_corpus()
    windows = WindowDataset(corpus, window_length, stride=stride, jitter=jitter)
    rng = np.random.default_rng(0)
    whole = [
        np.concatenate([gather_context(segment.ids, pad_id=0) for segment in mixed_record(rng, 5 + n)])
        for n in range(corpus.num_records)
    ]
    for index in range(len(windows)):
        record, start, stop = windows.locate(index)
        np.testing.assert_array_equal(windows[index]["input_ids"], whole[record][start:stop])


def test_windows_equal_the_tokenizer():
    tokenizer = ActionPixelBytesTokenizer()
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 3), dtype=np.uint8)
    inputs = {"text": "a red one", "image": frames}
    encoding = tokenizer(**inputs)
    corpus = TokenCorpus.from_records([tokenizer.encode_record(**inputs)[0]], tokenizer.tables)
    windows = WindowDataset(corpus, 7)
    rows = [windows[index] for index in range(len(windows))]
    np.testing.assert_array_equal(np.concatenate([row["input_ids"] for row in rows]), encoding["input_ids"])
    np.testing.assert_array_equal(np.concatenate([row["labels"] for row in rows]), encoding["labels"])


def test_jitter_is_a_function_of_seed_epoch_and_record(rng):
    corpus = TokenCorpus.from_records([text_record(100, rng) for _ in range(6)], PAPER)

    def places(seed, epoch):
        windows = WindowDataset(corpus, 16, jitter=True, seed=seed)
        windows.set_epoch(epoch)
        return [windows.locate(index) for index in reversed(range(len(windows)))]

    assert places(0, 1) == places(0, 1)
    assert len({str(places(seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}) == 6


def test_repeats_visit_windows_that_hold_the_modality():
    corpus = mixed_corpus()
    windows = WindowDataset(corpus, 12, stride=5, repeats={"text": 4, "audio": 2})
    visits = {}
    for index in range(len(windows)):
        place = windows.locate(index)
        visits[place] = visits.get(place, 0) + 1
    plain = WindowDataset(corpus, 12, stride=5)
    assert set(visits) == {plain.locate(index) for index in range(len(plain))}
    for (record, start, stop), count in visits.items():
        _, shapes = corpus.record(record)
        ends = np.cumsum([shape.size for shape in shapes])
        held = {
            shape.modality for shape, end in zip(shapes, ends, strict=True) if start < end and stop > end - shape.size
        }
        assert count == max({"text": 4, "audio": 2}.get(modality, 1) for modality in held)


def test_sampler_order_is_a_function_of_seed_and_epoch():
    windows = WindowDataset(mixed_corpus(), 12, jitter=True)

    def order(seed, epoch):
        sampler = WindowSampler(windows, seed)
        list(sampler)
        sampler.set_epoch(epoch)
        assert windows.epoch == epoch
        return tuple(sampler)

    assert order(0, 1) == order(0, 1)
    orders = {order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4 and {tuple(sorted(found)) for found in orders} == {tuple(range(len(windows)))}


def test_collator_pads_right_and_never_makes_padding_a_target():
    windows = WindowDataset(mixed_corpus(), 50)
    items = [windows[0], windows[1], {name: rows[:3] for name, rows in windows[2].items()}]
    batch = WindowCollator(pad_id=0)(items)
    assert batch["input_ids"].dtype == batch["labels"].dtype == torch.int64
    assert batch["input_ids"].shape == (3, 50, CONTEXT_SIZE)
    for row, item in enumerate(items):
        length = len(item["labels"])
        np.testing.assert_array_equal(batch["input_ids"][row, :length], item["input_ids"])
        np.testing.assert_array_equal(batch["labels"][row, :length], item["labels"])
        assert (batch["labels"][row, length:] == IGNORE_INDEX).all()
        assert (batch["input_ids"][row, length:] == 0).all()
        assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (50 - length)


def test_corpus_returns_the_records_it_was_given():
    rng = np.random.default_rng(0)
    corpus = mixed_corpus()
    assert corpus.num_records == 4
    for index in range(4):
        ids, shapes = flatten(mixed_record(rng, 5 + index))
        np.testing.assert_array_equal(corpus.record(index)[0], ids)
        assert corpus.record(index)[1] == shapes


def test_saved_corpus_is_mapped_and_equal(tmp_path):
    corpus = mixed_corpus()
    corpus.save(tmp_path / "corpus")
    loaded = TokenCorpus.load(tmp_path / "corpus")
    assert isinstance(loaded.ids, np.memmap)
    assert loaded.fingerprint == corpus.fingerprint and loaded.vocabulary == corpus.vocabulary
    one, other = (WindowDataset(source, 20, jitter=True) for source in (corpus, loaded))
    for index in range(len(one)):
        np.testing.assert_array_equal(one[index]["input_ids"], other[index]["input_ids"])


def test_fingerprint_changes_with_ids_shapes_and_records(rng):
    ids = rng.integers(58, 113, (1, 4, 4))
    records = [
        [[image_segment(ids, PAPER)]],
        [[image_segment((ids - 58 + 1) % 55 + 58, PAPER)]],
        [[image_segment(ids, PAPER)] * 2],
        [[image_segment(ids, PAPER)]] * 2,
    ]
    assert len({TokenCorpus.from_records(record, PAPER).fingerprint for record in records}) == 4


def test_failed_save_leaves_no_folder(tmp_path, monkeypatch):
    def fail(path, array):
        if "first_segments" in str(path):
            raise OSError(28, "No space left on device")
        path.write_bytes(array.tobytes())

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        mixed_corpus().save(tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_a_folder_that_exists(tmp_path):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(FileExistsError, match="corpus"):
        mixed_corpus().save(tmp_path / "corpus")


def test_load_refuses_files_that_do_not_fit(tmp_path):
    mixed_corpus().save(tmp_path / "corpus")
    mixed_corpus(num_records=3).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "ids.npy", tmp_path / "corpus" / "ids.npy")
    with pytest.raises(ValueError, match="segments hold"):
        TokenCorpus.load(tmp_path / "corpus")
    header = tmp_path / "other" / "corpus.json"
    header.write_text(header.read_text().replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 7'))
    with pytest.raises(ValueError, match="format_version 7"):
        TokenCorpus.load(tmp_path / "other")
    (tmp_path / "other" / "segments.npy").unlink()
    with pytest.raises((FileNotFoundError, ValueError)):
        TokenCorpus.load(tmp_path / "other")


def test_corpus_takes_at_most_1_2_bytes_a_token_with_its_windows(rng):
    sizes = rng.integers(5_000, 30_000, 40)
    corpus = TokenCorpus.from_records([text_record(int(size), rng) for size in sizes], PAPER)
    windows = WindowDataset(corpus, 1024, stride=512)
    held = [value for value in (*vars(corpus).values(), *vars(windows).values()) if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in held) / corpus.num_tokens <= 1.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "stride"),
        ({"stride": 17}, "stride"),
        ({"repeats": {"video": 2}}, "video"),
        ({"repeats": {"text": 0}}, "whole numbers"),
    ],
)
def test_windows_refuse_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        WindowDataset(mixed_corpus(), 16, **options)


def test_indices_outside_are_refused():
    corpus = mixed_corpus()
    windows = WindowDataset(corpus, 16)
    for index in (-1, len(windows)):
        with pytest.raises(IndexError, match="index"):
            windows.locate(index)
    with pytest.raises(IndexError, match="index"):
        corpus.record(4)


def test_records_that_cannot_be_kept_are_named(rng):
    good = text_record(5, rng)
    outside = text_record(5, rng)
    outside[0].ids[0, 0, 0] = 200
    with pytest.raises(ValueError, match=r"record 1.*200"):
        TokenCorpus.from_records([good, outside], PAPER)
    with pytest.raises(ValueError, match="record 1"):
        TokenCorpus.from_records([good, []], PAPER)
    with pytest.raises(ValueError, match="at least one"):
        TokenCorpus.from_records([], PAPER)


def small_dataset(text="a blue one", pixels=None):
    import io

    from datasets import Dataset, Features, Image, Value
    from PIL import Image as Pictures

    if pixels is None:
        frames = [Pictures.new("RGB", (3, 2), colour) for colour in ("red", "white", "blue")]
        buffer = io.BytesIO()
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50)
        pixels = buffer.getvalue()
    rows = {"text": ["first", text], "pixels": [{"bytes": pixels, "path": None}] * 2}
    return Dataset.from_dict(rows, features=Features({"text": Value("string"), "pixels": Image()}))


def test_tokenize_dataset_keeps_all_frames_of_an_animation():
    columns = {"text": "text", "image": "pixels"}
    corpus = tokenize_dataset(small_dataset(), ActionPixelBytesTokenizer(), columns=columns, progress=False)
    assert [tuple(shape) for shape in corpus.record(1)[1]] == [("text", 1, 1, 11), ("image", 3, 2, 4)]


def test_a_turned_photo_is_the_same_row_decoded_and_undecoded():
    import io

    from PIL import Image as Pictures

    exif, buffer = Pictures.Exif(), io.BytesIO()
    exif[0x0112] = 6
    lying = Pictures.fromarray(np.random.default_rng(0).integers(0, 256, (2, 4, 3), np.uint8))
    lying.save(buffer, "PNG", exif=exif)
    tokenizer, dataset = ActionPixelBytesTokenizer(), small_dataset(pixels=buffer.getvalue())
    corpus = tokenize_dataset(dataset, tokenizer, columns={"image": "pixels"}, progress=False)
    ids, [shape] = corpus.record(0)
    assert shape.rows == 4 and ids.tolist() == tokenizer(image=dataset[0]["pixels"])["labels"]


def test_tokenize_dataset_names_what_is_wrong():
    tokenizer = ActionPixelBytesTokenizer(errors="strict")
    columns = {"text": "text", "image": "pixels"}
    with pytest.raises(ValueError, match="sound"):
        tokenize_dataset(small_dataset(), tokenizer, columns={**columns, "audio": "sound"}, progress=False)
    with pytest.raises(ValueError, match="row 1"):
        tokenize_dataset(small_dataset(text="what?"), tokenizer, columns=columns, progress=False)
    with pytest.raises(ValueError, match="row 0"):
        tokenize_dataset(small_dataset(pixels=b"GIF89a broken"), tokenizer, columns=columns, progress=False)


def test_openings_are_further_visits_of_each_beginning_in_batches_of_their_own():
    rng = np.random.default_rng(0)
    corpus = TokenCorpus.from_records([text_record(length, rng) for length in (9, 30, 12, 50, 7)], PAPER)
    plain, windows = WindowDataset(corpus, 20), WindowDataset(corpus, 20, prefix_windows=2, prefix_length=10)
    assert len(windows) == len(plain) + 10 and windows.num_prefix_windows == 10
    assert [windows.locate(n) for n in range(len(plain))] == [plain.locate(n) for n in range(len(plain))]
    prefix_windows = [windows.locate(n) for n in range(len(plain), len(windows))]
    assert sorted(prefix_windows) == sorted(
        [(r, 0, min(10, int(n))) for r, n in enumerate(np.diff(corpus.offsets))] * 2
    )
    sampler = WindowSampler(windows, 0, batch_size=4)
    order = list(sampler)
    assert sorted(order) == list(range(len(windows)))
    num_full = len(plain) // 4 + 10 // 4
    batches = [{n >= len(plain) for n in order[4 * b : 4 * b + 4]} for b in range(num_full)]
    assert all(len(batch) == 1 for batch in batches)
    assert list(sampler) == order
    sampler.set_epoch(1)
    assert list(sampler) != order
    with pytest.raises(ValueError, match="prefix_windows"):
        WindowDataset(corpus, 20, prefix_windows=-1)
