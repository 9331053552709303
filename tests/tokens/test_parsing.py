"""Streams back to segments: against a reader that goes id by id, and in time that grows with their length."""

import gc

import numpy as np
import pytest
from fakes import random_segments
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.parsing import Problem, parse
from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary

VOCABULARIES = {name: Vocabulary.from_preset(name) for name in ("paper", "full", "first")}


def reference_parse(ids, vocabulary):
    """Return segments and problems as the definition reads, id by id."""
    segments, problems, start = [], [], 0
    kinds = [KINDS[vocabulary.kind_of_id[index]] for index in ids]
    while start < len(ids):
        read = {"pixel": read_images, "level": read_sound}.get(kinds[start], read_text)
        stop, found, reason = read(ids, kinds, start, vocabulary)
        segments += found
        if reason:
            problems.append(Problem(start, stop, reason))
        start = stop
    return segments, problems


def read_text(ids, kinds, start, vocabulary):
    stop, opens = (
        start,
        ("text", "segment_end") if vocabulary.specials else ("text", "segment_end", "row_end", "special"),
    )
    if kinds[start] not in opens:
        return start + 1, [], f"id {ids[start]} ({vocabulary.tokens[ids[start]]}) opens no segment"
    while (
        stop < len(ids)
        and kinds[stop] not in ("pixel", "level")
        and (not vocabulary.specials or kinds[stop] == "text")
    ):
        stop += 1
    if vocabulary.specials and stop < len(ids) and kinds[stop] == "segment_end":
        stop += 1
    ended = kinds[stop - 1] == "segment_end"
    segment = text_segment(np.array(ids[start : stop - ended], int), vocabulary)
    return stop, [segment], "" if ended else "text has no end mark"


def read_images(ids, kinds, start, vocabulary):
    rows, frames, stop = [[]], [[]], start
    while stop < len(ids) and (kinds[stop] == "pixel" or (kinds[stop] in ("row_end", "segment_end") and rows[-1])):
        if kinds[stop] == "pixel":
            rows[-1].append(ids[stop])
        else:
            frames[-1].append(rows[-1])
            rows.append([])
            if kinds[stop] == "segment_end":
                frames.append([])
        stop += 1
    if rows[-1]:
        frames[-1].append(rows[-1])
    images = []
    for number, frame in enumerate(frame for frame in frames if frame):
        widths = sorted({len(row) for row in frame})
        if len(widths) > 1:
            return stop, [], f"frame {number} has rows of different widths {widths}"
        if images and np.shape(images[-1][-1]) == np.shape(frame):
            images[-1].append(frame)
        else:
            images.append([frame])
    ended = kinds[stop - 1] == "segment_end"
    return stop, [image_segment(np.array(i), vocabulary) for i in images], "" if ended else "image has no end mark"


def read_sound(ids, kinds, start, vocabulary):
    levels, stop, channels = [], start, 1
    while stop < len(ids) and kinds[stop] == "level":
        levels.append(ids[stop])
        stop += 1
    while stop < len(ids) and kinds[stop] == "row_end":
        channels, stop = channels + 1, stop + 1
    ended = stop < len(ids) and kinds[stop] == "segment_end"
    if not ended and len(levels) % channels:
        channels = 1
    if len(levels) % channels:
        return stop + 1, [], f"sound of {len(levels)} levels does not divide into {channels} channels"
    segment = audio_segment(np.array(levels).reshape(-1, channels), vocabulary)
    return stop + ended, [segment], "" if ended else "sound has no end mark"


def assert_same(parsed, expected):
    segments, problems = expected
    assert parsed.problems == problems
    assert [segment.shape for segment in parsed.segments] == [segment.shape for segment in segments]
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(parsed.segments, segments, strict=True))
    assert len({segment.ids.dtype for segment in (*parsed.segments, *segments)}) <= 1


