import copy
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorWithPadding

from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.tokens.six_cells import NEW_TOKEN_CELL
from pixelbytes_hf.tokens.vocabulary import Vocabulary

TOKENIZERS = {
    "paper": ActionPixelBytesTokenizer(),
    "sliced": ActionPixelBytesTokenizer(slicing={"image": (2, 1, 3), "audio": 2}, order=("audio", "image", "text")),
    "full": ActionPixelBytesTokenizer(preset="full", scaling="peak"),
}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


@pytest.fixture
def sprite(rng, paper):
    return np.array(paper.colours, np.uint8)[rng.integers(0, 55, (4, 9, 7))]


@pytest.fixture
def tone(rng):
    return {"array": rng.normal(size=(2, 55)), "sampling_rate": 8000}


def test_every_medium_comes_back(tokenizer, sprite, tone):
    encoding = tokenizer(text="a small fire lizard", image=sprite, audio=tone)
    decoded = tokenizer.decode_modalities(encoding["labels"], encoding.segments[0])
    frame_step, row_step, column_step = tokenizer.codec.image_steps
    step = tokenizer.codec.audio_step
    kept = sprite[::frame_step, ::row_step, ::column_step]
    again = tokenizer(image=decoded.frames, audio=decoded.sound, text=decoded.text) if step == 1 else None
    assert decoded.text == decoded["text"] == "a small fire lizard"
    assert decoded.frames.shape[:3] == kept.shape[:3]
    assert decoded.sound["array"].shape == (2, -(-55 // step)) and decoded.sound["sampling_rate"] == 8000 / step
    spread = np.ptp(tone["array"]) if tokenizer.scaling == "min-max" else 2 * np.abs(tone["array"]).max()
    assert np.abs(decoded.sound["array"] - tone["array"][:, ::step]).max() < spread / 37
    assert again is None or again["labels"] == encoding["labels"]


def test_palette_sprites_come_back_exactly(sprite):
    decoded = TOKENIZERS["paper"].decode_modalities(TOKENIZERS["paper"](image=sprite)["labels"])
    assert np.array_equal(decoded.frames, sprite)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_contexts_and_labels_of_a_record_agree(seed):
    rng = np.random.default_rng(seed)
    encoding = TOKENIZERS["paper"](
        text="ab" * rng.integers(0, 4),
        image=rng.integers(0, 256, (*rng.integers(1, 4, 3), 3), dtype=np.uint8),
        audio={"array": rng.normal(size=(rng.integers(1, 4), rng.integers(1, 6)))},
        return_tensors="np",
    )
    rows, labels = encoding["input_ids"][0], encoding["labels"][0]
    opens = np.flatnonzero((rows == 0).all(-1))
    follows = np.setdiff1d(np.arange(len(labels)), opens)
    assert len(opens) == 3 and (rows[follows, NEW_TOKEN_CELL] == labels[follows - 1]).all()


def test_order_of_modalities_is_selectable(sprite, tone):
    tokenizer = TOKENIZERS["paper"]
    encoding = tokenizer(text="hi", image=sprite, audio=tone, order=("audio", "text", "image"))
    assert [info.modality for info in encoding.segments[0]] == ["audio", "text", "image"]
    kinds = [segment.modality for segment in tokenizer.decode_modalities(encoding["labels"]).segments]
    assert kinds == ["audio", "text", "image"]


def test_batch_of_two_equals_two_calls(sprite, tone):
    tokenizer = TOKENIZERS["paper"]
    batch = tokenizer(text=["one", None], image=[None, sprite], audio=[tone, None])
    singles = [tokenizer(text="one", audio=tone), tokenizer(image=sprite)]
    assert all(batch[key] == [single[key] for single in singles] for key in batch)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("tensors", ["np", "pt"])
def test_padding_is_never_a_target(side, tensors):
    encoding = TOKENIZERS["paper"](text=["abcdef", "a"], padding=True, padding_side=side, return_tensors=tensors)
    padded = encoding["attention_mask"] == 0
    assert encoding["input_ids"].shape == (2, 7, 6) and int(padded.sum()) == 5
    assert (encoding["labels"][padded] == -100).all() and (encoding["input_ids"][padded] == 0).all()
    assert TOKENIZERS["paper"].decode_modalities(encoding["labels"][1]).text == "a"


def test_padding_options(tmp_path):
    tokenizer = TOKENIZERS["paper"]
    assert len(tokenizer(text="abc", padding="max_length", max_length=9)["labels"]) == 9
    assert len(tokenizer(text="abc", padding=True, pad_to_multiple_of=8)["labels"]) == 8
    assert tokenizer(text="abcdef", truncation=True, max_length=3)["labels"] == [32, 33, 34]
    collated = DataCollatorWithPadding(tokenizer)([dict(tokenizer(text="a")), dict(tokenizer(text="abc"))])
    assert collated["input_ids"].shape == (2, 4, 6) and collated["labels"].dtype == torch.int64
    assert tokenizer.pad(tokenizer(text="ab"), padding="max_length", max_length=5)["labels"] == [32, 33, 2, -100, -100]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "all None"),
        ({"text": ["a", "b"], "image": [None]}, "one length"),
        ({"text": ["a"], "audio": {"array": [0.0]}}, "one length"),
        ({"text": "a", "text_pair": "b"}, "text_pair"),
        ({"text": "a", "order": ("image",)}, "order"),
        ({"text": "a", "padding": "max_length"}, "padding"),
        ({"text": "abc", "padding": "max_length", "max_length": 2}, "truncation"),
        ({"text": ["a", "abc"], "return_tensors": "np"}, "padding=True"),
        ({"audio": {"array": np.zeros((0,))}}, "array"),
        ({"audio": {"array": [0.0, np.nan]}}, "NaN"),
        ({"audio": {"samples": []}}, "audio must hold"),
        ({"image": np.zeros((0, 2, 2, 3), np.uint8)}, "frames"),
        ({"image": b"no picture"}, "not a readable picture"),
        ({"image": np.zeros((4, 4), np.uint8)}, "image must be"),
        ({"audio": {"array": [0.0], "sampling_rate": -1}}, "sampling_rate"),
        ({"audio": {"array": [0.0], "sampling_rate": "fast"}}, "sampling_rate"),
        ({"audio": {"array": [0.0], "sampling_rate": float("inf")}}, "sampling_rate"),
        ({"audio": {"array": [0.0], "sampling_rate": float("nan")}}, "sampling_rate"),
        ({"audio": {"array": np.zeros((4000, 2))}}, r"\(C, N\).*4000 channels of 2 samples"),
        ({"audio": {"array": np.zeros((9, 1))}}, "9 channels of 1 samples"),
        ({"audio": {"array": np.zeros((65, 99))}}, "max_channels"),
        ({"audio": {"array": [1e308, -1e308]}}, "more than float32 can"),
        ({"text": "a", "padding_side": "middle"}, "padding_side"),
        ({"text": "a", "truncation": True, "max_length": 0}, "max_length"),
        ({"text": "a", "truncation": "sometimes"}, "truncation"),
    ],
)
def test_bad_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZERS["paper"](**call)


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "tiny"},
        {"errors": "ignore"},
        {"slicing": {"text": 2}},
        {"slicing": {"image": 0}},
        {"slicing": {"audio": (1, 2)}},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r"preset|errors|slicing|order|scaling"):
        ActionPixelBytesTokenizer(**options)


