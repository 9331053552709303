"""Layouts, grammars and in-filling of segments of codes: the same code as for media, other ids."""

import numpy as np
import pytest
import torch
from fakes import random_segments
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.generation.grammar import FreeGrammar, LayoutGrammar, last_run
from pixelbytes_hf.generation.infilling import fill_layouts, infill
from pixelbytes_hf.generation.layout import Audio, AudioCodes, Image, ImageCodes, Layout, Task, Text, as_layout
from pixelbytes_hf.generation.regions import hide, hide_channel, hide_half
from pixelbytes_hf.generation.segment_grammar import LegalIds
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.tokens.grid import codes_of_segment, flatten, open_segment
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

CODED = Vocabulary.from_preset("full").with_codes(image=7, audio=(5, 4, 3))
PAPER_CODED = Vocabulary.from_preset("paper").with_codes(image=7, audio=(5, 4, 3))
LEGAL = {vocabulary.size: LegalIds(vocabulary) for vocabulary in (CODED, PAPER_CODED)}

sides = st.none() | st.integers(1, 3)
largest = st.integers(1, 3)
sizes = {"frames": largest, "height": sides, "width": sides, "max_height": largest, "max_width": largest}
segment_layouts = st.one_of(
    st.builds(ImageCodes, **sizes),
    st.builds(AudioCodes, channels=st.integers(1, 3), max_samples=st.integers(1, 4)),
    st.builds(AudioCodes, channels=st.integers(1, 3), samples=st.integers(1, 4)),
    st.builds(Task, max_length=st.integers(1, 3)),
    st.builds(Text, max_length=st.integers(1, 3)),
    st.builds(Image, **sizes),
    st.builds(Audio, channels=st.integers(1, 2), samples=st.integers(1, 3)),
)


@st.composite
def layouts(draw):
    kept = []
    for segment in draw(st.lists(segment_layouts, min_size=1, max_size=4)):
        if not kept or kept[-1].modality != segment.modality:
            kept.append(segment)
    return Layout(tuple(kept))


@settings(max_examples=100, deadline=None)
@given(layout=layouts(), seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_random_walks_decode_as_the_layout_says(layout, seed, share):
    random, grammar, ids, contexts = np.random.default_rng(seed), LayoutGrammar(layout, LEGAL[CODED.size]), [], []
    budget = grammar.fewest + round(share * (grammar.most - grammar.fewest))
    while not grammar.finished:
        contexts.append(grammar.context())
        ids.append(int(random.choice(np.flatnonzero(grammar.legal(budget - len(ids)).numpy()))))
        grammar.push(ids[-1])
    segments, problems = parse(np.array(ids), CODED)
    assert not problems and len(ids) <= budget
    assert [segment.modality for segment in segments] == [segment.modality for segment in layout.segments]
    assert np.array_equal(contexts, np.concatenate([gather_context(each.ids, pad_id=0) for each in segments]))
    for segment, wanted in zip(segments, layout.segments, strict=True):
        codes_of_segment(segment, CODED)  # raises where a code stands in another column than its level's
        assert (np.array(open_segment(segment).shape) <= wanted.extent).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), vocabulary=st.sampled_from([CODED, PAPER_CODED]))
def test_each_column_of_a_sound_takes_its_level_alone(seed, vocabulary):
    random = np.random.default_rng(seed)
    columns, samples = int(random.integers(1, 4)), int(random.integers(1, 4))
    grammar = LayoutGrammar(as_layout(AudioCodes(channels=columns, samples=samples)), LEGAL[vocabulary.size])
    for number in range(samples * columns):
        legal = np.flatnonzero(grammar.legal().numpy())
        assert legal.tolist() == [*vocabulary.audio_code_ids[number % columns]]
        grammar.push(int(random.choice(legal)))
    with pytest.raises(ValueError, match=r"expected (row|segment)_end"):
        grammar.push(vocabulary.audio_code_ids[0].start)


def test_what_stands_in_another_column_is_named():
    grammar = LayoutGrammar(as_layout(AudioCodes(channels=2, samples=2)), LEGAL[CODED.size])
    with pytest.raises(ValueError, match=r"<s1:0>.* is not legal: expected audio_code$"):
        grammar.push(CODED.audio_code_ids[1].start)
    grammar.push(CODED.audio_code_ids[0].start)
    with pytest.raises(ValueError, match=r"<s0:0>.* is not legal: expected audio_code:1$"):
        grammar.push(CODED.audio_code_ids[0].start)


