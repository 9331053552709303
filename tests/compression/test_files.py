"""Files to ``.pxb`` files and back: pictures, animations, sounds and texts of every sort that is read."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_files import apng_file, png_file
from PIL import Image
from pxb_contents import SPRITE, are_equal

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.compression.compress import compress, decompress
from pixelbytes_hf.compression.contents import Document, Picture, SampledSound
from pixelbytes_hf.compression.files import compress_file, decompress_file, run_on_files
from pixelbytes_hf.compression.reading import read_content
from pixelbytes_hf.compression.writing import write_content
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import read_frames

MOVING = np.concatenate([SPRITE, np.roll(SPRITE, 1, 2), SPRITE, SPRITE])
NOISE = np.random.default_rng(0).integers(0, 256, (1, 20, 20, 4), dtype=np.uint8)


def there_and_back(path):
    """Return what a file became after both ways, and the path."""
    packed = compress_file(path).target
    (path.parent / "back").mkdir(exist_ok=True)
    return decompress_file(packed, path.parent / "back").target


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "P", "L", "1", "LA"])
@pytest.mark.parametrize("array", [SPRITE[0], NOISE[0]], ids=["sprite", "noise"])
def test_still_pictures_come_back_as_png(tmp_path, mode, array):
    path = tmp_path / "a.png"
    Image.fromarray(array).convert(mode).save(path)
    back = there_and_back(path)
    assert back.name == "a.png"
    assert np.array_equal(read_frames(back).array, read_frames(path).array)
    assert read_frames(back).durations_ms == (0,)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("loop", [0, 1, 5])
def test_animations_keep_frames_times_and_plays(tmp_path, suffix, loop):
    path = tmp_path / f"a{suffix}"
    first, *more = [Image.fromarray(frame) for frame in MOVING[:3]]
    settings = {"lossless": True} if suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=more, duration=[30, 40, 5000], loop=loop, **settings)
    content = read_content(path)
    assert content.durations_ms == (30, 40, 5000)
    # a GIF says how often it begins again
    assert content.num_plays == (loop + 1 if suffix == ".gif" and loop else loop)
    back = there_and_back(path)
    again = read_content(back)
    assert again[1:] == content[1:] and np.array_equal(again.array, content.array)


def test_a_gif_that_is_shown_once_says_so(tmp_path):
    path = tmp_path / "a.gif"
    Image.fromarray(SPRITE[0]).save(path)
    assert read_content(path).num_plays == 1


def test_an_animation_of_equal_frames_keeps_them_all(tmp_path):
    path = tmp_path / "a.gif"
    write_gif(np.repeat(SPRITE, 5, 0), path, durations_ms=20)
    assert len(read_frames(there_and_back(path)).array) == 5


def test_a_gif_comes_back_as_a_gif_where_one_asks(tmp_path):
    path = tmp_path / "a.gif"
    write_gif(MOVING, path, durations_ms=[10, 20, 30, 40])
    packed = compress_file(path).target
    back = decompress_file(packed, tmp_path / "b.gif").target
    assert np.array_equal(read_frames(back).array, MOVING)
    assert read_frames(back).durations_ms == (10, 20, 30, 40)


@pytest.mark.parametrize(
    "picture",
    [
        Picture(NOISE, (20,), 0),
        Picture(SPRITE, (15,), 0),
        Picture(SPRITE, (20,), 3),
        Picture(SPRITE[..., :1] * np.uint16(9)),
    ],
)
def test_what_a_gif_cannot_hold_is_refused(picture):
    with pytest.raises(ValueError, match="a GIF cannot hold all"):
        write_content(picture, ".gif")


@pytest.mark.parametrize("ms", [0, 65_535, 65_540, 655_350, 6_553_500, 65_535_000])
def test_png_holds_long_times_exactly(ms):
    picture = Picture(MOVING[:2], (ms, 7), 3)
    data = write_content(picture, ".png")
    assert read_frames(data).durations_ms == (ms, 7)


def test_times_that_png_does_not_hold_are_named():
    with pytest.raises(ValueError, match="65541 ms cannot be written as PNG"):
        write_content(Picture(MOVING[:2], (65_541, 7), 3), ".png")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_greys_of_16_bits_stay(tmp_path, kind):
    grey = np.random.default_rng(0).integers(0, 1 << 16, (9, 7)).astype(np.uint16)
    path = tmp_path / f"a.{kind.lower()}"
    Image.fromarray(grey).save(path, kind)
    assert np.array_equal(read_content(path).array, grey[None, :, :, None])
    assert np.array_equal(np.asarray(Image.open(there_and_back(path))), grey)


def test_pictures_whose_pixels_are_not_all_are_kept_as_files(tmp_path):
    deep = png_file(np.arange(24).reshape(2, 4, 3) * 999, bits=16)
    pages, cmyk = io.BytesIO(), io.BytesIO()
    Image.new("L", (2, 2)).save(pages, "TIFF", save_all=True, append_images=[Image.new("L", (2, 2), 9)])
    Image.new("CMYK", (4, 4), (9, 8, 7, 6)).save(cmyk, "TIFF")
    fallback = apng_file([(0, 0, MOVING[0], 30, 0, 0)], fallback=MOVING[1])
    for name, data in {"a.png": deep, "b.tif": pages.getvalue(), "c.tif": cmyk.getvalue(), "d.png": fallback}.items():
        (tmp_path / name).write_bytes(data)
        assert read_content(tmp_path / name) == Document(data, name[1:])
        assert there_and_back(tmp_path / name).read_bytes() == data


def saved(picture, kind, **settings):
    """Return a picture as a file of a format."""
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


GREY = [Image.fromarray(np.arange(6, dtype=np.uint16).reshape(2, 3) * 9999 + page) for page in range(2)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("pages.tif", saved(GREY[0], "TIFF", save_all=True, append_images=GREY[1:])),
        ("frames.png", saved(GREY[0], "PNG", save_all=True, append_images=GREY[1:])),
        ("deep.pgm", b"P5 2 2 65535\n" + bytes(range(8))),
        ("ten_bits.pgm", b"P5 2 2 1023\n" + bytes([0, 1, 2, 3, 1, 1, 0, 0])),
        ("few.ppm", b"P6 1 1 100\n" + bytes([1, 50, 100])),
        ("words.pgm", b"P2 2 1 15\n3 15\n"),
        ("sizes.ico", saved(Image.fromarray(NOISE[0]), "ICO", sizes=[(10, 10), (20, 20)])),
    ],
)
def test_more_than_is_shown_is_kept_as_the_file(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert read_content(tmp_path / name) == Document(data, Path(name).suffix)
    assert there_and_back(tmp_path / name).read_bytes() == data


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ppm", b"P6 1 1 255\n" + bytes([1, 50, 100])),
        ("a.pbm", b"P4 2 1\n" + bytes([64])),
        ("a.ico", saved(Image.fromarray(NOISE[0]), "ICO", sizes=[(20, 20)])),
    ],
)
def test_pictures_of_those_formats_with_no_more_are_pictures(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert isinstance(read_content(tmp_path / name), Picture)


SOUNDS = {
    "PCM_U8": ("int16", 8),
    "PCM_16": ("int16", 16),
    "PCM_24": ("int32", 24),
    "PCM_32": ("int32", 32),
    "FLOAT": ("float32", 32),
    "DOUBLE": ("float64", 64),
}


@pytest.mark.parametrize("encoding", SOUNDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_keep_every_sample(tmp_path, encoding, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, (50, channels)), 11025, subtype=encoding)
    content = read_content(path)
    assert (content.array.dtype.name, content.num_bits) == SOUNDS[encoding]
    back = there_and_back(path)
    again = read_content(back)
    assert again[1:] == content[1:] and again.array.tobytes() == content.array.tobytes()
    assert soundfile.info(back).subtype == encoding


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_sounds_of_other_formats_come_back_as_they_were_decoded(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.sin(np.arange(3000) / 9) / 2, 16000)
    back = there_and_back(path)
    assert are_equal(read_content(back), read_content(path))


@pytest.mark.parametrize(("name", "data"), [("a.txt", "größe".encode()), ("b", b""), ("c.tar.gz", bytes(range(256)))])
def test_other_files_come_back_as_they_were(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    back = there_and_back(tmp_path / name)
    assert back.name == name and back.read_bytes() == data


def test_a_picture_is_kept_as_a_file_where_one_asks(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(SPRITE[0]).save(path)
    packed = compress_file(path, as_bytes=True).target
    assert decompress(packed.read_bytes()) == Document(path.read_bytes(), ".png")


@pytest.mark.parametrize("name", ["a.png", "a.wav"])
def test_files_that_are_not_what_they_are_called_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"no such thing")
    with pytest.raises(ValueError, match=name):
        compress_file(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == [tmp_path / name]


def test_a_damaged_file_is_named_and_nothing_written(tmp_path):
    path = tmp_path / "a.pxb"
    path.write_bytes(compress(Document(b"abc"))[:-1])
    with pytest.raises(ValueError, match=r"a\.pxb: its checksum does not fit"):
        decompress_file(path)
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_is_there_stays_unless_forced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abc")
    compress_file(path)
    with pytest.raises(FileExistsError, match=r"a\.pxb is there already"):
        compress_file(path)
    path.write_text("abcdef")
    compress_file(path, force=True)
    assert decompress((tmp_path / "a.pxb").read_bytes()).data == b"abcdef"


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_not_written_over_itself(tmp_path, force):
    path = tmp_path / "a.pxb"
    path.write_bytes(data := compress(Document(b"abc", ".pxb")))
    for work in (compress_file, decompress_file):
        with pytest.raises(ValueError, match=r"a\.pxb would be written over itself"):
            work(path, force=force)
    assert path.read_bytes() == data
    assert decompress_file(path, tmp_path / "b.pxb").target.read_bytes() == b"abc"


def test_a_sound_is_no_picture():
    with pytest.raises(ValueError, match=r"SampledSound cannot be written as '\.png': expected \.wav"):
        write_content(SampledSound(np.zeros((3, 1), np.int16), 8000, 16), ".png")


def test_many_files_in_processes_of_their_own(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("x" * number)
    (tmp_path / "6.png").write_bytes(b"broken")
    paths = sorted(tmp_path.iterdir())
    found = {done.source.name: done for done in run_on_files(compress_file, paths, jobs=2)}
    assert len(found) == 6 and "6.png is not a readable picture" in found["6.png"].reason
    assert all(found[f"{number}.txt"].target.is_file() for number in range(5))


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a.txt", "a.md"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match="two files of one name"):
        list(run_on_files(compress_file, [tmp_path / "a.txt", tmp_path / "a.md"]))


def test_the_commands(tmp_path, capsys):
    Image.fromarray(SPRITE[0]).save(tmp_path / "sprite.png")
    (tmp_path / "words.txt").write_text("a small red beast")
    assert main(["compress", str(tmp_path / "sprite.png"), str(tmp_path / "words.txt")]) == 0
    assert "bytes became" in capsys.readouterr().out
    packed = [str(tmp_path / name) for name in ("sprite.pxb", "words.pxb")]
    assert main(["decompress", *packed, "--out", str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "words.txt").read_text() == "a small red beast"
    assert np.array_equal(read_frames(tmp_path / "back" / "sprite.png").array, SPRITE)


def test_the_commands_speak_of_lossy_files_where_they_are(tmp_path, capsys):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 3000)
    soundfile.write(tmp_path / "a.ogg", samples, 16000)
    (tmp_path / "b.txt").write_bytes(bytes(np.random.default_rng(0).integers(0, 256, 300, dtype=np.uint8)))
    said = {}
    for name, options in (("a.ogg", []), ("b.txt", []), ("a.ogg", ["--bytes", "--force"])):
        assert main(["compress", str(tmp_path / name), *options]) == 0
        said[name, len(options)] = "a lossy file" in capsys.readouterr().out
    assert (tmp_path / "b.pxb").stat().st_size > 300
    assert said == {("a.ogg", 0): True, ("b.txt", 0): False, ("a.ogg", 2): False}


def test_the_commands_name_what_they_refuse(tmp_path, capsys):
    (tmp_path / "a.pxb").write_bytes(b"PXB")
    shutil.copy(tmp_path / "a.pxb", tmp_path / "b.pxb")
    compress_file(__file__, tmp_path / "c.pxb")
    assert main(["decompress", *(str(tmp_path / f"{name}.pxb") for name in "abc")]) == 1
    assert capsys.readouterr().err.count("cut short") == 2
    assert (tmp_path / "c.py").read_bytes() == Path(__file__).read_bytes()
    assert main(["decompress", str(tmp_path / "c.pxb")]) == 1
    assert "--force to replace it" in capsys.readouterr().err
