import io
import struct

import numpy as np
import pytest
from media_files import BLUE, DARK, GREEN, NOTHING, RED, apng_file, gif_file, png_chunk, png_file
from PIL import Image, ImageOps

from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.media_limits import MediaLimits
from pixelbytes_hf.media.pictures import composite_on_white, read_frames


def gif_bytes(frames, **options):
    buffer = io.BytesIO()
    write_gif(frames, buffer, **options)
    return buffer.getvalue()


def picture_bytes(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def seen(data):
    """Return rows of colours of every frame: RGB where opaque, RGBA otherwise."""
    frames = read_frames(data).array.tolist()
    return [
        [tuple(pixel[:3]) if pixel[3] == 255 else tuple(pixel) for row in frame for pixel in row] for frame in frames
    ]


def turned_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture
def frames(rng):
    return rng.integers(0, 4, (5, 6, 7, 3), dtype=np.uint8) * 80


def test_step_keeps_time(frames):
    result = read_frames(gif_bytes(frames, durations_ms=20), step=2)
    assert result.durations_ms == (40, 40, 20) and np.array_equal(result.array[..., :3], frames[::2])


def test_sources_are_interchangeable(frames, tmp_path):
    data = gif_bytes(frames)
    (tmp_path / "a.gif").write_bytes(data)
    end = io.BytesIO(data)
    end.seek(0, io.SEEK_END)
    sources = [
        tmp_path / "a.gif",
        str(tmp_path / "a.gif"),
        io.BytesIO(data),
        end,
        {"bytes": data, "path": None},
        {"bytes": None, "path": tmp_path / "a.gif"},
        Image.open(io.BytesIO(data)),
    ]
    with Image.open(tmp_path / "a.gif") as opened:
        for source in (*sources, opened):
            assert np.array_equal(read_frames(source).array, read_frames(data).array)


def test_composite_rounds_to_nearest():
    rgba = np.array([[[[10, 20, 30, 0]], [[10, 20, 30, 255]], [[0, 0, 0, 128]]]], np.uint8)
    assert composite_on_white(rgba)[0, :, 0].tolist() == [[255] * 3, [10, 20, 30], [127] * 3]


@pytest.mark.parametrize("cut", [0, 3, 10, 200])
def test_cut_or_foreign_pictures_are_refused(frames, cut):
    with pytest.raises(ValueError, match="not a readable picture"):
        read_frames(gif_bytes(frames)[:cut])


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "JPEG", "BMP", "TIFF"])
def test_a_file_that_is_cut_is_refused_wherever_it_is_cut(rng, file_format):
    pictures = [Image.fromarray(rng.integers(0, 256, (24, 20, 3), np.uint8)) for _ in range(4)]
    animated = {"save_all": True, "append_images": pictures[1:]} if file_format in ("GIF", "PNG", "WEBP") else {}
    data = picture_bytes(pictures[0], file_format, **animated)
    assert len(read_frames(data).array) == (4 if animated else 1)
    for share in np.linspace(0.05, 0.95, 19):
        with pytest.raises(ValueError, match="not a readable picture"):
            read_frames(data[: int(len(data) * share)])


def test_a_gif_cut_between_two_frames_is_refused(frames):
    whole = gif_bytes(frames)
    cuts = [n for n, byte in enumerate(whole) if byte == 0x21]  # where the next frame's block begins
    assert len(cuts) > 3
    for cut in cuts[2:]:
        with pytest.raises(ValueError, match=r"cut short|not a readable"):
            read_frames(whole[:cut])


@pytest.mark.parametrize("extra", [b"\0\0", b"\r\n", b"made with care", b"\xff", b"!"])
def test_what_follows_the_end_of_a_gif_is_no_part_of_it(frames, extra):
    assert np.array_equal(read_frames(gif_bytes(frames) + extra).array[..., :3], frames)


def test_the_callers_image_stays_at_its_frame(frames):
    image = Image.open(io.BytesIO(gif_bytes(frames)))
    image.seek(3)
    assert len(read_frames(image).array) == 5 and image.tell() == 3


