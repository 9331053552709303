"""Texts, or files of any sort, in ``.pxb`` files: every byte as it was."""

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media.media_limits import MediaLimits
from .container import FieldReader, write_varints
from .contents import Document
from .counts.byte_model import BITS, code_bytes, make_byte_model
from .counts.coding import BitReader, BitWriter
from .counts.streams import run_through
from .file_format import FileFormat

MOST_SUFFIX_BYTES = 64
MOST = 1 << 40


class DocumentFormat(FileFormat):
    """The bytes of a file, and the suffix of its name."""

    kind = 5

    def holds(self, content: Any) -> bool:
        """Tell whether it is a file's bytes."""
        return isinstance(content, Document)

    def write(self, content: Any) -> bytes:
        """Return fields and stream of a file.

        Raises:
            ValueError: If its suffix is none.
        """
        check_suffix(content.suffix)
        suffix = content.suffix.encode()
        end = BitWriter()
        _code(np.frombuffer(content.data, np.uint8), end)
        return write_varints(len(content.data), len(suffix)) + bytes(suffix) + end.finish()

    def read(self, fields: FieldReader, limits: MediaLimits) -> Document:
        """Return the file."""
        size = fields.varint("number of bytes", 0, MOST)
        limits.check_file(size)
        try:
            suffix = fields.take(fields.varint("bytes of the suffix", 0, MOST_SUFFIX_BYTES), "suffix").decode()
        except UnicodeDecodeError as error:
            raise ValueError("its suffix is no UTF-8") from error
        check_suffix(suffix)
        return Document(_code(np.zeros(size, np.uint8), BitReader(fields.rest())), suffix)


def check_suffix(suffix: str) -> None:
    """Refuse what would lead to another folder, is longer than names are, or is no suffix of a file so called.

    Raises:
        ValueError: If it is any of these.
    """
    is_one = PurePosixPath("x" + suffix).suffix == suffix and suffix.isprintable() and not set(suffix) & set("/\\:")
    if not is_one or len(suffix.encode()) > MOST_SUFFIX_BYTES:
        raise ValueError(f"a suffix must be empty or one dot and letters of a file's name, got {suffix!r}")


def _code(data: NDArray[np.uint8], end: Any) -> bytes:
    model = make_byte_model(data)
    run_through(code_bytes, model, end, data.size, BITS, unit="B")
    return bytes(bytearray(model.data))
