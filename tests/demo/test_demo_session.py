"""What visitors do, without a page: from the values that they enter to those that they are shown."""

import json
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from pixelbytes_hf.demo import session as demo_session
from pixelbytes_hf.demo.inputs import VisitorError, blank_drawing, read_picture
from pixelbytes_hf.demo.session import FinishedRecord, Session
from pixelbytes_hf.demo.streaming import stream_tokens
from pixelbytes_hf.demo.views import name_media
from pixelbytes_hf.generation.layout import Audio, Layout
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound
from pixelbytes_hf.runs.run_folder import Run


@pytest.fixture
def session(run, monkeypatch):
    """Return a session that shows tokens as fast as they come."""
    monkeypatch.setattr(demo_session, "stream_tokens", partial(stream_tokens, tick_seconds=0))
    return Session(run)


def test_a_record_is_generated_and_looked_up(session, sentence):
    shown, files = {}, []
    for step in session.generate(begin=["text"], make=["image", "audio"], text=sentence, seed=4):
        shown |= step
        if step.get("files"):
            sprite, large, cry, description = step["files"]
            sizes = [read_frames(path).array.shape for path in (sprite, large)]
            files.append((sizes, read_sound(cry).array.shape, Path(description).read_text()))
    assert files == [([(4, 12, 12, 4), (4, 96, 96, 4)], (800, 2), sentence + "\n")]
    assert shown["player"] == cry and not Path(cry).exists()  # whoever shows it has copied it
    assert "Done: 1026 tokens in" in shown["status"] and "seed 4" in shown["status"]
    assert "trained on" not in shown["status"]
    looked = session.look_up(shown["record"], frame=0, row=2, column=3)
    assert looked["where"] == "Frame 1, row 3, column 4" and looked["who"] == "The model drew"


def test_what_cannot_be_looked_up_is_refused(session, stream, tiny_run):
    record = FinishedRecord(stream, 0, 1.0)
    with pytest.raises(VisitorError, match="no such pixel"):
        session.look_up(record, frame=9, row=0, column=0)
    with pytest.raises(VisitorError, match="not finished"):
        session.look_up(None, frame=0, row=0, column=0)
    diffusion = tiny_run(objective="diffusion", mixer={"bidirectional": True})
    with pytest.raises(VisitorError, match="rates no single one"):
        Session(diffusion).look_up(record, frame=0, row=0, column=0)


def test_the_status_tells_what_is_generated(session):
    statuses = [shown["status"] for shown in session.generate(begin=[], make=session.media) if "status" in shown]
    in_order = list(dict.fromkeys(statuses))
    assert in_order[:3] == ["Reading …", "Writing the sentence …", "Drawing frame 1 of 4 …"]
    assert in_order[-2] == "Making the cry …" and in_order[-1].startswith("Done")


def test_a_generation_is_stopped(session):
    stop = Event()
    steps = session.generate(begin=[], make=["image"], stop=stop)
    first = next(steps)
    stop.set()
    *_, last = steps
    assert first["record"] is None and "record" not in last and last["status"] == "Stopped."
    stage = json.loads(last["stage"])
    assert stage["stopped"] and not stage["busy"]


def test_a_record_begins_from_anything(session, run, stream, tmp_path):
    frames = run.tokenizer.decode_modalities(stream).frames
    write_gif(frames, tmp_path / "mine.gif")
    drawing = read_picture(tmp_path / "mine.gif", run).value
    *_, last = session.generate(begin=["image"], make=["audio"], drawing=drawing, text="unused")
    assert "trained on sentence → sprite → cry" in last["status"]
    assert session.look_up(last["record"], frame=0, row=0, column=0)["who"] == "You gave"
    *_, last = session.generate(begin=["image"], make=["audio"], drawing=drawing, continues=True, rows_kept=6)
    made = run.tokenizer.decode_modalities(last["record"].ids)
    np.testing.assert_array_equal(made.frames[0, :6], frames[0, :6])
    *_, last = session.generate(begin=[], make=["text"])
    assert last["player"] is None and [Path(path).name for path in last["files"]] == ["description.txt"]


def test_bounds_of_a_request_hold(session, run):
    free = Session(
        Run(run.model, run.tokenizer, Layout((*run.layout.segments[:2], Audio(channels=2, max_samples=900))))
    )
    rate = run.tokenizer.level_rate_hz
    *_, last = free.generate(begin=[], make=["image", "audio"], num_frames=2, seconds=30 / rate, temperature=1.0)
    record = run.tokenizer.decode_modalities(last["record"].ids)
    assert len(record.frames) == 2 and record.sound["array"].shape[1] <= 30


def test_of_two_texts_the_first_is_made(run):
    twice = Run(run.model, run.tokenizer, Layout((*run.layout.segments[:2], *run.layout.segments[:1])))
    *_, last = Session(twice).generate(begin=[], make=["text", "image"], num_frames=1)
    segments = run.tokenizer.decode_modalities(last["record"].ids).segments
    assert [segment.modality for segment in segments] == ["text", "image"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"begin": ["text"], "make": ["image"], "text": " "}, "the sentence is empty"),
        ({"begin": ["text"], "make": [], "text": "a"}, "nothing to make"),
        ({"begin": ["text"], "make": ["text"], "text": "a"}, "nothing to make"),
        ({"begin": ["audio"], "make": ["image"]}, "there is no cry"),
        ({"begin": ["image"], "make": ["audio"], "drawing": "{}"}, "the drawing cannot be read"),
    ],
)
def test_what_cannot_be_generated_is_refused_in_words(session, options, reason):
    with pytest.raises(VisitorError, match=reason):
        list(session.generate(**options))


def test_an_empty_sprite_is_refused(session, run):
    with pytest.raises(VisitorError, match="the sprite is empty"):
        list(session.generate(begin=["image"], make=["audio"], drawing=blank_drawing(run)))


def test_a_new_seed_is_another_each_time(session):
    seeds = {next(session.generate(begin=[], make=["text"], seed=7, new_seed=True))["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert next(session.generate(begin=[], make=["text"], seed=7))["seed"] == 7


def test_the_stage_is_given_as_json(session):
    first, second, *_ = session.generate(begin=[], make=["image"])
    assert first["record"] is None and "stage" not in first
    assert json.loads(second["stage"])["busy"]


def test_the_session_has_sentences_of_its_own(session, run):
    assert 1 <= len(session.examples()) <= 4 and session.examples() == session.examples()
    silent = Session(Run(run.model, run.tokenizer, Layout(run.layout.segments[1:])))
    assert silent.examples() == [] and silent.media == ["image", "audio"]
    assert name_media(run) == "sentences, sprites and cries" and name_media(silent.run) == "sprites and cries"