# expected values are what Chromium's ImageDecoder gives
@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        # what no frame covers is transparent, not the background colour
        ([((1, 0, 1, 1), [2], 0, None)], [[NOTHING, GREEN, NOTHING]]),
        # so is what a frame leaves that is disposed of, whether it has a transparent index or not
        (
            [((0, 0, 3, 1), [2, 2, 2], 2, None), ((1, 0, 1, 1), [3], 2, None)],
            [[GREEN] * 3, [NOTHING, DARK, NOTHING]],
        ),
        # "not specified" keeps the frame, whatever was specified before
        (
            [((0, 0, 3, 1), [2] * 3, 2, None), ((1, 0, 1, 1), [3], 0, None), ((2, 0, 1, 1), [1], 0, None)],
            [[GREEN] * 3, [NOTHING, DARK, NOTHING], [NOTHING, DARK, BLUE]],
        ),
        # what was there before the first frame is nothing
        ([((0, 0, 3, 1), [2] * 3, 3, None), ((1, 0, 1, 1), [3], 3, None)], [[GREEN] * 3, [NOTHING, DARK, NOTHING]]),
        (
            [((0, 0, 3, 1), [2] * 3, 1, None), ((1, 0, 1, 1), [3], 4, None), ((2, 0, 1, 1), [1], 0, None)],
            [[GREEN] * 3, [GREEN, DARK, GREEN], [GREEN, GREEN, BLUE]],
        ),
        # later frames are cut to the screen
        ([((0, 0, 3, 1), [2] * 3, 0, None), ((2, 0, 2, 1), [3, 3], 0, None)], [[GREEN] * 3, [GREEN, GREEN, DARK]]),
        ([((0, 0, 3, 1), [2] * 3, 0, None), ((5, 5, 1, 1), [1], 0, None)], [[GREEN] * 3] * 2),
        # the first one enlarges it
        ([((1, 0, 3, 1), [2] * 3, 0, None)], [[NOTHING, GREEN, GREEN, GREEN]]),
        # a frame without area draws nothing
        ([((0, 0, 3, 1), [2] * 3, 0, None), ((0, 0, 0, 1), [], 0, None)], [[GREEN] * 3] * 2),
    ],
)
def test_gifs_are_composed_as_browsers_compose_them(frames, expected):
    assert seen(gif_file((3, 1), frames, background=1)) == expected


def test_a_frame_keeps_its_own_transparent_pixels(rng):
    data = gif_file((3, 1), [((0, 0, 3, 1), [2, 1, 0], 1, 1), ((0, 0, 2, 1), [3, 1], 1, 1)])
    assert seen(data) == [[GREEN, (*BLUE, 0), RED], [DARK, (*BLUE, 0), RED]]


def test_interlaced_and_grey_gifs_are_read(rng):
    picture = Image.fromarray(rng.integers(0, 256, (13, 5), np.uint8))
    data = picture_bytes(picture, "GIF", interlace=1)
    assert np.array_equal(read_frames(data).array[0, ..., 0], np.asarray(picture))


def test_a_still_gif_is_the_same_through_pil():
    data = gif_file((3, 1), [((1, 0, 1, 1), [2], 0, None)])
    assert seen(Image.open(io.BytesIO(data))) == seen(data)


def pixels_of(*colours):
    return np.array([colours], np.uint8)


HALF_RED, SOLID = (255, 0, 0, 128), (0, 255, 0, 255)


