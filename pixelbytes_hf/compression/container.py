"""The shell of a ``.pxb`` file: mark, version, kind, fields, stream, checksum; see ``docs/pxb_format.md``."""

import zlib
from typing import NamedTuple

MARK = b"PXB"
VERSION = 1  # of the format and of the coder's output: either changes, it changes
CHECKSUM_BYTES = 4
MOST_VARINT_BYTES = 9
_SHORTEST = len(MARK) + 2 + CHECKSUM_BYTES


class Shell(NamedTuple):
    """What a file holds, checked to be whole.

    Attributes:
        kind: Of the content, 0 to 255.
        body: Fields and stream.
    """

    kind: int
    body: bytes


def pack(kind: int, body: bytes) -> bytes:
    """Return a file."""
    content = MARK + bytes([VERSION, kind]) + body
    return content + zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")


def unpack(data: bytes) -> Shell:
    """Return what a file holds.

    Raises:
        ValueError: If it is no such file, of another version, cut or changed.
    """
    if data[: len(MARK)] != MARK:
        raise ValueError(f"it does not begin with {MARK.decode()}: it is no .pxb file, or not from its first byte on")
    if len(data) < _SHORTEST:
        raise ValueError(f"it is cut short: {len(data)} bytes, no file has fewer than {_SHORTEST}")
    if data[3] != VERSION:
        raise ValueError(f"it is of version {data[3]} of the format: this package reads version {VERSION}")
    content, checksum = data[:-CHECKSUM_BYTES], int.from_bytes(data[-CHECKSUM_BYTES:], "big")
    if zlib.crc32(content) != checksum:
        raise ValueError("its checksum does not fit: it is cut short, or some of its bytes were changed")
    return Shell(content[4], content[5:])


def write_varints(*numbers: int) -> bytes:
    """Return whole numbers from 0 up, 7 bits a byte, the low ones first; the eighth bit says that more follow.

    Example:
        >>> write_varints(5, 300).hex()
        '05ac02'
    """
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


class FieldReader:
    """Reads the fields of a body one after another.

    Attributes:
        body: Fields and stream.
        at: First byte that was not read.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def varint(self, name: str, low: int, high: int) -> int:
        """Return a number.

        Raises:
            ValueError: If there is none, or it is not from `low` to `high`.
        """
        number = 0
        for place in range(MOST_VARINT_BYTES):
            byte = self.take(1, name)[0]
            number |= (byte & 127) << 7 * place
            if byte < 128:
                break
        else:
            raise ValueError(f"its {name} is no number of up to {MOST_VARINT_BYTES} bytes")
        if not low <= number <= high:
            raise ValueError(f"its {name} is {number}: expected {low} to {high}")
        return number

    def take(self, size: int, name: str) -> bytes:
        """Return so many bytes.

        Raises:
            ValueError: If there are fewer.
        """
        part = self.body[self.at : self.at + size]
        if len(part) < size:
            raise ValueError(f"it ends within its {name}")
        self.at += size
        return part

    def rest(self) -> bytes:
        """Return what was not read, the stream."""
        return self.body[self.at :]
