"""Decode unfinished token streams for display, and look up the probabilities of one pixel's colours.

`tokenizer.decode_modalities` reads whole streams; here any beginning of one can be shown. Every medium occurs once.

Shapes: L positions, T frames, H rows, W columns, C channels, K colours.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..objectives.parallel_decoding import Draft, ParallelSampling, read_hidden
from ..runs.run_folder import Run
from ..tokens.contexts import context_rule
from ..tokens.grid import LEVEL, PIXEL, ROW_END, SEGMENT_END, TEXT, Ids, flatten
from ..tokens.parsing import parse
from ..tokens.text_codec import decode_text
from ..tokens.vocabulary import Vocabulary

NOT_DRAWN = -1


class PartialRecord(NamedTuple):
    """What a beginning of a stream holds.

    Attributes:
        text: The letters so far.
        pixels: Indices into the vocabulary's pixel ids, (T, H, W), `NOT_DRAWN` where there is none yet; or None.
        levels: Amplitudes so far, C arrays; none before the first.
    """

    text: str
    pixels: NDArray[np.int64] | None
    levels: list[NDArray[np.float64]]


def decode_partial(
    ids: Ids, vocabulary: Vocabulary, *, num_channels: int = 1, size: tuple[int, int] | None = None
) -> PartialRecord:
    """Return what a beginning of a stream holds.

    Args:
        ids: (L,).
        vocabulary: The tables.
        num_channels: Channels of a sound.
        size: Rows and columns of a picture where they are known before it is drawn.
    """
    kinds = vocabulary.kind_of_id[ids]
    levels = np.array(vocabulary.levels)[ids[kinds == LEVEL].astype(np.int64) - vocabulary.level_ids.start]
    return PartialRecord(
        decode_text(ids[kinds == TEXT], vocabulary),
        _arrange_pixels(ids, kinds, vocabulary, size) if PIXEL in kinds else None,
        [levels[channel::num_channels] for channel in range(num_channels)] if len(levels) else [],
    )


def _arrange_pixels(
    ids: Ids, kinds: NDArray[np.uint8], vocabulary: Vocabulary, size: tuple[int, int] | None
) -> NDArray[np.int64]:
    pixels = ids[kinds == PIXEL].astype(np.int64) - vocabulary.pixel_ids.start
    kinds = kinds[np.argmax(kinds == PIXEL) :]  # the separators of the text are left behind
    row_ends = np.flatnonzero((kinds == ROW_END) | (kinds == SEGMENT_END))
    frame_ends = np.flatnonzero(kinds == SEGMENT_END)
    width = row_ends[0] if len(row_ends) else (size or (1, len(pixels)))[1]
    if len(frame_ends):
        height = (row_ends <= frame_ends[0]).sum()
    else:
        height = max(-(-len(pixels) // width), (size or (1, 1))[0])
    frames = np.full((-(-len(pixels) // (height * width)), height, width), NOT_DRAWN)
    frames.flat[: len(pixels)] = pixels
    return frames


def find_pixel(ids: Ids, vocabulary: Vocabulary, *, frame: int, row: int, column: int) -> int | None:
    """Return the position of a pixel in a whole stream, None if there is no such pixel."""
    pixels = decode_partial(ids, vocabulary).pixels
    shape = (0, 0, 0) if pixels is None else pixels.shape
    if not all(0 <= place < extent for place, extent in zip((frame, row, column), shape, strict=True)):
        return None
    positions = np.flatnonzero(vocabulary.kind_of_id[ids] == PIXEL)
    return int(positions[np.ravel_multi_index((frame, row, column), shape)])


@torch.no_grad()
def pixel_probabilities(run: Run, ids: Ids, position: int, *, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return how probable each colour was at a pixel of a stream, (K,), given all that came before it.

    With an objective that decodes in parallel, given all else: the pixel alone is hidden.

    Args:
        run: Which may or may not have made the stream; its objective must rate single tokens.
        ids: A whole stream, (L,).
        position: Of the pixel.
        temperature: Logits are divided by it; 0 counts as 1.
    """
    vocabulary, objective, device = run.tokenizer.tables, run.model.objective, run.model.device
    stream, shapes = flatten(parse(ids, vocabulary).segments)
    rule = context_rule(run.model.config.context_size)
    if objective.decoding == "parallel":
        draft = Draft(stream, shapes, np.arange(len(stream)) == position, vocabulary, rule)
        objective.hide(draft, ParallelSampling())
        [logits] = read_hidden(run.model, [draft])
    else:
        rows = rule.gather(stream, shapes, 0, position + 1, pad_id=vocabulary.pad_id).astype(np.int64)
        if objective.windows == "last token":
            rows = rows[-run.model.config.window_length :]
        outputs = run.model(input_ids=torch.from_numpy(rows)[None].to(device), use_cache=False)
        logits = objective.new_token_logits(outputs.logits)[0, -1]
    colours = logits[vocabulary.pixel_ids.start : vocabulary.pixel_ids.stop].double() / (temperature or 1.0)
    return np.asarray(colours.softmax(-1).cpu(), np.float64)
