"""What a sound becomes when it leaves a Game Boy's speaker.

The second channel of every cry is the first one resampled to the console's rate, band limited, and brought back to its
own rate; each channel is then scaled to a peak of one.

Shapes: N samples, C channels.

Source: `process_audio`, pokemon.py of fabienfrfr/PixelBytes@7646d6a; same values to 1e-5 of full scale. Deliberate
difference: silence stays silence (there it is divided by its peak of zero).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, resample

SPEAKER_RATE_HZ = 8192
SPEAKER_BAND_HZ = (100.0, 3000.0)
SPEAKER_FILTER_ORDER = 4
# designed once: the design takes longer than the filter does on a cry
SPEAKER_FILTER = butter(SPEAKER_FILTER_ORDER, SPEAKER_BAND_HZ, btype="bandpass", fs=SPEAKER_RATE_HZ)

Samples = NDArray[np.floating]


def play_through_speaker(samples: Samples, *, sampling_rate: int) -> NDArray[np.float64]:
    """Return a mono signal as a Game Boy's speaker would sound, at its own rate and not rescaled.

    Args:
        samples: Amplitudes, (N,).
        sampling_rate: Rate in Hz.

    Returns:
        Amplitudes, (N,).

    Raises:
        ValueError: If `samples` is not (N,) with at least one sample at the speaker's rate, or holds NaN or infinity.

    Example:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(800) / 8000)
        >>> play_through_speaker(tone, sampling_rate=8000).shape
        (800,)
    """
    if samples.ndim != 1 or sampling_rate <= 0:
        raise ValueError(f"expected samples (N,) at a rate above 0 Hz, got {samples.shape} at {sampling_rate} Hz")
    if not np.isfinite(samples).all():
        raise ValueError(f"samples must be finite, got {np.count_nonzero(~np.isfinite(samples))} NaN or infinite ones")
    num_samples = int(len(samples) * SPEAKER_RATE_HZ / sampling_rate)
    if num_samples == 0:
        raise ValueError(f"samples must last at least 1/{SPEAKER_RATE_HZ} s, got {len(samples)} at {sampling_rate} Hz")
    filtered = lfilter(*SPEAKER_FILTER, resample(np.asarray(samples, np.float64), num_samples))
    return np.asarray(resample(filtered, len(samples)), np.float64)


def normalise_peak(samples: Samples) -> NDArray[np.float64]:
    """Return a signal scaled to a peak of one; silence is returned as it is.

    Example:
        >>> normalise_peak(np.array([0.25, -0.5])).tolist()
        [0.5, -1.0]
    """
    peak = np.abs(samples).max(initial=0.0)
    return np.asarray(samples / peak if peak > 0 else samples, np.float64)


def add_speaker_channel(samples: Samples, *, sampling_rate: int) -> NDArray[np.float32]:
    """Return a sound as two channels: itself in mono, and through the speaker; each with a peak of one.

    Args:
        samples: Amplitudes, (N,) or (N, C); channels are averaged.
        sampling_rate: Rate in Hz.

    Returns:
        Amplitudes in [-1, 1], (N, 2).

    Raises:
        ValueError: If `samples` has another rank, is too short, or holds NaN or infinity.
    """
    if samples.ndim not in (1, 2):
        raise ValueError(f"samples must be (N,) or (N, C), got {samples.shape}")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    speaker = play_through_speaker(mono, sampling_rate=sampling_rate)
    return np.stack([normalise_peak(mono), normalise_peak(speaker)], axis=1).astype(np.float32)
