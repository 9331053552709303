"""Pictures and animations in ``.pxb`` files: of up to 256 colours by colour, of more channel by channel.

Shapes: T frames, H rows, W columns, C channels.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..media.media_limits import MediaLimits
from .container import FieldReader, write_varints
from .contents import Picture
from .counts.channel_model import MOST_BITS_OF_VALUE, code_values, make_channel_model
from .counts.coding import BitReader, BitWriter
from .counts.network import Network
from .counts.numbers import make_number_network
from .counts.pixel_model import MAX_COLOURS, MOST_BITS, PixelModel, code_pixels, make_pixel_model
from .counts.streams import run_through
from .file_format import FileFormat
from .palettes import code_palette, index_colours
from .timing import choose_references, code_references, code_times

MOST = 1 << 31  # of a side; the limits say less
STILL = ((0,), 1)  # durations and plays of a picture that does not move
CHANNELS = {np.dtype(np.uint8): 4, np.dtype(np.uint16): 1}


class PictureFormat(FileFormat):
    """What all pictures share: sides, times, and the check of their size.

    Attributes:
        moves: Whether there may be more than one frame, and times.
    """

    moves: ClassVar[bool]

    def holds(self, content: Any) -> bool:
        """Tell whether it is a picture with or without times, as this kind has it."""
        return isinstance(content, Picture) and self.moves == ((content.durations_ms, content.num_plays) != STILL)

    def write(self, content: Any) -> bytes:
        """Return fields and stream of a picture."""
        frames, height, width, _ = content.array.shape
        sides = (width, height, frames) if self.moves else (width, height)
        end, net = BitWriter(), make_number_network()
        if self.moves:
            code_times(net, end, list(content.durations_ms), content.num_plays)
        more = self._write_pixels(content.array, net, end)
        return write_varints(*sides, *more) + end.finish()

    def read(self, fields: FieldReader, limits: MediaLimits) -> Picture:
        """Return the picture."""
        width, height = fields.varint("width", 1, MOST), fields.varint("height", 1, MOST)
        frames = fields.varint("number of frames", 1, MOST) if self.moves else 1
        limits.check_picture(frames, height, width)
        more = self._read_fields(fields)
        end, net = BitReader(fields.rest()), make_number_network()
        times = code_times(net, end, [0] * frames, 0) if self.moves else STILL
        return Picture(self._read_pixels((frames, height, width), more, net, end), *times)

    @abstractmethod
    def _write_pixels(self, array: NDArray[Any], net: Network, end: BitWriter) -> tuple[int, ...]:
        """Write the pixels, and return the fields that reading them needs."""

    @abstractmethod
    def _read_fields(self, fields: FieldReader) -> tuple[int, ...]:
        """Return those fields."""

    @abstractmethod
    def _read_pixels(
        self, shape: tuple[int, int, int], more: tuple[int, ...], net: Network, end: BitReader
    ) -> NDArray[Any]:
        """Return the pixels."""


class PaletteFormat(PictureFormat):
    """Pictures of up to 256 colours."""

    def holds(self, content: Any) -> bool:
        """Tell whether it is such a picture."""
        return super().holds(content) and content.array.dtype == np.uint8 and _is_of_few_colours(content.array)

    def _write_pixels(self, array: NDArray[Any], net: Network, end: BitWriter) -> tuple[int, ...]:
        found = index_colours(array, MAX_COLOURS)
        assert found is not None
        image, colours = found
        code_palette(net, end, colours, self._known_colours())
        self._code_image(image, colours, code_references(net, end, choose_references(image)), end)
        return (len(colours) - 1,)

    def _read_fields(self, fields: FieldReader) -> tuple[int, ...]:
        return (fields.varint("number of colours less one", 0, MAX_COLOURS - 1),)

    def _read_pixels(
        self, shape: tuple[int, int, int], more: tuple[int, ...], net: Network, end: BitReader
    ) -> NDArray[Any]:
        num_colours = more[0] + 1
        colours = code_palette(net, end, np.zeros((num_colours, 4), np.uint8), self._known_colours())
        references = code_references(net, end, np.zeros(shape[0], np.int64))
        return colours[self._code_image(np.zeros(shape, np.int32), colours, references, end)]

    def _make_model(self, image: NDArray[np.int32], num_colours: int, references: NDArray[np.int64]) -> PixelModel:
        return make_pixel_model(image, num_colours, references)

    def _known_colours(self) -> NDArray[np.uint8] | None:
        """Return colours that a reader knows too, (n, 4)."""
        return None

    def _code_image(
        self, image: NDArray[np.int32], colours: NDArray[np.uint8], references: NDArray[np.int64], end: Any
    ) -> NDArray[np.int32]:
        """Code the colour of every pixel and return them; what they are is ignored where `end` is a reader."""
        model = self._make_model(image, len(colours), references)
        run_through(code_pixels, model, end, image.size, MOST_BITS, unit="pixels")
        return np.array(model.image, np.int32).reshape(image.shape)


def _is_of_few_colours(array: NDArray[np.uint8]) -> bool:
    some = array.reshape(-1, 4)[: 1 << 16]  # most of those with many have them here already
    return index_colours(some[None, None], MAX_COLOURS) is not None and index_colours(array, MAX_COLOURS) is not None


class ValueFormat(PictureFormat):
    """Pictures of any number of colours, 8 or 16 bits a channel."""

    def _write_pixels(self, array: NDArray[Any], net: Network, end: BitWriter) -> tuple[int, ...]:
        _code_values(array.astype(np.int32), 8 * array.itemsize, end)
        return (array.itemsize,)

    def _read_fields(self, fields: FieldReader) -> tuple[int, ...]:
        return (fields.varint("number of bytes of a value", 1, 2),)

    def _read_pixels(
        self, shape: tuple[int, int, int], more: tuple[int, ...], net: Network, end: BitReader
    ) -> NDArray[Any]:
        kind = np.dtype(np.uint8 if more[0] == 1 else np.uint16)
        return _code_values(np.zeros((*shape, CHANNELS[kind]), np.int32), 8 * kind.itemsize, end).astype(kind)


def _code_values(values: NDArray[np.int32], depth: int, end: Any) -> NDArray[np.int32]:
    model = make_channel_model(values, depth)
    run_through(code_values, model, end, values.size, MOST_BITS_OF_VALUE, unit="values")
    return np.array(model.values, np.int32).reshape(values.shape)


class PaletteStill(PaletteFormat):
    """A picture of few colours."""

    kind, moves = 0, False


class PaletteAnimation(PaletteFormat):
    """An animation of few colours."""

    kind, moves = 1, True


class ValueStill(ValueFormat):
    """A picture of many colours."""

    kind, moves = 2, False


class ValueAnimation(ValueFormat):
    """An animation of many colours."""

    kind, moves = 3, True
