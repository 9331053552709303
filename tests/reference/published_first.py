"""The first approach's own behaviour where ours differs because it is wrong: for parity with its outputs only.

Nothing in the package uses it. The right ways are `contexts` (windows, in a batch and in steps), `last_token_windows`
(windows to train on) and `PixelBytesTokenizer.decode_modalities`.

Shapes: L tokens, H rows, W columns.

Source: `input_seq_construct`, `PxByDataset`, `SequenceGenerator` and `Displays`, pixelbytes/modules of
fabienfrfr/PixelBytes@7646d6a; same values.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelbytes_hf.tokens.grid import Ids
from pixelbytes_hf.tokens.vocabulary import Vocabulary


class PublishedText(NamedTuple):
    """A run of tokens that was shown as text, marks of rows included, and its first and last position."""

    text: bytes
    start: int
    stop: int


class PublishedImage(NamedTuple):
    """A run of tokens that was shown as a picture, (H, W, 3) uint8, and its first and last position."""

    image: NDArray[np.uint8]
    start: int
    stop: int


def windows_as_published(grid: Ids, *, side: int = 3) -> Ids:
    """Return the windows centred on the tokens of one frame, its marks added.

    Equal to the rule of nine cells for a side of 3; wider windows show rows that are read later.

    Args:
        grid: Ids without marks, (H, W).
        side: Cells along each axis of a window; one more if it is even.

    Returns:
        (H * (W + 1), side * side) uint8.

    Raises:
        ValueError: If `grid` is not 2-D or is empty, or `side` is under 2.
    """
    if grid.ndim != 2 or not grid.size or side < 2:
        raise ValueError(f"grid must be a non-empty (H, W) and side at least 2, got shape {grid.shape} and {side}")
    side += side % 2 == 0
    reach = side // 2
    marked = np.pad(grid.astype(np.uint8), ((0, 0), (0, 1)), constant_values=1)
    marked[-1, -1] = 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(marked, reach), (side, side)).copy()
    windows[:, :, reach:, -reach:] = 0
    windows[:, :, -reach, :] = 0
    return windows.reshape(-1, side * side)


def wrapped_windows_as_published(ids: Ids, window_length: int, stride: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the tokens and targets of training windows that go on from the record's end to its beginning.

    Args:
        ids: A record's tokens, (L,).
        window_length: Tokens of a window.
        stride: Tokens from one window's start to the next; the starts go up to the record's end.

    Returns:
        (windows, window_length) tokens at the centres of a window's rows, and (windows,) the tokens that follow them.

    Raises:
        ValueError: If there are no ids, or a number is not positive.

    Example:
        >>> tokens, targets = wrapped_windows_as_published(np.array([5, 6, 7]), 2, 2)
        >>> tokens.tolist(), targets.tolist()
        ([[5, 6], [7, 5]], [7, 6])
    """
    if not len(ids) or window_length < 1 or stride < 1:
        raise ValueError(
            f"ids must not be empty, window_length and stride at least 1, got {len(ids)}, {window_length}, {stride}"
        )
    index = (np.arange(0, len(ids), stride)[:, None] + np.arange(window_length + 1)) % len(ids)
    return ids[index[:, :-1]], ids[index[:, -1]]


