import numpy as np
import pytest
from media_files import noisy_tone, sound_file

from pixelbytes_hf.media.mpeg_frames import with_frame_count
from pixelbytes_hf.media.sounds import read_sound

RATES = (8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000)


def mp3(rate, channels=1, mode="VARIABLE", length=48_000):
    return sound_file(noisy_tone(length, channels), rate, "MP3", bitrate_mode=mode)


def without_count(data):
    """Return an MP3 without its first frame, which holds the count."""
    return data[data.index(data[:2], 60) :]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_that_are_right_stay_as_they_are(rate, channels):
    for mode in ("VARIABLE", "CONSTANT"):
        data = mp3(rate, channels, mode)
        for whole in (data, data + b"TAG" + bytes(125), b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + data):
            assert with_frame_count(whole) is whole
    wave = sound_file(noisy_tone(9), 8_000, "WAV")
    assert (
        with_frame_count(wave) is wave
        and with_frame_count(b"") == b""
        and with_frame_count(b"\xff\xfb") == b"\xff\xfb"
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_changing_bitrate_without_a_count_is_read_whole(rate, channels):
    data = mp3(rate, channels)
    bare = without_count(data)
    expected, read = read_sound(data).array, read_sound(bare).array
    assert len(expected) == 48_000 <= len(read) < 48_000 + 3 * 1152
    # the same sound, later by the delay that the lost header knew of
    delay = int(np.argmax([np.abs(read[n : n + 9_000] - expected[:9_000]).max() < 1e-4 for n in range(2_000)]))
    assert np.abs(read[delay : delay + 40_000] - expected[:40_000]).max() < 1e-4


@pytest.mark.parametrize("claimed", [5, 1 << 31])
def test_a_wrong_count_is_put_right_or_refused(claimed):
    data = mp3(44_100)
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    wrong = data[:at] + claimed.to_bytes(4, "big") + data[at + 4 :]
    if claimed == 5:
        assert len(read_sound(wrong).array) == 48_000
    else:
        with pytest.raises(ValueError, match="cut short"):
            read_sound(wrong)


@pytest.mark.parametrize("share", [0.4, 0.7, 0.99])
def test_a_cut_file_is_refused_whether_it_has_a_count_or_not(share):
    for data in (mp3(44_100), without_count(mp3(44_100)), mp3(44_100, mode="CONSTANT")):
        with pytest.raises(ValueError, match="cut short"):
            with_frame_count(data[: int(len(data) * share)])
