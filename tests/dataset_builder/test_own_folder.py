import io
import json

import numpy as np
import pyarrow.dataset
import pytest
import soundfile
from media_files import noisy_tone, sound_file
from odd_sprites import make_folder
from PIL import Image

from dataset_builder import build
from dataset_builder.own_folder import OwnFolder, holds_pictures
from dataset_builder.own_media import Fitting
from dataset_builder.record import Change, Drop
from dataset_builder.report import read_report
from pixelbytes_hf.media.pictures import read_frames


def sprites(folder, names=("red", "green", "blue", "grey")):
    folder.mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (6, 6), (60 * number, 90, 30)).save(folder / f"{name}.png")
    return folder


def build_folder(folder, out, **fitting):
    """Return the rows by name, and the report."""
    report = build("folder", out, source=folder, fitting=Fitting(**fitting), progress=False)
    table = pyarrow.dataset.dataset(str(out / "data"), format="parquet").to_table()
    return {row["name"]: row for row in table.to_pylist()}, report


def kinds(folder, **fitting):
    found = list(OwnFolder(folder, Fitting(**fitting)).read(progress=False))
    drops, changes = ([each for each in found if isinstance(each, kind)] for kind in (Drop, Change))
    return {each["name"]: each for each in found if isinstance(each, dict)}, drops, changes


def test_odd_sprites_become_a_corpus_and_all_that_was_done_is_named(tmp_path):
    from datasets import load_dataset

    expected = make_folder(tmp_path / "sprites")
    rows, report = build_folder(tmp_path / "sprites", tmp_path / "corpus")
    said = {}
    for change in report.changes:
        said.setdefault(change.name, []).append(change.detail)
    for drop in report.drops:
        said.setdefault(drop.name, []).append(f"{drop.reason}: {drop.detail}")
    assert set(said) == set(expected)
    assert all(any(word in line for line in said[name]) for name, word in expected.items())
    assert not {"torn", "jay"} & set(rows) and len(rows) == 22
    assert read_report(tmp_path / "corpus") == report
    texts = {name: rows[name]["text"] for name in ("ant", "cat", "dog", "moving")}
    assert texts == {
        "ant": "a small ant of Zürich",
        "cat": "a cat that sleeps",
        "dog": "a dog, 犬",
        "moving": "moving",
    }
    shapes = {
        name: read_frames(rows[name]["pixels"]).array.shape[:3] for name in ("dot", "wide", "photo", "moving", "long")
    }
    assert shapes == {
        "dot": (1, 1, 1),
        "wide": (1, 14, 24),
        "photo": (1, 20, 8),
        "moving": (2, 10, 10),
        "long": (32, 4, 4),
    }
    assert sum(read_frames(rows["long"]["pixels"]).durations_ms) == 300 * 20
    for name in ("eel", "fox", "gnu", "hen", "ibis"):
        samples, rate = soundfile.read(io.BytesIO(rows[name]["audio"]["bytes"]))
        assert samples.shape == (rate, 2) and rate == rows[name]["sampling_rate"] <= 48_000
    data = load_dataset(str(tmp_path / "corpus"))
    assert {name: len(split) for name, split in data.items()} == {"train": 18, "validation": 2, "test": 2}
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "made by code from a seed" not in card.lower() and "--source sprites --families name --max-side 24" in card


def test_sounds_and_captions_are_found_whatever_the_case_of_their_ending(tmp_path):
    folder = sprites(tmp_path / "sprites")
    (folder / "red.TXT").write_text("a small angry tomato")
    (folder / "red.WaV").write_bytes(sound_file(noisy_tone(4_000), 8_000, "WAV"))
    rows, drops, _ = kinds(folder)
    assert rows["red"]["text"] == "a small angry tomato" and rows["red"]["sampling_rate"] == 8_000 and not drops


