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
    with pytest.raises(FileNotFoundError):
        StartTables.load(tmp_path / "absent.npz")


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
