"""Contents to ``.pxb`` and back: every bit, on every way; what is cut, changed or foreign is refused."""

import os
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
from fuzzing import is_refusal, mutate_bytes
from pxb_contents import (
    EXAMPLES,
    SOUND_TYPES,
    SPRITE,
    are_equal,
    digest_of_everything,
    draw_content,
    draw_document,
    draw_picture,
    draw_sound,
)

from pixelbytes_hf.compression.compress import FORMATS, compress, decompress
from pixelbytes_hf.compression.container import write_varints
from pixelbytes_hf.compression.contents import Document, Picture, SampledSound
from pixelbytes_hf.media.media_limits import MediaLimits

# of version 1: bytes that differ are another version of the format
DIGESTS = {
    "still": 0xEE27EAF0,
    "animation": 0xB49D948E,
    "many colours": 0xD35E2970,
    "moving values": 0x8970DB24,
    "sound": 0x1B9A451C,
    "text": 0x3ABEE848,
}

DIGEST_OF_EVERYTHING = "da211365917a1d03b8aadd715ed5fe116bd2c70d7327b2547e74e968a238d8cc"


@pytest.mark.parametrize("part", range(10))
def test_random_contents_come_back(part):
    check_contents(range(15 * part, 15 * part + 15))


@pytest.mark.slow
def test_two_thousand_random_contents_come_back():
    check_contents(range(1000, 3000))


def check_contents(seeds):
    for seed in seeds:
        content = draw_content(np.random.default_rng(seed))
        assert are_equal(decompress(compress(content)), content), f"seed {seed}: {content}"


def test_every_kind_is_drawn():
    rng = np.random.default_rng(0)
    contents = [draw_content(rng) for _ in range(200)]
    kinds = {next(kind for kind in FORMATS if kind.holds(content)).kind for content in contents}
    assert kinds == {kind.kind for kind in FORMATS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_bytes_of_this_version_stay(name):
    assert zlib.crc32(compress(EXAMPLES[name])) == DIGESTS[name]


def test_plain_python_writes_the_same_bytes():
    code = "from pxb_contents import digest_of_everything; print(digest_of_everything())"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    plain = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert plain == digest_of_everything() == DIGEST_OF_EVERYTHING


def test_plain_python_reads_what_was_compiled(tmp_path):
    for number, content in enumerate(EXAMPLES.values()):
        (tmp_path / f"{number}.pxb").write_bytes(compress(content))
    code = (
        "import sys; from pathlib import Path; from pxb_contents import *\n"
        "for number, content in enumerate(EXAMPLES.values()):\n"
        "    assert are_equal(decompress((Path(sys.argv[1]) / f'{number}.pxb').read_bytes()), content), content\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_cut_at_every_byte_is_refused(name):
    data = compress(EXAMPLES[name])
    for size in range(len(data)):
        with pytest.raises(ValueError, match=r"no \.pxb file|cut short"):
            decompress(data[:size])


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_change_of_any_byte_is_refused(name):
    data = compress(EXAMPLES[name])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(ValueError, match=r"no \.pxb file|version|checksum"):
            decompress(bytes(changed))


def test_bytes_behind_the_end_are_refused():
    with pytest.raises(ValueError, match="checksum"):
        decompress(compress(EXAMPLES["still"]) + b"\0")


def test_another_version_is_named():
    data = compress(EXAMPLES["text"])
    with pytest.raises(ValueError, match="version 9 of the format: this package reads version 1"):
        decompress(data[:3] + b"\x09" + data[4:])


@pytest.mark.parametrize("data", [b"", b"PX", b"\x89PNG\r\n\x1a\n" * 3, b"GIF89a" + bytes(20)])
def test_foreign_files_are_named(data):
    with pytest.raises(ValueError, match=r"no \.pxb file"):
        decompress(data)


def sealed(kind, body):
    content = b"PXB\x01" + bytes([kind]) + body
    return content + zlib.crc32(content).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (0, (1 << 14, 1 << 14, 0)),
        (1, (100, 100, 10_001, 0)),
        (2, (1 << 30, 2, 1)),
        (4, (1 << 25, 1, 8000)),
        (4, (1, 65, 8000)),
        (5, (1 << 29, 0)),
    ],
)
def test_sizes_over_the_limits_are_refused_before_memory_is_taken(kind, fields):
    with pytest.raises(ValueError, match="over the limit"):
        decompress(sealed(kind, write_varints(*fields)))