@pytest.mark.parametrize(("channels", "rate"), [(9, 8_000), (1, 768_000), (2, 192_000)])
def test_a_sound_that_flac_cannot_hold_becomes_one_that_it_can(tmp_path, channels, rate):
    folder = sprites(tmp_path / "sprites")
    (folder / "red.wav").write_bytes(sound_file(noisy_tone(rate // 10, channels), rate, "WAV"))
    rows, drops, changes = kinds(folder)
    samples, kept = soundfile.read(io.BytesIO(rows["red"]["audio"]["bytes"]))
    assert kept == min(rate, 48_000) and abs(len(samples) / kept - 0.1) < 1e-3 and samples.shape[1] == 2
    assert not drops and changes


def test_one_bad_file_never_ends_a_build(tmp_path):
    folder = sprites(tmp_path / "sprites")
    (folder / "x.png").mkdir()
    (folder / "y.png").symlink_to("/nowhere/y.png")
    (folder / "z.gif").write_bytes(b"")
    (folder / "red.txt").write_bytes(b"\x81\x8d\x8f")
    (folder / "green.wav").write_bytes(sound_file(np.zeros(99), 8_000, "WAV"))
    (folder / "metadata.csv").write_text("colour\nred\n")
    rows, drops, _ = kinds(folder)
    assert sorted(rows) == ["blue", "grey"]
    assert {drop.name: drop.reason for drop in drops} == {
        "y": "picture unreadable",
        "z": "picture unreadable",
        "red": "caption unreadable",
        "green": "sound unreadable",
        "metadata.csv": "table unreadable",
    }
    assert all(drop.detail for drop in drops)


def test_a_table_says_what_pictures_show_and_which_belong_together(tmp_path):
    folder = sprites(tmp_path / "sprites")
    (folder / "red.txt").write_text("not this")
    lines = [
        {"file_name": f"{name}.png", "text": f"a {name} one", "set": name[0]} for name in ("red", "green", "grey")
    ]
    lines.append({"file_name": "absent.png", "text": "nothing", "set": "z"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows, drops, changes = kinds(folder, families="set")
    assert {name: row["text"] for name, row in rows.items()} == {
        "red": "a red one",
        "green": "a green one",
        "blue": "blue",
        "grey": "a grey one",
    }
    families = {name: row["family_id"] for name, row in rows.items()}
    assert families["green"] == families["grey"] and len(set(families.values())) == 3
    assert [(drop.name, drop.reason) for drop in drops] == [("absent", "not there")]
    assert [change.name for change in changes] == ["red"]
    with pytest.raises(ValueError, match=r"'name', 'folder' or a column .* got 'kind'.*'set'"):
        kinds(folder, families="kind")


@pytest.mark.parametrize(
    ("names", "num_families"),
    [
        (("🔥", "💧", "🌿", "⚡"), 4),
        (("slime_1", "slime_2", "slime (3)", "bat-4"), 2),
        (("001", "002", "003", "004"), 4),
    ],
)
def test_names_that_differ_in_a_number_only_are_one_family(tmp_path, names, num_families):
    rows, _, _ = kinds(sprites(tmp_path / "sprites", names))
    assert len({row["family_id"] for row in rows.values()}) == num_families
    assert all(row["text"] for row in rows.values())


def test_folders_may_be_families(tmp_path):
    for place in ("a", "b"):
        sprites(tmp_path / place)
    rows = [
        row for row in OwnFolder(tmp_path, Fitting(families="folder")).read(progress=False) if isinstance(row, dict)
    ]
    assert [row["family_id"] for row in rows] == [0] * 4 + [1] * 4


def test_folders_without_pictures_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="must hold pictures"):
        build("folder", tmp_path / "corpus", source=tmp_path)
    with pytest.raises(NotADirectoryError, match="no folder"):
        build("folder", tmp_path / "corpus", source=tmp_path / "absent")
    with pytest.raises(ValueError, match="source must be a folder"):
        build("folder", tmp_path / "corpus")
    with pytest.raises(ValueError, match="fitting is only for 'folder'"):
        build("mini", tmp_path / "corpus", fitting=Fitting())
    assert not (tmp_path / "corpus").exists() and not holds_pictures(tmp_path)
    for bound in ({"max_side": 0}, {"max_frames": -1}, {"max_seconds": float("nan")}):
        with pytest.raises(ValueError, match="must be positive"):
            Fitting(**bound)


def test_a_corpus_is_no_folder_of_pictures(tmp_path):
    folder = sprites(tmp_path / "sprites")
    assert holds_pictures(folder)
    build("folder", tmp_path / "corpus", source=folder, progress=False)
    (tmp_path / "corpus" / "contact_sheet.png").write_bytes(b"")
    assert not holds_pictures(tmp_path / "corpus")