def streams(vocabulary):
    """Return a strategy of streams in which every kind, and so every border between two, is common."""
    ranges = [ids for ids in (vocabulary.byte_ids, vocabulary.pixel_ids, vocabulary.level_ids) if ids]
    ids = st.one_of(st.sampled_from([0, 1, 1, 2, 2]), *(st.sampled_from(ids[-2:]) for ids in ranges))
    runs = st.tuples(ids, st.integers(1, 4)).map(lambda run: [run[0]] * run[1])
    return st.lists(runs, max_size=20).map(lambda parts: [index for part in parts for index in part])


@settings(max_examples=400, deadline=None)
@given(data=st.data(), preset=st.sampled_from([*VOCABULARIES]))
def test_parse_equals_reading_id_by_id(data, preset):
    vocabulary = VOCABULARIES[preset]
    ids = data.draw(streams(vocabulary))
    assert_same(parse(np.array(ids, int), vocabulary), reference_parse(ids, vocabulary))


@pytest.mark.parametrize(("repeated", "length"), [([2], 300_000), ([300, 600], 30_000)], ids=str)
def test_long_streams_of_short_segments_are_read(repeated, length):
    # a reader that looks for a segment's end in all that follows takes the better part of a minute
    vocabulary = VOCABULARIES["full"]
    segments, problems = parse(np.resize(repeated, length), vocabulary)
    few = reference_parse(repeated, vocabulary)
    times = length // len(repeated)
    assert (len(segments), len(problems)) == (len(few[0]) * times, len(few[1]) * times)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_of_cycles_is_left_as_it_was(enabled, monkeypatch):
    monkeypatch.setattr(gc, "isenabled", lambda: enabled)
    calls = []
    monkeypatch.setattr(gc, "disable", lambda: calls.append("disable"))
    monkeypatch.setattr(gc, "enable", lambda: calls.append("enable"))
    parse(np.array([40, 60, 2]), VOCABULARIES["full"])
    assert calls == ["disable", "enable"][: 1 + enabled]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), preset=st.sampled_from(["paper", "full"]))
def test_parse_is_the_inverse_of_flatten(seed, preset):
    vocabulary = VOCABULARIES[preset]
    segments = random_segments(np.random.default_rng(seed), vocabulary)
    parsed = parse(flatten(segments)[0], vocabulary)
    assert parsed.problems == []
    assert [segment.shape for segment in parsed.segments] == [segment.shape for segment in segments]
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(parsed.segments, segments, strict=True))


@settings(max_examples=150, deadline=None)
@given(ids=st.lists(st.integers(0, 150), max_size=40), preset=st.sampled_from(["paper", "full"]))
def test_parse_loses_no_id_of_any_stream(ids, preset):
    vocabulary = VOCABULARIES[preset]
    segments, problems = parse(np.array(ids, int), vocabulary)
    kept = sum(segment.ids.size for segment in segments)
    lost = sum(problem.stop - problem.start for problem in problems)
    assert kept + lost >= len(ids)
    assert all(problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("ids", "modalities", "reason"),
    [
        ([60, 61, 1, 62, 2], [], "different widths"),
        ([60, 61, 1, 62, 63], ["image"], "no end mark"),
        ([60, 61, 1], ["image"], "no end mark"),
        ([40, 41], ["text"], "no end mark"),
        ([120, 121, 122, 1, 2], [], "2 channels"),
        ([120, 121, 1], ["audio"], "no end mark"),
    ],
)
def test_malformed_streams_are_reported(paper, ids, modalities, reason):
    segments, problems = parse(np.array(ids), paper)
    assert [segment.modality for segment in segments] == modalities
    assert [problem[:2] for problem in problems] == [(0, len(ids))] and reason in problems[0].reason


def test_a_misplaced_special_id_is_reported():
    segments, problems = parse(np.array([6, 60, 2]), VOCABULARIES["full"])
    assert [segment.modality for segment in segments] == ["text"] and "<mask>" in problems[0].reason


def test_newline_inside_text_stays_text(paper):
    text = np.array([43, 2, 44, 1, 2])
    segments, problems = parse(flatten([text_segment(text, paper)])[0], paper)
    assert problems == [] and segments[0].ids[0, 0].tolist() == [*text, 2]
