"""The processor: what `AutoProcessor` loads, holding the tokenizer, since every medium becomes tokens, and codecs.

With learned codecs, media become ids of codes, and codes media again. transformers' processors keep an
`audio_tokenizer` by its name; codecs are saved whole, each in a folder of its own, and compared by digest when loaded.
"""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoModel, AutoProcessor, BatchFeature, ProcessorMixin

from ...pretrained.exported_code import write_code, writes_code
from ...pretrained.remote_code import is_copy
from ...tokens.grid import TRAITS, Segment, flatten
from ...tokens.parsing import parse
from ...tokens.record import DecodedRecord, SegmentInfo
from .batch_encoding import example_of, split_batch, to_numpy
from .configuration_pixelbytes import PixelBytesConfig
from .family_code import PROCESSOR_CLASS
from .stream_decoding import strip_padded

CODECS = {"picture_codec": "image", "sound_codec": "audio"}  # arguments, and the medium of each
_OF_THE_HUB = ("cache_dir", "force_download", "local_files_only", "revision", "token", "trust_remote_code")


class PixelBytesProcessor(ProcessorMixin):
    """Processor over `ActionPixelBytesTokenizer`.

    Args:
        tokenizer: The tokenizer; with codecs, of the vocabulary that has their codes.
        chat_template: Kept for `ProcessorMixin`; not used.
        picture_codec: A `PixelBytesVideoCodec`, or None.
        sound_codec: A `PixelBytesAudioCodec`, or None.

    Raises:
        ValueError: If a codec is of another medium, or the tokenizer's vocabulary is not the codec's.
    """

    def __init__(
        self, tokenizer: Any, chat_template: str | None = None, picture_codec: Any = None, sound_codec: Any = None
    ) -> None:
        """See the class."""
        super().__init__(tokenizer, chat_template=chat_template)
        given = {"picture_codec": picture_codec, "sound_codec": sound_codec}
        self.codecs = {name: codec.eval() for name, codec in given.items() if codec is not None}
        self._check_codecs()

    def _check_codecs(self) -> None:
        for name, codec in self.codecs.items():
            if codec.medium != CODECS[name]:
                raise ValueError(f"{name} must be a codec of {CODECS[name]}, got one of {codec.medium}")
            codec.check_vocabulary(self.tokenizer.tables)

    def __call__(  # type: ignore[override]
        self,
        images: Any = None,
        text: Any = None,
        videos: Any = None,
        audio: Any = None,
        *,
        image: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Encode one record or a batch; an animation is an image of several frames, so `videos` are `images`.

        Args:
            images: As `image` of the tokenizer.
            text: As `text` of the tokenizer.
            videos: Another name of `images`.
            audio: As `audio` of the tokenizer.
            image: Another name of `images`, the tokenizer's.
            kwargs: Passed to the tokenizer.

        Returns:
            What the tokenizer returns, with codes in place of the media that codecs read. The attribute ``segments``
            says of each segment what `decode_record` needs; with codecs, ``sizes`` gives T, H and W of each segment
            before it was encoded. Both are lists with an entry a record.

        Raises:
            ValueError: If more than one of `image`, `images` and `videos` is given.
        """
        given = [value for value in (image, images, videos) if value is not None]
        if len(given) > 1:
            raise ValueError(f"image, images and videos are names of one input: expected one, got {len(given)}")
        media = {"text": text, "image": given[0] if given else None, "audio": audio}
        if self.codecs:
            return self._encode_with_codecs(media, **kwargs)
        encoding = self.tokenizer(**media, **kwargs)
        feature = BatchFeature(dict(encoding))
        feature.segments = encoding.segments
        return feature

    def _encode_with_codecs(self, media: dict[str, Any], order: Any = None, **kwargs: Any) -> BatchFeature:
        records, is_batch = split_batch(media)
        examples, infos, sizes = [], [], []
        for record in records:
            segments, info = self.tokenizer.encode_record(**record, order=order)
            codes = [self._encode_segment(segment) for segment in segments]
            examples.append(example_of(codes, self.tokenizer.rule))
            infos.append(info)
            sizes.append([TRAITS[segment.modality].data_shape(segment.ids.shape) for segment in segments])
        batch = dict(self.tokenizer.pad(examples, **{"padding": False, **kwargs}))
        if not is_batch and kwargs.get("return_tensors") is None:
            batch = {name: value[0] for name, value in batch.items()}
        feature = BatchFeature(batch)
        feature.segments, feature.sizes = infos, sizes
        return feature

    def _encode_segment(self, segment: Segment) -> Segment:
        codec = self._codec_of("medium", segment)
        return segment if codec is None else codec.encode(segment, self.tokenizer.tables)

    def _codec_of(self, attribute: str, segment: Segment) -> Any:
        return next((c for c in self.codecs.values() if getattr(c, attribute) == segment.modality), None)

    def decode_record(
        self,
        ids: Any,
        segments: Sequence[SegmentInfo] | None = None,
        *,
        sizes: Sequence[tuple[int, int, int]] | None = None,
        **kwargs: Any,
    ) -> DecodedRecord:
        """Return the media of a stream, codes decoded: the inverse of encoding, but for what codecs lose.

        Args:
            ids: (L,) tokens.
            segments: As of `decode_modalities`.
            sizes: T, H and W of every segment, an entry of `sizes` of what was encoded; by default the largest that
                have so many codes.
            kwargs: As of `decode_modalities`.

        Raises:
            ValueError: If the stream is malformed, or has another number of segments than `sizes`.
        """
        if not self.codecs:
            return self.tokenizer.decode_modalities(ids, segments, **kwargs)
        found = parse(strip_padded(to_numpy(ids), self.tokenizer.tables), self.tokenizer.tables).segments
        if sizes is not None and len(sizes) != len(found):
            raise ValueError(f"sizes must be of the stream's {len(found)} segments, got {len(sizes)}")
        media = [self._decode_segment(segment, None if sizes is None else sizes[n]) for n, segment in enumerate(found)]
        return self.tokenizer.decode_modalities(flatten(media)[0], segments, **kwargs)

    def _decode_segment(self, segment: Segment, size: tuple[int, int, int] | None) -> Segment:
        codec = self._codec_of("code_medium", segment)
        if codec is None:
            return segment
        extent: Any = size if size is None or codec.medium == "image" else size[0]
        return codec.decode(segment, extent, self.tokenizer.tables)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``processor_config.json`` holds: of codecs the digests."""
        codecs, self.codecs = self.codecs, {}
        try:
            content = super().to_dict()
        finally:
            self.codecs = codecs
        if codecs:
            content["codecs"] = {name: codec.digest for name, codec in codecs.items()}
        return content

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any) -> Any:
        """Load a processor with its codecs; arguments as of `ProcessorMixin.from_pretrained`.

        Raises:
            ValueError: If a codec is not the one that was saved.
        """
        processor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        content = cls.get_processor_dict(pretrained_model_name_or_path, **kwargs)[0]
        options = {name: kwargs[name] for name in _OF_THE_HUB if name in kwargs}
        for name, digest in content.get("codecs", {}).items():
            if name not in CODECS:
                raise ValueError(f"codecs of a processor must be of {[*CODECS]}, got {name!r}")
            folder = "/".join(filter(None, (kwargs.get("subfolder"), name)))
            codec = AutoModel.from_pretrained(pretrained_model_name_or_path, subfolder=folder, **options).eval()
            if codec.digest != digest:
                raise ValueError(
                    f"{name} in {str(pretrained_model_name_or_path)!r} must be the codec that was saved, of the "
                    f"digest {digest[:12]}, got {codec.digest[:12]}"
                )
            processor.codecs[name] = codec
        processor._check_codecs()
        return processor

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> Any:
        """Write the processor, its tokenizer, its codecs and their code; arguments as of `ProcessorMixin`'s.

        Codecs are written first, so that what is pushed has them.
        """
        vars(self).pop("auto_map", None)
        if writes_code():
            self.auto_map = {"AutoProcessor": PROCESSOR_CLASS}
        for name, codec in self.codecs.items():
            codec.save_pretrained(Path(save_directory) / name)
            if writes_code():
                # transformers looks for a checkpoint's code at the root, whatever the subfolder
                write_code(save_directory, [Path(inspect.getfile(type(part))) for part in (codec, codec.config)])
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def post_process_multimodal_output(
        self,
        generated_outputs: Any,
        skip_special_tokens: bool = True,
        generation_mode: str | None = None,
        **kwargs: Any,
    ) -> list[DecodedRecord]:
        """Return the media of each generated stream.

        Args:
            generated_outputs: (B, L) ids from `generate`.
            skip_special_tokens: Accepted for the common signature; padding is always left out.
            generation_mode: Accepted for the common signature.
            kwargs: Passed to `decode_modalities`.
        """
        return [self.decode_record(ids, **kwargs) for ids in generated_outputs]


if not is_copy(__name__):
    AutoProcessor.register(PixelBytesConfig, PixelBytesProcessor, exist_ok=True)
