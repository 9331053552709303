"""Streams that are still growing, as pictures and curves; and what a model thought of one pixel of a finished one.

`tokenizer.decode_modalities` reads whole streams; here any beginning of one can be shown. Knows ids and models; knows
nothing about pages.

Shapes: L positions, T frames, H rows, W columns, C channels, V vocabulary, K colours.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..objectives.parallel_decoding import Draft, ParallelSampling, read_hidden
from ..runs.run_folder import Run
from ..tokens.contexts import context_rule
from ..tokens.grid import PIXEL, ROW_END, SEGMENT_END, Ids, flatten
from ..tokens.parsing import parse
from ..tokens.text_codec import decode_text
from ..tokens.vocabulary import KINDS, Vocabulary

NOT_DRAWN = -1
_MEDIUM_OF_KIND = {"text": "text", "pixel": "image", "level": "audio"}


@dataclass(frozen=True)
class Sketch:
    """What a beginning of a stream shows.

    Args:
        text: The letters so far, or None.
        pixels: Indices into the vocabulary's pixel ids, (T, H, W), `NOT_DRAWN` where there is none yet; or None.
        levels: Amplitudes of each channel so far, C arrays.
    """

    text: str | None = None
    pixels: NDArray[np.int64] | None = None
    levels: list[NDArray[np.float64]] = field(default_factory=list)


def sketch(ids: Ids, tables: Vocabulary, *, num_channels: int, size: tuple[int, int] | None = None) -> Sketch:
    """Return what a beginning of a stream shows; of a medium that occurs twice, the last.

    Args:
        ids: (L,).
        tables: The vocabulary.
        num_channels: Channels of a sound.
        size: Rows and columns of a picture where they are known before it is drawn.
    """
    shown: dict[str, Any] = {}
    for medium, part in _split(ids, tables):
        if medium == "text":
            shown["text"] = decode_text(part[: len(part) - int(part[-1] == tables.segment_end_id)], tables)
        elif medium == "image":
            shown["pixels"] = _arrange_pixels(part, tables, size)
        else:
            is_level = tables.kind_of_id[part] == KINDS.index("level")
            values = np.array(tables.levels)[part[is_level] - tables.level_ids.start]
            shown["levels"] = [values[channel::num_channels] for channel in range(num_channels)]
    return Sketch(**shown)


def _split(ids: Ids, tables: Vocabulary) -> list[tuple[str, Ids]]:
    """Return the parts of a stream with their medium; a mark belongs to the part that it ends or divides."""
    kinds = tables.kind_of_id[ids]
    is_mark = ~np.isin(kinds, [KINDS.index(kind) for kind in _MEDIUM_OF_KIND])
    # the last position before each that holds no mark; marks at the very beginning are those of an empty text
    places = np.maximum.accumulate(np.where(is_mark, -1, np.arange(len(ids))))
    kinds = np.where(places < 0, KINDS.index("text"), kinds[places])
    starts = [0, *(np.flatnonzero(np.diff(kinds)) + 1), len(ids)]
    return [
        (_MEDIUM_OF_KIND[KINDS[kinds[start]]], ids[start:stop]) for start, stop in pairwise(starts) if start < stop
    ]


def _arrange_pixels(part: Ids, tables: Vocabulary, size: tuple[int, int] | None) -> NDArray[np.int64]:
    kinds = tables.kind_of_id[part]
    is_pixel = kinds == PIXEL
    pixels = part[is_pixel].astype(np.int64) - tables.pixel_ids.start
    row_ends, frame_ends = ((np.flatnonzero(kinds == kind)) for kind in (ROW_END, SEGMENT_END))
    marks = np.sort(np.concatenate([row_ends, frame_ends]))
    width = int(is_pixel[: marks[0]].sum()) if len(marks) else (size or (1, len(pixels)))[1]
    if len(frame_ends):
        height = int((marks <= frame_ends[0]).sum())
    else:
        height = max(1, -(-len(pixels) // width), (size or (1, 1))[0])
    num_frames = max(1, -(-len(pixels) // (height * width)))
    arranged = np.full(num_frames * height * width, NOT_DRAWN)
    arranged[: len(pixels)] = pixels
    return arranged.reshape(num_frames, height, width)


def locate_pixel(ids: Ids, tables: Vocabulary, *, frame: int, row: int, column: int) -> int:
    """Return the position of a pixel in a whole stream.

    Raises:
        ValueError: If the stream has no picture, or the picture has no such pixel.
    """
    start = 0
    for segment in parse(ids, tables).segments:
        num_frames, num_rows, num_columns = segment.ids.shape
        if segment.modality == "image":
            if not (0 <= frame < num_frames and 0 <= row < num_rows and 0 <= column < num_columns - 1):
                size = f"{num_frames} frames of {num_rows} x {num_columns - 1}"
                raise ValueError(f"no pixel at frame {frame}, row {row}, column {column} of {size}")
            return int(start + (frame * num_rows + row) * num_columns + column)
        start += segment.ids.size
    raise ValueError("the stream has no picture")


@torch.no_grad()
def pixel_probabilities(run: Run, ids: Ids, position: int, *, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return how probable each colour was at a pixel of a stream, (K,), given all that came before it.

    With an objective that decodes in parallel, given all else: the pixel alone is hidden.

    Args:
        run: Which may or may not have made the stream.
        ids: A whole stream, (L,).
        position: Of the pixel.
        temperature: Logits are divided by it; 0 counts as 1.

    Raises:
        ValueError: If the model says nothing about one token alone, or the stream is not well formed.
    """
    tables, objective = run.tokenizer.tables, run.model.objective
    if objective.likelihood == "none":
        raise ValueError(
            f"a model with the objective {objective.name!r} draws all pixels together: it rates no single one"
        )
    parsed = parse(ids, tables)
    if parsed.problems:
        raise ValueError(f"the stream is not well formed: {parsed.problems[0]}")
    stream, shapes = flatten(parsed.segments)
    rule = context_rule(run.model.config.context_size)
    if objective.decoding == "parallel":
        draft = Draft(stream, shapes, np.arange(len(stream)) == position, tables, rule)
        objective.hide(draft, ParallelSampling())
        [logits] = read_hidden(run.model, [draft])
    else:
        rows = rule.gather(stream, shapes, 0, position + 1, pad_id=tables.pad_id)
        if objective.windows == "last token":
            rows = rows[-run.model.config.window_length :]
        inputs = torch.from_numpy(rows.astype(np.int64))[None].to(run.model.device)
        logits = objective.new_token_logits(run.model(input_ids=inputs, use_cache=False).logits)[0, -1]
    colours = logits[tables.pixel_ids.start : tables.pixel_ids.stop].double() / (temperature or 1.0)
    return np.asarray(colours.softmax(-1).cpu().numpy(), np.float64)
