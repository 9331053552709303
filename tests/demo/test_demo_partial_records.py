"""Unfinished streams as they are shown, and the probabilities of one pixel of a finished one."""

import json

import numpy as np
import pytest

from pixelbytes_hf.demo.partial_records import NOT_DRAWN, decode_partial, find_pixel, pixel_probabilities
from pixelbytes_hf.demo.session import FinishedRecord, Session
from pixelbytes_hf.demo.views import colours_view, palette_of, stage_view
from pixelbytes_hf.generation.layout import Audio, Layout
from pixelbytes_hf.runs.run_folder import Run


def test_every_beginning_of_a_stream_is_shown(run, stream, sentence):
    tables, record = run.tokenizer.tables, run.tokenizer.decode_modalities(stream)
    colours = np.array(tables.colours)
    first = len(sentence) + 1
    for length in range(1, len(stream) + 1):
        partial = decode_partial(stream[:length], tables, num_channels=2, size=(12, 12))
        assert partial.text == sentence[: min(length, len(sentence))]
        if length <= first:
            assert partial.pixels is None and partial.levels == []
            continue
        drawn = partial.pixels != NOT_DRAWN
        assert drawn.sum() == min(length - first - (length - first) // 13, 4 * 144)
        assert (colours[partial.pixels[drawn]] == record.frames[: len(drawn)][drawn]).all()
    np.testing.assert_allclose(partial.levels, record.sound["array"], atol=6e-4)


def test_a_picture_of_free_size_grows(run):
    tables = run.tokenizer.tables
    [segment], _ = run.tokenizer.encode_record(image=np.zeros((2, 3, 5, 3), np.uint8))
    ids = segment.ids.reshape(-1).astype(np.int64)
    shapes = [decode_partial(ids[:length], tables).pixels.shape for length in (3, 6, 8, 18, 19, 36)]
    assert shapes == [(1, 1, 3), (1, 1, 5), (1, 2, 5), (1, 3, 5), (2, 3, 5), (2, 3, 5)]


def test_the_stage_is_given_the_record(run, stream, sentence):
    whole = json.loads(json.dumps(stage_view(run, stream, num_frames=4, busy=False)))
    assert whole["text"] == sentence
    assert [len(frame) for frame in whole["sprite"]["frames"]] == [144] * 4
    assert whole["cry"]["samples"] == 200
    begun = stage_view(run, stream[:40], num_frames=4, busy=True)
    assert begun["busy"] and begun["cry"] is None and begun["sprite"]["expected"] == 4
    assert begun["sprite"]["frames"][0].count(NOT_DRAWN) > 100


def test_a_long_sound_is_sent_as_a_short_curve(run, rng):
    levels = rng.integers(0, 38, 2 * 5000) + run.tokenizer.tables.level_ids.start
    long = Run(run.model, run.tokenizer, Layout((Audio(channels=2, max_samples=6000),)))
    curve = stage_view(long, levels, busy=True)["cry"]
    assert curve["samples"] == 1200 and [len(channel) for channel in curve["channels"]] == [1000, 1000]
    assert min(curve["channels"][0]) == -1 and max(curve["channels"][0]) == 1
    assert stage_view(long, levels[:6], busy=True)["cry"]["channels"] == [[], []]


def test_every_pixel_is_found(run, stream, sentence):
    tables = run.tokenizer.tables
    frames = run.tokenizer.decode_modalities(stream).frames
    for place in np.ndindex(4, 12, 12):
        position = find_pixel(stream, tables, frame=place[0], row=place[1], column=place[2])
        assert tables.colours[stream[position] - tables.pixel_ids.start] == tuple(frames[place])
    for frame, row, column in ((4, 0, 0), (0, 12, 0), (0, 0, 12), (-1, 0, 0)):
        assert find_pixel(stream, tables, frame=frame, row=row, column=column) is None
    assert find_pixel(stream[: len(sentence) + 1], tables, frame=0, row=0, column=0) is None


def generate(run, prompt, **options):
    """Return ids and scores of a picture after a prompt."""
    made = run.model.generate(
        **run.tokenizer(text=[prompt], return_tensors="pt"),
        layout=Layout(run.layout.segments[1:2]),
        tokenizer=run.tokenizer,
        output_scores=True,
        return_dict_in_generate=True,
        **options,
    )
    return made.sequences[0].numpy(), made.scores


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_probabilities_are_those_that_the_pixel_was_drawn_from(run, temperature, sentence):
    tables = run.tokenizer.tables
    ids, scores = generate(run, sentence, do_sample=True, temperature=temperature, seed=0)
    for frame, row, column in ((0, 0, 0), (1, 5, 7), (3, 11, 11)):
        position = find_pixel(ids, tables, frame=frame, row=row, column=column)
        expected = scores[position - len(sentence) - 1][0].softmax(-1)[tables.pixel_ids.start : tables.pixel_ids.stop]
        probabilities = pixel_probabilities(run, ids, position, temperature=temperature)
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [{"objective": "autoregressive"}, {"objective": "last", "window_length": 9}],
    ids=lambda c: c["objective"],
)
def test_other_objectives_rate_pixels_as_they_drew_them(tiny_run, config):
    other = tiny_run(**config)
    ids, scores = generate(other, "a", do_sample=False)
    start = other.tokenizer.tables.pixel_ids.start
    probabilities = pixel_probabilities(other, ids, 30 + 2)
    np.testing.assert_allclose(probabilities, scores[30][0].softmax(-1)[start : start + 55], atol=1e-5)


def test_a_masked_model_rates_a_pixel_by_all_else(tiny_run, stream, sentence):
    masked = tiny_run(objective="masked", context_size=7, mixer={"bidirectional": True})
    start = masked.tokenizer.tables.pixel_ids.start
    other = stream.copy()
    other[40] = start + (other[40] - start + 1) % 55  # the pixel itself is hidden from the model
    np.testing.assert_array_equal(*(pixel_probabilities(masked, ids, 40) for ids in (stream, other)))
    record = FinishedRecord(stream, len(sentence) + 1, 1.0)
    view = Session(masked).look_up(record, frame=0, row=0, column=0)
    assert view["where"] == "Frame 1, row 1, column 1, all else given"


def test_the_likeliest_colours_and_the_drawn_are_named(run):
    probabilities = np.full(55, 0.1 / 54)
    probabilities[7] = 0.9
    view = colours_view(run, probabilities, 20)
    assert view["named"][0]["percent"] == "90.0%" and view["bits"] == "9.08"
    assert [colour["drawn"] for colour in view["named"]] == [False, False, False, False, True]
    assert view["drawn"]["name"] == palette_of(run)[20] and len(view["colours"]) == 55


def test_a_vocabulary_with_transparency_is_shown_with_it(run):
    from pixelbytes_hf import ActionPixelBytesTokenizer

    full = Run(run.model, ActionPixelBytesTokenizer("full"), run.layout)
    assert palette_of(full)[0] is None and len(palette_of(full)) == 64
    assert colours_view(full, np.full(64, 1 / 64), 0)["drawn"]["name"] == "transparent"
