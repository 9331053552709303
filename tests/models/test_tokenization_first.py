"""The first approach's tokenizer."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoTokenizer

from pixelbytes_hf.models.pixelbytes.tokenization_first import PixelBytesTokenizer
from pixelbytes_hf.tokens.contexts import WINDOW_CELLS
from pixelbytes_hf.tokens.level_codec import encode_levels
from pixelbytes_hf.tokens.record import SegmentInfo
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.text_codec import decode_text
from pixelbytes_hf.tokens.vocabulary import Vocabulary

FIRST = Vocabulary.from_preset("first")
COLOURS = np.array(FIRST.colours, np.uint8)
TOKENIZER = PixelBytesTokenizer()
LETTERS = "".join(chr(value) for value in FIRST.byte_values if value > 10 and value < 128)


def picture_of(seed, height, width):
    return COLOURS[np.random.default_rng(seed).integers(0, len(COLOURS), (height, width))]


def test_vocabulary_is_the_papers_without_levels():
    paper = Vocabulary.from_preset("paper")
    assert FIRST.size == TOKENIZER.vocab_size == 113
    assert FIRST.tokens == paper.tokens[:113] and FIRST.levels == () and len(FIRST.level_ids) == 0
    assert Vocabulary.from_dict(FIRST.to_dict()) == FIRST and FIRST.digest != paper.digest
    with pytest.raises(ValueError, match="vocabulary must have levels to encode sound, got one of 113 ids"):
        encode_levels(np.zeros((3, 1)), FIRST)
    with pytest.raises(ValueError, match="levels must be none or at least 2"):
        Vocabulary(FIRST.byte_values, FIRST.colours, (0.5,))


def test_record_is_header_picture_and_caption():
    encoding = TOKENIZER(text="Tiny", image=picture_of(0, 3, 4), return_tensors="np")
    segments, infos = TOKENIZER.encode_record(text="Tiny", image=picture_of(0, 3, 4))
    assert [segment.modality for segment in segments] == ["text", "image", "text"]
    assert decode_text(segments[0].ids[0, 0, :-1], FIRST) == "(3, 4)"
    assert decode_text(segments[2].ids[0, 0, :-1], FIRST) == "tiny"
    assert encoding.segments == [infos]
    ids = np.concatenate([segment.ids.reshape(-1) for segment in segments])
    assert np.array_equal(encoding["labels"][0], ids)
    windows = np.concatenate([gather_context(segment.ids, WINDOW_CELLS, pad_id=0) for segment in segments])
    assert np.array_equal(encoding["input_ids"][0, 1:], windows[:-1]) and not encoding["input_ids"][0, 0].any()


def test_published_header_counts_tokens():
    tokenizer = PixelBytesTokenizer(header="as_published")
    (header, _), _ = tokenizer.encode_record(image=picture_of(0, 3, 4))
    assert decode_text(header.ids[0, 0, :-1], FIRST) == "(15, 3)"


@settings(max_examples=30, deadline=None)
@given(
    caption=st.none() | st.text(LETTERS + "\u00a0", max_size=20),
    size=st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 99),
    header=st.sampled_from(["size", "as_published"]),
)
def test_decoding_is_the_inverse(caption, size, seed, header):
    image = None if size is None else picture_of(seed, *size)
    if caption is None and image is None:
        return
    tokenizer = PixelBytesTokenizer(header=header)
    encoding = tokenizer(text=caption, image=image)
    for segments in (None, encoding.segments):
        record = tokenizer.decode_modalities(encoding["labels"], segments)
        assert record.text == caption and not record.problems
        assert (record.frames is None) == (image is None)
        assert image is None or np.array_equal(record.frames[0], image)


def test_rows_decode_to_what_they_have_read():
    picture = picture_of(1, 2, 3)
    rows = TOKENIZER(text="ab", image=picture, return_tensors="np")["input_ids"][0]
    record = TOKENIZER.decode_modalities(rows)
    assert record.text == "ab" and np.array_equal(record.frames[0], picture)


def test_caption_that_looks_like_a_header_is_kept():
    assert TOKENIZER.decode_modalities(TOKENIZER(text="(3, 4)")["labels"]).text == "(3, 4)"


def test_animation_gives_its_first_frame(tmp_path):
    frames = np.stack([picture_of(seed, 2, 3) for seed in range(3)])
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "x.gif", save_all=True, append_images=images[1:])
    expected = TOKENIZER(image=frames[0])["labels"]
    assert TOKENIZER(image=frames)["labels"] == expected
    assert TOKENIZER(image=str(tmp_path / "x.gif"))["labels"] == expected


def test_slicing_keeps_every_second_row_and_column():
    picture = picture_of(0, 4, 6)
    sliced = PixelBytesTokenizer(slicing={"image": 2})(image=picture)["labels"]
    assert sliced == TOKENIZER(image=picture[::2, ::2])["labels"]


def test_characters_outside_the_vocabulary_are_counted():
    segments, infos = TOKENIZER.encode_record(text="What?\u4e2d a\u00a0b")
    assert infos == [SegmentInfo("text", num_replaced=1, num_dropped=1)]
    assert decode_text(segments[0].ids[0, 0, :-1], FIRST) == "what  a\u00a0b"
    with pytest.raises(ValueError, match=r"text holds '\?', which is not in the vocabulary's bytes"):
        PixelBytesTokenizer(errors="strict")(text="What?")


def test_sound_is_left_out_and_logged(monkeypatch, caplog):
    logger = logging.getLogger("pixelbytes_hf.models.pixelbytes.tokenization_first")
    monkeypatch.setattr(logger, "propagate", True)
    logger.warning_once.cache_clear()
    sound = {"array": np.zeros(9), "sampling_rate": 8000}
    with caplog.at_level("WARNING", logger=logger.name):
        assert TOKENIZER(text="a", audio=sound)["labels"] == TOKENIZER(text="a")["labels"]
        TOKENIZER(text="a", audio=sound)
    assert [record.message.endswith("it is left out of the records") for record in caplog.records] == [True]
    with pytest.raises(ValueError, match="text and image are both None"):
        TOKENIZER(audio=sound)


def test_saved_tokenizer_loads_by_the_auto_class(tmp_path):
    tokenizer = PixelBytesTokenizer(header="as_published", errors="strict", slicing={"image": 2})
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is PixelBytesTokenizer
    assert loaded.options == tokenizer.options
    assert loaded.options["header"] == "as_published" and loaded.options["tokenizer_class"] == "PixelBytesTokenizer"
    record = {"text": "a (b)", "image": picture_of(0, 4, 4)}
    assert loaded(**record).data == tokenizer(**record).data


def test_batch_is_padded_with_rows_of_nine():
    batch = TOKENIZER(text=["a", "abc"], image=[picture_of(0, 1, 1), None], padding=True, return_tensors="pt")
    assert batch["input_ids"].shape == (2, 11, 9)
    assert batch["attention_mask"].sum(1).tolist() == [11, 4]
    assert (batch["labels"][1, 4:] == -100).all() and not batch["input_ids"][1, 4:].any()
    with pytest.raises(ValueError, match=r"input_ids must be \(L, 9\)"):
        TOKENIZER.pad({"input_ids": [[0] * 6], "labels": [1]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "shape"}, "header must be one of .* got 'shape'"),
        ({"order": ("text", "image")}, "order must be .* got"),
        ({"errors": "ignore"}, "errors must be one of"),
        ({"slicing": {"image": 0}}, "slicing"),
    ],
)
def test_malformed_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PixelBytesTokenizer(**options)


def test_malformed_inputs_are_refused():
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3 \| 4\)"):
        TOKENIZER(image=np.zeros((2, 2), np.uint8))
    with pytest.raises(TypeError, match="text must be a str, got int"):
        TOKENIZER.encode_record(text=3)
