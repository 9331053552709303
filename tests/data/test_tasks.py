"""Tasks: what is given and asked, streams and the way back, cuts against slices written out, layouts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tasks import CODED, FULL, HalvingCodec, record_of, text_of

from pixelbytes_hf.data.cuts import TYPE_WORDS, find_type
from pixelbytes_hf.data.posed import OUT, make_prefix, pose, read_posed
from pixelbytes_hf.data.tasks import TASKS, find_task
from pixelbytes_hf.generation.grammar import LayoutGrammar
from pixelbytes_hf.generation.layout import Audio, Image, Layout, Text
from pixelbytes_hf.generation.segment_grammar import LegalIds
from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, open_segment
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.text_codec import decode_text
from pixelbytes_hf.tokens.vocabulary import RESERVED_NAMES, Vocabulary

RECORD = Layout((Text(max_length=20), Image(frames=4, height=4, width=4), Audio(channels=2, samples=5)))


def same(one, other):
    return len(one) == len(other) and all(
        a.modality == b.modality and np.array_equal(a.ids, b.ids) for a, b in zip(one, other, strict=True)
    )


def data(segment):
    return open_segment(segment).astype(int)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(TASKS)), st.booleans())
def test_streams_are_read_back(seed, name, is_coded):
    rng = np.random.default_rng(seed)
    vocabulary = CODED if is_coded else FULL
    extents = {"frames": rng.integers(3, 6), "side": rng.integers(2, 6), "samples": rng.integers(1, 6)}
    record = record_of(rng, vocabulary=vocabulary, **extents)
    posed = pose(find_task(name), [record[n] for n in rng.permutation(3)], vocabulary, HalvingCodec())
    ids, shapes = flatten(posed.segments(vocabulary))
    segments, problems = parse(ids, vocabulary)
    assert not problems and tuple(segment.shape for segment in segments) == shapes
    found = read_posed(segments, vocabulary)
    assert found.task == name and same(found.given, posed.given) and same(found.asked, posed.asked)
    prefix, asked = flatten(posed.prefix(vocabulary))[0], flatten(posed.asked)[0]
    np.testing.assert_array_equal(ids, np.concatenate([prefix, asked]))


def test_every_task_has_an_id_and_every_id_a_task():
    reserved = {name for name in RESERVED_NAMES if name.startswith("<task:")}
    assert {task.task_id for task in TASKS.values()} == reserved
    used = {part.border for task in TASKS.values() for part in (*task.given, *task.asked)} | {OUT}
    assert used == set(RESERVED_NAMES) - reserved


def test_headers_say_what_follows(rng):
    record = record_of(rng)
    first, text, second, *asked = pose(find_task("text-to-video-and-sound"), record, FULL).segments(FULL)
    names = [[FULL.special_name(each) for each in data(header)[0, 0]] for header in (first, second)]
    assert names == [["<task:text-to-video-and-sound>", "<bot>"], ["<out>", "<bov>", "<boa>"]]
    assert same([text], record[:1]) and same(asked, record[1:])
    still = pose(find_task("frame-prediction"), record, FULL).prefix(FULL)
    assert FULL.special_name(data(still[0])[0, 0, 1]) == "<boi>"


CUTS = {
    "text-to-image": (None, lambda v: v[:1]),
    "frame-prediction": (lambda v: v[:1], lambda v: v[1:]),
    "interpolation": (lambda v: v[[0, 5]], lambda v: v[1:5]),
    "outpainting-central": (lambda v: v[:, 2:6, 1:4], lambda v: v),
    "outpainting-horizontal": (lambda v: v[:, :, 1:4], lambda v: v),
    "outpainting-vertical": (lambda v: v[:, 2:6], lambda v: v),
    # a window of four rows, from row 0 in the first frame to row 4 in the last
    "outpainting-dynamic": (
        lambda v: np.stack([v[n, start : start + 4] for n, start in enumerate([0, 1, 2, 2, 3, 4])]),
        lambda v: v,
    ),
}


@pytest.mark.parametrize("name", CUTS)
def test_cuts_of_pictures_are_slices(name, rng):
    video = rng.integers(FULL.pixel_ids.start, FULL.pixel_ids.stop, (6, 8, 6))
    record = [text_of("a water one"), image_segment(video, FULL)]
    posed = pose(find_task(name), record, FULL)
    for segments, cut in ((posed.given, CUTS[name][0]), (posed.asked, CUTS[name][1])):
        if cut is not None:
            np.testing.assert_array_equal(data(segments[-1]), cut(video))


@pytest.mark.parametrize(("name", "starts"), [("inpainting-central", [2, 2, 2]), ("inpainting-dynamic", [0, 2, 4])])
def test_holes_are_transparent(name, starts, rng):
    video = rng.integers(FULL.pixel_ids.start + 1, FULL.pixel_ids.stop, (3, 8, 6))
    posed = pose(find_task(name), [image_segment(video, FULL)], FULL)
    expected = video.copy()
    for frame, start in zip(expected, starts, strict=True):
        frame[start : start + 4, 1:4] = FULL.transparent_id
    np.testing.assert_array_equal(data(posed.given[0]), expected)
    np.testing.assert_array_equal(data(posed.asked[0]), video)


def test_codes_are_cut_as_pixels_where_a_code_tells_of_its_neighbours(rng):
    record, codec = record_of(rng, vocabulary=CODED), HalvingCodec()
    [posed] = pose(find_task("outpainting-central"), record, CODED, codec).given
    pixels = codec.decode(record[1])
    np.testing.assert_array_equal(data(posed), data(codec.encode(image_segment(data(pixels)[:, 2:6, 2:6], CODED))))
    first = pose(find_task("frame-prediction"), record, CODED)  # of a causal codec the first code tells of no other
    np.testing.assert_array_equal(data(first.given[0]), data(record[1])[:1])
    between = pose(find_task("interpolation"), record, CODED, codec)  # a code may be of the last frames and of others
    np.testing.assert_array_equal(data(between.asked[0]), data(record[1])[1:])
    assert len(data(find_task("interpolation").join(between.given, between.asked)[0])) == len(data(record[1]))
    for name in ("interpolation", "inpainting-central", "outpainting-horizontal"):
        with pytest.raises(ValueError, match="codec must be given to cut a picture of codes"):
            pose(find_task(name), record, CODED)


def test_the_type_is_the_first_word_that_is_one(rng):
    posed = pose(find_task("video-to-type"), record_of(rng, word="leaf"), FULL)
    assert decode_text(data(posed.asked[0])[0, 0], FULL) == "leaf"
    assert find_type("Steelix, of Rock and steel") == "rock" and find_type("nothing") == ""
    assert not find_task("video-to-type").fits([text_of("a nameless one"), record_of(rng)[1]], FULL)


def test_the_words_of_types_hold_the_elements_of_the_embedded_corpus():
    from dataset_builder.attributes import ELEMENTS

    assert set(ELEMENTS) <= TYPE_WORDS


def test_records_that_lack_something_do_not_fit(rng):
    text, video, sound = record_of(rng, frames=1)
    assert find_task("text-to-video").fits([text, video], FULL) and not find_task("text-to-sound").fits([video], FULL)
    for name in ("frame-prediction", "interpolation", "outpainting-dynamic"):
        assert not find_task(name).fits([video], FULL)
    assert not find_task("text-to-video").fits([text, video, text, video], FULL)  # which of the two?
    assert find_task("unconditional").fits([sound], FULL) and not find_task("unconditional").fits([], FULL)
    with pytest.raises(ValueError, match="record must have all that the task 'interpolation'"):
        pose(find_task("interpolation"), [video], FULL)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_is_asked_is_legal_under_its_layout(name, rng):
    task = find_task(name)
    posed = pose(task, record_of(rng), FULL)
    layout = task.layout(RECORD, posed.given)
    grammar = LayoutGrammar(layout, LegalIds(FULL))
    for token_id in flatten(posed.asked)[0].tolist():
        assert grammar.legal()[token_id]
        grammar.push(token_id)
    assert grammar.finished
    assert same(make_prefix(task, posed.given, layout.segments, FULL), posed.prefix(FULL))


def test_a_layout_takes_extents_from_what_is_given(rng):
    [clip] = pose(find_task("inpainting-central"), record_of(rng, frames=3, side=6), FULL).given
    [asked] = find_task("inpainting-central").layout(RECORD, [clip]).segments
    assert (asked.frames, asked.height, asked.width) == (3, 6, 6)
    still = image_segment(data(clip)[:1], FULL)
    [asked] = find_task("frame-prediction").layout(RECORD, [still]).segments
    assert (asked.frames, asked.height, asked.width) == (3, 6, 6)  # the layout's 4, one of them given
    [asked] = find_task("outpainting-central").layout(RECORD, [clip]).segments
    assert (asked.frames, asked.height, asked.width) == (3, 4, 4)
    with pytest.raises(ValueError, match=r"layout must have \['audio'\]"):
        find_task("text-to-sound").layout(Layout((Text(),)))


def test_frames_are_put_together(rng):
    record = record_of(rng, frames=5)
    for name in ("frame-prediction", "interpolation", "outpainting-central"):
        posed = pose(find_task(name), record, FULL)
        assert same(find_task(name).join(posed.given, posed.asked), record[1:2])


def test_media_that_stand_alone_are_given(rng):
    text, video, sound = record_of(rng, frames=5)
    [first] = find_task("frame-prediction").give([video], FULL)
    np.testing.assert_array_equal(data(first), data(video)[:1])
    [crop] = find_task("outpainting-central").give([video], FULL)
    assert same([crop], [video])
    assert find_task("unconditional").give([], FULL) == []
    for media in ([], [text, sound], [video], [text, text]):
        with pytest.raises(ValueError, match="is given"):
            find_task("text-to-sound").give(media, FULL)


def test_what_is_no_stream_of_a_task_is_refused(rng):
    record = record_of(rng)
    first, text, second, video = pose(find_task("text-to-video"), record, FULL).segments(FULL)
    for broken in (
        [],
        record,
        [first, text],
        [text, first, second, video],
        [first, second, video],
        [first, text, second],
        [second, text, first, video],
        [first, text, second, record[2]],
        [first, text, second, video, record[2]],
    ):
        with pytest.raises(ValueError, match="must"):
            read_posed(broken, FULL)
    other = pose(find_task("text-to-image"), record, FULL).segments(FULL)
    with pytest.raises(ValueError, match="headers must say what follows them"):
        read_posed([first, text, other[2], video], FULL)
    with pytest.raises(ValueError, match="task must be one of"):
        find_task("video-to-smell")
    paper = Vocabulary.from_preset("paper")
    sound = audio_segment(np.full((2, 2), paper.level_ids.start), paper)
    with pytest.raises(ValueError, match="the vocabulary has no special '<task:unconditional>'"):
        pose(find_task("unconditional"), [sound], paper).segments(paper)