@pytest.mark.parametrize(
    ("frames", "options", "expected"),
    [
        # a picture without frame header is for viewers without animation
        (
            [(0, 0, pixels_of(SOLID, SOLID), 100, 0, 0), (0, 0, pixels_of((0, 0, 255, 255)), 200, 0, 0)],
            {"fallback": pixels_of((9, 9, 9, 255), (9, 9, 9, 255))},
            [[GREEN, GREEN], [BLUE, GREEN]],
        ),
        # nor does it lie beneath the first frame
        (
            [(1, 0, pixels_of(SOLID), 100, 0, 0)],
            {"fallback": pixels_of((9, 9, 9, 255), (9, 9, 9, 255)), "size": (1, 2)},
            [[NOTHING, GREEN]],
        ),
        # soft pixels over nothing stay as soft as they are
        (
            [(0, 0, pixels_of(NOTHING, NOTHING), 100, 0, 0), (0, 0, pixels_of(HALF_RED), 100, 0, 1)],
            {},
            [[NOTHING, NOTHING], [HALF_RED, NOTHING]],
        ),
        # and replace what is there if that is asked for
        (
            [(0, 0, pixels_of(SOLID, SOLID), 100, 0, 0), (0, 0, pixels_of(HALF_RED), 100, 0, 0)],
            {},
            [[GREEN, GREEN], [HALF_RED, GREEN]],
        ),
        # an area that is disposed of is transparent, also where the file has no alpha
        (
            [(0, 0, pixels_of(RED, RED), 100, 1, 0), (0, 0, pixels_of(BLUE), 100, 0, 0)],
            {"colour_type": 2},
            [[RED, RED], [BLUE, NOTHING]],
        ),
        (
            [
                (0, 0, pixels_of(SOLID, SOLID), 100, 0, 0),
                (0, 0, pixels_of((0, 0, 255, 255)), 100, 2, 0),
                (1, 0, pixels_of((0, 0, 255, 255)), 100, 0, 0),
            ],
            {},
            [[GREEN, GREEN], [BLUE, GREEN], [GREEN, BLUE]],
        ),
        # a header that counts frames which are not there
        ([(0, 0, pixels_of(SOLID, SOLID), 100, 0, 0)], {"num_frames": 1 << 30}, [[GREEN, GREEN]]),
    ],
)
def test_animated_pngs_are_composed_as_browsers_compose_them(frames, options, expected):
    data = apng_file(frames, **options)
    assert seen(data) == expected and seen(Image.open(io.BytesIO(data))) == expected
    assert read_frames(data).durations_ms == tuple(frame[3] for frame in frames)


def test_a_png_frame_beyond_the_picture_is_refused():
    frames = [(0, 0, pixels_of(SOLID, SOLID), 100, 0, 0), (1, 0, pixels_of(SOLID, SOLID), 100, 0, 0)]
    with pytest.raises(ValueError, match="a frame covers"):
        read_frames(apng_file(frames))


