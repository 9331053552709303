"""Sounds in ``.pxb`` files: every sample as it was.

Shapes: T samples, C channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media.media_limits import MediaLimits
from .container import FieldReader, write_varints
from .contents import SampledSound
from .counts.coding import BitReader, BitWriter
from .counts.sample_model import MOST_BITS_OF_SAMPLE, code_samples, make_sample_model
from .counts.streams import run_through
from .file_format import FileFormat
from .whole_samples import AS_BITS, DTYPES, WholeSamples, from_whole, num_columns, range_of, to_whole

MOST = 1 << 33


class SoundFormat(FileFormat):
    """Sounds of whole or floating samples."""

    kind = 4

    def holds(self, content: Any) -> bool:
        """Tell whether it is a sound."""
        return isinstance(content, SampledSound)

    def write(self, content: Any) -> bytes:
        """Return fields and stream of a sound."""
        numbers, shift = to_whole(content.array)
        low, high = int(numbers.min()), int(numbers.max())
        sizes = *content.array.shape, content.sampling_rate_hz, DTYPES.index(content.array.dtype), content.num_bits
        end = BitWriter()
        _code_numbers(numbers, low, high, end)
        return write_varints(*sizes, shift, low + (MOST >> 1), high - low) + end.finish()

    def read(self, fields: FieldReader, limits: MediaLimits) -> SampledSound:
        """Return the sound."""
        length, channels = fields.varint("number of samples", 1, MOST), fields.varint("number of channels", 1, MOST)
        rate = fields.varint("sampling rate", 1, MOST)
        limits.check_sound(length, channels, rate)
        limits.check_seconds(length / rate)
        dtype = DTYPES[fields.varint("type of samples", 0, len(DTYPES) - 1)]
        num_bits, shift = fields.varint("bits of a sample", 1, 64), fields.varint("shift of samples", 0, AS_BITS)
        low = fields.varint("smallest sample", 0, MOST) - (MOST >> 1)
        high = low + fields.varint("range of samples", 0, MOST)
        lowest, highest = range_of(dtype, shift)
        if not lowest <= low <= high <= highest:
            raise ValueError(
                f"its samples are from {low} to {high}: {dtype} with shift {shift} has {lowest} to {highest}"
            )
        numbers = np.zeros((length, num_columns(channels, dtype, shift)), np.int64)
        whole = WholeSamples(_code_numbers(numbers, low, high, BitReader(fields.rest())), shift)
        return SampledSound(from_whole(whole, dtype), rate, num_bits)


def _code_numbers(numbers: NDArray[np.int64], low: int, high: int, end: Any) -> NDArray[np.int64]:
    model = make_sample_model(numbers, low, high)
    run_through(code_samples, model, end, numbers.size, MOST_BITS_OF_SAMPLE, unit="samples")
    return np.array(model.samples, np.int64).reshape(numbers.shape)
