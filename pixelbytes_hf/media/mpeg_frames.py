"""How long an MP3 file is: its frames counted, and the count written where decoders look for it.

An MP3 file is a row of frames. Their number may stand in the first one (Xing, LAME); where it does not, libsndfile
guesses from the first bitrate, and reads a file of changing bitrate as a shorter one.

Source: ISO/IEC 11172-3 and 13818-3, layer III; the Xing header as LAME writes it.
"""

from typing import NamedTuple

# kilobits per second by index: of MPEG 1, and of 2 and 2.5
_BITRATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
ROOMY = 9  # index of a bitrate whose frames hold the count
COUNT_IS_THERE = 1  # flag of the Xing header


# what may follow the last frame
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")


class _Frame(NamedTuple):
    """A frame's length in bytes, where a Xing header would stand in it, and the index of its bitrate."""

    size: int
    xing: int
    bitrate: int


def with_frame_count(data: bytes) -> bytes:
    """Return an MP3 file that says how many frames it has; any other file as it is.

    Raises:
        ValueError: If it has fewer frames than it says, or says nothing and ends within one: it is cut short.
    """
    start = _end_of_tag(data)
    frames, at = [], start
    while (frame := _frame_at(data, at)) is not None:
        frames.append(frame)
        at += frame.size
    rest = data[at:].strip(b"\0")
    if len(frames) < 2 or (rest and not rest.startswith(_TAGS)):
        return data  # not MPEG, or frames with something between them: for the decoder to judge
    is_partial = at > len(data)
    num_whole = len(frames) - is_partial
    xing = start + frames[0].xing
    if data[xing : xing + 4] not in (b"Xing", b"Info") or not data[xing + 7] & COUNT_IS_THERE:
        if is_partial:
            raise ValueError("the file is cut short: it ends within a frame")
        varies = len({frame.bitrate for frame in frames}) > 1
        return data[:start] + _counting_frame(data[start : start + 4], num_whole) + data[start:] if varies else data
    claimed = int.from_bytes(data[xing + 8 : xing + 12], "big")
    # the frame of the header is no sound, yet some encoders count it
    if claimed > num_whole - is_partial:
        raise ValueError(f"the file is cut short: {num_whole} of the {claimed} frames that it counts are there")
    is_right = claimed >= num_whole - 1
    return data if is_right else data[: xing + 8] + (num_whole - 1).to_bytes(4, "big") + data[xing + 12 :]


def _counting_frame(header: bytes, count: int) -> bytes:
    header = header[:2] + bytes([ROOMY << 4 | header[2] & 0x0C]) + header[3:]
    frame = _frame_at(header, 0)
    assert frame is not None
    content = header + bytes(frame.xing - 4) + b"Xing" + COUNT_IS_THERE.to_bytes(4, "big") + count.to_bytes(4, "big")
    return content.ljust(frame.size, b"\0")


def _end_of_tag(data: bytes) -> int:
    """Return where an ID3 tag at the head of a file ends."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frame_at(data: bytes, at: int) -> _Frame | None:
    """Return the layer III frame that begins at a byte; None if there is none."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    is_first, is_mono = version == 3, header[3] >> 6 == 3
    kilobits = _BITRATES[0 if is_first else 1][bitrate]
    size = (144 if is_first else 72) * 1000 * kilobits // _RATES_HZ[version][rate] + (header[2] >> 1 & 1)
    return _Frame(size, 4 + ((17 if is_mono else 32) if is_first else (9 if is_mono else 17)), bitrate)