def test_the_limits_are_the_callers():
    with pytest.raises(ValueError, match="max_pixels=63"):
        decompress(compress(EXAMPLES["still"]), limits=MediaLimits(max_pixels=63))


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (99, b"", "kind 99"),
        (0, b"", "ends within its width"),
        (0, write_varints(0, 1, 0), "width is 0"),
        (0, write_varints(1, 1, 256), "number of colours less one is 256"),
        (0, b"\xff" * 12, "width is no number of up to 9 bytes"),
        (0, b"\x81" + b"\x80" * 8 + write_varints(1, 0), "width is no number of up to 9 bytes"),
        (4, write_varints(1, 1, 8000, 1, 16, 1, (1 << 32) - 16385, 0), "samples are from -16385 to -16385"),
        (4, write_varints(1, 1, 8000, 1, 16, 1, 1 << 32, 16384), "samples are from 0 to 16384"),
        (4, write_varints(1, 1, 8000, 0, 8, 8, 1 << 32, 1), "shift 8 has 0 to 0"),
        (4, write_varints(1, 1, 8000, 3, 32, 0, 1 << 32, (1 << 24) + 1), "samples are from"),
        (4, write_varints(1, 1, 8000, 3, 32, 32, 1 << 32, 1 << 31), "samples are from"),
        (4, write_varints(1, 1, 8000, 1, 8, 0, (1 << 32) + 1, 0), "num_bits is 8"),
        (2, write_varints(1, 1, 1) + b"\1\0", "ends in a zero"),
        (4, write_varints(1, 1, 8000, 7), "type of samples is 7"),
        (5, write_varints(1, 3) + b"./x", "suffix must be"),
        (5, write_varints(1, 2) + b".\xff", "UTF-8"),
    ],
)
def test_fields_that_cannot_be_are_refused(kind, body, message):
    with pytest.raises(ValueError, match=message):
        decompress(sealed(kind, body))


def test_streams_of_colours_that_are_not_there_are_refused():
    refused = 0
    for seed in range(40):
        noise = bytes(np.random.default_rng(seed).integers(0, 256, 60, dtype=np.uint8))
        try:
            decompress(sealed(0, write_varints(9, 9, 200) + noise))
        except ValueError as error:
            assert "stream" in str(error)
            refused += 1
    assert refused


@pytest.mark.parametrize("part", range(4))
def test_fuzzed_files(part):
    check_fuzzed(range(100 * part, 100 * part + 100))


@pytest.mark.slow
def test_ten_thousand_fuzzed_files():
    check_fuzzed(range(10_000, 20_000))


def check_fuzzed(seeds):
    """A changed file is refused or the same; one that is sealed anew is refused, or gives what the limits allow."""
    limits = MediaLimits(max_pixels=4000, max_frames=50, max_samples=4000, max_file_bytes=4000)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        content = rng.choice((draw_picture, draw_sound, draw_document))(rng)
        data = compress(content)
        changed = mutate_bytes(data, random.Random(seed))
        outcome(changed, limits, expected=content)
        outcome(sealed(data[4], mutate_bytes(data[5:-4], random.Random(seed))), limits, expected=None)


def outcome(data, limits, expected):
    try:
        content = decompress(data, limits=limits)
    except ValueError as error:
        assert is_refusal(error), error
        return
    assert expected is None or are_equal(content, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Picture(np.zeros((0, 2, 2, 4), np.uint8), ()), "array must be non-empty"),
        (Picture(np.zeros((1, 2, 2, 3), np.uint8)), "array must be non-empty"),
        (Picture(np.zeros((1, 2, 2, 4), np.int64)), "array must be non-empty"),
        (Picture(SPRITE, (1, 2)), "durations_ms must be 1 numbers"),
        (Picture(SPRITE, (-1,)), "durations_ms must be"),
        (Picture(SPRITE, (0,), -1), "num_plays must be"),
        (SampledSound(np.zeros((0, 1), np.int16), 8000, 16), "array must be non-empty"),
        (SampledSound(np.zeros((1, 1), np.complex64), 8000, 16), "array must be non-empty"),
        (SampledSound(np.zeros((1, 1), np.int16), 0.5, 16), "sampling_rate_hz must be"),
        (SampledSound(np.zeros((1, 1), np.int16), 8000, 0), "num_bits must be"),
        (SampledSound(np.array([[256], [1]], np.int16), 8000, 8), "num_bits is 8, but samples of int16 use bits"),
        (SampledSound(np.array([[255]], np.int32), 8000, 24), "num_bits is 24, but"),
        (Document(b"", "/etc/x"), "suffix must be"),
        (Document(b"", ".a/b"), "suffix must be"),
        (Document(b"", ".a\0"), "suffix must be"),
        (Document(b"", ".tar.gz"), "suffix must be"),
        (Document(b"", "."), "suffix must be"),
        (Document(b"", ".\ud800"), "suffix must be"),
    ],
)
def test_contents_that_no_file_holds_are_named(content, message):
    with pytest.raises(ValueError, match=message):
        compress(content)


@pytest.mark.parametrize("suffix", [".001", ".0", ".7z", ".größe"])
def test_suffixes_may_have_digits(suffix):
    assert decompress(compress(Document(b"abc", suffix))) == Document(b"abc", suffix)


@pytest.mark.parametrize("dtype", SOUND_TYPES)
def test_the_largest_samples_come_back(dtype):
    info = np.iinfo(dtype) if np.dtype(dtype).kind != "f" else np.finfo(dtype)
    for values in ([info.min, info.max], [info.min, info.min], [-np.inf, np.inf] if hasattr(info, "eps") else [0, 0]):
        sound = SampledSound(np.array([values], dtype), 8000, 8 * np.dtype(dtype).itemsize)
        assert are_equal(decompress(compress(sound)), sound)


def test_other_types_are_named():
    with pytest.raises(TypeError, match="got ndarray"):
        compress(SPRITE)