def test_malformed_stream_is_refused_or_reported():
    tokenizer = TOKENIZERS["paper"]
    with pytest.raises(ValueError, match="different widths"):
        tokenizer.decode_modalities([60, 61, 1, 62, 2])
    assert tokenizer.decode_modalities([60, 61, 1, 62, 2], errors="report").problems
    with pytest.raises(ValueError, match=r"0\.\.150"):
        tokenizer.decode_modalities([151])
    with pytest.raises(ValueError, match="2 segments of image"):
        _ = tokenizer.decode_modalities([60, 61, 2, 60, 2]).frames
    with pytest.raises(ValueError, match="infos"):
        tokenizer.decode_modalities([32, 2], tokenizer(image=np.zeros((1, 1, 3), np.uint8)).segments[0])


def test_decode_gives_strings():
    tokenizer = TOKENIZERS["paper"]
    assert tokenizer.decode(tokenizer(text="line one\nline two")["labels"]) == "line one\nline two"
    stream = [32, 33, 2, 59, 60, 2]
    assert tokenizer.decode(stream) == "ab<#FCFCFC><#F8F8F8><0x0A>"
    assert tokenizer.decode(stream, skip_special_tokens=True) == "ab"
    assert tokenizer.batch_decode(torch.tensor([stream, [0, 0, 0, 32, 33, 2]])) == [tokenizer.decode(stream), "ab"]
    assert tokenizer.decode([32, 33]) == "ab"


def test_context_rows_decode_without_their_last_token(sprite, tone):
    tokenizer = TOKENIZERS["paper"]
    assert tokenizer.decode_modalities(tokenizer(text="hi")["input_ids"]).text == "hi"
    encoding = tokenizer(text=["hi", "a"], image=[sprite, None], audio=[tone, None], padding=True, return_tensors="np")
    decoded = tokenizer.decode_modalities(encoding["input_ids"][0], encoding.segments[0])
    assert decoded.text == "hi" and np.array_equal(decoded.frames, sprite)
    assert tokenizer.decode_modalities(encoding["input_ids"][1]).text == "a"
    with pytest.raises(ValueError, match="widths"):
        tokenizer.decode_modalities([[0] * 5 + [cell] for cell in (60, 61, 1, 62, 1, 60)])


