"""Samples of sounds, foretold by two filters that learn on the way, in whole numbers.

The first filter (normalised least mean squares) reads the samples before of this channel and, of a channel coded
already, also the one at this moment; the second one reads what the first missed. Their sum is the guess.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import as_table, compiled, zeros
from .network import Network, make_network, mix_hash
from .residuals import NUM_CHOICES, PRIOR, code_residual, fold, num_digits

OWN, OTHER, LAST = 24, 8, 16  # inputs of the first filter from this channel and the one before; of the second filter
TAPS = OWN + OTHER + LAST
NUM_CONTEXTS = 6
MOST_BITS_OF_SAMPLE = 80
SLOT_BITS = 16
QUICKEST, SLOWEST = 1, 5  # steps of filters are 2^-1 to 2^-5 of what would mend the error at once
UNIT = 20  # weights are of 2^-20
CHANNELS, SHIFT, LOW, HIGH = 0, 1, 2, 3


class SampleModel(NamedTuple):
    """What `code_samples` works on.

    Attributes:
        samples: (T * C,); written to where the coder reads.
        sizes: C, bits by which filters see samples coarser, smallest and largest sample.
        weights: Of each channel's filters, (C * TAPS,).
        inputs: Of the filters, (TAPS,).
        missed: By the first filter, (C * LAST,), the newest first.
        levels: How much was missed of late, quickly and slowly forgotten, and the last two digits, (C * 4,).
        bases: Hashes of contexts, (NUM_CONTEXTS,).
        net: Of the residuals.
    """

    samples: Any
    sizes: Any
    weights: Any
    inputs: Any
    missed: Any
    levels: Any
    bases: Any
    net: Network


def make_sample_model(samples: NDArray[np.int64], low: int, high: int) -> SampleModel:
    """Return a model that has heard nothing.

    Args:
        samples: (T, C); what it holds matters to a writer only.
        low: Smallest sample, at least -2^32.
        high: Largest one, at most 2^32.
    """
    channels = samples.shape[1]
    shift = max(max(abs(low), abs(high)).bit_length() - 15, 0)
    first = np.zeros((channels, TAPS), np.int64)
    first[:, 0] = 1 << UNIT
    return SampleModel(
        as_table(samples),
        as_table(np.array([channels, shift, low, high], np.int64)),
        as_table(first),
        zeros(TAPS, np.int64),
        zeros(channels * LAST, np.int64),
        zeros(channels * 4, np.int64),
        zeros(NUM_CONTEXTS, np.int64),
        make_network(NUM_CONTEXTS, SLOT_BITS, (16 * 2, NUM_CHOICES), prior=PRIOR),
    )


@compiled
def _fill_inputs(model: SampleModel, at: int, channel: int) -> None:
    channels, samples, inputs = model.sizes[CHANNELS], model.samples, model.inputs
    for i in range(OWN):
        place = at - (i + 1) * channels
        inputs[i] = samples[place] if place >= 0 else 0
    for i in range(OTHER):
        place = at - 1 - i * channels
        inputs[OWN + i] = samples[place] if channel and place >= 0 else 0
    for i in range(LAST):
        inputs[OWN + OTHER + i] = model.missed[channel * LAST + i]


@compiled
def _filter(model: SampleModel, channel: int, start: int, stop: int) -> int:
    total = 0
    for i in range(start, stop):
        total += model.inputs[i] * model.weights[channel * TAPS + i]
    return total >> UNIT


@compiled
def _learn(model: SampleModel, channel: int, start: int, stop: int, error: int, slowness: int) -> None:
    shift, inputs, weights = model.sizes[SHIFT], model.inputs, model.weights
    power = 1
    for i in range(start, stop):
        power += (inputs[i] >> shift) * (inputs[i] >> shift)
    error = max(-32768, min(32767, error >> shift))
    for i in range(start, stop):
        at = channel * TAPS + i
        change = (error * (inputs[i] >> shift) << UNIT - slowness) // power
        weights[at] = max(-(1 << UNIT + 3), min(1 << UNIT + 3, weights[at] + change))


@compiled
def _code_sample(model: SampleModel, coder: Any, at: int) -> bool:
    sizes, samples, levels, bases = model.sizes, model.samples, model.levels, model.bases
    channel = at % sizes[CHANNELS]
    _fill_inputs(model, at, channel)
    guess = _filter(model, channel, 0, OWN + OTHER)
    better = max(sizes[LOW], min(sizes[HIGH], guess + _filter(model, channel, OWN + OTHER, TAPS)))
    mine = channel * 4
    quick, slow = num_digits(levels[mine] >> 3), num_digits(levels[mine + 1] >> 6)
    other = levels[mine - 2] if channel else 0
    kind = min(channel, 1)
    bases[0] = mix_hash(kind, levels[mine] >> max(quick, 1) + 1)
    bases[0] = mix_hash(bases[0], quick)
    bases[1] = mix_hash(kind + 2, slow * 64 + quick)
    bases[2] = mix_hash(kind + 4, levels[mine + 2] * 64 + levels[mine + 3])
    bases[3] = mix_hash(mix_hash(kind + 6, other), quick)
    bases[4] = (
        mix_hash(mix_hash(kind + 8, fold(better - samples[at - sizes[CHANNELS]]) >> max(quick, 1) - 1), quick)
        if at >= sizes[CHANNELS]
        else 9
    )
    bases[5] = kind + 10
    missing = code_residual(model.net, bases, coder, samples[at] - better, kind, min(quick, NUM_CHOICES - 1))
    value = better + missing
    if value < sizes[LOW] or value > sizes[HIGH]:
        return False
    samples[at] = value
    size = abs(missing)
    levels[mine] += size - (levels[mine] >> 3)
    levels[mine + 1] += size - (levels[mine + 1] >> 6)
    levels[mine + 3], levels[mine + 2] = levels[mine + 2], num_digits(fold(missing))
    # quickly at first, so that short sounds are learnt too
    slowness = min(QUICKEST + num_digits(at // sizes[CHANNELS] >> 8), SLOWEST)
    _learn(model, channel, 0, OWN + OTHER, value - guess, slowness)
    _learn(model, channel, OWN + OTHER, TAPS, missing, slowness + 1)
    for i in range(LAST - 1, 0, -1):
        model.missed[channel * LAST + i] = model.missed[channel * LAST + i - 1]
    model.missed[channel * LAST] = value - guess
    return True


@compiled
def code_samples(model: SampleModel, coder: Any, start: int, stop: int) -> bool:
    """Code the samples from one position to another; return whether what was read can be, as it is of whole files."""
    for at in range(start, stop):  # noqa: SIM110 - numba has no generators in `all`
        if not _code_sample(model, coder, at):
            return False
    return True
