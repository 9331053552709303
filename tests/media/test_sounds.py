import io
import os

import numpy as np
import pytest
import soundfile
from media_files import flac_of_length, noisy_tone, sound_file, wav_file

from pixelbytes_hf.media.media_limits import MediaLimits
from pixelbytes_hf.media.sounds import Sound, read_sound, write_sound

WHOLE_FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "MS_ADPCM"),
    ("RF64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize(("file_format", "subtype"), WHOLE_FORMATS)
def test_a_file_that_is_cut_is_refused_wherever_it_is_cut(file_format, subtype, tmp_path):
    whole = sound_file(noisy_tone(48_000), 48_000, file_format, subtype)
    length = len(read_sound(whole).array)
    assert length == len(soundfile.read(io.BytesIO(whole))[0]) >= 48_000
    path = tmp_path / "cut"
    for share in np.linspace(0.1, 0.97, 15):
        path.write_bytes(whole[: int(len(whole) * share)])
        with path.open("rb") as file:
            for source in (path, {"bytes": path.read_bytes(), "path": str(path)}, file):
                with pytest.raises(ValueError, match="cut is not a readable sound"):
                    read_sound(source)


@pytest.mark.parametrize(("file_format", "subtype"), WHOLE_FORMATS)
def test_what_follows_the_samples_is_no_part_of_them(file_format, subtype):
    whole = sound_file(noisy_tone(9_000, 2), 48_000, file_format, subtype)
    for extra in (b"\0" * 64, b"TAG" + bytes(125)):
        array = read_sound(whole + extra).array
        assert np.abs(array[: len(read_sound(whole).array)] - read_sound(whole).array).max() < 1e-6


@pytest.mark.parametrize(("riff", "data"), [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF + 36, 0x7FFFFFFF), (0, 0), (36, 0)])
@pytest.mark.parametrize("dtype", ["<i2", "u1"])
def test_a_wav_written_into_a_pipe_is_read_whole(riff, data, dtype):
    samples = (np.sin(np.arange(1001) / 9) * 100 + 100).astype(dtype)
    sound = read_sound(wav_file(samples, riff_size=riff, data_size=data))
    assert sound.array.shape == (1001, 1)


@pytest.mark.parametrize(
    ("samples", "riff_size"),
    [
        (np.arange(999, dtype="u1"), 36 + 999 + 1),  # a pad byte that is counted and not written
        (np.arange(998, dtype="u1"), 36 + 998 + 8),  # its own eight bytes counted
        (np.arange(998, dtype="<i2"), 1 << 20),
    ],
)
def test_samples_that_are_all_there_are_read_whatever_the_outer_size_says(samples, riff_size):
    assert len(read_sound(wav_file(samples, riff_size=riff_size)).array) == len(samples)


def test_a_flac_that_does_not_know_its_length_is_read_whole():
    tone = noisy_tone(48_000)
    expected = read_sound(sound_file(tone, 48_000, "FLAC", "PCM_16")).array
    assert np.array_equal(read_sound(flac_of_length(tone, 0)).array, expected)
    with pytest.raises(ValueError, match="not a readable sound"):
        read_sound(flac_of_length(tone, 0)[:-9000])


@pytest.mark.parametrize("claimed", [(1 << 36) - 1, 1 << 30, 1 << 23])
def test_a_header_that_claims_more_than_there_is_is_refused(claimed, tmp_path):
    (tmp_path / "liar.flac").write_bytes(flac_of_length(noisy_tone(4800), claimed))
    with pytest.raises(ValueError, match=r"liar\.flac is not a readable sound: .*(over the limit|cut short)"):
        read_sound(tmp_path / "liar.flac")


@pytest.mark.parametrize("stream_ends", ["OGG", "FLAC", "WAV"])
def test_what_is_too_large_is_refused_before_it_is_decoded(monkeypatch, stream_ends):
    data = sound_file(noisy_tone(4_000, 2), 8_000, stream_ends)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("was decoded"))
    for limits in ({"max_samples": 7_999}, {"max_channels": 1}, {"max_rate_hz": 7_999}, {"max_file_bytes": 99}):
        with pytest.raises(ValueError, match="is over the limit"):
            read_sound(data, limits=MediaLimits(**limits))


def test_the_bounds_themselves_are_within():
    limits = MediaLimits(max_samples=8_000, max_channels=2, max_rate_hz=8_000, max_seconds=1)
    data = sound_file(noisy_tone(4_000, 2), 8_000, "WAV")
    assert read_sound(data, limits=limits).array.shape == (4_000, 2)
    with pytest.raises(ValueError, match="max_seconds"):
        read_sound(sound_file(noisy_tone(4_000), 3_999, "WAV"), limits=limits)
    with pytest.raises(ValueError, match="max_samples"):  # of a length that only decoding tells
        read_sound(flac_of_length(noisy_tone(48_000), 0), limits=MediaLimits(max_samples=47_999))


def test_small_headers_take_no_memory():
    """A rate of 2^31 - 1 Hz would make a resampling filter of 320 GiB."""
    with pytest.raises(ValueError, match="max_rate_hz"):
        read_sound(wav_file(np.zeros(700, "<i2"), rate=2**31 - 1))


@pytest.mark.parametrize("file_format", ["WAV", "FLAC"])
def test_round_trip_is_exact_to_16_bits(rng, file_format):
    sound = Sound(rng.uniform(-1, 1, (500, 2)).astype(np.float32), 32728)
    buffer = io.BytesIO()
    write_sound(sound, buffer, file_format=file_format)
    result = read_sound(buffer.getvalue())
    assert result.sampling_rate_hz == 32728 and np.abs(result.array - sound.array).max() <= 2**-15


def test_unreadable_and_empty_sounds_are_refused():
    with pytest.raises(ValueError, match="empty sound"):
        read_sound(sound_file(np.zeros((0, 1)), 8000, "WAV"))
    with pytest.raises(ValueError, match="not a readable sound"):
        read_sound(b"OggS but no more")
    for value in (np.nan, np.inf, 1e308):
        with pytest.raises(ValueError, match="holds NaN or infinity"):
            read_sound(sound_file(np.array([0.0, value]), 8000, "WAV", "DOUBLE"))


def test_sources_of_other_types_are_refused(tmp_path):
    for source in (3, [1, 2], np.zeros(3)):
        with pytest.raises(TypeError, match="source"):
            read_sound(source)
    (tmp_path / "a.wav").write_text("")
    with (tmp_path / "a.wav").open() as text, pytest.raises(TypeError, match="opened for bytes"):
        read_sound(text)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"")
    (tmp_path / "secret.wav").chmod(0)
    with pytest.raises(ValueError, match=r"secret\.wav is not a readable sound: .*denied"):
        read_sound(tmp_path / "secret.wav")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.wav"):
        read_sound(tmp_path / "absent.wav")


@pytest.mark.parametrize(
    ("array", "rate"), [([[np.nan]], 8000), (np.zeros((0, 1)), 8000), (np.zeros((9, 9)), 8000), ([[0.0]], 768_000)]
)
def test_what_a_format_cannot_hold_is_not_written(array, rate):
    with pytest.raises(ValueError, match="sound"):
        write_sound(Sound(np.asarray(array, np.float32), rate), io.BytesIO(), file_format="FLAC")
