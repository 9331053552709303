"""Context rules: the windows of the first approach, at once and in steps."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelbytes_hf.generation.grammar import FreeGrammar, LayoutGrammar
from pixelbytes_hf.generation.layout import Image, Layout, Text
from pixelbytes_hf.generation.segment_grammar import LegalIds
from pixelbytes_hf.tokens.contexts import (
    CONTEXT_RULES,
    FURTHER_NEIGHBOURS,
    LAGS,
    WINDOW_CELLS,
    WINDOW_CENTRE,
    causal_window,
    context_rule,
)
from pixelbytes_hf.tokens.grid import Shape, audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.six_cells import GridCursor, gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

PAPER = Vocabulary.from_preset("paper")
LEGAL_IDS = LegalIds(PAPER)
WINDOWS, ZIGZAG, WIDE = CONTEXT_RULES[9], CONTEXT_RULES[6], CONTEXT_RULES[30]
SHAPES = [(1, 1, 1), (1, 1, 9), (1, 5, 1), (2, 3, 4), (7, 1, 2), (3, 2, 1)]


def slow_windows(grid):
    """Return the windows as the definition reads, one cell at a time."""
    windows = []
    for frame, row, column in np.ndindex(grid.shape):
        window = []
        for down, right in np.ndindex(3, 3):
            place = row + down - 1, column + right - 1
            is_read = (down, right) <= (1, 1)
            inside = 0 <= place[0] < grid.shape[1] and 0 <= place[1] < grid.shape[2]
            window.append(int(grid[frame, *place]) if is_read and inside else 0)
        windows.append(window)
    return np.array(windows)


def random_record(rng, *, with_sound=True):
    letters = np.array([i for i in PAPER.byte_ids if i > 2])
    frames, rows, columns = rng.integers(1, 5, 3)
    pixels = rng.integers(PAPER.pixel_ids.start, PAPER.pixel_ids.stop, (frames, rows, columns))
    levels = rng.integers(PAPER.level_ids.start, PAPER.level_ids.stop, (rng.integers(1, 9), 2))
    segments = [text_segment(rng.choice(letters, rng.integers(1, 9)), PAPER), image_segment(pixels, PAPER)]
    return [*segments, audio_segment(levels, PAPER)] if with_sound else segments


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_equal_the_definition(shape, rng):
    grid = rng.integers(1, 150, shape)
    assert np.array_equal(gather_context(grid, WINDOW_CELLS, pad_id=0), slow_windows(grid))


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_hold_nothing_later_than_their_centre(shape):
    grid = np.arange(1, np.prod(shape) + 1).reshape(shape)  # id = raster position + 1, so 0 can only be padding
    windows = gather_context(grid, WINDOW_CELLS, pad_id=0)
    assert np.array_equal(windows[:, WINDOW_CENTRE], grid.reshape(-1))
    assert (windows <= grid.reshape(-1, 1)).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_row_n_is_the_window_centred_on_token_n_minus_one(seed, data):
    ids, shapes = flatten(segments := random_record(np.random.default_rng(seed)))
    windows = np.concatenate([slow_windows(segment.ids) for segment in segments])
    whole = np.concatenate([np.full((1, 9), 7), windows[:-1]])
    whole[windows[:, 0] < 0] = 0
    start = data.draw(st.integers(0, len(ids) - 1))
    stop = data.draw(st.integers(start + 1, len(ids)))
    rows = WINDOWS.gather(ids, shapes, start, stop, pad_id=7)
    # an empty cell and an id of 0 look alike in the slow reference, which knows but one padding
    assert np.array_equal(np.where(rows == 7, 0, rows), np.where(whole == 7, 0, whole)[start:stop])
    assert np.array_equal(rows[:, WINDOWS.newest_cell][start == 0 :], ids[max(start - 1, 0) : stop - 1])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rule=st.sampled_from([WINDOWS, ZIGZAG]))
def test_a_grammar_reads_the_same_rows_in_steps(seed, rule):
    ids, shapes = flatten(random_record(np.random.default_rng(seed)))
    rows = rule.gather(ids, shapes, 0, len(ids), pad_id=0).tolist()
    grammar = FreeGrammar(LEGAL_IDS, rule=rule)
    opens = {0, *np.cumsum([shape.size for shape in shapes]).tolist()}
    for position, token_id in enumerate(ids.tolist()):
        # six cells cannot know that an image has ended until another segment has begun
        if rule.crosses_segments or position not in opens:
            assert grammar.context() == rows[position]
        grammar.push(token_id)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 30), rule=st.sampled_from([WINDOWS, ZIGZAG]))
def test_a_layout_reads_the_same_rows_in_steps(seed, cut, rule):
    text, image = random_record(np.random.default_rng(seed), with_sound=False)
    ids, shapes = flatten([text, image])
    rows = rule.gather(ids, shapes, 0, len(ids), pad_id=0).tolist()
    frames, height, columns = image.ids.shape
    picture = Image(width=columns - 1, height=height, frames=frames)
    cut = min(cut, len(ids) - 1)
    if cut == 0:
        layout = Layout((Text(max_length=text.ids.size), picture))
    elif cut < text.ids.size:
        layout = Layout((Text(max_length=text.ids.size, continues=True), picture))
    else:
        layout = Layout((dataclasses.replace(picture, continues=cut > text.ids.size),))
    grammar = LayoutGrammar(layout, LEGAL_IDS, ids[:cut].tolist(), rule=rule)
    for position in range(cut, len(ids)):
        assert grammar.context() == rows[position]
        grammar.push(int(ids[position]))


@pytest.mark.parametrize(("rows", "columns"), [(None, None), (3, None), (None, 4), (3, 4)])
def test_cursor_needs_no_extent_beforehand(rows, columns, rng):
    grid = rng.integers(1, 150, (2, 3, 4))
    cursor = GridCursor(rows, columns, pad_id=0)
    assert causal_window(cursor, pad_id=0) == causal_window(None, pad_id=0) == [0] * 9
    for (_, row, column), expected in zip(np.ndindex(grid.shape), slow_windows(grid), strict=True):
        token_id = int(grid.reshape(-1)[len(cursor.ids)])
        cursor.push(token_id, ends_row=column == 3, ends_frame=(row, column) == (2, 3))
        assert causal_window(cursor, pad_id=0) == expected.tolist()


def test_six_cells_are_those_of_the_grid(rng):
    grid = rng.integers(1, 150, (2, 3, 4))
    shapes = (image_segment(grid[:, :, :-1], PAPER).shape,)
    rows = ZIGZAG.gather(grid.reshape(-1), shapes, 0, grid.size, pad_id=0)
    assert np.array_equal(rows, gather_context(grid, pad_id=0))
    assert ZIGZAG.read(None, None, pad_id=3) == [3] * 6


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (0, 99), (0, 0)])
def test_rows_outside_the_record_are_refused(start, stop):
    ids, shapes = flatten([text_segment(np.array([40, 41]), PAPER)])
    with pytest.raises(ValueError, match="window"):
        WINDOWS.gather(ids, shapes, start, stop, pad_id=0)


def test_unknown_size_is_refused():
    with pytest.raises(ValueError, match=r"context_size must be one of \[6, .*9.*\], which have a rule, got 5"):
        context_rule(5)
    assert all(context_rule(size).size == size for size in CONTEXT_RULES)


def slow_wide_row(ids, shapes, position):
    """Return the thirty cells of a position as the definition reads."""
    offset = 0
    for shape in shapes:
        if position < offset + shape.size:
            break
        offset += shape.size
    grid, place = ids[offset : offset + shape.size].reshape(shape[1:]), position - offset
    here = np.unravel_index(place, shape[1:])
    row = gather_context(grid, pad_id=0)[place].tolist()
    for neighbour in FURTHER_NEIGHBOURS:
        there = tuple(int(a) + b for a, b in zip(here, neighbour, strict=True))
        inside = all(0 <= at < size for at, size in zip(there, shape[1:], strict=True))
        row.append(int(grid[there]) if inside else 0)
    return row + [int(grid.ravel()[place - lag]) if place >= lag else 0 for lag in LAGS]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_wide_rows_equal_the_definition_in_any_window(seed):
    rng = np.random.default_rng(seed)
    ids, shapes = flatten(random_record(rng))
    expected = np.array([slow_wide_row(ids, shapes, position) for position in range(len(ids))])
    start, stop = sorted(rng.choice(len(ids) + 1, 2, replace=False))
    got = WIDE.gather(ids, shapes, start, stop, pad_id=0)
    assert got.dtype == ids.dtype and np.array_equal(got, expected[start:stop])
    assert np.array_equal(got[:, :6], ZIGZAG.gather(ids, shapes, start, stop, pad_id=0))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_wide_rows_in_steps_equal_those_at_once(seed, is_known):
    rng = np.random.default_rng(seed)
    for segment in random_record(rng):
        frames, rows, columns = segment.ids.shape
        cursor = GridCursor(rows if is_known else None, columns if is_known else None, pad_id=0)
        expected = WIDE.gather(segment.ids.ravel(), [segment.shape], 0, segment.ids.size, pad_id=0)
        for (_, row, column), row_of_cells in zip(np.ndindex(frames, rows, columns), expected, strict=True):
            assert WIDE.read(cursor, None, pad_id=0) == row_of_cells.tolist()
            ends_row = column == columns - 1
            token_id = int(segment.ids.ravel()[len(cursor.ids)])
            cursor.push(token_id, ends_row=ends_row, ends_frame=ends_row and row == rows - 1)


def test_wide_cells_are_where_they_are_said():
    shape = Shape("image", 3, 5, 6)
    ids = np.arange(1, shape.size + 1, dtype=np.uint8)
    grid, place = ids.reshape(3, 5, 6), int(np.ravel_multi_index((2, 2, 2), (3, 5, 6)))
    row = WIDE.gather(ids, [shape], place, place + 1, pad_id=0)[0].tolist()
    before = grid[1]
    around = [before[2, 1], before[2, 3], before[1, 1], before[1, 3], before[3, 1], before[3, 3], grid[0, 2, 2]]
    above = [grid[2, 1, 3], grid[2, 1, 4], grid[2, 1, 0], grid[2, 0, 2], grid[2, 2, 1]]
    assert row[6:18] == [*around, *above]
    assert row[18:] == [place + 1 - lag for lag in range(2, 14)]