def test_layouts_of_codes_are_data():
    layout = Layout((Task(), ImageCodes(frames=2, height=3, width=3), AudioCodes(given={1: [1, 2]}), Text()))
    assert Layout.from_dict(layout.to_dict()) == layout
    assert [type(segment) for segment in as_layout(["image_code", "audio_code"]).segments] == [ImageCodes, AudioCodes]
    assert AudioCodes() != Audio(channels=4) and AudioCodes().channels == 4
    # codes and pixels of one size are two segments; codes of one size are one
    Layout((Image(height=2, width=2), ImageCodes(height=2, width=2)))
    with pytest.raises(ValueError, match="adjacent images of one size"):
        Layout((ImageCodes(height=2, width=2), ImageCodes(height=2, width=2)))


@pytest.mark.parametrize(
    ("segment", "missing"),
    [(AudioCodes(channels=4), "audio_code:3"), (Image(), ""), (Task(), "")],
    ids=lambda value: getattr(value, "modality", value),
)
def test_a_layout_needs_ids(segment, missing):
    if missing:
        with pytest.raises(ValueError, match=missing):
            LayoutGrammar(as_layout(segment), LEGAL[CODED.size])
    else:
        LayoutGrammar(as_layout(segment), LEGAL[CODED.size])
    with pytest.raises(ValueError, match="none of task"):
        LayoutGrammar(as_layout(Task()), LEGAL[PAPER_CODED.size])


def test_given_levels_must_be_of_their_level():
    legal, other = ([ids.start] for ids in CODED.audio_code_ids[1::-1])
    LayoutGrammar(as_layout(AudioCodes(given={1: legal}, channels=2)), LEGAL[CODED.size])
    with pytest.raises(ValueError, match="audio_code:1 ids"):
        LayoutGrammar(as_layout(AudioCodes(given={1: other}, channels=2)), LEGAL[CODED.size])


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_free_reading_agrees_with_the_grids(seed):
    random, vocabulary = np.random.default_rng(seed), CODED
    [segment, *_] = random_segments(random, vocabulary)
    reader = FreeGrammar(LEGAL[vocabulary.size], columns={segment.modality: segment.ids.shape[2]})
    ids = segment.ids.reshape(-1).tolist()
    for token_id, context in zip(ids, gather_context(segment.ids, pad_id=0).tolist(), strict=True):
        assert reader.context() == context
        reader.push(token_id)
    assert reader.segment.modality == segment.modality or len(ids) == 1
    assert last_run(ids, segment.modality, LEGAL[vocabulary.size]) in (0, len(ids) - 1)


def test_codes_are_continued_like_pixels():
    layout = as_layout(ImageCodes(frames=2, height=1, width=2, continues=True))
    start = CODED.image_code_ids.start
    grammar = LayoutGrammar(layout, LEGAL[CODED.size], [start, start + 1, CODED.segment_end_id, start])
    assert grammar.fewest == 2 and np.flatnonzero(grammar.legal().numpy()).tolist() == [*CODED.image_code_ids]


MODEL = {"objective": "masked", "context_size": 7, "embedding_dim": 28}


def make_model():
    torch.manual_seed(0)
    config = PixelBytesConfig(vocab_size=CODED.size, mixer_config={"hidden_size": 8, "bidirectional": True}, **MODEL)
    return aPxBySequenceModel(config).eval()


@pytest.mark.parametrize("seed", range(3))
def test_hidden_codes_are_drawn_of_their_columns_level(seed):
    record = random_segments(np.random.default_rng(seed), CODED)
    shapes = [segment.shape for segment in record]
    generator = torch.Generator().manual_seed(seed)
    [filled] = infill(make_model(), [record], [hide(shapes)], CODED, generator=generator, temperature=5.0)
    assert [segment.shape for segment in filled] == shapes
    for segment in filled:
        codes_of_segment(segment, CODED)
    assert parse(flatten(filled)[0], CODED).problems == []


def test_layouts_of_codes_are_filled():
    layout = Layout((ImageCodes(height=2, width=2), AudioCodes(channels=3, samples=2), Task(max_length=1)))
    stream = fill_layouts(make_model(), [layout], None, None, CODED)[0].numpy()
    segments, problems = parse(stream, CODED)
    assert not problems and [segment.modality for segment in segments] == ["image_code", "audio_code", "task"]


def test_regions_of_codes_are_those_of_their_medium():
    rng = np.random.default_rng(0)
    shapes = [each.shape for each in random_segments(rng, CODED)]
    while {"image_code", "audio_code"} - {shape.modality for shape in shapes}:
        shapes = [each.shape for each in random_segments(rng, CODED)]
    names = [shape.modality for shape in shapes]
    assert hide_channel(shapes, names.index("audio_code"), 0).any()
    with pytest.raises(ValueError, match="modality 'image'"):
        hide_half(shapes, names.index("audio_code"), "left")
