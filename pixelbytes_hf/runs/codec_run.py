"""Run folders of learned codecs: a codec with the tokenizer of the media that it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoTokenizer

from ..codecs.codec import PixelBytesCodec
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.json_files import read_object, reading
from .kinds import find_object, kind_of_run

_CLASSES = {
    "video codec": "codecs.modeling_video_codec:PixelBytesVideoCodec",
    "audio codec": "codecs.modeling_audio_codec:PixelBytesAudioCodec",
}


@dataclass(frozen=True)
class CodecRun:
    """A trained codec.

    Args:
        codec: In evaluation mode.
        tokenizer: Of the same vocabulary.
    """

    codec: Any
    tokenizer: ActionPixelBytesTokenizer

    @classmethod
    def load(cls, folder: str | Path) -> "CodecRun":
        """Return the run of a folder that `train` made.

        Raises:
            FileNotFoundError: If the folder has no checkpoint.
            ValueError: If it is no codec's, a weight is missing, cut short or not finite, or the tokenizer is of
                another vocabulary.
        """
        config = Path(folder) / "config.json"
        if not config.is_file():
            raise FileNotFoundError(f"{str(folder)!r} has no config.json: expected the folder of a finished codec")
        read_object(config)
        if (kind := kind_of_run(folder).name) not in _CLASSES:
            raise ValueError(f"{str(folder)!r} must be the run of a codec, got one of the kind {kind!r}")
        try:
            with reading(config):
                codec: PixelBytesCodec = find_object(_CLASSES[kind]).from_pretrained(folder).eval()
        except SafetensorError as error:
            raise ValueError(f"the weights in {str(folder)!r} cannot be read: {error}") from error
        with reading(Path(folder) / "tokenizer_config.json"):
            tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        if tokenizer.tables != codec.tables:
            raise ValueError(f"the codec and the tokenizer in {str(folder)!r} have different vocabularies")
        return cls(codec, tokenizer)


def load_codec(folder: str | Path, medium: str, made_by: Mapping[str, str]) -> Any:
    """Return the codec that made codes.

    Args:
        folder: Of its run.
        medium: Which it must read.
        made_by: Digests of the codecs that made a corpus, by medium: `TokenCorpus.codecs`.

    Raises:
        FileNotFoundError: If the folder has no checkpoint.
        ValueError: If it is no codec of that medium, or another made the codes.
    """
    codec = CodecRun.load(folder).codec
    if codec.medium != medium:
        raise ValueError(f"{str(folder)!r} must be a codec of {medium}, got one of {codec.medium}")
    if codec.digest != (expected := made_by.get(medium)):
        wanted = "of media, which has no codes" if expected is None else f"of the codec {expected[:12]}"
        raise ValueError(f"{str(folder)!r} must be the codec that made the corpus, {wanted}, got {codec.digest[:12]}")
    return codec