def test_only_one_stream_is_decoded_at_a_time(sprite):
    tokenizer = TOKENIZERS["paper"]
    batch = tokenizer(image=[sprite, sprite], return_tensors="pt")
    with pytest.raises(ValueError, match="one by one"):
        tokenizer.decode_modalities(batch["labels"])
    one = tokenizer(image=sprite, return_tensors="pt")
    assert np.array_equal(tokenizer.decode_modalities(one["labels"], one.segments).frames, sprite)


def test_an_encoding_keeps_its_segments(tone):
    encoding = TOKENIZERS["paper"](audio=tone)
    assert pickle.loads(pickle.dumps(encoding)).segments == encoding.segments
    assert TOKENIZERS["paper"].pad([dict(encoding)]).segments == []


def test_further_columns_are_padded_as_they_are():
    tokenizer = TOKENIZERS["paper"]
    padded = tokenizer.pad([dict(tokenizer(text=text), weight=[0.5] * (len(text) + 1)) for text in ("a", "abc")])
    assert padded["weight"] == [[0.5, 0.5, 0.0, 0.0], [0.5] * 4]


def test_padded_labels_decode():
    tokenizer = TOKENIZERS["paper"]
    assert tokenizer.batch_decode(tokenizer(text=["hi", "abc"], padding=True)["labels"]) == ["hi", "abc"]
    assert tokenizer.encode("hi", return_tensors="pt").shape == (1, 3)


def test_tokens_and_ids_convert_both_ways():
    tokenizer = TOKENIZERS["paper"]
    ids = list(range(tokenizer.vocab_size))
    assert tokenizer.convert_tokens_to_ids(tokenizer.convert_ids_to_tokens(ids)) == ids
    assert len(tokenizer) == 151 and tokenizer.pad_token_id == 0
    assert tokenizer.tokenize("hi?") == ["<0x68>", "<0x69>", "<0x20>"]
    assert tokenizer.encode("<0x00>") == tokenizer(text="<0x00>")["labels"]


def test_save_and_load_are_equal(tokenizer, tmp_path, sprite, tone):
    tokenizer.save_pretrained(tmp_path)
    loaded = ActionPixelBytesTokenizer.from_pretrained(tmp_path)
    for other in (loaded, copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert other.codec == tokenizer.codec
        assert (
            other(text="a?b", image=sprite, audio=tone)["labels"]
            == tokenizer(text="a?b", image=sprite, audio=tone)["labels"]
        )


def test_tables_of_ones_own_survive_saving(tmp_path):
    tables = {"bytes": [0, 9, 10, 48, 49], "colours": [[1, 2, 3], [200, 0, 0]], "levels": [-1, 0, 1]}
    ActionPixelBytesTokenizer(vocabulary=tables, sampling_rate_hz=4000).save_pretrained(tmp_path)
    loaded = ActionPixelBytesTokenizer.from_pretrained(tmp_path)
    assert loaded.tables == Vocabulary.from_dict(tables) and loaded.vocab_size == 10 and loaded.level_rate_hz == 4000


def test_a_vocab_file_that_disagrees_is_refused(tmp_path):
    TOKENIZERS["paper"].save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "vocab.json").read_text())
    saved["<0x61>"], saved["<0x62>"] = saved["<0x62>"], saved["<0x61>"]
    (tmp_path / "vocab.json").write_text(json.dumps(saved))
    with pytest.raises(ValueError, match="does not match"):
        ActionPixelBytesTokenizer.from_pretrained(tmp_path)


def test_sounds_are_resampled_to_the_rate_asked_for(rng):
    tokenizer = ActionPixelBytesTokenizer(sampling_rate_hz=4000)
    tone = {"array": np.sin(np.arange(800) / 800 * 2 * np.pi * 5), "sampling_rate": 8000}
    encoding = tokenizer(audio=tone)
    decoded = tokenizer.decode_modalities(encoding["labels"], encoding.segments[0]).sound
    assert decoded["sampling_rate"] == 4000 and decoded["array"].shape == (1, 400)
    assert np.abs(decoded["array"][0] - tone["array"][::2])[20:-20].max() < 0.05
    with pytest.raises(ValueError, match="sampling_rate"):
        tokenizer(audio={"array": [0.0, 1.0]})


@pytest.mark.parametrize(
    ("rate", "step", "kept"), [(8000, 2, 4000), (8001, 2, 4000.5), (8000.0, 1, 8000), (22050.5, 1, 22050.5)]
)
def test_a_whole_rate_is_an_int_as_writers_of_sound_files_want_it(rate, step, kept):
    tokenizer = ActionPixelBytesTokenizer(slicing={"audio": step})
    encoding = tokenizer(audio={"array": np.linspace(-1, 1, 40), "sampling_rate": rate})
    decoded = tokenizer.decode_modalities(encoding["labels"], encoding.segments[0]).sound["sampling_rate"]
    assert decoded == kept and type(decoded) is type(kept)


