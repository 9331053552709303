import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.generation.grammar import FreeGrammar, LayoutGrammar, last_run
from pixelbytes_hf.generation.layout import Audio, Image, Layout, Text, as_layout
from pixelbytes_hf.generation.segment_grammar import LegalIds
from pixelbytes_hf.tokens.grid import audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER, FULL = Vocabulary.from_preset("paper"), Vocabulary.from_preset("full")
# one byte that is not layout, one colour, two levels: small enough to enumerate every output
TINY = Vocabulary((0, 9, 10, 97), ((0, 0, 0),), (-1.0, 1.0))
LEGAL = {vocabulary.size: LegalIds(vocabulary) for vocabulary in (PAPER, FULL, TINY)}

texts = st.builds(Text, max_length=st.integers(1, 5))
sides = st.none() | st.integers(1, 3)
largest = st.integers(1, 3)
images = st.builds(Image, frames=st.integers(1, 3), height=sides, width=sides, max_height=largest, max_width=largest)
free_sounds = st.builds(Audio, channels=st.integers(1, 3), max_samples=st.integers(1, 4))
sounds = st.builds(Audio, channels=st.integers(1, 3), samples=st.integers(1, 4))


@st.composite
def steered_sounds(draw, level_ids=PAPER.level_ids):
    channels = draw(st.integers(1, 3))
    given_channels = draw(st.sets(st.integers(0, channels - 1), min_size=1))
    samples = draw(st.integers(1, 4))
    levels = st.lists(st.sampled_from(level_ids), min_size=samples, max_size=samples)
    return Audio(channels=channels, given={channel: draw(levels) for channel in given_channels})


@st.composite
def layouts(draw, *, continues=False):
    segments = draw(st.lists(texts | images | free_sounds | sounds | steered_sounds(), min_size=1, max_size=4))
    kept = [segments[0]]
    for segment in segments[1:]:
        if segment.modality != kept[-1].modality or segment.modality == "audio":
            kept.append(segment)
    if continues:
        kept[0] = replace(kept[0], continues=True)
    return Layout(tuple(kept))


def walk(grammar, choose, budget):
    """Return the ids that `choose` takes from the legal ones until the grammar ends, and their contexts."""
    ids, contexts = [], []
    while not grammar.finished:
        contexts.append(grammar.context())
        ids.append(choose(np.flatnonzero(grammar.legal(budget - len(ids)).numpy())))
        grammar.push(int(ids[-1]))
    return ids, contexts


def contexts_of(segments):
    return np.concatenate([gather_context(segment.ids, pad_id=0) for segment in segments])


@settings(max_examples=150, deadline=None)
@given(layouts(), st.integers(0, 2**32), st.floats(0, 1), st.booleans())
def test_random_walks_end_in_budget_and_decode_as_the_layout_says(layout, seed, share, in_paper):
    vocabulary = PAPER if in_paper else FULL
    if not in_paper and any(isinstance(s, Audio) and s.given for s in layout.segments):
        return  # the given ids are the paper's
    grammar = LayoutGrammar(layout, LEGAL[vocabulary.size])
    fewest, most = grammar.fewest, grammar.most
    budget = fewest + round(share * (most - fewest))
    ids, contexts = walk(grammar, np.random.default_rng(seed).choice, budget)
    assert fewest <= len(ids) <= budget
    segments, problems = parse(np.array(ids), vocabulary)
    assert not problems
    assert [s.modality for s in segments] == [s.modality for s in layout.segments]
    assert np.array_equal(contexts_of(segments), contexts)
    for segment, wanted in zip(segments, layout.segments, strict=True):
        assert_extent(segment.ids, wanted)


def assert_extent(ids, wanted):
    if isinstance(wanted, Text):
        assert ids.shape[2] - 1 <= wanted.max_length
    elif isinstance(wanted, Image):
        frames, height, width = ids.shape[0], ids.shape[1], ids.shape[2] - 1
        assert frames == wanted.frames
        assert height == wanted.height or (wanted.height is None and height <= wanted.max_height)
        assert width == wanted.width or (wanted.width is None and width <= wanted.max_width)
    else:
        assert ids.shape[2] == wanted.channels
        assert len(ids) - 1 == wanted.samples or (wanted.samples is None and len(ids) - 1 <= wanted.max_samples)
        for channel, levels in (wanted.given or {}).items():
            assert ids[:-1, 0, channel].tolist() == list(levels)


