import io

import numpy as np
import pytest
from PIL import Image

from pixelbytes_hf.tokens import media
from pixelbytes_hf.tokens.media import Sound, composite_on_white, read_frames, read_sound, write_gif, write_sound


def gif_bytes(frames, **options):
    buffer = io.BytesIO()
    write_gif(frames, buffer, **options)
    return buffer.getvalue()


@pytest.fixture
def frames(rng):
    return rng.integers(0, 4, (5, 6, 7, 3), dtype=np.uint8) * 80


def test_gif_round_trip_keeps_all_frames_colours_and_durations(frames):
    result = read_frames(gif_bytes(frames, durations_ms=[10, 20, 30, 40, 50]))
    assert np.array_equal(result.array[..., :3], frames) and (result.array[..., 3] == 255).all()
    assert result.durations_ms == (10, 20, 30, 40, 50)


def test_gif_round_trip_keeps_transparency(frames, rng):
    alpha = rng.integers(0, 2, (*frames.shape[:3], 1), dtype=np.uint8) * 255
    rgba = np.concatenate([frames, alpha], -1)
    result = read_frames(gif_bytes(rgba)).array
    assert np.array_equal(result[..., 3], rgba[..., 3])
    assert np.array_equal(composite_on_white(result), composite_on_white(rgba))


def test_step_keeps_time(frames):
    result = read_frames(gif_bytes(frames, durations_ms=20), step=2)
    assert result.durations_ms == (40, 40, 20) and np.array_equal(result.array[..., :3], frames[::2])


def test_scale_repeats_pixels(frames):
    assert np.array_equal(read_frames(gif_bytes(frames, scale=3)).array[:, ::3, ::3, :3], frames)


def test_sources_are_interchangeable(frames, tmp_path):
    data = gif_bytes(frames)
    (tmp_path / "a.gif").write_bytes(data)
    sources = [
        tmp_path / "a.gif",
        str(tmp_path / "a.gif"),
        io.BytesIO(data),
        {"bytes": data, "path": None},
        Image.open(io.BytesIO(data)),
    ]
    sources.append({"bytes": None, "path": tmp_path / "a.gif"})
    assert all(np.array_equal(read_frames(source).array, read_frames(data).array) for source in sources)


def test_composite_rounds_to_nearest():
    rgba = np.array([[[[10, 20, 30, 0]], [[10, 20, 30, 255]], [[0, 0, 0, 128]]]], np.uint8)
    assert composite_on_white(rgba)[0, :, 0].tolist() == [[255] * 3, [10, 20, 30], [127] * 3]


@pytest.mark.parametrize("cut", [0, 3, 10, 200])
def test_cut_or_foreign_pictures_are_refused(frames, cut):
    with pytest.raises(ValueError, match="not a readable picture"):
        read_frames(gif_bytes(frames)[:cut])


def test_a_gif_cut_between_two_frames_is_refused(frames):
    whole = gif_bytes(frames)
    cuts = [n for n, byte in enumerate(whole) if byte == 0x21]  # where the next frame's block begins
    assert len(cuts) > 3
    for cut in cuts[2:]:
        with pytest.raises(ValueError, match=r"cut short|not a readable"):
            read_frames(whole[:cut])


def test_a_wav_cut_within_its_samples_is_refused(rng):
    buffer = io.BytesIO()
    write_sound(Sound(rng.uniform(-1, 1, (500, 2)).astype(np.float32), 8000), buffer, file_format="WAV")
    with pytest.raises(ValueError, match="cut short"):
        read_sound(buffer.getvalue()[:-100])


def test_the_callers_image_stays_at_its_frame(frames):
    image = Image.open(io.BytesIO(gif_bytes(frames)))
    image.seek(3)
    assert len(read_frames(image).array) == 5 and image.tell() == 3


def test_more_colours_than_a_gif_holds_keep_all_frames(rng):
    many = rng.integers(0, 256, (1, 40, 40, 4), dtype=np.uint8).repeat(3, 0)
    many[..., 3] = np.where(many[..., 3] < 128, 0, 255)
    result = read_frames(gif_bytes(many)).array
    assert len(result) == 3 and np.array_equal(result[..., 3], many[..., 3])


def test_sources_of_other_types_are_refused():
    for source in (3, [1, 2], np.zeros(3)):
        with pytest.raises(TypeError, match="source"):
            read_sound(source)


def test_decompression_bomb_is_refused(frames, monkeypatch):
    monkeypatch.setattr(media, "MAX_TOTAL_PIXELS", 100)
    with pytest.raises(ValueError, match="decompression bomb"):
        read_frames(gif_bytes(frames))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.gif"):
        read_frames(tmp_path / "absent.gif")
    with pytest.raises(FileNotFoundError, match=r"absent\.wav"):
        read_sound(tmp_path / "absent.wav")


@pytest.mark.parametrize(
    "frames", [np.zeros((0, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3)), np.zeros((2, 2, 3), np.uint8)]
)
def test_malformed_frames_are_not_written(frames):
    with pytest.raises(ValueError, match="array"):
        write_gif(frames, io.BytesIO())


def test_durations_must_match(frames):
    with pytest.raises(ValueError, match="durations_ms"):
        write_gif(frames, io.BytesIO(), durations_ms=[1, 2])


@pytest.mark.parametrize("file_format", ["WAV", "FLAC"])
def test_sound_round_trip_is_exact_to_16_bits(rng, file_format):
    sound = Sound(rng.uniform(-1, 1, (500, 2)).astype(np.float32), 32728)
    buffer = io.BytesIO()
    write_sound(sound, buffer, file_format=file_format)
    result = read_sound(buffer.getvalue())
    assert result.sampling_rate_hz == 32728 and np.abs(result.array - sound.array).max() <= 2**-15


def test_unreadable_and_empty_sounds_are_refused():
    buffer = io.BytesIO()
    import soundfile

    soundfile.write(buffer, np.zeros((0, 1)), 8000, format="WAV")
    with pytest.raises(ValueError, match="empty sound"):
        read_sound(buffer.getvalue())
    with pytest.raises(ValueError, match="not a readable sound"):
        read_sound(b"OggS but no more")
    nan = io.BytesIO()
    soundfile.write(nan, np.array([0.0, np.nan]), 8000, format="WAV", subtype="FLOAT")
    with pytest.raises(ValueError, match="NaN"):
        read_sound(nan.getvalue())


def test_malformed_sounds_are_not_written():
    with pytest.raises(ValueError, match="sound"):
        write_sound(Sound(np.array([[np.nan]], np.float32), 8000), io.BytesIO(), file_format="WAV")
