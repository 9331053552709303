"""Contents to the bytes of a ``.pxb`` file and back."""

from typing import Any

from ..media.media_limits import DEFAULT_LIMITS, MediaLimits
from .container import FieldReader, pack, unpack
from .contents import Content, Document, Picture, SampledSound
from .document_format import DocumentFormat
from .file_format import FileFormat
from .helped_formats import HELPED_FORMATS
from .picture_formats import CHANNELS, PaletteAnimation, PaletteStill, ValueAnimation, ValueStill
from .sound_format import SoundFormat
from .whole_samples import DTYPES

# the first one that holds a content takes it
FORMATS: tuple[FileFormat, ...] = (
    PaletteStill(),
    PaletteAnimation(),
    ValueStill(),
    ValueAnimation(),
    SoundFormat(),
    DocumentFormat(),
)
MOST_DURATION_MS, MOST_PLAYS = (1 << 31) - 1, 1 << 20


def compress(content: Content, *, helper: Any = None) -> bytes:
    """Return a content as a ``.pxb`` file.

    Args:
        content: Picture, sound or document; what comes back from `decompress` equals it in every bit.
        helper: For a picture of up to 256 colours, a `RunCoder` that foretells its pixels, or `StartTables` to start
            from; by default counts do alone, from nothing.

    Raises:
        TypeError: If it is none of these.
        ValueError: If it is not as its class says, or a helper cannot help with it.

    Example:
        >>> decompress(compress(Document(b"a small red beast", ".txt")))
        Document(data=b'a small red beast', suffix='.txt')
    """
    check_content(content)
    formats: tuple[FileFormat, ...] = FORMATS if helper is None else _helped(helper)
    chosen = next((kind for kind in formats if kind.holds(content)), None)
    if chosen is None:
        raise ValueError(f"a {helper.what} helps with pictures of up to 256 colours: compress this without it")
    return pack(chosen.kind, chosen.write(content))


def decompress(data: bytes, *, helper: Any = None, limits: MediaLimits = DEFAULT_LIMITS) -> Content:
    """Return the content of a ``.pxb`` file.

    Args:
        data: The file.
        helper: The `RunCoder` or `StartTables` that it was written with, if it was.
        limits: What the content may hold; more is refused before memory is taken for it.

    Raises:
        ValueError: If it is no such file, is cut, changed, of another version, or over the limits, or was written with
            a helper that is not given, is another, or computes other probabilities on this machine.
    """
    shell = unpack(data)
    formats = (*FORMATS, *(kind(helper) for kind in HELPED_FORMATS))
    chosen = {kind.kind: kind for kind in formats}.get(shell.kind)
    if chosen is None:
        raise ValueError(f"it holds content of kind {shell.kind}: this package knows 0 to {len(formats) - 1}")
    content: Content = chosen.read(FieldReader(shell.body), limits)
    check_content(content)
    return content


def _helped(helper: Any) -> tuple[FileFormat, ...]:
    return tuple(kind(helper) for kind in HELPED_FORMATS if kind.what == helper.what)


def check_content(content: Content) -> None:
    """Refuse what no file can hold.

    Raises:
        TypeError: If it is neither picture nor sound nor document.
        ValueError: If an array is empty or of another type or shape than its class says, or a number is out of range.
    """
    if isinstance(content, Picture):
        _check_picture(content)
    elif isinstance(content, SampledSound):
        _check_sound(content)
    elif not isinstance(content, Document):
        raise TypeError(f"content must be a Picture, SampledSound or Document, got {type(content).__name__}")


def _check_picture(picture: Picture) -> None:
    array = picture.array
    if array.ndim != 4 or not array.size or CHANNELS.get(array.dtype) != array.shape[3]:
        raise ValueError(
            f"array must be non-empty (T, H, W, 4) uint8 or (T, H, W, 1) uint16, got {array.dtype} {array.shape}"
        )
    times = picture.durations_ms
    if len(times) != len(array) or not all(0 <= time <= MOST_DURATION_MS for time in times):
        raise ValueError(f"durations_ms must be {len(array)} numbers from 0 to {MOST_DURATION_MS}, got {times!r}")
    if not 0 <= picture.num_plays <= MOST_PLAYS:
        raise ValueError(f"num_plays must be 0 to {MOST_PLAYS}, got {picture.num_plays!r}")


def _check_sound(sound: SampledSound) -> None:
    array: Any = sound.array
    rate = sound.sampling_rate_hz
    if array.ndim != 2 or not array.size or array.dtype not in DTYPES:
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise ValueError(f"array must be non-empty (T, C) of {names}, got {array.dtype} {array.shape}")
    if not 1 <= rate < 1 << 31 or int(rate) != rate:
        raise ValueError(f"sampling_rate_hz must be a whole number from 1 to {(1 << 31) - 1}, got {rate!r}")
    if not 1 <= sound.num_bits <= 64:
        raise ValueError(f"num_bits must be 1 to 64, got {sound.num_bits!r}")
    unused = 8 * array.dtype.itemsize - sound.num_bits
    # a file of so many bits would lose them
    if array.dtype.kind != "f" and unused > 0 and (array & array.dtype.type((1 << unused) - 1)).any():
        raise ValueError(
            f"num_bits is {sound.num_bits}, but samples of {array.dtype} use bits below the {sound.num_bits} high ones"
        )
