"""Streams back to segments: against a reader that goes id by id, and in time that grows with their length."""

import gc

import numpy as np
import pytest
from fakes import random_segments
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.tokens.grid import audio_segment, codes_of_segment, enclose_segment, flatten, text_segment
from pixelbytes_hf.tokens.parsing import Problem, parse
from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary

VOCABULARIES = {name: Vocabulary.from_preset(name) for name in ("paper", "full", "first")}
VOCABULARIES |= {
    f"{name} with codes": VOCABULARIES[name].with_codes(image=9, audio=(5, 4, 3)) for name in VOCABULARIES
}


def reference_parse(ids, vocabulary):
    """Return segments and problems as the definition reads, id by id."""
    segments, problems, start = [], [], 0
    kinds = [KINDS[vocabulary.kind_of_id[index]] for index in ids]
    while start < len(ids):
        readers = {"pixel": read_images, "image_code": read_images, "level": read_sound, "audio_code": read_code_sound}
        read = readers.get(kinds[start], read_text)
        stop, found, reason = read(ids, kinds, start, vocabulary)
        segments += found
        if reason:
            problems.append(Problem(start, stop, reason))
        start = stop
    return segments, problems


def read_text(ids, kinds, start, vocabulary):
    own = "task" if kinds[start] == "task" else "text"
    stop, opens = (
        start,
        (own, "segment_end") if vocabulary.specials else ("text", "segment_end", "row_end", "special"),
    )
    if kinds[start] not in opens:
        return start + 1, [], f"id {ids[start]} ({vocabulary.tokens[ids[start]]}) opens no segment"
    while (
        stop < len(ids)
        and kinds[stop] not in ("pixel", "level", "image_code", "audio_code")
        and (not vocabulary.specials or kinds[stop] == own)
    ):
        stop += 1
    if vocabulary.specials and stop < len(ids) and kinds[stop] == "segment_end":
        stop += 1
    ended = kinds[stop - 1] == "segment_end"
    segment = enclose_segment(own, [[ids[start : stop - ended]]], vocabulary)
    return stop, [segment], "" if ended else f"{own} has no end mark"


def read_images(ids, kinds, start, vocabulary):
    rows, frames, stop, own = [[]], [[]], start, kinds[start]
    while stop < len(ids) and (kinds[stop] == own or (kinds[stop] in ("row_end", "segment_end") and rows[-1])):
        if kinds[stop] == own:
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
    modality, title = {"pixel": ("image", "image"), "image_code": ("image_code", "picture of codes")}[own]
    segments = [enclose_segment(modality, image, vocabulary) for image in images]
    return stop, segments, "" if ended else f"{title} has no end mark"


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


def read_code_sound(ids, kinds, start, vocabulary):
    codes, stop, marks = [], start, 0
    while stop < len(ids) and kinds[stop] == "audio_code":
        codes.append(ids[stop])
        stop += 1
    while stop < len(ids) and kinds[stop] == "row_end":
        marks, stop = marks + 1, stop + 1
    ended = stop < len(ids) and kinds[stop] == "segment_end"
    marks, stop = marks + ended, stop + ended
    levels = [next(n for n, part in enumerate(vocabulary.audio_code_ids) if code in part) for code in codes]
    columns = max(levels) + 1
    if len(codes) % columns or any(level != n % columns for n, level in enumerate(levels)):
        return stop, [], f"sound of {len(codes)} codes of {columns} levels has one out of its turn"
    if marks > columns - (not ended) or (ended and marks < columns):
        return stop, [], f"sound of codes of {columns} levels has {marks} marks"
    segment = enclose_segment("audio_code", np.reshape(codes, (-1, 1, columns)), vocabulary)
    return stop, [segment], "" if ended else "sound of codes has no end mark"


def assert_same(parsed, expected):
    segments, problems = expected
    assert parsed.problems == problems
    assert [segment.shape for segment in parsed.segments] == [segment.shape for segment in segments]
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(parsed.segments, segments, strict=True))
    assert len({segment.ids.dtype for segment in (*parsed.segments, *segments)}) <= 1


def streams(vocabulary):
    """Return a strategy of streams in which every kind, and so every border between two, is common."""
    ranges = [vocabulary.byte_ids, vocabulary.pixel_ids, vocabulary.level_ids, vocabulary.image_code_ids]
    ranges += [*vocabulary.audio_code_ids, range(9, 12) if vocabulary.specials else range(0)]
    ids = st.one_of(st.sampled_from([0, 1, 1, 2, 2]), *(st.sampled_from(ids[-2:]) for ids in ranges if ids))
    runs = st.tuples(ids, st.integers(1, 4)).map(lambda run: [run[0]] * run[1])
    if levels := vocabulary.audio_code_ids:  # one frame of codes after another is common too
        columns = st.tuples(st.integers(1, len(levels)), st.integers(1, 3))
        runs |= columns.map(lambda size: [ids[-1] for ids in levels[: size[0]]] * size[1])
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
@given(seed=st.integers(0, 10**6), preset=st.sampled_from([*VOCABULARIES.keys() - {"first", "first with codes"}]))
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


@pytest.mark.parametrize(
    ("levels", "marks", "reason"),
    [
        ([0, 1, 2, 0, 1, 2], [1, 1, 2], ""),
        ([0, 1, 2, 0, 1, 2], [1], "no end mark"),
        ([0, 1, 0, 1, 2], [1, 1, 2], "out of its turn"),
        ([1, 0], [1, 2], "out of its turn"),
        ([0, 1], [2], "2 levels has 1 marks"),
        ([0, 1], [1, 1], "2 levels has 2 marks"),
    ],
)
def test_codes_of_a_sound_stand_in_the_column_of_their_level(levels, marks, reason):
    vocabulary = VOCABULARIES["full with codes"]
    ids = np.array([*(vocabulary.audio_code_ids[level].start + 1 for level in levels), *marks])
    segments, problems = parse(ids, vocabulary)
    assert [problem.reason.endswith(reason) for problem in problems] == [True] * bool(reason), problems
    if segments:
        assert (codes_of_segment(segments[0], vocabulary) == 1).all()
    assert bool(segments) == (reason in ("", "no end mark"))


def test_newline_inside_text_stays_text(paper):
    text = np.array([43, 2, 44, 1, 2])
    segments, problems = parse(flatten([text_segment(text, paper)])[0], paper)
    assert problems == [] and segments[0].ids[0, 0].tolist() == [*text, 2]
