"""Media files made byte by byte, for what PIL and soundfile do not write."""

import io
import struct
import zlib

import numpy as np
import soundfile

RED, BLUE, GREEN, DARK = COLOURS = [(255, 0, 0), (0, 0, 255), (0, 255, 0), (9, 9, 9)]
NOTHING = (0, 0, 0, 0)


def gif_file(size, frames, *, background=0):
    """Return a GIF of frames ``(box, pixels, disposal, transparent or None)``, pixels as indices of `COLOURS`."""
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF1, background, 0) + bytes(sum(COLOURS, ()))
    for box, pixels, disposal, transparent in frames:
        flags = disposal << 2 | (transparent is not None)
        data += b"!\xf9\x04" + struct.pack("<BHBB", flags, 10, transparent or 0, 0)
        data += b"," + struct.pack("<HHHHB", *box, 0) + _lzw(pixels)
    return data + b";"


def _lzw(pixels):
    # a clear code after every second index keeps all codes at three bits
    codes = [code for number, pixel in enumerate(pixels) for code in ([4] * (number % 2 == 0) + [pixel])] + [5]
    bits = sum(code << 3 * place for place, code in enumerate(codes))
    packed = bits.to_bytes(-(-3 * len(codes) // 8), "little")
    return bytes([2, len(packed)]) + packed + b"\0"


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(pixels, *, colour_type=2, chunks=b"", bits=8):
    """Return a PNG of pixels (H, W, C); `chunks` stand before the pixels."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", _png_rows(pixels, bits))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def _png_rows(pixels, bits=8):
    rows = pixels.astype(">u2" if bits == 16 else "u1")
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def apng_file(frames, *, fallback=None, size=None, colour_type=6, chunks=b"", num_frames=None):
    """Return an animated PNG of frames ``(left, top, pixels, milliseconds, disposal, blend)``; see `png_file`."""
    height, width = size or frames[0][2].shape[:2]
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))
    data += chunks + png_chunk(b"acTL", struct.pack(">II", num_frames or len(frames), 0))
    data += b"" if fallback is None else png_chunk(b"IDAT", _png_rows(fallback))
    for number, (left, top, pixels, milliseconds, disposal, blend) in enumerate(frames):
        high, wide, _ = pixels.shape
        control = struct.pack(">IIIIIHHBB", 2 * number, wide, high, left, top, milliseconds, 1000, disposal, blend)
        is_first = number == 0 and fallback is None
        sequence = b"" if is_first else struct.pack(">I", 2 * number + 1)
        data += png_chunk(b"fcTL", control)
        data += png_chunk(b"IDAT" if is_first else b"fdAT", sequence + _png_rows(pixels))
    return data + png_chunk(b"IEND", b"")


def wav_file(samples, *, rate=8000, riff_size=None, data_size=None, mark=b"RIFF"):
    """Return a mono WAV of an integer dtype whose two sizes are what is said, right by default."""
    content, bits = samples.tobytes(), 8 * samples.itemsize
    header = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * bits // 8 % 2**32, bits // 8, bits)
    size = len(content) if data_size is None else data_size
    body = header + b"data" + struct.pack("<I", size) + content
    return mark + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def sound_file(samples, rate, file_format, subtype=None, **options):
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=file_format, subtype=subtype, **options)
    return target.getvalue()


def noisy_tone(num_samples, channels=1):
    noise = np.random.default_rng(0).normal(size=(num_samples, channels)) * 0.05
    return np.sin(np.arange(num_samples) / 9)[:, None] * 0.5 + noise


def flac_of_length(samples, claimed):
    """Return a FLAC at 48 kHz whose header claims so many samples; 0 means that they are not known."""
    data = bytearray(sound_file(samples, 48_000, "FLAC", "PCM_16"))
    length = int.from_bytes(data[21:26], "big") >> 36 << 36 | claimed
    data[21:26] = length.to_bytes(5, "big")
    return bytes(data)
