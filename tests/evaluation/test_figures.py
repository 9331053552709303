"""Figures hold what they were given: pixels enlarged without smoothing, one mark per sentence, curve and sound."""

import numpy as np
import pytest
from PIL import Image

from pixelbytes_hf.evaluation import figures as figures_module
from pixelbytes_hf.evaluation.figures import (
    SheetRow,
    draw_bits_by_kind,
    draw_comparison_curves,
    draw_contact_sheet,
    draw_learning_curves,
    draw_sounds,
)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def find(sheet, picture):
    """Return how often `picture` occurs in `sheet`, pixel by pixel."""
    rows, columns = picture.shape[:2]
    corners = np.argwhere((sheet[: len(sheet) - rows + 1, : sheet.shape[1] - columns + 1] == picture[0, 0]).all(-1))
    return sum((sheet[y : y + rows, x : x + columns] == picture).all() for y, x in corners)


@pytest.fixture
def frames(rng):
    return rng.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def sizes(monkeypatch):
    """Let a test choose how many frames of which size a sheet shows."""

    def choose(num_frames, cell_size):
        monkeypatch.setattr(figures_module, "NUM_FRAMES", num_frames)
        monkeypatch.setattr(figures_module, "CELL_SIZE", cell_size)

    return choose


def test_sheet_shows_frames_enlarged_without_smoothing(frames, sizes, tmp_path):
    sizes(3, 41)
    sheet = read(draw_contact_sheet([SheetRow("a lizard", frames, frames[:1])], tmp_path / "sheet.png"))
    large = frames.repeat(8, axis=1).repeat(8, axis=2)  # 41 // 5
    assert [find(sheet, frame) for frame in large] == [2, 0, 1, 0, 0, 1]  # first, middle and last; the first twice


def test_sheet_composites_transparency_on_white(frames, sizes, tmp_path):
    sizes(1, 5)
    clear = np.concatenate([frames, np.zeros((*frames.shape[:3], 1), np.uint8)], axis=-1)
    clear[:, 0, 0, 3] = 255
    sheet = read(draw_contact_sheet([SheetRow("", clear, None)], tmp_path / "sheet.png"))
    expected = np.full((4, 5, 3), 255, np.uint8)
    expected[0, 0] = frames[0, 0, 0]
    assert find(sheet, expected) == 1


def test_sheet_writes_every_sentence_and_grows_with_it(frames, tmp_path):
    def draw(*sentences):
        rows = [SheetRow(sentence, frames, frames) for sentence in sentences]
        return read(draw_contact_sheet(rows, tmp_path / "sheet.png"))

    one, other, long = draw("a red lizard"), draw("a blue whale"), draw("many words " * 60)
    assert one.shape == other.shape and (one != other).any()
    assert len(long) > len(one) and long.shape[1] == one.shape[1]
    assert len(draw("a", "b", "c")) > 2 * len(one)


def test_sheet_takes_a_generated_sprite_of_another_size(frames, sizes, tmp_path):
    sizes(4, 8)
    large = np.full((2, 30, 20, 3), 7, np.uint8)
    sheet = read(draw_contact_sheet([SheetRow("", frames, large)], tmp_path / "sheet.png"))
    assert find(sheet, frames[0]) == 1 and find(sheet, large[0]) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [SheetRow("", np.zeros((2, 3, 3), np.uint8), None)],
        [SheetRow("", np.zeros((2, 3, 3, 3)), None)],
        [SheetRow("", np.zeros((0, 3, 3, 3), np.uint8), None)],
    ],
)
def test_sheet_refuses_what_it_cannot_show(rows, tmp_path):
    with pytest.raises(ValueError, match=r"sheet needs rows|frames must be"):
        draw_contact_sheet(rows, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def history(bits):
    validation = [{"step": n, "bits": value, "bits_text": value + 1} for n, value in enumerate(bits)]
    return {"train": [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}], "validation": validation}


def test_curves_show_the_history(tmp_path):
    pictures = [
        read(draw_learning_curves(history(bits), tmp_path / "new" / "curves.png", **options))
        for bits, options in (
            ([7.0, 5.0, 3.0], {}),
            ([7.0, 2.0, 3.0], {}),
            ([7.0, 5.0, 3.0], {"references": {"count coder": 4.0}}),
        )
    ]
    assert all(picture.shape[0] > 300 for picture in pictures)
    assert all((pictures[0] != other).any() for other in pictures[1:])


