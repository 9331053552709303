"""What a run makes of held-out records: which files, of which prompts, and the same again from the same seed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pixelbytes_hf.generation.layout import Audio, Image, Layout, Text, as_layout
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.publishing import samples
from pixelbytes_hf.publishing.samples import Prompts, choose_layout, choose_prompts, make_samples
from pixelbytes_hf.runs.run_folder import Run


@pytest.fixture(scope="module")
def run(run_folder):
    return Run.load(run_folder)


@pytest.fixture(scope="module")
def rows(corpus):
    from datasets import load_dataset

    return load_dataset(str(corpus), split="test")


def with_layout(run, *names):
    return Run(run.model, run.tokenizer, as_layout(list(names)))


def test_samples_are_media_with_captions_and_say_how_they_were_made(run, rows, tmp_path):
    captions = make_samples(run, rows, tmp_path, seed=5, num_rows=3)
    assert set(captions) == {"creature_large.gif", "cry.wav", "contact_sheet.png", "cries.png"}
    assert captions["cry.wav"] == f"Made from the sentence “{rows[0]['text']}”"
    assert "3 held-out records" in captions["contact_sheet.png"]
    told = json.loads((tmp_path / "samples.json").read_text())
    assert [segment["modality"] for segment in told.pop("layout")["segments"]] == ["image", "audio"]
    assert told == {
        "seed": 5,
        "temperature": 0.3,
        "given": "text",
        "kept_tokens": None,
        "num_rows": 3,
        "sentences": rows["text"][:3],
    }
    small, large = (read_frames(tmp_path / name).array for name in ("creature.gif", "creature_large.gif"))
    assert np.array_equal(small.repeat(8, axis=1).repeat(8, axis=2), large)
    array, rate = read_sound(tmp_path / "cry.wav")
    assert array.shape == (800, 2) and rate == 8000  # four times the model's


def test_samples_depend_on_the_seed_alone(run, rows, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_samples(run, rows, tmp_path / name, seed=seed, num_rows=2)
    pictures = [(tmp_path / name / "contact_sheet.png").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[1] != pictures[2]


def test_media_and_sentences_of_others_are_left_out(run, rows, tmp_path, monkeypatch):
    sheets, draw = [], samples.draw_contact_sheet
    monkeypatch.setattr(samples, "draw_contact_sheet", lambda sheet, path: sheets.append(sheet) or draw(sheet, path))
    sizes, captions = [], {}
    for shows_real in (True, False):
        captions[shows_real] = make_samples(run, rows, tmp_path / str(shows_real), num_rows=2, shows_real=shows_real)
        pictures = [tmp_path / str(shows_real) / name for name in ("contact_sheet.png", "cries.png")]
        sizes.append([read_frames(picture).array.shape[2] for picture in pictures])
    assert all(2 * narrow < wide + 20 for wide, narrow in zip(*sizes, strict=True))
    assert captions[False]["creature_large.gif"] == "Made from the text of record 0 of the test split"
    titles = [[row.sentence for row in sheet] for sheet in sheets]
    assert titles == [rows["text"][:2], ["record 0 of the test split", "record 1 of the test split"]]
    assert all(row.real is None for row in sheets[1])
    assert quotes(tmp_path / "True", rows) and not quotes(tmp_path / "False", rows)
    assert not (tmp_path / "False" / "description.txt").exists()


def quotes(folder, rows):
    """Return whether a file of a folder holds a sentence of the corpus."""
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    return any(text.encode() in content for text in rows["text"])


def test_given_media_of_others_are_not_written_either(run, rows, tmp_path):
    tokenizer = ActionPixelBytesTokenizer(order=["image", "text", "audio"])
    backwards = replace(with_layout(run, "image", "text"), tokenizer=tokenizer)
    assert make_samples(backwards, rows, tmp_path / "a", num_rows=1, shows_real=False) == {}
    assert make_samples(with_layout(run, "audio"), rows, tmp_path / "c", num_rows=1, shows_real=False) == {}
    assert make_samples(with_layout(run, "text"), rows, tmp_path / "d", num_rows=1, shows_real=False) == {}
    assert all({path.name for path in (tmp_path / name).iterdir()} == {"samples.json"} for name in "acd")
    assert not any(quotes(tmp_path / name, rows) for name in "acd")
    captions = make_samples(backwards, rows, tmp_path / "b", num_rows=1)
    assert list(captions) == ["creature_large.gif"]
    assert captions["creature_large.gif"].startswith("Given the image of a record, it wrote “")


def test_what_was_given_is_not_called_made(run, rows, tmp_path):
    tokenizer = ActionPixelBytesTokenizer(order=["image", "text", "audio"])
    sonifying = replace(with_layout(run, "image", "audio"), tokenizer=tokenizer)
    captions = make_samples(sonifying, rows, tmp_path, num_rows=1)
    assert captions["creature_large.gif"] == "What it was given: the image of a record"
    assert captions["cry.wav"] == "Made from the image of a record"


def test_captions_are_one_line_of_plain_words():
    prompts = Prompts("text", ["a [red](x) *beast*,\n`None` {{ 1.5 }} | 3% <b>"])
    assert prompts.describe() == "the sentence “a red (x) beast , None 1.5 3% b”"


def test_first_medium_of_the_record_is_given(run, rows):
    records = [{"text": "a", "pixels": np.zeros((2, 2, 3), np.uint8)}]
    assert choose_prompts(run, records).medium == "text"
    prompts = choose_prompts(with_layout(run, "image", "audio"), records)
    assert (prompts.medium, prompts.keep, prompts.describe()) == ("image", None, "the image of a record")
    assert prompts.describe("record 3 of the test split") == "the image of record 3 of the test split"


def test_long_media_are_cut_short(run):
    long = Layout((Text(), Image(frames=30, max_width=25), Audio(max_samples=9000)))
    picture, sound = choose_layout(replace(run, layout=long), Prompts("text", ["a"])).segments
    assert (picture.frames, picture.max_width, sound.max_samples, sound.samples) == (8, 25, 4000, None)
    short = Layout((Text(), Image(frames=4), Audio(samples=200)))
    assert choose_layout(replace(run, layout=short), Prompts("text", ["a"])).segments == short.segments[1:]


def test_half_is_given_where_there_is_one_medium(run, rows, tmp_path):
    sound = {"array": np.zeros((2, 20), np.float32), "sampling_rate": 8000}
    prompts = choose_prompts(with_layout(run, "audio"), [{"audio": sound}])
    ids = sum(segment.ids.size for segment in run.tokenizer.encode_record(audio=sound)[0])
    assert prompts.keep == ids // 2 and prompts.describe() == "the first half of the audio of a record"
    captions = make_samples(with_layout(run, "audio"), rows, tmp_path, num_rows=2)
    assert set(captions) == {"cry.wav", "cries.png"}
    assert json.loads((tmp_path / "samples.json").read_text())["kept_tokens"] > 0


def test_rows_without_the_medium_are_refused(run, rows, tmp_path):
    with pytest.raises(ValueError, match="rows have no 'text'"):
        make_samples(run, rows.remove_columns("text"), tmp_path)
    for options, of in (({"num_rows": 0}, rows), ({}, rows.select([]))):
        with pytest.raises(ValueError, match="samples need rows and num_rows >= 1"):
            make_samples(run, of, tmp_path, **options)
