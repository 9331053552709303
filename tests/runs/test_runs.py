"""Run folders: layouts of corpora, and where a shortened prompt leaves off."""

import numpy as np
import pytest

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.generation.layout import Audio, Image, Layout, Text
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import Sound, read_sound, write_sound
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.runs.corpus_layout import layout_of_corpus
from pixelbytes_hf.runs.run_folder import Run, playable_sound, write_media
from pixelbytes_hf.tokens.grid import audio_segment, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SPRITE = np.zeros((4, 12, 12, 3), np.uint8)


@pytest.fixture
def run(run_folder):
    return Run.load(run_folder)


def test_layout_is_that_of_most_records(paper):
    text = text_segment(np.array([40, 41]), paper)
    sounds = [audio_segment(np.full((length, 2), 120), paper) for length in (5, 9, 7)]
    images = [image_segment(np.full((frames, 3, 4), 60), paper) for frames in (2, 2, 6)]
    records = [[text], *([text, image, sound] for image, sound in zip(images, sounds, strict=True))]
    layout = layout_of_corpus(TokenCorpus.from_records(records, paper))
    assert layout.segments == (
        Text(max_length=2),
        Image(frames=2, height=3, width=4, max_height=3, max_width=4),
        Audio(channels=2, max_samples=9),
    )


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (1, [("text", True), ("image", False)]),
        (3, [("image", False)]),  # exactly the text and its end mark
        (40, [("image", True)]),
    ],
)
def test_a_shortened_prompt_goes_on_where_it_ends(run, keep, expected):
    layout = run.layout_from(keep, text="hi", image=SPRITE)
    assert [(segment.modality, segment.continues) for segment in layout.segments] == expected
    [record] = run.create(text=["hi"], image=[SPRITE], keep=keep, layout=layout, seed=0, do_sample=True)
    assert record.frames.shape == SPRITE.shape and (keep < 3 or record.text == "hi")


def test_a_prompt_that_is_not_shortened_is_refused(run):
    with pytest.raises(ValueError, match="keep must be less"):
        run.layout_from(10**6, image=SPRITE)


def test_a_layout_that_leaves_a_segment_open_is_refused(run):
    with pytest.raises(ValueError, match="ends inside a segment"):
        run.create(image=[SPRITE], keep=40, layout="text")


def test_media_of_another_creature_do_not_stay(run, tmp_path):
    write_media(run.create(text=["a red beast"], seed=0, do_sample=True)[0], tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    write_media(run.create(image=[SPRITE], layout="text", seed=0, do_sample=True)[0], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "creature.gif",
        "creature_large.gif",
        "description.txt",
    ]
    assert len(read_frames(tmp_path / "creature.gif").array) == 4


def test_two_sounds_are_two_files_which_do_not_stay(run, tmp_path):
    tone = np.linspace(-1, 1, 32, dtype=np.float32)[:, None].repeat(2, 1)
    write_sound(Sound(tone, 4000), tmp_path / "tone.wav")
    layout = Layout((Audio(samples=5),))
    [record] = run.create(audio=[tmp_path / "tone.wav"], layout=layout, seed=0, do_sample=True)
    written = write_media(record, tmp_path / "media")
    assert [path.name for path in written] == ["cry.wav", "cry_2.wav"]
    # the prompt is sliced by two; files have four times the model's 2000 Hz
    assert [len(read_sound(path).array) for path in written] == [4 * 16, 4 * 5]
    write_media(run.create(image=[SPRITE], layout="text", seed=0, do_sample=True)[0], tmp_path / "media")
    assert not list((tmp_path / "media").glob("cry*"))


@pytest.mark.parametrize(("rate", "times"), [(2000, 4), (3000.0, 3), (8000, 1), (None, 1), (22050, 1)])
def test_sound_files_have_a_rate_that_browsers_play(rate, times):
    wave = np.sin(2 * np.pi * np.arange(400) / 40 * np.array([[1], [2]]))
    sound = playable_sound({"array": wave, "sampling_rate": rate})
    assert sound.sampling_rate_hz == times * (rate or 8000) >= 8000
    assert sound.array.shape == (times * 400, 2)
    fine = np.sin(2 * np.pi * np.arange(400 * times) / (40 * times) * np.array([[1], [2]])).T
    inner = slice(40 * times, -40 * times)  # beyond the ends there is silence
    np.testing.assert_allclose(sound.array[inner], fine[inner], atol=0 if times == 1 else 0.01, rtol=1e-6)


def test_a_layout_of_sound_needs_levels():
    tables = Vocabulary((0, 9, 10, 65), ((0, 0, 0),), ())
    model = aPxBySequenceModel(PixelBytesConfig(vocab_size=tables.size, mixer_config={"hidden_size": 8}))
    with pytest.raises(ValueError, match="layout holds audio, for which the vocabulary has no ids of level"):
        model.generate(layout=["image", "audio"], vocabulary=tables)
