"""The way back from a raster stream to its segments: the inverse of `grid.flatten`.

Which ids belong together is said by their kinds alone. A stream's kinds, one letter each, are read by regular
expressions: what repeats there is a row of the same width, or a frame of the same size. So any stream is read in time
that grows with its length, whatever it holds.
"""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import Ids, Segment, check_ids
from .modalities import KINDS, TRAITS, Modality, Traits
from .vocabulary import Vocabulary

NO_END = "no end mark"
# one letter for each of `KINDS`: text, pixel, level, row end, segment end, special, picture code, sound code, task
_LETTERS = np.frombuffer(b"TPLRESIAK", np.uint8)
_LEVEL = b"a"  # the code of a sound of any level but the first
_MODALITIES: dict[bytes, Modality] = {
    _LETTERS[KINDS.index(traits.kind)].tobytes(): modality for modality, traits in TRAITS.items()
} | {_LEVEL: "audio_code", b"E": "text"}


def _form(letter: bytes, traits: Traits) -> bytes:
    """Return the pattern of the segments of a modality, the last mark of which may lack."""
    data = b"[" + letter + _LEVEL + b"]++" if traits.has_levels else letter + b"++"
    if traits.marks == "frame":
        return data + b"R*+E?"
    return data + (b"(?:[RE]" + data + b")*+[RE]?" if traits.has_frames else b"E?")


_OPENING = [(letter, TRAITS[modality]) for letter, modality in _MODALITIES.items() if letter not in b"ETa"]
_MEDIA = b"|".join(_form(letter, traits) for letter, traits in _OPENING)
# where layout has ids of its own, a mark ends a text and other ids stand alone; elsewhere all but media is text
_SEGMENT_WITH_SPECIALS = re.compile(_MEDIA + rb"|T++E?|.")
_SEGMENT_WITHOUT_SPECIALS = re.compile(_MEDIA + rb"|[^PLIAa]++")
# rows of one width make a frame, frames of one size an image
_IMAGES = {
    letter: re.compile(rb"(?P<frame>(?P<row>" + letter + rb"++)(?:R(?P=row))*+E)(?P=frame)*+")
    for letter, traits in _OPENING
    if traits.has_frames
}


class Problem(NamedTuple):
    """A span of a stream that is not a well-formed segment."""

    start: int
    stop: int
    reason: str


class _Run(NamedTuple):
    """What ids of one kind are that stand in a row, with or without an end mark."""

    modality: Modality
    view: tuple[slice | None, ...]  # makes a grid (T, H, W) of them
    without_end: str


_VIEWS = {"column": (None, None, slice(None)), "frame": (slice(None), None, None)}
_RUNS = {
    letter: _Run(modality, _VIEWS[TRAITS[modality].marks], f"{TRAITS[modality].title} has {NO_END}")
    for letter, modality in _MODALITIES.items()
}


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
        The segments, and a `Problem` for every span that is not well formed. A segment that merely lacks its last mark
        is kept and reported; any other malformed span is reported only.

    Raises:
        ValueError: If `ids` is not 1-D or holds an id outside the vocabulary.
    """
    ids = check_ids(ids, vocabulary).astype(vocabulary.id_dtype)
    letters = _letters_of_slots(vocabulary)[vocabulary.slot_of_id[ids]]
    pattern = _SEGMENT_WITH_SPECIALS if vocabulary.specials else _SEGMENT_WITHOUT_SPECIALS
    pieces = pattern.findall(letters.tobytes())  # each begins where the one before it ends
    stops = np.fromiter(map(len, pieces), np.int64, len(pieces)).cumsum()
    is_open = letters[stops - 1] != ord("E")
    closed = np.insert(ids, stops[is_open], vocabulary.segment_end_id)
    segments: list[Segment] = []
    problems: list[Problem] = []
    start = first = 0
    with _no_collection():
        for piece, stop, last in zip(pieces, stops.tolist(), (stops + is_open.cumsum()).tolist(), strict=True):
            found, reason = _read(closed[first:last], piece, vocabulary)
            segments += found
            if reason:
                problems.append(Problem(start, stop, reason))
            start, first = stop, last
    return ParsedStream(segments, problems)


def _letters_of_slots(vocabulary: Vocabulary) -> NDArray[np.uint8]:
    further = len(KINDS) * max(len(vocabulary.codes.audio) - 1, 0)
    return np.append(_LETTERS, np.full(further, ord(_LEVEL), np.uint8))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the collector of cycles: among a million objects that make none, looking for them takes half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    """Return the segments of a piece, and what is wrong with it; `ids` end with a mark whether `kinds` do or not."""
    mark = kinds.lstrip(b"TPLIAK")
    if mark in (b"", b"E"):
        run = _RUNS[kinds[:1]]
        return [Segment(run.modality, ids[run.view])], "" if mark else run.without_end
    return _READERS.get(kinds[:1], _read_text)(ids, kinds, vocabulary)


def _read_text(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    if vocabulary.specials:
        return [], f"id {int(ids[0])} ({vocabulary.tokens[int(ids[0])]}) opens no segment"
    return [Segment("text", ids[None, None])], "" if kinds.endswith(b"E") else _RUNS[b"T"].without_end


def _read_images(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    run, form, reason = _RUNS[kinds[:1]], _IMAGES[kinds[:1]], ""
    if not kinds.endswith(b"E"):
        # the mark of the last row is all that may lack, or that of a row stands in its place
        pixels = kinds.removesuffix(b"R")
        ids, kinds, reason = _end_after(ids, len(pixels)), pixels + b"E", run.without_end
    segments: list[Segment] = []
    start = 0
    while start < len(kinds):
        image = form.match(kinds, start)
        if image is None:
            return [], _describe_frame(kinds, start)
        columns = len(image["row"]) + 1
        grid = ids[start : image.end()].reshape(-1, len(image["frame"]) // columns, columns)
        segments.append(Segment(run.modality, grid))
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
    grid = _end_after(ids, num_levels + channels - 1).reshape(-1, 1, channels)
    return [Segment("audio", grid)], _RUNS[b"L"].without_end


def _read_code_sound(ids: Ids, kinds: bytes, vocabulary: Vocabulary) -> tuple[list[Segment], str]:
    """Return a sound whose ids tell the level, and so the column, of each."""
    num_codes, ended = len(kinds.rstrip(b"RE")), kinds.endswith(b"E")
    slots = vocabulary.slot_of_id[ids[:num_codes]]
    columns = int(slots.max()) // len(KINDS) + 1
    num_marks = len(kinds) - num_codes
    if (slots != np.resize(TRAITS["audio_code"].slots(columns), num_codes)).any() or num_codes % columns:
        return [], f"sound of {num_codes} codes of {columns} levels has one out of its turn"
    if (num_marks != columns) if ended else (num_marks >= columns):
        return [], f"sound of codes of {columns} levels has {num_marks} marks"
    marks = vocabulary.row_end_id, vocabulary.segment_end_id
    grid = TRAITS["audio_code"].enclose(ids[:num_codes].reshape(-1, 1, columns), *marks, ids.dtype)
    return [Segment("audio_code", grid)], "" if ended else _RUNS[b"A"].without_end


def _end_after(ids: Ids, length: int) -> Ids:
    """Return the first of closed ids and the end mark."""
    ended = ids[: length + 1].copy()
    ended[-1] = ids[-1]
    return ended


_READERS = {
    b"P": _read_images,
    b"L": _read_audio,
    b"I": _read_images,
    b"A": _read_code_sound,
    _LEVEL: _read_code_sound,
}