class PublishedWindowGenerator:
    """Gives the windows of tokens that come one by one, whose rows it guesses from where text bytes were.

    Right on well-formed records, as `contexts.causal_window` is; on others it takes cells from wrong rows.

    Args:
        vocabulary: The tables.
        tokens: Tokens that are there already.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Ids | None = None) -> None:
        """Find the marks of the tokens that are there."""
        self.vocabulary = vocabulary
        self.tokens: list[int] = [] if tokens is None else [int(token) for token in tokens]
        marks = [place for place, token in enumerate(self.tokens) if self._is_byte(token)]
        self.marks = [0, 0, *marks[:1], *marks]

    def push(self, token: int) -> list[int]:
        """Read a token and return the window centred on it, nine cells."""
        place = len(self.tokens)
        if place == 0:
            self.tokens, self.marks = [token], [0, 0]
            return _window(token)
        before, last = self.marks[-2:]
        gap, corner = last - before, before + place - last - 1
        above = [self._at(corner + step) for step in range(3)]
        left = self.tokens[-1]
        if self._is_byte(token):
            window = self._read_byte(token, left, above, gap)
            self.marks.append(place)
        elif left == self.vocabulary.row_end_id and gap > 1:
            window = _window(token, 0, [0, *above[1:]])
        elif self._is_byte(left):
            window = _window(token)
            if left != self.vocabulary.segment_end_id:
                self.marks.append(place)
        else:
            window = _window(token, left, None if place - last > gap else above)
        self.tokens.append(token)
        return window

    def _read_byte(self, token: int, left: int, above: list[int], gap: int) -> list[int]:
        is_mark = token in (self.vocabulary.row_end_id, self.vocabulary.segment_end_id)
        if is_mark and not self._is_byte(left) and gap != 1:
            return _window(token, left, [*above[:2], 0])
        follows_mark = len(self.tokens) > 1 and not self._is_byte(self.tokens[-2])
        return _window(token, 0 if follows_mark and not is_mark else left)

    def _is_byte(self, token: int) -> bool:
        return token in self.vocabulary.byte_ids

    def _at(self, place: int) -> int:
        return self.tokens[place] if 0 <= place < len(self.tokens) else 0


def read_texts_as_published(
    ids: Ids, vocabulary: Vocabulary, *, min_length: int = 10, max_gap: int = 10
) -> list[PublishedText]:
    """Return the runs of bytes that were shown as text: of ten bytes or more, with up to nine pixels between them.

    Args:
        ids: Tokens, (L,).
        vocabulary: The tables.
        min_length: Fewest bytes of a run, and of all together.
        max_gap: Largest distance between two bytes of a run.
    """
    places = np.flatnonzero(np.isin(ids, vocabulary.byte_ids))
    if len(places) < min_length:
        return []
    values = np.array(vocabulary.byte_values, np.uint8)
    return [
        PublishedText(values[ids[run] - vocabulary.byte_ids.start].tobytes(), int(run[0]), int(run[-1]))
        for run in _runs(places, max_gap)
        if len(run) >= min_length
    ]


def read_images_as_published(
    ids: Ids, vocabulary: Vocabulary, *, min_row_length: int = 3, max_gap: int = 50
) -> list[PublishedImage]:
    """Return the runs of pixels that were shown as pictures: rows of three or more, all of the usual length.

    Pixels that are too many are left out at the end, and white stands for those that lack.

    Args:
        ids: Tokens, (L,).
        vocabulary: The tables.
        min_row_length: Fewest pixels of a row, of a picture and of all together.
        max_gap: Largest distance between two pixels of a picture.
    """
    places = np.flatnonzero(np.isin(ids, vocabulary.pixel_ids))
    colours = np.array(vocabulary.colours, np.uint8)
    images = []
    for run in _runs(places, max_gap) if len(places) >= min_row_length else []:
        rows = [row for row in _runs(run, 1) if len(row) >= min_row_length]
        if len(run) < min_row_length or not rows:
            continue
        width = int(np.bincount([len(row) for row in rows]).argmax())
        pixels = colours[ids[np.concatenate(rows)] - vocabulary.pixel_ids.start]
        image = np.full((len(rows) * width, 3), 255, np.uint8)
        image[: len(pixels)] = pixels[: len(image)]
        images.append(PublishedImage(image.reshape(len(rows), width, 3), int(run[0]), int(run[-1])))
    return images


def _window(token: int, left: int = 0, above: list[int] | None = None) -> list[int]:
    return [*(above or [0, 0, 0]), left, token, 0, 0, 0, 0]


def _runs(places: NDArray[np.int64], max_gap: int) -> list[NDArray[np.int64]]:
    return np.split(places, np.flatnonzero(np.diff(places) > max_gap) + 1)
