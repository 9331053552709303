"""The way back from a raster stream to its segments: the inverse of `grid.flatten`.

Which ids belong together is said by their kinds alone. A stream's kinds, one letter each, are read by regular
expressions: what repeats there is a row of the same width, or a frame of the same size. So any stream is read in time
that grows with its length, whatever it holds.
"""

import re
from typing import NamedTuple

import numpy as np

from .grid import Ids, Segment, check_ids
from .vocabulary import Vocabulary

NO_END = "no end mark"
# one letter for each of `vocabulary.KINDS`: text, pixel, level, row end, segment end, special
_LETTERS = np.frombuffer(b"TPLRES", np.uint8)
_MEDIA = rb"(?P<image>P++(?:[RE]P++)*+[RE]?)|(?P<audio>L++R*+E?)|"
# where layout has ids of its own, a mark ends a text and other ids stand alone; elsewhere all but media is text
_SEGMENT_WITH_SPECIALS = re.compile(_MEDIA + rb"(?P<text>T++E?|.)")
_SEGMENT_WITHOUT_SPECIALS = re.compile(_MEDIA + rb"(?P<text>[^PL]++)")
# rows of one width make a frame, frames of one size an image
_IMAGE = re.compile(rb"(?P<frame>(?P<row>P++)(?:R(?P=row))*+E)(?P=frame)*+")


class Problem(NamedTuple):
    """A span of a stream that is not a well-formed segment."""

    start: int
    stop: int
    reason: str


class ParsedStream(NamedTuple):
    """Segments found in a stream, and what was wrong with it."""

    segments: list[Segment]
    problems: list[Problem]


def parse(ids: Ids, vocabulary: Vocabulary) -> ParsedStream:
    """Find the segments of a raster stream: the inverse of `flatten`.

    In the ``paper`` preset, whose layout ids are text bytes too, a newline or tab between text bytes is text; and two
    texts, or two images of one size, that follow each other read as one: nothing in the stream tells them apart.

    Args:
        ids: (L,), each within the vocabulary.
        vocabulary: The tables.

    Returns:
        The segments, and a `Problem` for every span that is not well formed. A text, image or sound that merely lacks
        its last mark is kept and reported; any other malformed span is reported only.

    Raises:
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = check_ids(ids, vocabulary).astype(vocabulary.id_dtype)
    kinds = _LETTERS[vocabulary.kind_of_id[ids]].tobytes()
    pattern = _SEGMENT_WITH_SPECIALS if vocabulary.specials else _SEGMENT_WITHOUT_SPECIALS
    readers = {"text": _read_text, "image": _read_images, "audio": _read_audio}
    segments: list[Segment] = []
    problems: list[Problem] = []
    for match in pattern.finditer(kinds):
        start, stop = match.span()
        found, reason = readers[str(match.lastgroup)](ids[start:stop], match[0], vocabulary)
        segments += found
        if reason:
            problems.append(Problem(start, stop, reason))
    return ParsedStream(segments, problems)


def _read_text(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    if vocabulary.specials and kinds in (b"R", b"S"):
        return [], f"id {int(ids[0])} ({vocabulary.tokens[int(ids[0])]}) opens no segment"
    if kinds.endswith(b"E"):
        return [Segment("text", ids[None, None])], ""
    return [Segment("text", _close(ids, vocabulary)[None, None])], f"text has {NO_END}"


def _read_images(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    reason = ""
    if not kinds.endswith(b"E"):
        # the mark of the last row is all that may lack, or that of a row stands in its place
        pixels = kinds.removesuffix(b"R")
        ids, kinds, reason = _close(ids[: len(pixels)], vocabulary), pixels + b"E", f"image has {NO_END}"
    segments: list[Segment] = []
    start = 0
    while start < len(kinds):
        image = _IMAGE.match(kinds, start)
        if image is None:
            return [], _describe_frame(kinds, start)
        columns = len(image["row"]) + 1
        grid = ids[start : image.end()].reshape(-1, len(image["frame"]) // columns, columns)
        segments.append(Segment("image", grid))
        start = image.end()
    return segments, reason


def _describe_frame(kinds: bytes, start: int) -> str:
    widths = sorted({len(row) for row in kinds[start : kinds.index(b"E", start)].split(b"R")})
    return f"frame {kinds.count(b'E', 0, start)} has rows of different widths {widths}"


def _read_audio(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    num_levels, ended = kinds.count(b"L"), kinds.endswith(b"E")
    channels = len(kinds) - num_levels + (not ended)
    if not ended and num_levels % channels:
        channels = 1  # the paper ends mono sound with the mark of a row
    if num_levels % channels:
        return [], f"sound of {num_levels} levels does not divide into {channels} channels"
    if ended:
        return [Segment("audio", ids.reshape(-1, 1, channels))], ""
    grid = _close(ids[: num_levels + channels - 1], vocabulary).reshape(-1, 1, channels)
    return [Segment("audio", grid)], f"sound has {NO_END}"


def _close(ids: Ids, vocabulary: Vocabulary) -> Ids:
    """Return ids with an end mark after them."""
    closed = np.empty(len(ids) + 1, ids.dtype)
    closed[:-1], closed[-1] = ids, vocabulary.segment_end_id
    return closed
