"""A folder of the odd sprites that people have: every one of another kind, with captions and sounds of other kinds."""

import io
from pathlib import Path

import numpy as np
from media_files import noisy_tone, png_file, sound_file
from PIL import Image

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx", "mole", "newt", "owl")


def _blob(side, colour, mode="RGB"):
    image = Image.new(mode, (side, side), "white" if mode == "RGB" else 0)
    image.paste(colour, (side // 4, side // 4, 3 * side // 4, 3 * side // 4))
    return image


def make_folder(folder: Path) -> dict[str, str]:
    """Fill a folder and return what a report must say of each file that is changed or left out, by name."""
    folder.mkdir()
    rng = np.random.default_rng(0)

    def save(name, image, **options):
        image.save(folder / name, **options)

    for number, name in enumerate(NAMES):
        save(f"{name}.png", _blob(12, (20 * number, 90, 200 - 9 * number)))
    save("dot.png", Image.new("RGB", (1, 1), "red"))
    save("wide.BMP", Image.fromarray(rng.integers(0, 256, (120, 200, 3), np.uint8)))
    soft = np.zeros((9, 9, 4), np.uint8)
    soft[..., 3] = np.linspace(0, 255, 81).reshape(9, 9)
    save("soft.webp", Image.fromarray(soft), lossless=True)
    (folder / "deep.png").write_bytes(png_file(rng.integers(0, 65536, (8, 8, 1)), colour_type=0, bits=16))
    save("print.JPG", _blob(16, (200, 40, 40)).convert("CMYK"))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("photo.jpeg", Image.fromarray(rng.integers(0, 256, (8, 20, 3), np.uint8)), exif=exif)
    frames = [_blob(10, colour) for colour in ("red", "green", "blue")]
    save("moving.apng", frames[0], format="PNG", save_all=True, append_images=frames[1:], default_image=True)
    long = [Image.fromarray(rng.integers(0, 2, (4, 4), np.uint8) * 255) for _ in range(300)]
    save("long.gif", long[0], save_all=True, append_images=long[1:], duration=20)
    (folder / "ant.txt").write_text("a small ant of Zürich", "utf-8-sig")
    (folder / "bee.TXT").write_bytes("a bee, très jolie… \u2013 oui".encode("cp1252"))
    (folder / "cat.txt").write_text("a cat that sleeps", "utf-16")
    (folder / "dog.txt").write_text("a dog, 犬", "utf-8")
    for name, file_format, rate in (
        ("eel.WAV", "WAV", 8_000),
        ("fox.flac", "FLAC", 44_100),
        ("gnu.ogg", "OGG", 16_000),
        ("hen.mp3", "MP3", 22_050),
        ("ibis.aiff", "AIFF", 96_000),
    ):
        wave = noisy_tone(2 * rate, 2 if file_format == "FLAC" else 1)
        (folder / name).write_bytes(sound_file(wave, rate, file_format))
    whole = io.BytesIO()
    _blob(12, (9, 9, 9)).save(whole, "PNG")
    (folder / "torn.png").write_bytes(whole.getvalue()[:60])
    (folder / "jay.ogg").write_bytes(sound_file(noisy_tone(9_000), 8_000, "OGG")[:2_000])
    (folder / "readme.md").write_text("my sprites")
    (folder / "lonely.wav").write_bytes(sound_file(noisy_tone(99), 8_000, "WAV"))
    return {
        "wide": "200 x 120 pixels became 24 x 14",
        "soft": "half transparent pixels became opaque or transparent",
        "deep": "16 bits a channel became 8",
        "print": "CMYK became RGB",
        "photo": "turned upright as its EXIF says",
        "moving": "the picture for viewers without animation was left out",
        "long": "300 frames became 32",
        "ant": "read as utf-8-sig",
        "bee": "read as cp1252",
        "cat": "read as utf-16",
        "eel": "the 2.00 s at 8000 Hz of eel.WAV became 1.00 s at 8000 Hz",
        "fox": "the 2 channels of fox.flac became their mean",
        "gnu": "became 1.00 s at 16000 Hz",
        "hen": "became 1.00 s at 22050 Hz",
        "ibis": "became 1.00 s at 48000 Hz",
        "torn": "picture unreadable",
        "jay": "sound unreadable",
        "readme": "not used",
        "lonely": "not used",
    }