@pytest.mark.parametrize("size", [(4, 4), (8, 8)])
def test_a_second_picture_in_a_still_is_no_frame(size):
    for file_format in ("MPO", "TIFF"):
        small = Image.new("RGB", size, "blue")
        data = picture_bytes(Image.new("RGB", (8, 8), "red"), file_format, save_all=True, append_images=[small])
        for source in (data, Image.open(io.BytesIO(data))):
            array = read_frames(source).array
            assert array.shape == (1, 8, 8, 4) and array[0, 4, 4, 0] > 200 and array[0, 4, 4, 2] < 50


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {}), ("TIFF", {})]
)
def test_a_photo_is_upright_by_every_road(rng, orientation, file_format, options):
    lying = Image.fromarray(rng.integers(0, 256, (2, 4, 3), np.uint8))
    data = picture_bytes(lying, file_format, exif=turned_exif(orientation), **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    for source in (data, Image.open(io.BytesIO(data)), upright):
        assert np.array_equal(read_frames(source).array[0], np.asarray(upright.convert("RGBA")))


def test_every_frame_is_turned(rng):
    pictures = [Image.fromarray(rng.integers(0, 256, (2, 4, 3), np.uint8)) for _ in range(3)]
    for file_format in ("WEBP", "PNG"):
        options = {"save_all": True, "append_images": pictures[1:], "exif": turned_exif(6)}
        data = picture_bytes(
            pictures[0], file_format, **options, **({"lossless": True} if file_format == "WEBP" else {})
        )
        expected = np.stack([np.asarray(picture.transpose(Image.Transpose.ROTATE_270)) for picture in pictures])
        assert np.array_equal(read_frames(data).array[..., :3], expected)


def test_exif_that_is_none_says_nothing():
    data = picture_bytes(Image.new("RGB", (4, 2)), "PNG", exif=b"Exif\0\0" + b"\xaa" * 20)
    assert read_frames(data).array.shape == (1, 2, 4, 4)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_grey_of_16_bits_is_scaled(file_format):
    values = np.array([[0, 16384, 300], [32768, 65535, 255]], np.uint16)
    data = picture_bytes(Image.fromarray(values), file_format)
    for source in (data, Image.open(io.BytesIO(data))):
        assert read_frames(source).array[0, ..., 0].tolist() == [[0, 64, 1], [128, 255, 1]]


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_the_transparent_colour_of_16_bits_is_found(rng, colour_type, channels):
    pixels = rng.integers(256, 65536, (2, 3, channels))
    transparent = png_chunk(b"tRNS", struct.pack(f">{channels}H", *pixels[1, 2]))
    alpha = read_frames(png_file(pixels, colour_type=colour_type, chunks=transparent, bits=16)).array[0, ..., 3]
    assert alpha[1, 2] == 0 and alpha.sum() == 5 * 255


def test_numbers_without_a_range_are_refused():
    for dtype in (np.float32, np.int32):
        with pytest.raises(ValueError, match="without a range"):
            read_frames(Image.fromarray(np.ones((2, 2), dtype)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "RGBX"])
def test_other_colour_models_are_shown_as_pil_shows_them(rng, mode):
    picture = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).convert(mode)
    assert np.array_equal(read_frames(picture).array[0], np.asarray(picture.convert("RGBA")))


def test_only_pictures_are_opened(tmp_path, monkeypatch):
    """PIL gives PostScript to Ghostscript, whatever its file is called."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was asked"))
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "x.png").write_bytes(postscript)
    with pytest.raises(ValueError, match=r"x\.png is not a readable picture"):
        read_frames(tmp_path / "x.png")


def test_whatever_a_decoder_raises_names_the_file(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "a" * (2 << 20), zip=True)
    inputs = {
        "much_said.png": picture_bytes(Image.new("RGB", (4, 4)), "PNG", pnginfo=info),
        "no_palette.bmp": b"BM" + struct.pack("<IIIIIIHHIIIIII", 99, 0, 54, 40, 4, 4, 1, 8, 0, 16, 0, 0, 9999, 0),
        "empty.gif": gif_file((4, 4), []),
        "nothing.png": b"",
    }
    for name, data in inputs.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf"{name} is not a readable picture: ."):
            read_frames(tmp_path / name)
    with pytest.raises(ValueError, match=r"sprite\.gif is not a readable picture"):
        read_frames({"bytes": b"no picture", "path": "sprite.gif"})


def test_what_is_too_large_is_refused_before_it_is_decoded(frames, monkeypatch):
    data = {"gif": gif_bytes(frames), "png": picture_bytes(Image.new("1", (9000, 9000)), "PNG")}
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("was decoded"))
    for limits in ({"max_pixels": 100}, {"max_frames": 4}, {"max_file_bytes": 20}):
        with pytest.raises(ValueError, match="is over the limit"):
            read_frames(data["gif"], limits=MediaLimits(**limits))
    with pytest.raises(ValueError, match="decompression bomb"):
        read_frames(data["png"])


def test_a_small_screen_hides_no_large_frame():
    frames = [((0, 0, 2, 1), [1, 1], 0, None), ((0, 0, 65535, 65535), [1], 0, None)]
    with pytest.raises(ValueError, match="max_pixels"):
        read_frames(gif_file((2, 1), frames))


def test_missing_files_and_folders_are_named(tmp_path):
    for name in ("absent.gif", "."):
        with pytest.raises(FileNotFoundError, match="no file at"):
            read_frames(tmp_path / name)
