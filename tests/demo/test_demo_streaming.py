"""Streams of a generation: what they show on the way, what they end as, and how they are stopped."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from pixelbytes_hf.demo.inputs import VisitorError
from pixelbytes_hf.demo.streaming import GenerationRequest, stream_tokens
from pixelbytes_hf.generation.layout import Image, Layout


@pytest.fixture
def request_of(run, sentence):
    """Return a function that makes a request for some media after a sentence."""

    def make(*media, num_frames=4, **options):
        segments = [segment for segment in run.layout.segments if segment.modality in media]
        segments = [replace(each, frames=num_frames) if each.modality == "image" else each for each in segments]
        return GenerationRequest(**{"given": {"text": sentence}, "layout": Layout(tuple(segments))} | options)

    return make


def finish(run, request, executor):
    *_, ids = stream_tokens(run, request, executor, tick_seconds=0)
    return run.tokenizer.decode_modalities(ids)


def test_a_stream_shows_every_row_and_ends_as_create_does(run, executor, request_of, sentence):
    request = request_of("image", "audio", temperature=0.7, seed=5)
    streams = list(stream_tokens(run, request, executor, tick_seconds=0))
    [expected] = run.create(text=[sentence], do_sample=True, temperature=0.7, seed=5)
    record = run.tokenizer.decode_modalities(streams[-1])
    assert record.text == sentence
    np.testing.assert_array_equal(record.frames, expected.frames)
    np.testing.assert_array_equal(record.sound["array"], expected.sound["array"])
    assert all((later[: len(earlier)] == earlier).all() for earlier, later in itertools.pairwise(streams))
    num_text, row = len(sentence) + 1, 13
    assert len(streams[0]) == num_text
    assert {num_text + row * n for n in range(4 * 12 + 1)} <= {len(ids) for ids in streams}
    in_sound = np.diff([len(ids) for ids in streams if len(ids) >= num_text + row * 48 + 16])
    assert 20 < len(in_sound) < 40 and in_sound.max() <= 16  # of 402 tokens


def test_temperature_zero_takes_the_likeliest(run, executor, request_of, sentence):
    record = finish(run, request_of("image", temperature=0), executor)
    [expected] = run.create(text=[sentence], layout=Layout(run.layout.segments[1:2]), do_sample=False)
    np.testing.assert_array_equal(record.frames, expected.frames)


def test_whole_records_begin_from_nothing(run, executor, request_of):
    record = finish(run, request_of("text", "image", "audio", given={}, seed=1), executor)
    assert [segment.modality for segment in record.segments] == ["text", "image", "audio"]


def test_a_stream_is_paced(run, executor, request_of):
    began = time.monotonic()
    steps = list(stream_tokens(run, request_of("image", num_frames=2), executor, tick_seconds=0.02))
    # 24 rows a tick apart, and the whole; fewer where the model is far ahead
    assert 18 <= len(steps) <= 26
    assert 0.3 < time.monotonic() - began < 10


def test_what_is_shown_is_not_far_behind_what_is_made(run, executor, request_of, monkeypatch):
    row_end = run.tokenizer.tables.row_end_id

    def make_at_once(*, stopping_criteria, **options):
        for _ in range(200):
            stopping_criteria(torch.tensor([[row_end]]), None)
        return torch.full((1, 201), row_end)

    monkeypatch.setattr(run.model, "generate", make_at_once)
    monkeypatch.setattr("pixelbytes_hf.demo.streaming.LAG_SECONDS", 0.1)
    steps = list(stream_tokens(run, request_of("image", given={}), executor, tick_seconds=0.02))
    assert len(steps) < 10 and len(steps[-1]) == 200


def test_closing_a_stream_stops_the_model(run):
    big = GenerationRequest(layout=Layout((Image(frames=40, height=50, width=50),)))
    with ThreadPoolExecutor(1) as pool:
        streams = stream_tokens(run, big, pool, tick_seconds=0)
        next(streams)
        next(streams)
        streams.close()
        # a hundred thousand tokens take a minute: the only thread of the pool is free at once
        assert pool.submit(int).result(timeout=10) == 0


def test_requests_at_once_are_what_each_is_alone(run, request_of):
    requests = [request_of("image", num_frames=1, seed=seed) for seed in (1, 2, 1)]
    with ThreadPoolExecutor(3) as pool:
        alone = [finish(run, request, pool).frames for request in requests]
        streams = [stream_tokens(run, request, pool, tick_seconds=0) for request in requests]
        ends = [None] * 3
        for round_of_steps in itertools.zip_longest(*streams):
            ends = [end if step is None else step for end, step in zip(ends, round_of_steps, strict=True)]
    for expected, ids in zip(alone, ends, strict=True):
        np.testing.assert_array_equal(run.tokenizer.decode_modalities(ids).frames, expected)
    assert not np.array_equal(alone[0], alone[1])
    np.testing.assert_array_equal(alone[0], alone[2])


def test_a_picture_is_finished(run, executor, frames, sentence):
    picture, sound = run.layout.segments[1:]
    request = GenerationRequest(
        given={"text": sentence, "image": frames},
        layout=Layout((replace(picture, frames=2, continues=True), sound)),
        rows_kept=5,
    )
    record = finish(run, request, executor)
    kept = run.tokenizer.decode_modalities(run.tokenizer(image=frames)["labels"]).frames
    np.testing.assert_array_equal(record.frames[0, :5], kept[0, :5])
    assert record.frames.shape == (2, 12, 12, 3)
    assert record.sound["array"].shape == (2, 200)


def test_a_picture_that_cannot_be_finished_is_refused(run, executor, frames):
    sound = {"array": np.ones(9), "sampling_rate": 4000}
    layout = Layout((replace(run.layout.segments[1], continues=True),))
    for given, rows_kept, reason in (
        ({"image": frames}, 12, "the sprite has 12 rows: keep at least one and not all"),
        ({"image": frames}, 0, "the sprite has 12 rows"),
        ({"image": frames, "audio": sound}, 3, "must come last"),
    ):
        request = GenerationRequest(given=given, layout=layout, rows_kept=rows_kept)
        with pytest.raises(VisitorError, match=reason):
            list(stream_tokens(run, request, executor))


def test_errors_of_the_model_reach_the_reader(run, executor, request_of, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("out of paint")

    monkeypatch.setattr(run.model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of paint"):
        list(stream_tokens(run, request_of("image"), executor))


def test_a_masked_model_is_shown_when_it_is_done(tiny_run, executor, request_of):
    masked = tiny_run(objective="masked", context_size=7, mixer={"bidirectional": True})
    for given in ({"text": "a"}, {}):
        streams = list(stream_tokens(masked, request_of("image", given=given), executor))
        assert len(streams) == 2
        assert masked.tokenizer.decode_modalities(streams[-1]).frames.shape == (4, 12, 12, 3)
