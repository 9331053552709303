"""Token streams as strings, and what a stream is taken from: one row of a batch, or rows of contexts.

Axes: L positions, N context cells.
"""

from typing import Any

import numpy as np

from ...tokens.grid import Ids
from ...tokens.parsing import parse
from ...tokens.text_codec import decode_text
from ...tokens.vocabulary import Vocabulary


def one_stream(array: Any, context_size: int) -> tuple[Ids, bool]:
    """Return a stream (L,), or rows (L, N) and True.

    Args:
        array: (L,), (1, L) or (L, N); or a list of streams.
        context_size: N.

    Raises:
        ValueError: If there are several streams.
    """
    if not isinstance(array, list) and array.ndim == 2 and array.shape[1] == context_size:
        return array, True
    if not isinstance(array, list) and (array.ndim == 1 or (array.ndim == 2 and len(array) == 1)):
        return array.reshape(-1), False
    shape = f"{len(array)} streams" if isinstance(array, list) else f"shape {array.shape}"
    raise ValueError(
        f"ids must be one stream (L,) or context rows (L, {context_size}), got {shape}: decode one by one"
    )


def is_contexts(array: Any, context_size: int, pad_id: int) -> bool:
    """Return whether an array is the contexts (L, N) of a stream, and not a batch of streams of N ids.

    Before its first token a record has nothing: the first context is padding alone, which no stream is.
    """
    is_table = not isinstance(array, list) and array.ndim == 2 and array.shape[1] == context_size and len(array) > 0
    return is_table and bool((array[0] == pad_id).all())


def tokens_of_rows(rows: Ids, tables: Vocabulary, newest_cell: int) -> Ids:
    """Return the tokens that context rows (L, N) have read, padding left out.

    A row of nothing but padding opens a segment: what was read before it is the end mark of the one before.
    """
    filled = np.flatnonzero((rows != tables.pad_id).any(-1))
    if not filled.size:
        return rows[:0, newest_cell]
    rows = rows[filled[0] : filled[-1] + 1]
    opens = (rows == tables.pad_id).all(-1)
    return np.where(opens, tables.segment_end_id, rows[:, newest_cell])


def strip_padded(ids: Ids, tables: Vocabulary) -> Ids:
    """Return a stream (L,) without the padding at both ends."""
    kept = np.flatnonzero(ids != tables.pad_id)
    return ids[kept[0] : kept[-1] + 1] if kept.size else ids[:0]


def string_of_stream(ids: Ids, tables: Vocabulary, *, text_only: bool = False) -> str:
    """Return a stream (L,) as one string: text as text, pixels and levels as their token strings, or left out."""
    segments, problems = parse(ids, tables)
    if problems:  # a stream cut short, as a streamer decodes it
        return string_of_ids(ids, tables, text_only=text_only)
    parts = []
    for segment in segments:
        if segment.modality == "text":
            parts.append(decode_text(segment.ids[0, 0, :-1], tables))
        elif not text_only:
            parts += [tables.tokens[index] for index in segment.ids.reshape(-1)]
    return "".join(parts)


def string_of_ids(ids: Ids, tables: Vocabulary, *, text_only: bool = False) -> str:
    """Return ids as one string: runs of bytes as UTF-8, others as their token strings, or left out."""
    is_byte = (ids >= tables.byte_ids.start) & (ids < tables.byte_ids.stop)
    parts: list[str] = []
    for run in np.split(ids, np.flatnonzero(np.diff(is_byte)) + 1) if len(ids) else []:
        if tables.byte_ids.start <= run[0] < tables.byte_ids.stop:
            parts.append(decode_text(run, tables))
        elif not text_only:
            parts += [tables.tokens[index] for index in run]
    return "".join(parts)
