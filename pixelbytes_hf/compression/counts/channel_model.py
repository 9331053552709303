"""Pictures of many colours, or of more than 8 bits: channel by channel, what the neighbours do not foretell.

A value is foretold by the median of its left and upper neighbours and their gradient (as LOCO-I does it), corrected by
what the channel before missed at this pixel. What is missed is coded modulo the number of values.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import as_table, compiled, zeros
from .network import Network, make_network, mix_hash
from .residuals import NUM_CHOICES, PRIOR, code_residual, fold, num_digits

NUM_CONTEXTS = 6
MOST_BITS_OF_VALUE = 34
MIN_SLOTS, MAX_SLOTS = 12, 20
WIDTH, HEIGHT, CHANNELS, DEPTH = 0, 1, 2, 3


class ChannelModel(NamedTuple):
    """What `code_values` works on.

    Attributes:
        values: (T * H * W * C,); written to where the coder reads.
        sizes: W, H, C, bits of a value.
        missed: What was missed at each channel of this row and the one before, (2 * W * C,).
        bases: Hashes of contexts, (NUM_CONTEXTS,).
        net: Of the residuals.
    """

    values: Any
    sizes: Any
    missed: Any
    bases: Any
    net: Network


def make_channel_model(values: NDArray[np.int32], depth: int) -> ChannelModel:
    """Return a model that has seen nothing.

    Args:
        values: (T, H, W, C), under 2^depth; what it holds matters to a writer only.
        depth: Bits of a value, at most 16.
    """
    _, height, width, channels = values.shape
    slot_bits = min(max(int(values.size).bit_length() + 2, MIN_SLOTS), MAX_SLOTS)
    return ChannelModel(
        as_table(values),
        as_table(np.array([width, height, channels, depth], np.int64)),
        zeros(2 * width * channels, np.int64),
        zeros(NUM_CONTEXTS, np.int64),
        make_network(NUM_CONTEXTS, slot_bits, (16 * channels, NUM_CHOICES), prior=PRIOR),
    )


@compiled
def _median(w: int, n: int, nw: int) -> int:
    low, high = min(w, n), max(w, n)
    if nw >= high:
        return low
    return high if nw <= low else w + n - nw


@compiled
def _foretell(model: ChannelModel, at: int) -> int:
    """Return the median of the neighbours of a value, or what stands in for it at a border."""
    sizes, values = model.sizes, model.values
    step, row = sizes[CHANNELS], sizes[WIDTH] * sizes[CHANNELS]
    place = at % (row * sizes[HEIGHT])
    has_left, has_upper = place % row >= step, place >= row
    if has_left and has_upper:
        return _median(values[at - step], values[at - row], values[at - row - step])
    if has_left:
        return values[at - step]
    if has_upper:
        return values[at - row]
    return values[at - row * sizes[HEIGHT]] if at >= row * sizes[HEIGHT] else 0


@compiled
def _code_value(model: ChannelModel, coder: Any, at: int) -> None:
    sizes, values, missed, bases = model.sizes, model.values, model.missed, model.bases
    step, row = sizes[CHANNELS], sizes[WIDTH] * sizes[CHANNELS]
    frame = row * sizes[HEIGHT]
    channel, half = at % step, 1 << sizes[DEPTH] - 1
    mask, window = 2 * half - 1, 2 * row
    here = at % window
    left = missed[(here - step) % window] if at >= step else 0
    upper = missed[(here - row) % window] if at >= row else 0
    before = missed[here - 1] if channel else 0
    guess = max(0, min(mask, _foretell(model, at) + before))
    old = values[at - frame] - guess if at >= frame else 0
    bulk = num_digits(abs(left) + abs(upper) + abs(before) + 1 >> 1)
    bases[0] = mix_hash(channel, bulk)
    bases[1] = mix_hash(mix_hash(channel + 64, num_digits(fold(left))), num_digits(fold(upper)))
    bases[2] = mix_hash(mix_hash(channel + 128, num_digits(fold(before))), bulk)
    bases[3] = mix_hash(mix_hash(channel + 192, fold(before)), num_digits(fold(upper)))
    bases[4] = mix_hash(mix_hash(channel + 256, guess), before & mask)
    bases[5] = mix_hash(mix_hash(channel + 320, fold(old)), bulk)
    missing = (values[at] - guess + half & mask) - half
    missing = code_residual(model.net, bases, coder, missing, channel, bulk)
    values[at] = guess + missing & mask
    missed[here] = values[at] - guess + before


@compiled
def code_values(model: ChannelModel, coder: Any, start: int, stop: int) -> bool:
    """Code the values from one position to another; whatever is read can be."""
    for at in range(start, stop):
        _code_value(model, coder, at)
    return True
