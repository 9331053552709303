"""Pictures of few colours whose pixels a trained run foretells: a digest names the run, a check value its machine."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..media.media_limits import MediaLimits
from .container import FieldReader
from .contents import Picture
from .counts.pixel_model import make_pixel_model
from .picture_formats import PaletteFormat

CHECK_BYTES = 4
FIRST_KIND = 6  # kinds from here on need a run


class RunFormat(PaletteFormat):
    """Pictures of up to 256 colours, with a run.

    Attributes:
        coder: `RunCoder`, or None: such files are then refused.
    """

    def __init__(self, coder: Any) -> None:
        self.coder = coder
        self._check = 0

    def write(self, content: Any) -> bytes:
        """Return digest, check value, fields and stream."""
        body = super().write(content)
        return bytes(self.coder.digest()) + self._check.to_bytes(CHECK_BYTES, "big") + body

    def read(self, fields: FieldReader, limits: MediaLimits) -> Picture:
        """Return the picture.

        Raises:
            ValueError: If there is no run, another one, or this machine computes other probabilities.
        """
        from .run_coder import DIGEST_BYTES

        digest, check = fields.take(DIGEST_BYTES, "digest"), fields.take(CHECK_BYTES, "check value")
        if self.coder is None:
            raise ValueError(f"it was written with a run of digest {digest.hex()}: pass that run")
        if (mine := self.coder.digest()) != digest:
            raise ValueError(f"it was written with a run of digest {digest.hex()}, got one of {mine.hex()}")
        other = "this machine computes other probabilities from the run than the one that wrote it"
        try:
            picture = super().read(fields, limits)
        except ValueError as error:
            if "limit" in str(error):
                raise
            raise ValueError(f"{error} ({other}?)") from error
        if self._check != int.from_bytes(check, "big"):
            raise ValueError(other)
        return picture

    def _known_colours(self) -> NDArray[np.uint8] | None:
        known: NDArray[np.uint8] = self.coder.colours()
        return known

    def _code_image(
        self, image: NDArray[np.int32], colours: NDArray[np.uint8], references: NDArray[np.int64], end: Any
    ) -> NDArray[np.int32]:
        model = make_pixel_model(image, len(colours), references, is_hinted=True)
        self._check = self.coder.code(model, colours, image.shape, end)
        return np.array(model.image, np.int32).reshape(image.shape)


class RunStill(RunFormat):
    """A picture."""

    kind: ClassVar[int] = FIRST_KIND
    moves = False


class RunAnimation(RunFormat):
    """An animation."""

    kind: ClassVar[int] = FIRST_KIND + 1
    moves = True