def test_rates_without_a_common_divisor_take_no_more_memory():
    """A filter of 15 million taps would be made for 767,999 Hz as it stands."""
    wave = np.sin(np.arange(76_800) / 76_800 * 2 * np.pi * 5)
    tokenizer = ActionPixelBytesTokenizer(sampling_rate_hz=4000)
    odd, even = (tokenizer(audio={"array": wave, "sampling_rate": rate})["labels"] for rate in (767_999, 768_000))
    assert len(odd) in (len(even), len(even) + 1) and np.abs(np.subtract(odd[:400], even[:400])).max() <= 1


@pytest.mark.parametrize("rate", [0, -4000, 4000.0, "4000"])
def test_the_rate_asked_for_is_a_whole_number(rate):
    with pytest.raises(ValueError, match="sampling_rate_hz"):
        ActionPixelBytesTokenizer(sampling_rate_hz=rate)


def test_a_record_says_what_it_would_cost_and_is_refused_above_a_limit(tmp_path):
    tokenizer = ActionPixelBytesTokenizer(limits={"max_tokens": 100})
    picture, wave = np.zeros((3, 4, 5, 3), np.uint8), {"array": np.zeros((2, 9))}
    assert len(tokenizer(image=picture, text="a" * 27)["labels"]) == 100
    for inputs, cost in (
        ({"image": picture, "text": "a" * 28}, r"101 tokens \(text 29, image 72\)"),
        ({"image": np.zeros((9, 9, 9, 3), np.uint8)}, "image 729"),
        ({"text": "a" * 1000}, "text 1,000"),
        ({"audio": {"array": np.zeros(100)}}, "audio 101"),
        ({"image": picture, "audio": wave, "text": "a" * 9}, r"102 tokens \(text 10, image 72, audio 20\)"),
    ):
        with pytest.raises(ValueError, match=f"{cost}.*max_tokens=100"):
            tokenizer(**inputs)
    tokenizer.save_pretrained(tmp_path)
    assert "limits" not in (tmp_path / "tokenizer_config.json").read_text()
    loaded = ActionPixelBytesTokenizer.from_pretrained(tmp_path, limits={"max_tokens": 200})
    assert len(loaded(image=picture, text="a" * 28)["labels"]) == 101


def test_a_cost_is_known_before_anything_is_decoded(monkeypatch):
    from io import BytesIO

    from media_files import sound_file
    from PIL import Image

    picture = BytesIO()
    Image.new("P", (4000, 4000)).save(picture, "GIF")
    monkeypatch.setattr(Image, "frombytes", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(ValueError, match="16,000,000 tokens"):
        TOKENIZERS["paper"](image=picture.getvalue())
    monkeypatch.setattr("scipy.signal.resample_poly", lambda *_, **__: pytest.fail("was resampled"))
    slow = sound_file(np.zeros(1500), 1, "WAV")
    with pytest.raises(ValueError, match="audio 6,000,001"):
        ActionPixelBytesTokenizer(sampling_rate_hz=4000)(audio=slow)


def test_use_does_not_change_what_a_tokenizer_hashes_to(sprite, tone):
    """`datasets` finds the result of `map` again by a hash of the function and what it holds."""
    from datasets.fingerprint import Hasher

    for preset in ("paper", "full"):
        tokenizer = ActionPixelBytesTokenizer(preset)
        before = Hasher.hash(tokenizer)
        encoding = tokenizer(text=["hi"], image=[sprite], audio=[tone], padding=True, return_tensors="pt")
        tokenizer.decode_modalities(encoding["labels"][0]), tokenizer.decode(encoding["labels"][0])
        assert Hasher.hash(tokenizer) == before and Hasher.hash(ActionPixelBytesTokenizer(preset)) == before


def test_rows_have_the_cells_of_another_rule_after_saving_too(tmp_path):
    tokenizer = ActionPixelBytesTokenizer(context_size=30)
    rows = tokenizer(text="hello there")["input_ids"]
    assert np.shape(rows) == (12, 30) and np.array_equal(
        np.array(rows)[:, :6], ActionPixelBytesTokenizer()(text="hello there")["input_ids"]
    )
    tokenizer.save_pretrained(tmp_path)
    loaded = ActionPixelBytesTokenizer.from_pretrained(tmp_path)
    assert loaded.context_size == 30 and loaded(text="hello there")["input_ids"] == rows
    with pytest.raises(ValueError, match="context_size must be one of"):
        ActionPixelBytesTokenizer(context_size=5)
