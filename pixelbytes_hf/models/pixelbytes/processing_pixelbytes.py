"""The processor: what `AutoProcessor` loads, holding only the tokenizer, since every medium becomes tokens."""

import os
from typing import Any

from transformers import AutoProcessor, BatchFeature, ProcessorMixin

from ...pretrained.exported_code import writes_code
from ...pretrained.remote_code import is_copy
from ...tokens.record import DecodedRecord
from .configuration_pixelbytes import PixelBytesConfig
from .family_code import PROCESSOR_CLASS


class PixelBytesProcessor(ProcessorMixin):
    """Processor over `ActionPixelBytesTokenizer`.

    Args:
        tokenizer: The tokenizer.
        chat_template: Kept for `ProcessorMixin`; not used.
    """

    def __init__(self, tokenizer: Any, chat_template: str | None = None) -> None:
        """See the class."""
        super().__init__(tokenizer, chat_template=chat_template)

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

        Raises:
            ValueError: If more than one of `image`, `images` and `videos` is given.
        """
        given = [value for value in (image, images, videos) if value is not None]
        if len(given) > 1:
            raise ValueError(f"image, images and videos are names of one input: expected one, got {len(given)}")
        encoding = self.tokenizer(text=text, image=given[0] if given else None, audio=audio, **kwargs)
        feature = BatchFeature(dict(encoding))
        feature.segments = encoding.segments
        return feature

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> Any:
        """Write the processor, its tokenizer and their code; arguments as of `ProcessorMixin.save_pretrained`."""
        vars(self).pop("auto_map", None)
        if writes_code():
            self.auto_map = {"AutoProcessor": PROCESSOR_CLASS}
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
        return [self.tokenizer.decode_modalities(ids, **kwargs) for ids in generated_outputs]


if not is_copy(__name__):
    AutoProcessor.register(PixelBytesConfig, PixelBytesProcessor, exist_ok=True)
