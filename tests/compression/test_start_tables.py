"""Start tables: files are shorter where the corpus is alike, come back in every bit, and need the same tables."""

import numpy as np
import pytest
from PIL import Image
from pxb_contents import EXAMPLES, are_equal

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.compression.compress import compress, decompress
from pixelbytes_hf.compression.contents import Picture
from pixelbytes_hf.compression.files import compress_file
from pixelbytes_hf.compression.start_tables import StartTables


def discs(seed, *, frames=1):
    """Return a picture of some discs with outlines, which move."""
    rng = np.random.default_rng(seed)
    array = np.zeros((frames, 24, 24, 4), np.uint8)
    y, x = np.mgrid[:24, :24]
    for _ in range(4):
        (row, column), size, colour = rng.integers(4, 20, 2), rng.integers(3, 7), rng.integers(0, 256, 3)
        for frame in range(frames):
            distance = (y - row - frame) ** 2 + (x - column) ** 2
            array[frame, distance <= size**2] = (*colour, 255)
            array[frame, (distance <= size**2) & (distance > (size - 1) ** 2)] = (0, 0, 0, 255)
    return Picture(array) if frames == 1 else Picture(array, (40,) * frames, 0)


@pytest.fixture(scope="module")
def tables():
    pictures = [discs(seed, frames=frames) for seed in range(12) for frames in (1, 3)]
    return StartTables.fit([*pictures, EXAMPLES["moving values"], EXAMPLES["many colours"]])


@pytest.mark.parametrize("frames", [1, 3])
def test_alike_pictures_are_shorter_and_come_back(tables, frames):
    with_tables = without = 0
    for seed in range(100, 110):
        picture = discs(seed, frames=frames)
        data = compress(picture, helper=tables)
        assert are_equal(decompress(data, helper=tables), picture)
        with_tables, without = with_tables + len(data), without + len(compress(picture))
    assert with_tables < 0.95 * without


def test_tables_are_kept_in_a_file(tables, tmp_path):
    tables.save(tmp_path / "a.npz")
    loaded = StartTables.load(tmp_path / "a.npz")
    assert loaded.digest() == tables.digest()
    assert compress(discs(0), helper=loaded) == compress(discs(0), helper=tables)


def test_no_tables_and_others_are_refused(tables):
    data = compress(discs(0), helper=tables)
    with pytest.raises(ValueError, match="pass that file of start tables"):
        decompress(data)
    with pytest.raises(ValueError, match="got one of"):
        decompress(data, helper=StartTables.fit([discs(1)]))


def test_tables_help_with_pictures_of_few_colours_only(tables):
    with pytest.raises(ValueError, match="a file of start tables helps with pictures of up to 256 colours"):
        compress(EXAMPLES["sound"], helper=tables)


def test_files_that_are_no_tables_are_named(tmp_path):
    path = tmp_path / "a.npz"
    for content in (b"", b"PK", b"no such thing"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.npz is no file of start tables"):
            StartTables.load(path)
    np.savez(path, still_maps=np.zeros(3, np.int32), still_weights=np.zeros(3, np.int32))
    with pytest.raises(ValueError, match="the tables 'still' must have"):
        StartTables.load(path)
    np.savez(path)
    with pytest.raises(ValueError, match="got none"):
        StartTables.load(path)
    with pytest.raises(FileNotFoundError):
        StartTables.load(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps: maps.astype(np.int64), "must be rows of int32, got int64"),
        (lambda maps: maps[None], "must be rows of int32"),
        (lambda maps: maps - (1 << 30), "must be from 0 to 1073741823, got -"),
        (lambda maps: maps | (1 << 30), "must be from 0 to 1073741823"),
    ],
)
def test_numbers_that_networks_do_not_have_are_refused(tables, change, message):
    maps, weights = tables.tables["still"]
    with pytest.raises(ValueError, match=message):
        StartTables({"still": (change(maps), weights)})


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="got none to learn from"):
        StartTables.fit([EXAMPLES["many colours"], EXAMPLES["moving values"]])
    with pytest.raises(ValueError, match="got none"):
        StartTables({})


def test_tables_written_anew_are_read_anew(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(discs(0).array[0]).save(path)
    for seed in (1, 2):
        fitted = StartTables.fit([discs(seed)])
        fitted.save(tmp_path / "a.npz")
        packed = compress_file(path, tables=tmp_path / "a.npz", force=True).target
        assert are_equal(decompress(packed.read_bytes(), helper=fitted), discs(0))


def test_the_command_says_what_taught_and_refuses_what_does_nothing(tmp_path, capsys):
    Image.fromarray(discs(0).array[0]).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("x")
    (tmp_path / "c.png").write_bytes(b"broken")
    files, tables = [str(tmp_path / name) for name in ("a.png", "b.txt", "c.png")], str(tmp_path / "t.npz")
    command = ["compress", *files, "--fit-tables", tables]
    for options in (["--out", "x"], ["--bytes"], ["--with", "x"], ["--tables", "x"], ["--jobs", "2"]):
        assert main([*command, *options]) != 0
        assert f"--fit-tables takes no {options[0]}" in capsys.readouterr().err
    assert main(command) == 0
    assert capsys.readouterr().out == (
        f"{tables}: learnt from 1 files; 1 left out: no pictures of up to 256 colours; 1 left out: not readable\n"
    )
    assert main(command) != 0
    assert "--force to replace it" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert main(["compress", files[1], "--fit-tables", tables, "--force"]) != 0
    assert "none to learn from" in capsys.readouterr().err


def test_the_commands_fit_and_take_tables(tmp_path, capsys):
    for seed in range(3):
        Image.fromarray(discs(seed).array[0]).save(tmp_path / f"{seed}.png")
    names = [str(tmp_path / f"{seed}.png") for seed in range(3)]
    tables, packed = str(tmp_path / "tables.npz"), str(tmp_path / "0.pxb")
    assert main(["compress", *names, "--fit-tables", tables]) == 0
    assert main(["compress", names[0], "--tables", tables]) == 0
    assert main(["decompress", packed, "--tables", tables, "--out", str(tmp_path / "back.png")]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back.png")), discs(0).array[0])
    with pytest.raises(ValueError, match="give run or tables, not both"):
        compress_file(names[1], run="x", tables=tables)
