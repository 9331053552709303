"""`PixelBytesTokenizer`: the first approach's tokens, a caption and one picture in 3x3 windows.

A record is a header that gives the picture's size as text, the picture with its row marks, and the caption. Row n of
``input_ids`` is the window centred on token n - 1, ``labels[n]`` the token at n (`contexts`).

Axes: L positions. Source: `add_pixelbyte_columns` and `PixelBytesTokenizer`, pixelbytes/modules of
fabienfrfr/PixelBytes@7646d6a; same tokens with ``header="as_published"``, whose header is the number of tokens of the
picture and the side of a window. Differs on purpose: characters that the vocabulary lacks are replaced and counted
(there: KeyError; here with ``errors="strict"``: ValueError), capitals become small letters, the picture must be pixel
art already (there k-means made it so), and its marks are no text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from transformers import AutoTokenizer
from transformers.utils import logging

from ...pretrained.remote_code import is_copy
from ...tokens.checks import check_choice
from ...tokens.contexts import WINDOW_SIDE, WINDOW_SIZE
from ...tokens.grid import Modality, Segment, image_segment, text_segment
from ...tokens.pixel_codec import encode_pixels
from ...tokens.record import DecodedRecord, ImageInput, SegmentInfo, frames_of
from ...tokens.text_codec import TextErrors, encode_text
from ...tokens.vocabulary import Preset, Vocabulary
from .configuration_first import PixelBytesFirstConfig
from .tokenization_pixelbytes import ActionPixelBytesTokenizer

logger = logging.get_logger(__name__)

Header = Literal["size", "as_published"]
ORDER: tuple[Modality, ...] = ("image", "text")
NO_BREAK_SPACE = "\u00a0"
_HEADER_FORM = re.compile(r"\(\d+, \d+\)")


class PixelBytesTokenizer(ActionPixelBytesTokenizer):
    """Tokenizer of a caption and one picture; calls, batches and padding as of `ActionPixelBytesTokenizer`.

    An animation gives its first frame. Sound has no ids here: it is left out, which is logged once.

    Args:
        preset: ``first`` (113 ids), or another vocabulary.
        vocabulary: Tables of one's own in place of the preset.
        slicing: Keep every n-th row and column of the picture, ``{"image": n}``; see `RecordCodec`.
        errors: What becomes of a character outside the vocabulary: ``strict``, ``replace`` or ``paper``.
        header: What stands before a picture: its ``size`` as ``(height, width)``, or ``as_published`` the number of
            its tokens and 3.
        order: Always the picture before the caption.

    Raises:
        ValueError: If an option is malformed.

    Example:
        >>> tokenizer = PixelBytesTokenizer()
        >>> tokenizer.decode(tokenizer(text="tiny", image=np.zeros((1, 2, 3), np.uint8))["labels"])
        '(1, 2)<#000000><#000000><0x0A>tiny'
    """

    context_size: ClassVar[int] = WINDOW_SIZE

    def __init__(
        self,
        preset: Preset = "first",
        vocabulary: dict[str, Any] | Vocabulary | None = None,
        slicing: Mapping[str, int | Sequence[int]] | None = None,
        errors: TextErrors = "replace",
        *,
        header: Header = "size",
        order: Sequence[Modality] = ORDER,
        **kwargs: Any,
    ) -> None:
        """See the class."""
        check_choice("header", header, Header)
        self.header = header
        self._check_order(order)
        super().__init__(preset, vocabulary, slicing, errors, order=order, header=header, **kwargs)

    @property
    def options(self) -> dict[str, Any]:
        """What the ids of a record depend on beside the record, JSON-able."""
        return {**super().options, "tokenizer_class": type(self).__name__, "header": self.header}

    def _encode_media(
        self, media: Mapping[str, Any], order: Sequence[Modality]
    ) -> tuple[list[Segment], list[SegmentInfo]]:
        """Return header, picture and caption as segments, those that there are."""
        self._check_order(order)
        if media["audio"] is not None:
            logger.warning_once(f"{type(self).__name__} has no ids for sound: it is left out of the records")
        pairs = [] if media["image"] is None else self._encode_picture(media["image"])
        if media["text"] is not None:
            pairs.append(self._encode_text(media["text"]))
        if not pairs:
            raise ValueError("text and image are both None: expected at least one")
        self.codec.limits.check_tokens({segment.modality: segment.ids.size for segment, _ in pairs})
        return [segment for segment, _ in pairs], [info for _, info in pairs]

    def decode_modalities(self, *args: Any, **kwargs: Any) -> DecodedRecord:
        """Return caption and picture of a stream, without the header; arguments as of `ActionPixelBytesTokenizer`."""
        record = super().decode_modalities(*args, **kwargs)
        found = record.segments
        following = [*(segment.modality for segment in found[1:]), None]
        kept = [
            segment
            for segment, next_modality in zip(found, following, strict=False)
            if not (next_modality == "image" and segment.modality == "text" and _HEADER_FORM.fullmatch(segment.value))
        ]
        return DecodedRecord(kept, record.problems)

    def _encode_picture(self, image: ImageInput) -> list[tuple[Segment, SegmentInfo]]:
        _, row_step, column_step = self.codec.image_steps
        frames = frames_of(image, limits=self.codec.limits, check=self.codec.check_picture).array
        ids = encode_pixels(np.ascontiguousarray(frames[:1, ::row_step, ::column_step]), self.tables)
        picture = image_segment(ids, self.tables)
        sizes = ids.shape[1:] if self.header == "size" else (picture.ids.size, WINDOW_SIDE)
        header = encode_text("({}, {})".format(*sizes), self.tables, errors="strict").ids
        return [(text_segment(header, self.tables), SegmentInfo("text")), (picture, SegmentInfo("image"))]

    def _encode_text(self, text: str) -> tuple[Segment, SegmentInfo]:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        # its two bytes have ids, which the normal form of text would lose
        values = self.tables.byte_values
        keeps_space = not self.tables.text_is_lossless and set(NO_BREAK_SPACE.encode()) <= set(values)
        space = [self.tables.byte_ids.start + values.index(byte) for byte in NO_BREAK_SPACE.encode() if keeps_space]
        parts, replaced, dropped = [], 0, 0
        for number, part in enumerate(text.split(NO_BREAK_SPACE) if keeps_space else [text]):
            encoded = encode_text(part, self.tables, errors=self.errors)
            parts += [np.array(space, self.tables.id_dtype)] * bool(number) + [encoded.ids]
            replaced, dropped = replaced + encoded.num_replaced, dropped + encoded.num_dropped
        return text_segment(np.concatenate(parts), self.tables), SegmentInfo("text", replaced, dropped)

    @staticmethod
    def _check_order(order: Sequence[str]) -> None:
        if tuple(order) != ORDER:
            raise ValueError(f"order must be {ORDER}: the header is followed by its picture, got {tuple(order)}")


if not is_copy(__name__):
    AutoTokenizer.register(PixelBytesFirstConfig, slow_tokenizer_class=PixelBytesTokenizer, exist_ok=True)
