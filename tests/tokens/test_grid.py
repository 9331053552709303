import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.tokens.grid import (
    CONTEXT_SIZE,
    NEIGHBOURS,
    GridCursor,
    Segment,
    audio_segment,
    check_ids,
    flatten,
    gather_context,
    gather_window,
    image_segment,
    parse,
    text_segment,
)
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SHAPES = [(1, 1, 1), (1, 1, 9), (1, 5, 1), (2, 3, 4), (7, 1, 2), (3, 2, 1)]
VOCABULARIES = {name: Vocabulary.from_preset(name) for name in ("paper", "full")}


def reference_context(grid, pad_id):
    """Return the contexts as the definition reads, one cell at a time."""
    rows = []
    for position, (frame, row, column) in enumerate(np.ndindex(grid.shape)):
        cells = []
        for offset in NEIGHBOURS:
            place = (frame + offset.frame, row + offset.row, column + offset.column)
            inside = all(0 <= p < n for p, n in zip(place, grid.shape, strict=True))
            cells.append(grid[place] if inside else pad_id)
        rows.append([*cells, grid.reshape(-1)[position - 1] if position else pad_id])
    return np.array(rows)


def random_segments(rng, vocabulary):
    def draw(ids, *shape):
        return rng.integers(ids.start, ids.stop, shape)

    letters = np.array([i for i in vocabulary.byte_ids if i > 2])
    segments = [
        text_segment(rng.choice(letters, rng.integers(0, 9)), vocabulary),
        image_segment(draw(vocabulary.pixel_ids, *rng.integers(1, 5, 3)), vocabulary),
        audio_segment(draw(vocabulary.level_ids, rng.integers(1, 9), rng.integers(1, 4)), vocabulary),
    ]
    return [segments[n] for n in rng.permutation(3)[: rng.integers(1, 4)]]


@pytest.mark.parametrize("shape", SHAPES)
def test_context_equals_the_definition(shape, rng):
    grid = rng.integers(1, 150, shape)
    assert np.array_equal(gather_context(grid, pad_id=0), reference_context(grid, 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_context_reads_only_earlier_cells(shape):
    grid = np.arange(1, np.prod(shape) + 1).reshape(shape)  # id = raster position + 1, so 0 can only be padding
    context = gather_context(grid, pad_id=0)
    assert context.shape == (grid.size, CONTEXT_SIZE)
    assert (context < grid.reshape(-1, 1)).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_window_equals_the_slice_of_the_whole(seed, data):
    vocabulary = VOCABULARIES["paper"]
    ids, shapes = flatten(segments := random_segments(np.random.default_rng(seed), vocabulary))
    whole = np.concatenate([gather_context(segment.ids, pad_id=0) for segment in segments])
    start = data.draw(st.integers(0, len(ids) - 1))
    stop = data.draw(st.integers(start + 1, len(ids)))
    assert np.array_equal(gather_window(ids, shapes, start, stop, pad_id=0), whole[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (0, 99)])
def test_window_outside_the_record_is_refused(paper, start, stop):
    ids, shapes = flatten([text_segment(np.array([40, 41]), paper)])
    with pytest.raises(ValueError, match="window"):
        gather_window(ids, shapes, start, stop, pad_id=0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), known=st.booleans())
def test_cursor_equals_gather_context(seed, known):
    vocabulary = VOCABULARIES["paper"]
    for segment in random_segments(np.random.default_rng(seed), vocabulary):
        _, rows, columns = segment.ids.shape
        free = segment.modality == "image" and not known
        cursor = GridCursor(*((None, None) if free else (rows, columns)), pad_id=0)
        expected = gather_context(segment.ids, pad_id=0)
        for token_id, row in zip(segment.ids.reshape(-1).tolist(), expected.tolist(), strict=True):
            assert cursor.context() == row
            cursor.push(token_id, ends_row=free and token_id == 1, ends_frame=free and token_id == 2)


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


@pytest.mark.parametrize(
    ("ids", "error"), [([0, 151], ValueError), ([-1], ValueError), ([0.5], TypeError), ([[1]], ValueError)]
)
def test_ids_outside_the_vocabulary_are_refused(paper, ids, error):
    with pytest.raises(error, match="ids"):
        check_ids(np.array(ids), paper)


def test_empty_grids_are_refused(paper):
    with pytest.raises(ValueError, match="image ids"):
        image_segment(np.zeros((0, 2, 2), int), paper)
    with pytest.raises(ValueError, match="audio ids"):
        audio_segment(np.zeros((0, 2), int), paper)
    with pytest.raises(ValueError, match="segments"):
        flatten([])
    assert Segment("text", np.zeros((1, 1, 3), int)).shape.size == 3
