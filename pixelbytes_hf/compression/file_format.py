"""What every kind of ``.pxb`` content declares: its number, what it holds, how it is written and read."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ..media.media_limits import MediaLimits
from .container import FieldReader


class FileFormat(ABC):
    """A kind of content.

    Attributes:
        kind: Its number in the file.
    """

    kind: ClassVar[int]

    @abstractmethod
    def holds(self, content: Any) -> bool:
        """Tell whether a content is of this kind."""

    @abstractmethod
    def write(self, content: Any) -> bytes:
        """Return fields and stream of a content that this kind holds."""

    @abstractmethod
    def read(self, fields: FieldReader, limits: MediaLimits) -> Any:
        """Return the content.

        Raises:
            ValueError: If fields or stream are not of the format, or the content is over the limits.
        """
