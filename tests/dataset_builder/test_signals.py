import json

import numpy as np
import pytest

from dataset_builder.signals import add_speaker_channel, normalise_peak, play_through_speaker

PARITY_TOLERANCE = 1e-5  # of full scale


def power_at(samples, frequency, rate):
    return np.abs(np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate) @ samples)


def test_two_channels_equal_the_papers_synthetic_case(parity_builder):
    two = add_speaker_channel(parity_builder["pa_stereo_input__in"], sampling_rate=22050)
    assert np.abs(two - parity_builder["pa_stereo_input__stereo"]).max() < PARITY_TOLERANCE


def test_two_channels_equal_the_papers(shared):
    cases = json.loads((shared / "parity/data_cases.json").read_text())["cases"]
    arrays = np.load(shared / "parity/data.npz")
    sounds = [case for case in cases if case["kind"] == "process_audio"]
    assert sounds
    for case in sounds:
        two = add_speaker_channel(arrays[case["input"]], sampling_rate=case["sampling_rate"])
        assert np.abs(two - arrays[case["stereo"]]).max() < PARITY_TOLERANCE, case["id"]


@pytest.mark.parametrize(("frequency", "passes"), [(20, False), (1000, True), (3800, False)])
def test_speaker_passes_its_band(frequency, passes):
    rate = 16000
    tone = np.sin(2 * np.pi * frequency * np.arange(rate) / rate)
    ratio = power_at(play_through_speaker(tone, sampling_rate=rate), frequency, rate) / power_at(tone, frequency, rate)
    assert (0.9 < ratio < 1.1) if passes else ratio < 0.2


def test_silence_stays_silence():
    assert not add_speaker_channel(np.zeros(500), sampling_rate=8000).any()
    assert not normalise_peak(np.zeros(0)).size


def test_channels_have_a_peak_of_one(rng):
    two = add_speaker_channel(rng.normal(size=(700, 3)), sampling_rate=8000)
    assert two.shape == (700, 2)
    assert np.abs(two).max(axis=0) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(0), 8000, "at least 1/8192 s"),
        (np.zeros(2), 44100, "at least 1/8192 s"),
        (np.array([0.0, np.nan, np.inf]), 8000, "2 NaN"),
        (np.zeros((2, 2, 2)), 8000, "got \\(2, 2, 2\\)"),
        (np.zeros(9), 0, "0 Hz"),
    ],
)
def test_bad_sounds_are_refused(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        add_speaker_channel(samples, sampling_rate=rate)
