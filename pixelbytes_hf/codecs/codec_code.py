"""Which classes load a codec's checkpoint, and the code that goes along when one is saved."""

from pathlib import Path

from ..pretrained.exported_code import write_code

# by model type, as transformers refers to them: module and class
CODEC_CLASSES = {
    "pixelbytes_video_codec": {
        "AutoConfig": "configuration_codecs.PixelBytesVideoCodecConfig",
        "AutoModel": "modeling_video_codec.PixelBytesVideoCodec",
    },
    "pixelbytes_audio_codec": {
        "AutoConfig": "configuration_codecs.PixelBytesAudioCodecConfig",
        "AutoModel": "modeling_audio_codec.PixelBytesAudioCodec",
    },
}


def codec_homes() -> list[Path]:
    """Return the files of the classes that a codec's checkpoint names; in an exported checkpoint, its own."""
    references = [reference for classes in CODEC_CLASSES.values() for reference in classes.values()]
    return [Path(__file__).with_name(f"{name}.py") for name in sorted({each.split(".")[0] for each in references})]


def write_codec_code(folder: str | Path) -> list[Path]:
    """Write the files that transformers needs to load a codec without this package, and return them.

    They are the same for every codec, so that those of one repository share them.
    """
    return write_code(folder, codec_homes())
