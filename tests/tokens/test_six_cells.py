"""The six cells: whole grids, windows and single steps agree with the definition."""

import numpy as np
import pytest
from fakes import random_segments
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.tokens.grid import flatten, text_segment
from pixelbytes_hf.tokens.six_cells import CONTEXT_SIZE, NEIGHBOURS, GridCursor, gather_context, gather_window
from pixelbytes_hf.tokens.vocabulary import Vocabulary

SHAPES = [(1, 1, 1), (1, 1, 9), (1, 5, 1), (2, 3, 4), (7, 1, 2), (3, 2, 1)]
PAPER = Vocabulary.from_preset("paper")


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
    vocabulary = PAPER
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
    vocabulary = PAPER
    for segment in random_segments(np.random.default_rng(seed), vocabulary):
        _, rows, columns = segment.ids.shape
        free = segment.modality == "image" and not known
        cursor = GridCursor(*((None, None) if free else (rows, columns)), pad_id=0)
        expected = gather_context(segment.ids, pad_id=0)
        for token_id, row in zip(segment.ids.reshape(-1).tolist(), expected.tolist(), strict=True):
            assert cursor.context() == row
            cursor.push(token_id, ends_row=free and token_id == 1, ends_frame=free and token_id == 2)
