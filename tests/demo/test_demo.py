"""The demo without a browser: wishes, growing streams, visitors' files, what is shown, and the Space."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image as PILImage

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.demo import session as demo_studio
from pixelbytes_hf.demo.inputs import (
    Drawing,
    background_index,
    blank_drawing,
    drawing_frames,
    read_cry,
    read_drawing,
    read_picture,
    read_sentence,
)
from pixelbytes_hf.demo.partial_records import NOT_DRAWN, locate_pixel, pixel_probabilities, sketch
from pixelbytes_hf.demo.session import Studio
from pixelbytes_hf.demo.space import push_space, requirements, write_space
from pixelbytes_hf.demo.streaming import Wish, plan, watch
from pixelbytes_hf.demo.views import name_media, palette_of, palette_view, scene, status, trouble
from pixelbytes_hf.generation.layout import Audio, Image, Layout
from pixelbytes_hf.hub.upload import publish_folder
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.media import Sound, read_frames, read_sound, write_gif, write_sound

SENTENCE = "a small red leaf beast."


@pytest.fixture(scope="module")
def run(run_folder):
    return Run.load(run_folder)


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def studio(run, monkeypatch):
    """Return a studio that shows tokens as fast as they come."""
    monkeypatch.setattr(demo_studio, "watch", partial(watch, tick_seconds=0))
    return Studio(run)


@pytest.fixture(scope="module")
def stream(run, executor):
    """Return a whole stream, its prompt a sentence."""
    wish = Wish(text=SENTENCE, make=("image", "audio"), seed=3)
    return list(watch(run, wish, executor, tick_seconds=0))[-1]


@pytest.fixture
def frames(rng):
    return rng.integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)


def test_watch_shows_every_row_and_ends_as_create_does(run, executor):
    wish = Wish(text=SENTENCE, make=("image", "audio"), temperature=0.7, seed=5)
    streams = list(watch(run, wish, executor, tick_seconds=0))
    [expected] = run.create(text=[SENTENCE], do_sample=True, temperature=0.7, seed=5)
    record = run.tokenizer.decode_modalities(streams[-1])
    assert record.text == SENTENCE
    np.testing.assert_array_equal(record.frames, expected.frames)
    np.testing.assert_array_equal(record.sound["array"], expected.sound["array"])
    assert all((later[: len(earlier)] == earlier).all() for earlier, later in itertools.pairwise(streams))
    num_text, row = len(SENTENCE) + 1, 13
    assert len(streams[0]) == num_text
    assert {num_text + row * n for n in range(4 * 12 + 1)} <= {len(ids) for ids in streams}


def test_watch_takes_the_likeliest_at_temperature_zero(run, executor):
    *_, ids = watch(run, Wish(text=SENTENCE, make=("image",), temperature=0), executor, tick_seconds=0)
    [expected] = run.create(text=[SENTENCE], layout=Layout(run.layout.segments[1:2]), do_sample=False)
    np.testing.assert_array_equal(run.tokenizer.decode_modalities(ids).frames, expected.frames)


def test_watch_dreams_up_whole_records(run, executor):
    *_, ids = watch(run, Wish(make=("text", "image", "audio"), seed=1), executor, tick_seconds=0)
    record = run.tokenizer.decode_modalities(ids)
    assert [segment.modality for segment in record.segments] == ["text", "image", "audio"]


def test_watch_finishes_a_picture(run, executor, frames):
    wish = Wish(text=SENTENCE, image=frames, make=("image", "audio"), rows_kept=5, num_frames=2)
    *_, ids = watch(run, wish, executor, tick_seconds=0)
    record = run.tokenizer.decode_modalities(ids)
    kept = run.tokenizer.decode_modalities(run.tokenizer(image=frames)["labels"]).frames
    np.testing.assert_array_equal(record.frames[0, :5], kept[0, :5])
    assert record.frames.shape == (2, 12, 12, 3)
    assert record.sound["array"].shape == (2, 200)


def test_watch_is_paced(run, executor):
    began = time.monotonic()
    steps = list(watch(run, Wish(text=SENTENCE, make=("image",), num_frames=2), executor, tick_seconds=0.02))
    # 24 rows a tick apart; fewer ticks where the model is far ahead
    assert 18 <= len(steps) <= 26
    assert 0.3 < time.monotonic() - began < 10


def test_closing_a_watch_stops_the_model(run):
    big = Run(run.model, run.tokenizer, Layout((Image(frames=40, height=50, width=50),)))
    with ThreadPoolExecutor(1) as pool:
        watching = watch(big, Wish(make=("image",)), pool, tick_seconds=0)
        next(watching)
        next(watching)
        watching.close()
        # a hundred thousand tokens take a minute: the only thread of the pool is free at once
        assert pool.submit(int).result(timeout=10) == 0


def test_two_wishes_at_once_are_what_each_is_alone(run):
    wishes = [Wish(text=SENTENCE, make=("image",), num_frames=1, seed=seed) for seed in (1, 2, 1)]
    with ThreadPoolExecutor(3) as pool:
        alone = [list(watch(run, wish, pool, tick_seconds=0))[-1] for wish in wishes]
        watchings = [watch(run, wish, pool, tick_seconds=0) for wish in wishes]
        last = [None] * 3
        for rows in zip(*watchings, strict=False):
            last = list(rows)
        rest = [list(watching) for watching in watchings]
    together = [tail[-1] if tail else ids for ids, tail in zip(last, rest, strict=True)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(alone[0], alone[1])
    np.testing.assert_array_equal(alone[0], alone[2])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"make": ()}, "nothing to make"),
        ({"make": ("video",)}, "must name media"),
        ({"make": ("text",), "temperature": -1}, "temperature must be in 0..5"),
        ({"make": ("text",), "seed": -5}, "seed must be in 0..2147483647, got -5"),
        ({"make": ("text",), "seed": 2**31}, "seed must be in"),
        ({"make": ("image",), "rows_kept": 2}, "without a picture"),
    ],
)
def test_wish_refuses_contradictions(options, reason):
    with pytest.raises(ValueError, match=reason):
        Wish(**options)


def test_plan_refuses_what_the_run_cannot(run, frames):
    text_only = Run(run.model, run.tokenizer, Layout(run.layout.segments[:1]))
    sound = {"array": np.ones(9), "sampling_rate": 4000}
    for which, wish, reason in (
        (text_only, Wish(text="a", make=("image",)), r"makes \['text'\] only"),
        (run, Wish(text="a", make=("text",)), "given and made"),
        (run, Wish(image=frames, make=("audio",), rows_kept=3), "choose the sprite too"),
        (run, Wish(image=frames, make=("image",), rows_kept=12), r"rows_kept must be in 1\.\.11"),
        (run, Wish(image=frames, audio=sound, make=("image",), rows_kept=3), "the cry comes after it"),
    ):
        with pytest.raises(ValueError, match=reason):
            plan(which, wish)


def test_errors_of_the_model_reach_the_watcher(run, executor, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("out of paint")

    monkeypatch.setattr(run.model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of paint"):
        list(watch(run, Wish(make=("text",)), executor))


def test_sketch_shows_every_beginning(run, stream):
    tables, record = run.tokenizer.tables, run.tokenizer.decode_modalities(stream)
    pixels = np.array(tables.colours)
    first = len(SENTENCE) + 1
    for length in range(1, len(stream) + 1):
        shown = sketch(stream[:length], tables, num_channels=2, size=(12, 12))
        assert shown.text == SENTENCE[: min(length, len(SENTENCE))]
        if length <= first:
            assert shown.pixels is None
            continue
        drawn = shown.pixels != NOT_DRAWN
        assert drawn.sum() == min(length - first - (length - first) // 13, 4 * 144)
        assert (pixels[shown.pixels[drawn]] == record.frames[: len(drawn)][drawn]).all()
    assert len(shown.levels) == 2
    np.testing.assert_allclose(shown.levels, record.sound["array"], atol=6e-4)


def test_sketch_of_a_free_size_grows(run):
    tables = run.tokenizer.tables
    [segment], _ = run.tokenizer.encode_record(image=np.zeros((2, 3, 5, 3), np.uint8))
    ids = segment.ids.reshape(-1).astype(np.int64)
    shapes = [sketch(ids[:length], tables, num_channels=1).pixels.shape for length in (3, 6, 8, 18, 19, 36)]
    assert shapes == [(1, 1, 3), (1, 1, 5), (1, 2, 5), (1, 3, 5), (2, 3, 5), (2, 3, 5)]


def test_a_long_cry_is_sent_as_a_short_curve(run, rng):
    tables = run.tokenizer.tables
    levels = rng.integers(0, 38, 2 * 5000) + tables.level_ids.start
    long = Run(run.model, run.tokenizer, Layout((Audio(channels=2, max_samples=6000),)))
    curve = json.loads(scene(long, levels, busy=True))["cry"]
    assert curve["samples"] == 1200 and [len(channel) for channel in curve["channels"]] == [1000, 1000]
    assert min(curve["channels"][0]) == -1 and max(curve["channels"][0]) == 1
    begun = json.loads(scene(long, levels[:6], busy=True))["cry"]
    assert begun["channels"] == [[], []]


def test_bounds_of_a_wish_hold(run, executor):
    free = Run(run.model, run.tokenizer, Layout((*run.layout.segments[:2], Audio(channels=2, max_samples=900))))
    wish = Wish(make=("text", "audio"), most_samples=30, most_letters=5, temperature=1.0)
    *_, ids = watch(free, wish, executor, tick_seconds=0)
    record = free.tokenizer.decode_modalities(ids)
    assert len(record.text) <= 5 and record.sound["array"].shape[1] <= 30


def test_of_two_texts_the_first_is_made(run):
    first = Run(run.model, run.tokenizer, Layout((*run.layout.segments[:2], *run.layout.segments[:1])))
    what = plan(first, Wish(make=("text", "image")))
    assert [segment.modality for segment in what.layout.segments] == ["text", "image"]


def test_locate_pixel_finds_every_pixel(run, stream):
    tables = run.tokenizer.tables
    frames = run.tokenizer.decode_modalities(stream).frames
    for place in np.ndindex(4, 12, 12):
        position = locate_pixel(stream, tables, frame=place[0], row=place[1], column=place[2])
        assert tables.colours[stream[position] - tables.pixel_ids.start] == tuple(frames[place])
    with pytest.raises(ValueError, match="no pixel at frame 4"):
        locate_pixel(stream, tables, frame=4, row=0, column=0)
    with pytest.raises(ValueError, match="no pixel"):
        locate_pixel(stream, tables, frame=0, row=0, column=12)
    with pytest.raises(ValueError, match="no picture"):
        locate_pixel(stream[: len(SENTENCE) + 1], tables, frame=0, row=0, column=0)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_probabilities_are_those_that_the_pixel_was_drawn_from(run, temperature):
    tables, what = run.tokenizer.tables, plan(run, Wish(text=SENTENCE, make=("image",)))
    made = run.model.generate(
        **what.prompt,
        layout=what.layout,
        tokenizer=run.tokenizer,
        do_sample=True,
        temperature=temperature,
        seed=0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    ids = made.sequences[0].numpy()
    for frame, row, column in ((0, 0, 0), (1, 5, 7), (3, 11, 11)):
        position = locate_pixel(ids, tables, frame=frame, row=row, column=column)
        scores = made.scores[position - len(what.given)][0]
        expected = scores.softmax(-1)[tables.pixel_ids.start : tables.pixel_ids.stop]
        odds = pixel_probabilities(run, ids, position, temperature=temperature)
        np.testing.assert_allclose(odds, expected, atol=1e-5)


def tiny_run(run, **config):
    from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel

    torch.manual_seed(0)
    mixer = {"model_type": "pixelbytes_lstm", "hidden_size": 8} | config.pop("mixer", {})
    model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=14, mixer_config=mixer, **config)).eval()
    options = {"context_size": config["context_size"]} if "context_size" in config else {}
    tokenizer = type(run.tokenizer)(sampling_rate_hz=4000, slicing={"audio": 2}, **options)
    return Run(model, tokenizer, run.layout)


def test_a_masked_model_is_shown_when_it_is_done_and_rates_pixels(run, executor, frames):
    masked = tiny_run(run, objective="masked", context_size=7, mixer={"bidirectional": True})
    with pytest.raises(ValueError, match="draws whole sprites at once and cannot finish one"):
        plan(masked, Wish(image=frames, make=("image",), rows_kept=5))
    streams = list(watch(masked, Wish(text=SENTENCE, make=("image",)), executor))
    assert len(streams) == 2
    assert masked.tokenizer.decode_modalities(streams[-1]).frames.shape == (4, 12, 12, 3)
    odds = [pixel_probabilities(masked, streams[-1], 40)]
    other = streams[-1].copy()
    start = masked.tokenizer.tables.pixel_ids.start
    other[40] = start + (other[40] - start + 1) % 55  # the pixel itself is hidden from the model
    odds.append(pixel_probabilities(masked, other, 40))
    np.testing.assert_array_equal(*odds)
    record = {"ids": streams[-1], "temperature": 1.0, "num_given": len(streams[0])}
    assert "row 1, column 1, all else given" in Studio(masked).look(record, frame=0, row=0, column=0)["odds"]
    *_, dreamt = watch(masked, Wish(make=("image",)), executor)
    assert masked.tokenizer.decode_modalities(dreamt).frames.shape == (4, 12, 12, 3)


@pytest.mark.parametrize(
    "config",
    [{"objective": "autoregressive"}, {"objective": "last", "window_length": 9}],
    ids=lambda c: c["objective"],
)
def test_other_objectives_rate_pixels_as_they_drew_them(run, config):
    other = tiny_run(run, **config)
    what = plan(other, Wish(text="a", make=("image",), num_frames=1))
    made = other.model.generate(
        **what.prompt,
        layout=what.layout,
        tokenizer=other.tokenizer,
        output_scores=True,
        do_sample=False,
        return_dict_in_generate=True,
    )
    scores = made.scores[30][0].softmax(-1)
    ids, start = made.sequences[0].numpy(), other.tokenizer.tables.pixel_ids.start
    odds = pixel_probabilities(other, ids, 30 + len(what.given))
    np.testing.assert_allclose(odds, scores[start : start + 55], atol=1e-5)


def test_probabilities_are_refused_where_there_are_none(run, stream):
    diffusion = tiny_run(run, objective="diffusion", mixer={"bidirectional": True})
    with pytest.raises(ValueError, match="rates no single one"):
        pixel_probabilities(diffusion, stream, 40)
    with pytest.raises(ValueError, match="not well formed"):
        pixel_probabilities(run, stream[:-1], 40)


def test_a_drawing_survives_the_page(run, rng):
    drawing = Drawing(rng.integers(0, 55, (3, 12, 12)), True)
    again = read_drawing(drawing.to_json(), run)
    np.testing.assert_array_equal(again.pixels, drawing.pixels)
    assert again.is_touched
    blank = read_drawing(blank_drawing(run).to_json(), run)
    assert not blank.is_touched
    assert (drawing_frames(blank, run) == 252).all()
    assert drawing_frames(blank, run).shape == (4, 12, 12, 3)
    assert run.tokenizer.tables.colours[background_index(run)] == (252, 252, 252)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("nonsense", "cannot be read"),
        ({"frames": [[0] * 3]}, "cannot be read"),
        ({"height": None}, "cannot be read"),
        ({"frames": [[55] * 4]}, "colours 0 to 54"),
        ({"frames": [[-1] * 4]}, "colours 0 to 54"),
        ({"frames": []}, "1 to 32 frames"),
        ({"width": 400, "height": 1, "frames": [[0] * 400]}, "at most 64 x 64"),
    ],
)
def test_a_forged_drawing_is_refused(run, change, reason):
    data = {"width": 2, "height": 2, "frames": [[0] * 4], "touched": True}
    with pytest.raises(ValueError, match=reason):
        read_drawing(change if isinstance(change, str) else json.dumps(data | change), run)


def test_an_enlarged_sprite_is_read_as_it_was(run, stream, tmp_path):
    frames = run.tokenizer.decode_modalities(stream).frames
    write_gif(frames, tmp_path / "large.gif", scale=8)
    drawing, note = read_picture(tmp_path / "large.gif", run)
    np.testing.assert_array_equal(drawing_frames(drawing, run), frames)
    assert note.startswith("large.gif: 4 frames of 96 x 96, read as 4 frames of 12 x 12, in ")


def test_pictures_of_any_size_fit(run, tmp_path):
    PILImage.new("RGBA", (300, 100), (216, 0, 0, 255)).save(tmp_path / "wide.png")
    drawing, _ = read_picture(tmp_path / "wide.png", run)
    assert drawing.pixels.shape == (1, 12, 12)
    is_background = drawing.pixels[0] == background_index(run)
    assert is_background[:8].all() and not is_background[8:].any()  # set at the foot
    PILImage.new("RGB", (3, 5)).save(tmp_path / "small.png")
    black = (drawing_frames(read_picture(tmp_path / "small.png", run).value, run) == 0).all(-1)
    assert black[0].sum() == 15
    free = Run(run.model, run.tokenizer, Layout((Image(frames=2, max_height=20, max_width=20),)))
    assert read_picture(tmp_path / "small.png", free).value.pixels.shape == (1, 5, 3)
    assert read_picture(tmp_path / "wide.png", free).value.pixels.shape == (1, 7, 20)


def test_bad_files_are_refused_in_plain_words(run, tmp_path):
    for name in ("notes.png", "notes.wav"):
        (tmp_path / name).write_text("not a picture, not a sound")
    write_sound(Sound(np.zeros((800, 1), np.float32), 8000), tmp_path / "silent.wav")
    with pytest.raises(ValueError, match=r"^notes.png is not a picture that can be read: try a PNG.*none of the"):
        read_picture(tmp_path / "notes.png", run)
    with pytest.raises(ValueError, match=r"^notes.wav is not a sound that can be read: try a WAV.*not recog"):
        read_cry(tmp_path / "notes.wav", run)
    with PILImage.new("1", (9000, 9000)) as huge:
        huge.save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match=r"^huge.png is not a picture .* of at most 67 million pixels .*max_pixels"):
        read_picture(tmp_path / "huge.png", run)
    with pytest.raises(ValueError, match="is silent"):
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
    with pytest.raises(ValueError, match="the sentence is empty"):
        read_sentence(" \n", run)
    with pytest.raises(ValueError, match="the longest the model ever read"):
        read_sentence("a" * 1000, run)


def test_a_scene_is_what_the_stage_draws(run, stream):
    whole = json.loads(scene(run, stream, num_frames=4, busy=False))
    assert whole["text"] == SENTENCE
    assert [len(frame) for frame in whole["sprite"]["frames"]] == [144] * 4
    assert whole["cry"]["samples"] == 200
    begun = json.loads(scene(run, stream[:40], num_frames=4, busy=True))
    assert begun["busy"] and begun["cry"] is None and begun["sprite"]["expected"] == 4
    assert begun["sprite"]["frames"][0].count(NOT_DRAWN) > 100


def test_the_palette_view_names_the_likeliest_and_the_drawn(run):
    odds = np.full(55, 0.1 / 54)
    odds[7] = 0.9
    view = palette_view(run, odds, 20, where="Frame <1>", given=False)
    assert "Frame &lt;1&gt;" in view and "90.0%" in view and "9.08 bits" in view
    assert view.count("<li>") == 5 and view.count("drawn</b>") == 1
    assert len(palette_of(run)) == 55
    assert "&lt;b&gt;" in trouble("<b>") and "&lt;b&gt;" in status("<b>")


def test_a_vocabulary_with_transparency_is_shown_with_it(run):
    from pixelbytes_hf import ActionPixelBytesTokenizer

    full = Run(run.model, ActionPixelBytesTokenizer("full"), run.layout)
    assert palette_of(full)[0] is None and len(palette_of(full)) == 64
    assert background_index(full) == 0
    assert drawing_frames(blank_drawing(full), full).shape == (4, 12, 12, 4)
    assert "transparent" in palette_view(full, np.full(64, 1 / 64), 0, where="here", given=True)


def test_the_studio_makes_and_looks_up(studio, tmp_path):
    shown, files = {}, []
    for step in studio.make(begin=["text"], make=["image", "audio"], text=SENTENCE, seed=4):
        shown |= step
        if step.get("sprite"):
            sizes = [read_frames(step[name]).array.shape for name in ("sprite", "large")]
            files.append((sizes, read_sound(step["cry"]).array.shape))
    assert files == [([(4, 12, 12, 4), (4, 96, 96, 4)], (800, 2))]
    assert shown["player"] == shown["cry"] and not Path(shown["cry"]).exists()  # whoever shows it has copied it
    assert "Done: 1026 tokens in" in shown["status"] and "seed 4" in shown["status"]
    assert "trained on" not in shown["status"]
    looked = studio.look(shown["record"], frame=0, row=2, column=3)
    assert "Frame 1, row 3, column 4" in looked["odds"] and "The model drew" in looked["odds"]
    assert "no pixel" in studio.look(shown["record"], frame=9, row=0, column=0)["odds"].lower()
    assert "not finished" in studio.look(None, frame=0, row=0, column=0)["odds"]


def test_the_studio_can_be_stopped(studio):
    stop = Event()
    making = studio.make(begin=[], make=["image"], stop=stop)
    first = next(making)
    stop.set()
    *_, last = making
    assert first["record"] is None and "record" not in last
    stage = json.loads(last["stage"])
    assert "Stopped." in last["status"] and stage["stopped"] and not stage["busy"]


def test_the_studio_begins_from_anything(studio, run, stream, tmp_path):
    frames = run.tokenizer.decode_modalities(stream).frames
    write_gif(frames, tmp_path / "mine.gif")
    drawing = studio.bring_picture(str(tmp_path / "mine.gif"))["drawing"]
    *_, last = studio.make(begin=["image"], make=["audio"], drawing=drawing, text="unused")
    assert "trained on sentence → sprite → cry" in last["status"]
    given = studio.look(last["record"], frame=0, row=0, column=0)["odds"]
    assert "You gave" in given
    *_, last = studio.make(begin=["image"], make=["audio"], drawing=drawing, finishes=True, rows_kept=6)
    made = run.tokenizer.decode_modalities(last["record"]["ids"])
    np.testing.assert_array_equal(made.frames[0, :6], frames[0, :6])
    *_, last = studio.make(begin=[], make=["text"])
    assert last["sprite"] is None and last["player"] is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"begin": ["text"], "make": ["image"], "text": " "}, "The sentence is empty"),
        ({"begin": ["text"], "make": [], "text": "a"}, "Nothing to make"),
        ({"begin": [], "make": ["image"], "seed": -1}, "Seed must be in 0..2147483647, got -1."),
        ({"begin": ["audio"], "make": ["image"]}, "There is no cry"),
        ({"begin": ["image"], "make": ["audio"], "drawing": "{}"}, "The drawing cannot be read"),
    ],
)
def test_the_studio_answers_in_words(studio, options, reason):
    [shown] = studio.make(**options)
    assert reason in shown["status"] and 'role="alert"' in shown["status"]


def test_the_studio_refuses_an_empty_sprite_and_bad_files(studio, run, tmp_path):
    [shown] = studio.make(begin=["image"], make=["audio"], drawing=blank_drawing(run).to_json())
    assert "The sprite is empty" in shown["status"]
    (tmp_path / "x.gif").write_bytes(b"GIF89a")
    assert "x.gif is not a picture" in studio.bring_picture(str(tmp_path / "x.gif"))["picture_note"]
    assert "x.gif is not a sound" in studio.bring_cry(str(tmp_path / "x.gif"))["cry_note"]
    assert studio.bring_cry(None) == {"cry_note": ""}


def test_the_studio_has_sentences_of_its_own(studio, run):
    assert 1 <= len(studio.examples()) <= 4 and studio.examples() == studio.examples()
    silent = Studio(Run(run.model, run.tokenizer, Layout(run.layout.segments[1:])))
    assert silent.examples() == [] and silent.media == ("image", "audio")
    assert name_media(run) == "sentences, sprites and cries" and name_media(silent.run) == "sprites and cries"


def test_pages_of_other_media_are_built_and_call_nobody(run, monkeypatch):
    gradio = pytest.importorskip("gradio", reason="the page needs gradio")
    from pixelbytes_hf.demo.page import DemoPage

    calls = []
    for name in ("version_check", "initiated_analytics", "launched_analytics", "_do_analytics_request"):
        monkeypatch.setattr(gradio.analytics, name, lambda *arguments, name=name: calls.append(name))
    for segments in (run.layout.segments[2:], run.layout.segments[:1], run.layout.segments[1:]):
        page = DemoPage(Run(run.model, run.tokenizer, Layout(segments)))
        assert page.studio.media == tuple(segment.modality for segment in segments)
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    with urllib.request.urlopen(page.blocks.local_url, timeout=20) as answer:
        content = answer.read().decode()
    page.blocks.close()
    assert calls == [] and "fonts.googleapis" not in content and "cdnjs" not in content


def test_a_space_holds_all_it_needs(run_folder, tmp_path, capsys):
    assert main(["demo", str(run_folder), "--space", str(tmp_path / "space"), "--title", "Tiny <b>beasts"]) == 0
    space = tmp_path / "space"
    names = {str(path.relative_to(space)) for path in space.rglob("*") if path.is_file()}
    assert {"app.py", "README.md", "requirements.txt", "dataset_builder/signals.py"} <= names
    assert {"pixelbytes_hf/demo/assets/stage.js", "pixelbytes_hf/runs/run_folder.py", "run/model.safetensors"} <= names
    assert not any("checkpoint-" in name or name.endswith(("optimizer.pt", ".pyc")) for name in names)
    assert f"in {len(names)} files" in capsys.readouterr().out
    card = (space / "README.md").read_text()
    assert "title: Tiny <b>beasts" in card and "\n# Tiny &lt;b&gt;beasts\n" in card
    assert "sdk: gradio" in card and "app_file: app.py" in card
    assert "{{" not in card and "None" not in card and "nan" not in card.split()
    lines = (space / "requirements.txt").read_text().splitlines()
    assert lines == requirements() and any(line.startswith("gradio") for line in lines)
    assert not any(line.startswith(("datasets", "pixelbytes", "matplotlib")) for line in lines)
    compile((space / "app.py").read_text(), "app.py", "exec")
    Run.load(space / "run")


def test_a_space_is_not_written_over_anything(run_folder, tmp_path):
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_space(run_folder, tmp_path / "space")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        write_space(tmp_path, tmp_path / "other")
    with pytest.raises(FileNotFoundError, match=r"no app\.py"):
        push_space(tmp_path / "space", "user/space")


def test_the_command_says_what_it_needs(run_folder, capsys, monkeypatch):
    assert main(["demo", str(run_folder), "--push", "user/space"]) == 2
    assert "name a folder for it, --space DIR" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", str(run_folder)]) == 2
    assert "the page needs gradio" in capsys.readouterr().err


# the app in a process that has neither the checkout nor what its requirements leave out
ALONE = """
import os, sys, runpy
HIDDEN = {"datasets", "accelerate", "matplotlib", "evaluate", "mambapy"}
class Without:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, *rest)
space, checkout = sys.argv[1:]
sys.path[:] = [space, *(path for path in sys.path if not path.startswith(checkout))]
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import gradio
launch = gradio.Blocks.launch
def once(self, **options):
    launch(self, **options, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    import urllib.request
    page = urllib.request.urlopen(self.local_url, timeout=20).read().decode()
    assert "PixelBytes" in page, page[:500]
    self.close()
    print("served", sys.modules["pixelbytes_hf"].__file__)
gradio.Blocks.launch = once
runpy.run_path(os.path.join(space, "app.py"), run_name="__main__")
"""


@pytest.mark.parametrize("name", ["model.safetensors", "other.safetensors", "config.json", "notes.json"])
def test_a_space_holds_nothing_that_lies_elsewhere(run_folder, tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("checkpoints"))
    elsewhere = tmp_path / "elsewhere"
    (run / name).replace(elsewhere) if (run / name).exists() else elsewhere.write_text("secret")
    (run / name).symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"must hold {name} itself, got a link"):
        write_space(run, tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_a_space_holds_no_file_and_no_key_that_is_not_ours(run_folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("checkpoints"))
    for name in ("tokenizer_config.json", "generation_config.json"):
        (run / name).write_text(json.dumps({**json.loads((run / name).read_text()), "note": "secret"}))
    for name in (".env", "notes.json", "chat_template.jinja"):
        (run / name).write_text('"secret"')
    written = write_space(run, tmp_path / "space")
    assert not [path for path in written if b"secret" in path.read_bytes() and path.parent.name == "run"]
    (tmp_path / "space" / "run" / ".env").write_text("secret")
    with pytest.raises(ValueError, match=r"no hidden files, got run/\.env"):
        publish_folder(tmp_path / "space", "user/space", repo_type="space", message="x")


def test_a_space_goes_to_the_hub_whole(run_folder, tmp_path, online, capsys):
    assert main(["demo", str(run_folder), "--space", str(tmp_path / "space"), "--push", "user/beasts"]) == 0
    assert "user/beasts" in capsys.readouterr().out.splitlines()[-1]
    sent = online.files("user/beasts", "space")
    for path in (tmp_path / "space").rglob("*"):
        if path.is_file():
            assert sent[str(path.relative_to(tmp_path / "space"))] == path.read_bytes()
    # an earlier demo may be replaced; what somebody else shows may not
    (tmp_path / "space" / "README.md").write_text("changed")
    push_space(tmp_path / "space", "user/beasts")
    assert online.files("user/beasts", "space")["README.md"] == b"changed"
    HfApi().create_repo("user/other", repo_type="space", space_sdk="gradio")
    HfApi().upload_file(path_or_fileobj=b"1", path_in_repo="app.py", repo_id="user/other", repo_type="space")
    with pytest.raises(ValueError, match="would lose 1 files"):
        push_space(tmp_path / "space", "user/other")
    assert online.files("user/other", "space")["app.py"] == b"1"


@pytest.mark.slow
def test_a_space_runs_without_the_package(run_folder, tmp_path):
    pytest.importorskip("gradio", reason="the page needs gradio")
    write_space(run_folder, tmp_path / "space")
    checkout = str(Path(__file__).parents[2])
    served = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "space"), checkout],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert served.returncode == 0, served.stderr
    assert f"served {tmp_path / 'space'}" in served.stdout


def test_the_run_of_a_space_is_the_run(run_folder, tmp_path):
    write_space(run_folder, tmp_path / "space")
    assert {path.name for path in (tmp_path / "space" / "run").iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer_config.json", "vocab.json"),
        *("processor_config.json", "layout.json"),
    }
    ours, theirs = Run.load(run_folder), Run.load(tmp_path / "space" / "run")
    rows = torch.from_numpy(ours.tokenizer(text=[SENTENCE], return_tensors="np")["input_ids"].astype(np.int64))
    with torch.no_grad():
        assert torch.equal(ours.model(input_ids=rows).logits, theirs.model(input_ids=rows).logits)