def test_curves_need_a_point(tmp_path):
    with pytest.raises(ValueError, match="no point"):
        draw_learning_curves({"train": [], "validation": []}, tmp_path / "curves.png")


def test_curves_of_training_alone_are_drawn(tmp_path):
    picture = read(draw_learning_curves({"train": [{"step": 1, "loss": 2.0}]}, tmp_path / "curves.png"))
    assert (picture < 255).any()


def test_comparison_curves_show_every_model_and_seed(tmp_path):
    one, other = [(10, 7.0), (20, 5.0)], [(10, 6.0), (20, 4.0)]
    pictures = [
        read(draw_comparison_curves(curves, tmp_path / "new" / "curves.png", axis_label=label))
        for curves, label in (
            ({"a": [one]}, "tokens"),
            ({"a": [one, other]}, "tokens"),
            ({"a": [one], "b": [other]}, "tokens"),
            ({"a": [one]}, "seconds"),
        )
    ]
    assert all(
        one.shape != other.shape or (one != other).any() for one in pictures for other in pictures if one is not other
    )
    named = read(draw_comparison_curves({"a": [[], one]}, tmp_path / "named.png", axis_label="tokens"))
    assert np.array_equal(named, pictures[0])  # a seed without points takes no name away
    with pytest.raises(ValueError, match="no point"):
        draw_comparison_curves({"a": [[]]}, tmp_path / "none.png", axis_label="tokens")


def test_bars_have_a_panel_for_every_kind_and_grow_with_the_models(tmp_path):
    row = {"all": (2.0, 0.1), "pixel": (1.0, 0.0)}
    first, wider, taller = (
        read(draw_bits_by_kind(rows, tmp_path / "bars.png", kinds=("all", "text", "pixel", "level")))
        for rows in ({"a": row}, {"a": {**row, "level": (3.0, 0.0)}}, {"a": row, "b": row, "(c)": {"all": (4.0, 0.0)}})
    )
    assert wider.shape[1] > first.shape[1] and wider.shape[0] == first.shape[0]
    assert taller.shape[0] > first.shape[0] and taller.shape[1] == first.shape[1]
    with pytest.raises(ValueError, match="none of the kinds"):
        draw_bits_by_kind({"a": row}, tmp_path / "none.png", kinds=("text",))


def tone(hertz, rate=4000, seconds=0.1, channels=2):
    wave = np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)
    return {"array": np.stack([wave] * channels), "sampling_rate": rate}


def test_sounds_show_waveform_and_spectrogram(tmp_path):
    low, high = (read(draw_sounds({"cry": tone(hertz)}, tmp_path / "cry.png")) for hertz in (300, 1500))
    assert (low != high).any()
    pair = read(draw_sounds({"real": tone(300), "generated": tone(300, channels=1)}, tmp_path / "pair.png"))
    assert pair.shape[1] > 1.5 * low.shape[1]


def test_spectrogram_peaks_at_the_tone():
    from pixelbytes_hf.evaluation.figures import _spectrogram

    times, frequencies, decibels = _spectrogram(tone(800, seconds=0.5)["array"][0], 4000.0)
    assert decibels.shape == (len(frequencies), len(times))
    middle = decibels[:, len(times) // 2]
    assert frequencies[middle.argmax()] == pytest.approx(800, abs=4000 / 2 / len(frequencies) + 1)
    assert times[-1] < 0.5


@pytest.mark.parametrize("samples", [1, 2, 40])
def test_short_and_silent_sounds_are_drawn(tmp_path, samples):
    path = draw_sounds({"silence": {"array": np.zeros(samples), "sampling_rate": 8000}}, tmp_path / "cry.png")
    assert (read(path) < 255).any()


@pytest.mark.parametrize(
    "sounds", [{}, {"a": {"array": np.zeros((1, 0)), "sampling_rate": 8000}}, {"a": {"array": [1.0]}}]
)
def test_sounds_without_samples_or_rate_are_refused(sounds, tmp_path):
    with pytest.raises(ValueError, match=r"sounds must|must have samples"):
        draw_sounds(sounds, tmp_path / "cry.png")