def every_output(layout, vocabulary, prefix=()):
    grammar = LayoutGrammar(layout, LEGAL[vocabulary.size])
    for token_id in prefix:
        grammar.push(token_id)
    if grammar.finished:
        return {prefix}
    legal = np.flatnonzero(grammar.legal().numpy()).tolist()
    return set().union(*(every_output(layout, vocabulary, (*prefix, token_id)) for token_id in legal))


@pytest.mark.parametrize(
    ("layout", "segments"),
    [
        (Text(max_length=3), [text_segment(np.full(n, 3), TINY) for n in range(4)]),
        (
            Image(frames=2, max_height=2, max_width=3),
            [image_segment(np.full((2, h, w), 4), TINY) for h in (1, 2) for w in (1, 2, 3)],
        ),
        (Image(height=2, max_width=2), [image_segment(np.full((1, 2, w), 4), TINY) for w in (1, 2)]),
        (Image(width=2, max_height=3), [image_segment(np.full((1, h, 2), 4), TINY) for h in (1, 2, 3)]),
        (
            Audio(channels=1, max_samples=2),
            [audio_segment(np.array(s)[:, None], TINY) for s in ([5], [6], [5, 5], [5, 6], [6, 5], [6, 6])],
        ),
        (
            Audio(channels=2, given={0: [5, 6]}),
            [audio_segment(np.array([[5, a], [6, b]]), TINY) for a in (5, 6) for b in (5, 6)],
        ),
    ],
)
def test_grammar_allows_exactly_the_segments_the_layout_describes(layout, segments):
    expected = {tuple(flatten([segment])[0].tolist()) for segment in segments}
    assert every_output(as_layout(layout), TINY) == expected
    lengths = {len(ids) for ids in expected}
    grammar = LayoutGrammar(as_layout(layout), LEGAL[TINY.size])
    assert (grammar.fewest, grammar.most) == (min(lengths), max(lengths))


@settings(max_examples=100, deadline=None)
@given(layouts(continues=True), st.integers(0, 2**32), st.data())
def test_any_prefix_of_an_output_can_be_continued(layout, seed, data):
    rng = np.random.default_rng(seed)
    before = text_segment(np.array([32, 33]), PAPER) if layout.segments[0].modality != "text" else None
    whole, contexts = walk(LayoutGrammar(layout, LEGAL[151]), rng.choice, 2**40)
    first = parse(np.array(whole), PAPER).segments[0].ids.size
    length = data.draw(st.integers(0, first if len(layout.segments) > 1 else first - 1))
    prompt = [] if before is None else flatten([before])[0].tolist()
    grammar = LayoutGrammar(layout, LEGAL[151], prompt + whole[:length])
    for token_id, context in zip(whole[length:], contexts[length:], strict=True):
        assert grammar.context() == context
        assert grammar.legal()[token_id]
        grammar.push(int(token_id))
    assert grammar.finished


def test_illegal_prompt_is_refused_by_position_and_id():
    prompt = [32, 2, 60, 61, 1, 60, 1]  # a text, then rows of two pixels and of one
    with pytest.raises(ValueError, match=r"position 6, id 1 \(<0x09>\) is not legal: expected pixel"):
        LayoutGrammar(Layout((Image(continues=True),)), LEGAL[151], prompt)
    with pytest.raises(ValueError, match=r"position 4, id 1 .* expected pixel"):
        LayoutGrammar(Layout((Image(width=3, continues=True),)), LEGAL[151], prompt)
    with pytest.raises(ValueError, match="nothing is left to generate"):
        LayoutGrammar(Layout((Text(continues=True),)), LEGAL[151], [32, 33, 2])


def test_continuing_begins_anew_where_the_prompt_ends_in_another_modality():
    grammar = LayoutGrammar(Layout((Image(width=2, height=1, continues=True),)), LEGAL[151], [32, 33, 2])
    assert grammar.opens_segment
    assert grammar.context() == [0] * 6


def test_masks_are_made_once():
    grammar = LayoutGrammar(as_layout(Image(width=4, height=4)), LEGAL[151])
    first = grammar.legal()
    grammar.push(60)
    assert grammar.legal() is first
    assert first.nonzero().flatten().tolist() == list(PAPER.pixel_ids)


