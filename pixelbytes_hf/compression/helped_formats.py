"""Pictures of few colours whose reader needs what the writer had: a trained run, or tables to start from.

A digest in the file names it. Of a run a check value also says whether this machine computes the same probabilities.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..media.media_limits import MediaLimits
from .container import FieldReader
from .contents import Picture
from .counts.pixel_model import PixelModel, make_pixel_model
from .picture_formats import PaletteFormat

CHECK_BYTES, DIGEST_BYTES = 4, 4
OTHER_MACHINE = (
    "this machine computes other probabilities from the run than the one that wrote it, or the run's settings changed"
)


class HelpedFormat(PaletteFormat):
    """Pictures of up to 256 colours, with a helper.

    Args:
        helper: Has `what`, the sort of it, and `digest()`, which tells it from others of that sort. None, or one of
            another sort: files are refused.
    """

    what: ClassVar[str]

    def __init__(self, helper: Any = None) -> None:
        self.helper: Any = helper if helper is not None and helper.what == self.what else None

    def write(self, content: Any) -> bytes:
        """Return digest, fields and stream."""
        body = super().write(content)
        return bytes(self.helper.digest()) + body

    def read(self, fields: FieldReader, limits: MediaLimits) -> Picture:
        """Return the picture.

        Raises:
            ValueError: If there is no helper of that sort, or it is another one.
        """
        digest = fields.take(DIGEST_BYTES, "digest")
        if self.helper is None:
            raise ValueError(f"it was written with a {self.what} of digest {digest.hex()}: pass that {self.what}")
        if (mine := self.helper.digest()) != digest:
            raise ValueError(f"it was written with a {self.what} of digest {digest.hex()}, got one of {mine.hex()}")
        return self._read_helped(fields, limits)

    def _read_helped(self, fields: FieldReader, limits: MediaLimits) -> Picture:
        return super().read(fields, limits)


class RunFormat(HelpedFormat):
    """Pictures whose pixels a run foretells; the helper is a `RunCoder`."""

    what = "run"
    _check = 0

    def write(self, content: Any) -> bytes:
        """Return digest, check value, fields and stream."""
        body = super().write(content)
        return body[:DIGEST_BYTES] + self._check.to_bytes(CHECK_BYTES, "big") + body[DIGEST_BYTES:]

    def _read_helped(self, fields: FieldReader, limits: MediaLimits) -> Picture:
        check = int.from_bytes(fields.take(CHECK_BYTES, "check value"), "big")
        picture = super()._read_helped(fields, limits)
        if self._check != check:
            raise ValueError(OTHER_MACHINE)
        return picture

    def _known_colours(self) -> NDArray[np.uint8] | None:
        known: NDArray[np.uint8] = self.helper.colours()
        return known

    def _code_image(
        self, image: NDArray[np.int32], colours: NDArray[np.uint8], references: NDArray[np.int64], end: Any
    ) -> NDArray[np.int32]:
        model = make_pixel_model(image, len(colours), references, is_hinted=True)
        self._check = self.helper.code(model, colours, image.shape, end)
        return np.array(model.image, np.int32).reshape(image.shape)


class TablesFormat(HelpedFormat):
    """Pictures whose networks start from tables; the helper is a `StartTables`."""

    what = "file of start tables"

    def _make_model(self, image: NDArray[np.int32], num_colours: int, references: NDArray[np.int64]) -> PixelModel:
        model = super()._make_model(image, num_colours, references)
        self.helper.start(model)
        return model


class RunStill(RunFormat):
    """A picture."""

    kind, moves = 6, False


class RunAnimation(RunFormat):
    """An animation."""

    kind, moves = 7, True


class TablesStill(TablesFormat):
    """A picture."""

    kind, moves = 8, False


class TablesAnimation(TablesFormat):
    """An animation."""

    kind, moves = 9, True


HELPED_FORMATS = (RunStill, RunAnimation, TablesStill, TablesAnimation)
