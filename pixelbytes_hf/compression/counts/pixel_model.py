"""Pixels of a picture of few colours, foretold from their neighbours, in this frame and in one before.

A pixel is named by trial: is it the colour of the pixel in the earlier frame, of the left one, of the upper one, ...,
then the colours used last? Each answer is a bit of a mixing network, under contexts of two sorts: the colours around,
together with the colour on trial, and the pattern of which cells around are equal, whatever their colours. Colours are
numbered by first use, so that a new one needs no number.

Positions are counted through all frames, row by row; cells beyond a border count as colour 0.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .coding import code_bit
from .compiled import as_table, compiled, zeros
from .logistic import ONE, STRETCH
from .network import Network, make_network, mix_hash, predict, update
from .numbers import code_number, make_number_network

MAX_COLOURS = 256
NUM_STILL, NUM_MOVING = 12, 18  # contexts of pictures of one frame and of more
MOST_TRIALS = 12
MOST_BITS = MOST_TRIALS + 1 + 8  # that a pixel can take
PRIOR = (0.75, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.2)
SMALLEST_SLOTS, LARGEST_SLOTS = 12, 20
RECENT = 8  # node of colours that are no neighbour's
FRAMES, HEIGHT, WIDTH, COLOURS, USED, TRIAL = 0, 1, 2, 3, 4, 5
COLOUR_KIND = 0


class PixelModel(NamedTuple):
    """What `code_pixels` works on.

    Attributes:
        image: Colours by first use, (T * H * W,); written to where the coder reads.
        references: Earlier frame that each frame is foretold from, -1 for none, (T,).
        sizes: T, H, W, colours in all, colours used, number of the trial.
        recency: Colours from the one used last on, (MAX_COLOURS,).
        tried: Trial in which each colour was last a candidate, (MAX_COLOURS,).
        candidates: Colours on trial, (MOST_TRIALS,).
        contexts: Hashes of the place, (n,).
        is_pattern: Whether a context is a pattern, which the colour on trial does not enter, (n,).
        hints: What someone else expects of each colour at the pixel being coded, any sum under 2^40, set before each
            pixel, (K,); empty where there is nobody.
        net: Of the trials.
        rest: Of what all trials miss.
    """

    image: Any
    references: Any
    sizes: Any
    recency: Any
    tried: Any
    candidates: Any
    contexts: Any
    is_pattern: Any
    hints: Any
    net: Network
    rest: Network


def make_pixel_model(
    image: NDArray[np.int32], num_colours: int, references: NDArray[np.int64], *, is_hinted: bool = False
) -> PixelModel:
    """Return a model that has seen nothing.

    Args:
        image: Colours by first use, (T, H, W); what it holds matters to a writer only.
        num_colours: Colours that occur, at most `MAX_COLOURS`.
        references: See `PixelModel`.
        is_hinted: Whether someone else's expectations are set before each pixel.
    """
    moves = len(image) > 1
    size = NUM_MOVING if moves else NUM_STILL
    slot_bits = min(max(int(image.size).bit_length() + 3, SMALLEST_SLOTS), LARGEST_SLOTS)
    patterns = np.zeros(size, np.int64)
    patterns[9:12], patterns[16:17] = 1, 1
    return PixelModel(
        as_table(image),
        as_table(references),
        as_table(np.array([*image.shape, num_colours, 0, 0], np.int64)),
        zeros(MAX_COLOURS, np.int64),
        zeros(MAX_COLOURS, np.int64),
        zeros(MOST_TRIALS, np.int64),
        zeros(size, np.int64),
        as_table(patterns),
        zeros(num_colours if is_hinted else 0, np.int64),
        make_network(size, slot_bits, (9, 24 * 32 if moves else 24), num_outside=int(is_hinted), prior=PRIOR),
        make_number_network(),
    )


@compiled
def _cell(image: Any, start: int, row: int, column: int, height: int, width: int) -> int:
    if row < 0 or column < 0 or row >= height or column >= width:
        return 0
    return image[start + row * width + column]


@compiled
def _chain(number: int, a: int, b: int, c: int, d: int) -> int:
    return mix_hash(mix_hash(mix_hash(mix_hash(number * 77 + 1, a), b), c), d)


@compiled
def _look_around(model: PixelModel, at: int) -> int:
    """Set contexts and candidates of a position; return the set of weights, and 4096 times the candidates."""
    sizes, image, contexts = model.sizes, model.image, model.contexts
    height, width = sizes[HEIGHT], sizes[WIDTH]
    frame, place = divmod(at, height * width)
    y, x = divmod(place, width)
    start = frame * height * width
    w, ww = _cell(image, start, y, x - 1, height, width), _cell(image, start, y, x - 2, height, width)
    n, nn = _cell(image, start, y - 1, x, height, width), _cell(image, start, y - 2, x, height, width)
    nw, ne = _cell(image, start, y - 1, x - 1, height, width), _cell(image, start, y - 1, x + 1, height, width)
    nww, nee = _cell(image, start, y - 1, x - 2, height, width), _cell(image, start, y - 1, x + 2, height, width)
    nnw, nne = _cell(image, start, y - 2, x - 1, height, width), _cell(image, start, y - 2, x + 1, height, width)
    equal = (n == w) | (nw == w) << 1 | (nw == n) << 2 | (ne == n) << 3 | (ne == w) << 4 | (ww == w) << 5
    equal |= (nn == n) << 6 | (ww == nw) << 7 | (nee == ne) << 8 | (nne == ne) << 9 | (nww == ww) << 10
    equal |= (nnw == nw) << 11
    near = _chain(0, w, n, nw, ne)
    contexts[0] = mix_hash(mix_hash(near, ww), nn)
    contexts[1] = near
    contexts[2] = _chain(2, w, n, nw, -1)
    contexts[3] = _chain(3, w, n, ne, -1)
    contexts[4] = _chain(4, w, n, -1, -1)
    contexts[5] = _chain(5, w, ww, -1, -1)
    contexts[6] = _chain(6, n, nn, ne, -1)
    contexts[7] = 7
    contexts[8] = mix_hash(mix_hash(_chain(8, nne, nee, nww, nnw), near), contexts[0])
    contexts[9] = _chain(9, equal & 127, 0, 0, 0)
    contexts[10] = _chain(10, equal & 1023, 0, 0, 0)
    contexts[11] = _chain(11, equal, 0, 0, 0)
    chosen = equal & 1 | equal >> 1 & 6
    sizes[TRIAL] += 1
    count = _add_expected(model)
    reference = model.references[frame]
    if len(contexts) > NUM_STILL:
        moved, colour = 0, 0
        if reference >= 0:
            moved, colour = _look_back(model, reference, y, x, w, n, nw, ne)
            count = _add(model, count, colour)
        else:
            for i in range(NUM_STILL, NUM_MOVING):
                contexts[i] = i
        chosen |= (moved & 31) << 3
    if sizes[USED]:
        for colour in (w, n, ne, nw, nn, ww, nne, nee):
            count = _add(model, count, colour)
    return chosen | count << 12


@compiled
def _look_back(model: PixelModel, reference: int, y: int, x: int, w: int, n: int, nw: int, ne: int) -> tuple[int, int]:
    """Set the contexts of an earlier frame; return the pattern of what is equal to this one, and its pixel."""
    image, sizes, contexts = model.image, model.sizes, model.contexts
    height, width = sizes[HEIGHT], sizes[WIDTH]
    start = reference * height * width
    p, pe = _cell(image, start, y, x, height, width), _cell(image, start, y, x + 1, height, width)
    ps, pse = _cell(image, start, y + 1, x, height, width), _cell(image, start, y + 1, x + 1, height, width)
    pw, pn = _cell(image, start, y, x - 1, height, width), _cell(image, start, y - 1, x, height, width)
    pnw, pne = _cell(image, start, y - 1, x - 1, height, width), _cell(image, start, y - 1, x + 1, height, width)
    # the frame before the reference, which mostly is where a loop came from
    q = _cell(image, max(reference - 1, 0) * height * width, y, x, height, width)
    equal = (p == w) | (p == n) << 1 | (pw == w) << 2 | (pn == n) << 3 | (pnw == nw) << 4 | (pne == ne) << 5
    equal |= (pe == p) << 6 | (ps == p) << 7 | (q == p) << 8
    contexts[12] = _chain(12, p, pe, ps, mix_hash(mix_hash(pse, w), n))
    contexts[13] = _chain(13, p, w, n, 0)
    contexts[14] = _chain(14, p, q, pe, 0)
    contexts[15] = mix_hash(_chain(15, pw * 256 + w, pn * 256 + n, pne * 256 + ne, pnw * 256 + nw), p)
    contexts[16] = _chain(16, equal, contexts[9], 0, 0)
    contexts[17] = _chain(17, p, equal, 0, 0)
    return equal, p


@compiled
def _add(model: PixelModel, count: int, colour: int) -> int:
    """Add a candidate unless it is one; return how many there are."""
    if model.tried[colour] == model.sizes[TRIAL]:
        return count
    model.tried[colour] = model.sizes[TRIAL]
    model.candidates[count] = colour
    return count + 1


@compiled
def _add_expected(model: PixelModel) -> int:
    """Make the colour that is hinted at most the first candidate, if it was used; return how many there are."""
    hints, best = model.hints, -1
    for colour in range(min(len(hints), model.sizes[USED])):
        if best < 0 or hints[colour] > hints[best]:
            best = colour
    return _add(model, 0, best) if best >= 0 else 0


@compiled
def _hint_at(model: PixelModel, colour: int, left: int) -> int:
    """Set what is expected of a colour among those that are left; return what is left without it."""
    if not len(model.hints):
        return left
    share = model.hints[colour]
    model.net.outside[0] = STRETCH[max(1, min(ONE - 1, (share << 16) // max(left, 1)))]
    return left - share


@compiled
def _try(model: PixelModel, coder: Any, colour: int, node: int, chosen: int, answer: int) -> int:
    net = model.net
    for i in range(len(model.contexts)):
        net.contexts[i] = mix_hash(model.contexts[i], 512 + node if model.is_pattern[i] else colour)
    bit = code_bit(coder, answer, predict(net, node, node, 3 * chosen + min(node, 2)))
    update(net, bit)
    return bit


@compiled
def _code_pixel(model: PixelModel, coder: Any, at: int) -> int:
    sizes = model.sizes
    found = _look_around(model, at)
    chosen, count = found & 4095, found >> 12
    num_near, used, place = count, sizes[USED], 0
    value = model.image[at]
    while count < MOST_TRIALS and place < used:
        count = _add(model, count, model.recency[place])
        place += 1
    left = 0
    for colour in range(min(len(model.hints), used + 1)):
        left += model.hints[colour]
    for trial in range(count):
        colour = model.candidates[trial]
        if trial + 1 == sizes[COLOURS]:
            return colour  # the last that it can be
        left = _hint_at(model, colour, left)
        node = min(trial, RECENT - 1) if trial < num_near else RECENT
        if _try(model, coder, colour, node, chosen, value == colour):
            return colour
    untried = used - count
    if used == sizes[COLOURS]:
        is_new = 0
    elif untried:
        is_new = code_number(model.rest, coder, value >= used, 1, COLOUR_KIND + 1, min(untried, 15), used)
    else:
        is_new = 1
    if is_new:
        return used
    return code_number(model.rest, coder, value, 8, COLOUR_KIND, model.candidates[0], 0)


@compiled
def _remember(model: PixelModel, colour: int) -> None:
    recency, sizes = model.recency, model.sizes
    place = 0
    if colour == sizes[USED]:
        place = sizes[USED]
        sizes[USED] += 1
    else:
        while recency[place] != colour:
            place += 1
    while place > 0:
        recency[place] = recency[place - 1]
        place -= 1
    recency[0] = colour


@compiled
def code_pixels(model: PixelModel, coder: Any, start: int, stop: int) -> bool:
    """Code the pixels from one position to another; return whether what was read can be, as it is of whole files."""
    for at in range(start, stop):
        colour = _code_pixel(model, coder, at)
        if colour > model.sizes[USED] or colour >= model.sizes[COLOURS]:
            return False
        model.image[at] = colour
        _remember(model, colour)
    return True