def test_budget_makes_a_free_size_end_in_time():
    grammar = LayoutGrammar(as_layout(["text", Image(frames=2)]), LEGAL[151])
    assert grammar.fewest == 1 + 2 * 2
    ids, _ = walk(grammar, max, 17)  # pixels and bytes have larger ids than marks, so nothing ends on its own
    assert len(ids) == 17
    assert not parse(np.array(ids), PAPER).problems


def test_text_of_the_paper_preset_holds_no_layout():
    legal = LayoutGrammar(as_layout("text"), LEGAL[151]).legal(1000)
    assert legal.nonzero().flatten().tolist() == [2, *range(3, 58)]


def test_illegal_push_is_refused():
    grammar = LayoutGrammar(as_layout(Image(width=1, height=1)), LEGAL[151])
    with pytest.raises(ValueError, match=r"id 120 .* is not legal: expected pixel"):
        grammar.push(120)
    for token_id in (60, 2):
        grammar.push(token_id)
    with pytest.raises(ValueError, match="after the layout's end"):
        grammar.push(60)
    assert grammar.fewest == grammar.most == 0
    assert not grammar.legal().any()


def test_adjacent_segments_that_read_as_one_are_refused():
    for first, second in pairwise([Image(), Image(height=3), Image(height=3, width=3)]):
        with pytest.raises(ValueError, match="adjacent images"):
            Layout((first, second))
    Layout((Image(height=3), Image(height=4)))
    Layout((Image(), Text(), Image()))
    with pytest.raises(ValueError, match="adjacent texts"):
        LayoutGrammar(as_layout(["text", "text"]), LEGAL[151])
    ids, _ = walk(LayoutGrammar(as_layout(["text", "text"]), LEGAL[FULL.size]), min, 9)
    assert len(parse(np.array(ids), FULL).segments) == 2


def test_given_must_be_levels():
    with pytest.raises(ValueError, match=r"level ids, in 113\.\.150, got \[60\]"):
        LayoutGrammar(as_layout(Audio(given={0: [120, 60]})), LEGAL[151])


@settings(max_examples=50, deadline=None)
@given(layouts() | layouts(continues=True))
def test_layout_survives_json(layout):
    assert Layout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


def test_as_layout_reads_names_segments_and_dictionaries():
    expected = Layout((Text(), Audio()))
    assert as_layout(["text", Audio()]) == as_layout(("text", "audio")) == as_layout(expected.to_dict()) == expected
    assert as_layout("image") == as_layout(Image()) == Layout((Image(),))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Text(max_length=0), ValueError, "max_length must be at least 1, got 0"),
        (lambda: Text(max_length=2.0), TypeError, "max_length must be an int, got float"),
        (lambda: Image(frames=0), ValueError, "frames must be at least 1"),
        (lambda: Image(width=-1), ValueError, "width must be at least 1"),
        (lambda: Audio(channels=True), TypeError, "channels must be an int, got bool"),
        (lambda: Audio(samples=3, max_samples=4), ValueError, "samples or max_samples, not both"),
        (lambda: Audio(given={2: [120]}), ValueError, r"channels in 0\.\.1, got \[2\]"),
        (lambda: Audio(given={0: [120], 1: [120, 121]}), ValueError, "one length"),
        (lambda: Audio(given={0: []}), ValueError, "one length"),
        (lambda: Audio(samples=3, given={0: [120]}), ValueError, "samples 3"),
        (lambda: Audio(max_samples=1, given={0: [120, 121]}), ValueError, "max_samples 1"),
        (lambda: Layout(()), ValueError, "at least one segment"),
        (lambda: Layout(("text",)), TypeError, "got str"),
        (lambda: Layout((Text(), Image(continues=True))), ValueError, "only the first"),
        (lambda: as_layout("video"), ValueError, "got 'video'"),
        (lambda: as_layout(3), TypeError, "got 3"),
        (lambda: Layout.from_dict({}), ValueError, "'segments'"),
        (lambda: Layout.from_dict({"segments": [{"modality": "text", "length": 3}]}), ValueError, r"\['length'\]"),
    ],
)
def test_malformed_layouts_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@settings(max_examples=100, deadline=None)
@given(layouts(), st.integers(0, 2**32), st.booleans())
def test_free_reading_gives_the_context_of_the_record(layout, seed, in_paper):
    vocabulary = PAPER if in_paper else FULL
    stereo = Audio(max_samples=3)  # what a reader without a prompt expects
    layout = Layout(tuple(stereo if segment.modality == "audio" else segment for segment in layout.segments))
    ids, contexts = walk(LayoutGrammar(layout, LEGAL[vocabulary.size]), np.random.default_rng(seed).choice, 2**40)
    segments = parse(np.array(ids), vocabulary).segments
    starts = np.cumsum([0, *(segment.ids.size for segment in segments)])
    follows_image = {int(b) for b, segment in zip(starts[1:], segments, strict=True) if segment.modality == "image"}
    reader = FreeGrammar(LEGAL[vocabulary.size])
    for position, (token_id, context) in enumerate(zip(ids, contexts, strict=True)):
        if position not in follows_image:
            assert reader.context() == context
        reader.push(int(token_id))
    assert reader.segment.modality == segments[-1].modality


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_free_reading_takes_the_channels_from_the_prompt(channels):
    sound = audio_segment(np.arange(113, 113 + 4 * channels).reshape(4, channels), PAPER)
    ids = flatten([sound, sound])[0].tolist()
    reader = FreeGrammar(LEGAL[151], ids[: sound.ids.size])
    for token_id, context in zip(ids[: sound.ids.size], gather_context(sound.ids, pad_id=0).tolist(), strict=True):
        assert reader.context() == context
        reader.push(token_id)
    assert reader.segment.closed


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 606), max_size=60), st.booleans())
def test_free_reading_takes_any_stream(ids, in_paper):
    vocabulary = PAPER if in_paper else FULL
    reader = FreeGrammar(LEGAL[vocabulary.size], [token_id % vocabulary.size for token_id in ids])
    assert len(reader.context()) == 6
    assert reader.legal() is None


