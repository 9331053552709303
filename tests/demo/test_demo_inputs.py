"""Visitors' drawings, pictures, sounds and sentences as the run reads them."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage

from pixelbytes_hf import ActionPixelBytesTokenizer
from pixelbytes_hf.demo.inputs import (
    VisitorError,
    background_index,
    blank_drawing,
    picture_data,
    read_cry,
    read_drawing,
    read_picture,
    read_sentence,
)
from pixelbytes_hf.demo.limits import UPLOAD_LIMITS
from pixelbytes_hf.generation.layout import Audio, Image, Layout
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.sounds import Sound, write_sound
from pixelbytes_hf.runs.run_folder import Run


def test_a_drawing_survives_the_page(run, rng):
    pixels = rng.integers(0, 55, (3, 12, 12))
    frames = read_drawing(json.dumps(picture_data(pixels)), run)
    np.testing.assert_array_equal(frames, np.array(run.tokenizer.tables.colours)[pixels])
    still = read_drawing(json.dumps(picture_data(pixels[:1])), run)
    np.testing.assert_array_equal(still, frames[:1].repeat(4, axis=0))  # as many frames as in training


def test_an_empty_drawing_is_of_the_background(run):
    data = json.loads(blank_drawing(run))
    assert (data["height"], data["width"]) == (12, 12)
    assert {run.tokenizer.tables.colours[index] for [frame] in [data["frames"]] for index in frame} == {(252,) * 3}
    with pytest.raises(VisitorError, match="the sprite is empty"):
        read_drawing(blank_drawing(run), run)
    full = Run(run.model, ActionPixelBytesTokenizer("full"), run.layout)
    assert set(json.loads(blank_drawing(full))["frames"][0]) == {0}  # transparent
    pixels = np.zeros((1, 12, 12), int)
    pixels[0, 3, 4] = 1
    assert read_drawing(json.dumps(picture_data(pixels)), full)[0, :, :, 3].nonzero() == ([3], [4])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("nonsense", "^the drawing cannot be read: reload the page and draw it again$"),
        ({"frames": [[0] * 3]}, "the page and draw it again$"),
        ({"height": None}, "cannot be read: reload"),
        ("[]", "cannot be read: reload"),
        ({"frames": [[55] * 4]}, "in the model's colours"),
        ({"frames": [[-1] * 4]}, "in the model's colours"),
        ({"frames": []}, "1 to 32 frames"),
        ({"width": 400, "height": 1, "frames": [[0] * 400]}, "at most 64 x 64"),
    ],
)
def test_a_forged_drawing_is_refused(run, change, reason):
    data = {"width": 2, "height": 2, "frames": [[0] * 4]}
    with pytest.raises(VisitorError, match=reason):
        read_drawing(change if isinstance(change, str) else json.dumps(data | change), run)


def pixels_of(content):
    data = json.loads(content)
    return np.array(data["frames"]).reshape(-1, data["height"], data["width"])


def test_an_enlarged_sprite_is_read_as_it_was(run, stream, tmp_path):
    frames = run.tokenizer.decode_modalities(stream).frames
    write_gif(frames, tmp_path / "large.gif", scale=8)
    drawing, note = read_picture(tmp_path / "large.gif", run)
    np.testing.assert_array_equal(read_drawing(drawing, run), frames)
    assert note.startswith("large.gif: 4 frames of 96 x 96, read as 4 frames of 12 x 12, in ")


def test_pictures_of_any_size_fit(run, tmp_path):
    PILImage.new("RGBA", (300, 100), (216, 0, 0, 255)).save(tmp_path / "wide.png")
    pixels = pixels_of(read_picture(tmp_path / "wide.png", run).value)
    assert pixels.shape == (1, 12, 12)
    is_background = pixels[0] == background_index(run)
    assert is_background[:8].all() and not is_background[8:].any()  # set at the foot
    PILImage.new("RGB", (3, 5)).save(tmp_path / "small.png")
    small, note = read_picture(tmp_path / "small.png", run)
    assert (pixels_of(small) != background_index(run)).sum() == 15  # not enlarged
    assert note == "small.png: 1 frame of 3 x 5, read as 1 frame of 12 x 12, in 2 of the model's colours"
    free = Run(run.model, run.tokenizer, Layout((Image(frames=2, max_height=20, max_width=20),)))
    assert pixels_of(read_picture(tmp_path / "small.png", free).value).shape == (1, 5, 3)
    assert pixels_of(read_picture(tmp_path / "wide.png", free).value).shape == (1, 7, 20)


def test_what_is_shrunk_is_there_or_not(run, tmp_path):
    """Average an edge: of a pixel that is half covered, the colour is kept."""
    array = np.zeros((24, 24, 4), np.uint8)
    array[:, :17] = (216, 0, 0, 255)
    array[:, 17:20:2] = (216, 0, 0, 255)
    PILImage.fromarray(array).save(tmp_path / "edge.png")
    pixels = pixels_of(read_picture(tmp_path / "edge.png", run).value)
    assert len(np.unique(pixels)) == 2


def test_bad_files_are_refused_in_plain_words(run, tmp_path):
    for name in ("notes.png", "notes.wav"):
        (tmp_path / name).write_text("not a picture, not a sound")
    write_sound(Sound(np.zeros((800, 1), np.float32), 8000), tmp_path / "silent.wav")
    with pytest.raises(VisitorError, match=r"^notes.png is not a picture that can be read: try a PNG"):
        read_picture(tmp_path / "notes.png", run)
    with pytest.raises(VisitorError, match=r"^notes.wav is not a sound that can be read: try a WAV"):
        read_cry(tmp_path / "notes.wav", run)
    with pytest.raises(VisitorError, match=r"^gone.wav is not a sound that can be read: try a WAV"):
        read_cry(tmp_path / "gone.wav", run)  # files are kept for a while only
    with PILImage.new("1", (9000, 9000)) as huge:
        huge.save(tmp_path / "huge.png")
    with pytest.raises(VisitorError, match=r"^huge.png is not a picture .* of at most 67 million pixels$"):
        read_picture(tmp_path / "huge.png", run)
    PILImage.new("RGB", (3, 5)).save(tmp_path / "long.png")
    with (tmp_path / "long.png").open("ab") as file:
        file.write(bytes(UPLOAD_LIMITS.max_file_bytes))
    with pytest.raises(VisitorError, match=r"^long.png is not a picture"):
        read_picture(tmp_path / "long.png", run)
    with pytest.raises(VisitorError, match="is silent"):
        read_cry(tmp_path / "silent.wav", run)


def test_a_cry_is_cut_to_what_the_model_hears(run, tmp_path):
    time = np.arange(16000) / 16000
    wave = np.where(time < 0.25, 0, np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    write_sound(Sound(np.stack([wave, wave], 1), 16000), tmp_path / "beep.wav")
    value, note = read_cry(tmp_path / "beep.wav", run)
    assert note == "beep.wav: 1.00 s at 16000 Hz; the model hears 0.10 s from 0.25 s on"
    assert value["array"].shape == (2, 1600)
    segments, _ = run.tokenizer.encode_record(audio=value)
    assert segments[0].ids.shape == (201, 1, 2)
    mono = Run(run.model, run.tokenizer, Layout((Audio(channels=1, samples=300),)))
    short = read_cry(tmp_path / "beep.wav", mono).value["array"]
    assert short.shape == (1, 2400)


def test_a_sentence_is_read_and_what_is_lost_is_said(run):
    assert read_sentence("  a  red\nbeast ", run) == ("a red beast", "")
    assert "2 letters of the sentence are not" in read_sentence("a red ☺ beast ☺", run).note
    with pytest.raises(VisitorError, match="the sentence is empty"):
        read_sentence(" \n", run)
    with pytest.raises(VisitorError, match="the sentence has 1000 letters: at most"):
        read_sentence("a" * 1000, run)