def test_most_counts_the_marks_alone_once_a_sound_ends():
    grammar = LayoutGrammar(as_layout(Audio(channels=3, max_samples=9)), LEGAL[151])
    for token_id in (113, 114, 115, 1):
        grammar.push(token_id)
    assert grammar.most == grammar.fewest == 2


def test_free_reading_keeps_layout_bytes_in_a_text_of_the_paper_preset():
    reader = FreeGrammar(LEGAL[151], [32, 1, 0, 33])
    assert reader.segment.cursor.ids == [32, 1, 0, 33]


def test_free_reading_ends_a_span_that_opens_nothing():
    mask_id = FULL.tokens.index("<mask>")
    reader = FreeGrammar(LEGAL[FULL.size], [mask_id])
    assert reader.context() == [0] * 6
    reader.push(FULL.byte_ids.start)
    assert reader.segment.cursor.ids == [FULL.byte_ids.start]


def test_last_run_of_a_text_or_sound_is_its_last_one():
    tokens = [113, 114, 1, 2, 115, 116]
    assert last_run(tokens, "audio", LEGAL[151]) == 4
    assert last_run([32, 2, 33], "text", LEGAL[151]) == 2
    assert last_run([60, 2, 61], "image", LEGAL[151]) == 0
    assert last_run([60, 2], "text", LEGAL[151]) == 2
    # a mark that ends nothing is an empty text; those of a sound are none
    streams = [2], [60, 2, 2], [120, 121, 1, 2], [120, 121, 1, 2, 32, 1], [120, 1, 32]
    assert [last_run(ids, "text", LEGAL[151]) for ids in streams] == [0, 2, 4, 4, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the key 'segments' alone"),
        ({"segments": {}}, "the key 'segments' alone"),
        ({"segments": ["text"]}, "must be dictionaries, got 'text'"),
        ({"segments": [{"modality": "image", "frames": 10**12}]}, "frames must be at most"),
        ({"segments": [{"modality": "text", "max_length": 10**12}]}, "max_length must be at most"),
        ({"segments": [{"modality": "audio", "given": [1]}]}, "given must be ids by channel"),
        ({"segments": [{"modality": "text", "continues": "no"}]}, "continues must be a bool"),
    ],
)
def test_a_layout_from_a_file_is_refused_by_key(data, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Layout.from_dict(data)
