"""`ActionPixelBytesTokenizer`: text, pictures and sound as one Hugging Face tokenizer.

A thin layer over `RecordCodec`: calls, batches, padding, saving. Row n of ``input_ids`` is the context of position n,
six cells here, ``labels[n]`` the token there.

Axes: B batch, L positions, N context cells. Source: `ActionPixelBytesTokenizer`, pixelbytes/tokenizer.py:30 of
fabienfrfr/PixelBytes@7646d6a; same outputs but for the last mark of a mono sound (always 2 here) and constant sounds.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizer
from transformers.utils import PaddingStrategy

from ...media.media_limits import MediaLimits
from ...pretrained.exported_code import writes_code
from ...pretrained.json_files import read_object, reading
from ...pretrained.remote_code import is_copy
from ...tokens.checks import check_mapping
from ...tokens.contexts import ContextRule, context_rule
from ...tokens.grid import MEDIA, Modality, Segment
from ...tokens.level_codec import Scaling
from ...tokens.parsing import NO_END
from ...tokens.record import AudioInput, DecodedRecord, ImageInput, RecordCodec, SegmentInfo, check_order
from ...tokens.six_cells import CONTEXT_SIZE
from ...tokens.text_codec import TextErrors
from ...tokens.vocabulary import IGNORE_INDEX, Preset, Vocabulary
from .batch_encoding import (
    PixelBytesEncoding,
    cuts,
    example_of,
    examples_of,
    pad_examples,
    padded_length,
    refuse_options,
    split_batch,
    to_encoding,
    to_numpy,
)
from .configuration_pixelbytes import PixelBytesConfig
from .family_code import TOKENIZER_CLASSES, write_family_code
from .stream_decoding import is_contexts, one_stream, string_of_ids, string_of_stream, strip_padded, tokens_of_rows


class ActionPixelBytesTokenizer(PreTrainedTokenizer):
    """Tokenizer of text, pictures and sound.

    Args:
        preset: ``paper`` (151 ids) or ``full`` (607 ids, lossless text, transparent pixels).
        vocabulary: Tables of one's own in place of the preset, as `Vocabulary.to_dict` writes them.
        slicing: Keep every n-th cell, per modality or per axis; see `RecordCodec`.
        errors: What becomes of a character outside the vocabulary: ``strict``, ``replace`` or ``paper``.
        order: Modalities in the order of the stream.
        scaling: How sounds are scaled to [-1, 1]: ``min-max`` (paper), ``peak`` or ``none``.
        sampling_rate_hz: Rate that sounds are resampled to before slicing; None leaves them (paper).
        context_size: Cells of a row of `input_ids`, one of `contexts.CONTEXT_RULES`; by default the paper's six.
        limits: What media and records may hold, as `MediaLimits` or its fields; not saved.
        vocab_file: Set by `from_pretrained`; checked against the tables.

    Raises:
        ValueError: If an option is malformed, or `vocab_file` disagrees with the tables.

    Example:
        >>> tokenizer = ActionPixelBytesTokenizer()
        >>> tokenizer(text="hi")["labels"]
        [39, 40, 2]
    """

    context_size: int = CONTEXT_SIZE
    vocab_files_names = {"vocab_file": "vocab.json"}  # noqa: RUF012  (transformers' own attribute)
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self,
        preset: Preset = "paper",
        vocabulary: dict[str, Any] | Vocabulary | None = None,
        slicing: Mapping[str, int | Sequence[int]] | None = None,
        errors: TextErrors = "replace",
        *,
        order: Sequence[Modality] = MEDIA,
        scaling: Scaling = "min-max",
        sampling_rate_hz: int | None = None,
        context_size: int | None = None,
        limits: MediaLimits | Mapping[str, int] | None = None,
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        """See the class."""
        if context_size is not None:
            self.context_size = context_rule(context_size).size
            kwargs["context_size"] = context_size
        tables = vocabulary if isinstance(vocabulary, Vocabulary) else None
        if tables is None:
            tables = Vocabulary.from_preset(preset) if vocabulary is None else Vocabulary.from_dict(vocabulary)
        self.preset, self.vocabulary = preset, None if vocabulary is None else tables.to_dict()
        steps = {"image": 1, "audio": 1} | check_mapping("slicing", slicing)
        self.slicing = {name: list(step) if isinstance(step, tuple) else step for name, step in steps.items()}
        self.order, self.scaling, self.sampling_rate_hz = list(check_order(order)), scaling, sampling_rate_hz
        limits = limits if isinstance(limits, MediaLimits) else MediaLimits(**check_mapping("limits", limits))
        self.codec = RecordCodec(tables, self.slicing, errors, scaling, sampling_rate_hz, limits)
        self.vocab = {token: index for index, token in enumerate(tables.tokens)}
        _check_vocab_file(vocab_file, self.vocab)
        options = {name: getattr(self, name) for name in ("preset", "vocabulary", "slicing", "order", "scaling")}
        special = tables.tokens[tables.pad_id]
        kwargs = {
            "pad_token": AddedToken(special, normalized=False, special=True),
            "split_special_tokens": True,
        } | kwargs
        with reading("options of the tokenizer"):  # those of transformers' own, which does not check them
            super().__init__(
                **options,
                errors=errors,
                sampling_rate_hz=sampling_rate_hz,
                special_tokens_pattern="none",
                token_type_ids_pattern="all_zeros",
                **{name: value for name, value in kwargs.items() if not name.endswith("_pattern")},
            )
        self.errors = errors

    @property
    def tables(self) -> Vocabulary:
        """The byte, colour and level tables."""
        return self.codec.vocabulary

    @property
    def rule(self) -> ContextRule:
        """Which cells a row holds."""
        return context_rule(self.context_size)

    @property
    def options(self) -> dict[str, Any]:
        """What the ids of a record depend on beside the record, JSON-able."""
        names = ("preset", "vocabulary", "slicing", "errors", "order", "scaling", "sampling_rate_hz")
        return {name: getattr(self, name) for name in names}

    @property
    def vocab_size(self) -> int:
        """Number of ids, V."""
        return self.tables.size

    @property
    def level_rate_hz(self) -> float | None:
        """Samples per second of generated sound: `sampling_rate_hz` over the audio slicing; None if unknown."""
        return self.codec.level_rate_hz

    def get_vocab(self) -> dict[str, int]:
        """Return token strings and their ids, added tokens included."""
        return {**self.vocab, **self.added_tokens_encoder}

    @property
    def _auto_map(self) -> dict[str, Any] | None:
        """Which class loads this tokenizer where the package is not installed; transformers writes it down."""
        known = TOKENIZER_CLASSES.get(type(self).__name__) if writes_code() else None
        return None if known is None else {"AutoTokenizer": [known, None]}

    def _save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> tuple[str, ...]:
        if writes_code():
            write_family_code(save_directory)
        return super()._save_pretrained(save_directory, *args, **kwargs)

    def __call__(  # type: ignore[override]
        self,
        text: str | Sequence[str | None] | None = None,
        text_pair: None = None,
        text_target: None = None,
        text_pair_target: None = None,
        *,
        image: ImageInput | Sequence[ImageInput | None] | None = None,
        audio: AudioInput | Sequence[AudioInput | None] | None = None,
        order: Sequence[Modality] | None = None,
        padding: bool | str | PaddingStrategy = False,
        truncation: bool | str | None = False,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_attention_mask: bool | None = None,
        add_special_tokens: bool = True,
        **options: Any,
    ) -> PixelBytesEncoding:
        """Encode one record, or a batch if any of `text`, `image`, `audio` is a list.

        Args:
            text: A string.
            text_pair: Not supported; with the next two, here because callers pass text by position.
            text_target: Not supported.
            text_pair_target: Not supported.
            image: A picture file, PIL image, or RGB(A) frames (H, W, 3 | 4) or (T, H, W, 3 | 4) uint8.
            audio: ``{"array": (N,) or (C, N), "sampling_rate": hz}``, or a sound file.
            order: Modalities in the order of the stream, in place of the tokenizer's.
            padding: True or "longest", "max_length", or False.
            truncation: True (or "longest_first"): cut to `max_length` positions, at `truncation_side`.
            max_length: Positions, for truncation and "max_length" padding.
            pad_to_multiple_of: Round the padded length up to a multiple of this.
            padding_side: "left" or "right", in place of the tokenizer's.
            return_tensors: "np", "pt", or None for lists.
            return_attention_mask: False leaves the mask out.
            add_special_tokens: Accepted for callers that pass it; separators are part of the grid and always there.
            options: Other options of transformers' tokenizers, accepted where they ask for nothing (None or False).

        Returns:
            ``input_ids`` (L, N), ``labels`` (L,), ``attention_mask`` (L,); with a leading B in a batch or with
            `return_tensors`. Its attribute `segments` holds what decoding needs beside the ids.

        Raises:
            ValueError: If nothing is given, lists differ in length, an input is malformed, or a record is over the
                limits; says how many tokens it would take.
        """
        refuse_options(options)
        if text_pair is not None or text_target is not None or text_pair_target is not None:
            raise ValueError("text_pair and text_target are not supported: a record has one text")
        records, is_batch = split_batch({"text": text, "image": image, "audio": audio})
        if max_length is not None and max_length < 1:
            raise ValueError(f"max_length must be at least 1, got {max_length}")
        examples, infos = [], []
        for record in records:
            segments, info = self.encode_record(**record, order=order)
            example = example_of(segments, self.rule)
            examples.append(self._truncate(example, max_length if cuts(truncation) else None))
            infos.append(info)
        batch = self.pad(
            examples,
            padding=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_attention_mask=return_attention_mask,
            return_tensors=return_tensors,
        )
        if not is_batch and return_tensors is None:
            batch = PixelBytesEncoding({name: value[0] for name, value in batch.items()})
        batch.segments = infos
        return batch

    def encode_record(
        self,
        *,
        text: str | None = None,
        image: ImageInput | None = None,
        audio: AudioInput | None = None,
        order: Sequence[Modality] | None = None,
    ) -> tuple[list[Segment], list[SegmentInfo]]:
        """Return the segments of one record without contexts, as windows store them; see `RecordCodec.encode`."""
        return self._encode_media(
            {"text": text, "image": image, "audio": audio}, self.order if order is None else order
        )

    def _encode_media(
        self, media: Mapping[str, Any], order: Sequence[Modality]
    ) -> tuple[list[Segment], list[SegmentInfo]]:
        return self.codec.encode(**media, order=order)

    def pad(  # type: ignore[override]
        self,
        encoded_inputs: Any,
        padding: bool | str | PaddingStrategy = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> PixelBytesEncoding:
        """Pad examples to one length; padded rows hold the pad id, padded labels -100, which is never a target.

        Args:
            encoded_inputs: One example ``{"input_ids": (L, N), ...}``, a list of them, or a dictionary of lists.
            padding: As in `__call__`.
            max_length: As in `__call__`.
            pad_to_multiple_of: As in `__call__`.
            padding_side: As in `__call__`.
            return_attention_mask: False leaves the mask out.
            return_tensors: As in `__call__`.
            verbose: Accepted for callers that pass it.

        Raises:
            ValueError: If an example is malformed, or is longer than the length asked for.
        """
        examples, is_batch = examples_of(encoded_inputs, self.context_size)
        length = padded_length(padding, examples, max_length, pad_to_multiple_of)
        side = padding_side or self.padding_side
        if side not in ("left", "right"):
            raise ValueError(f"padding_side must be 'left' or 'right', got {side!r}")
        fills = {"input_ids": self.pad_token_id, "labels": IGNORE_INDEX}
        columns = pad_examples(examples, length, fills, left=side == "left")
        if return_attention_mask is False:
            columns.pop("attention_mask", None)
        return to_encoding(columns, return_tensors, is_batch=is_batch)

    def encode(self, text: str, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the token stream of a text, separator included, (L,), or (1, L) with `return_tensors`.

        Padding is the pad id, unlike in labels; `kwargs` as in `__call__`.
        """
        ids = self(text=text, **kwargs)["labels"]
        if isinstance(ids, list):
            return [self.pad_token_id if each == IGNORE_INDEX else each for each in ids]
        ids[ids == IGNORE_INDEX] = self.pad_token_id
        return ids

    def decode(  # type: ignore[override]
        self, token_ids: Any, skip_special_tokens: bool = False, **kwargs: Any
    ) -> Any:
        """Return a stream as one string: text as text, pixels and levels as their token strings.

        Args:
            token_ids: (L,) ids, a batch (B, L) of streams, as `generate` returns it, or the contexts (L, N) of one.
            skip_special_tokens: Leave padding, pixels and levels out: only text remains.
            kwargs: Accepted for callers that pass tokenizers' other options.
        """
        array = to_numpy(token_ids)
        if is_contexts(array, self.context_size, self.pad_token_id):
            array = tokens_of_rows(array, self.tables, self.rule.newest_cell)
        if isinstance(array, list) or array.ndim == 2:
            return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in array]
        array = np.atleast_1d(array)
        ids = strip_padded(array[array != IGNORE_INDEX], self.tables)
        return string_of_stream(ids, self.tables, text_only=skip_special_tokens)

    def decode_modalities(
        self,
        ids: Any,
        segments: Sequence[SegmentInfo] | None = None,
        *,
        errors: str = "strict",
        strip_padding: bool = True,
    ) -> DecodedRecord:
        """Return the text, frames and sound of a stream: the inverse of encoding.

        Unlike the paper's `decode`, it keeps the last row of each frame, and newlines and tabs within a text.

        Args:
            ids: (L,) tokens (`labels`, or a row of what `generate` returns), a batch of one of them, or (L, N) context
                rows, of which the cell of the token read just before is decoded: rows never hold the last token, so
                its absence is no error. An array of N columns is taken for rows.
            segments: An entry of `PixelBytesEncoding.segments`, or all of it where it has but one; restores amplitude,
                sampling rate and durations.
            errors: ``strict`` raises on a malformed stream; ``report`` lists what is wrong in `problems`.
            strip_padding: Leave out padding at both ends.

        Raises:
            ValueError: If an id is outside the vocabulary, there are several streams, or the one is malformed and
                `errors` is ``strict``.
        """
        if errors not in ("strict", "report"):
            raise ValueError(f"errors must be 'strict' or 'report', got {errors!r}")
        stream, is_rows = one_stream(to_numpy(ids), self.context_size)
        if is_rows:
            cell = self.rule.newest_cell
            stream = tokens_of_rows(stream, self.tables, cell) if strip_padding else stream[:, cell]
        else:
            stream = stream[stream != IGNORE_INDEX]
            stream = strip_padded(stream, self.tables) if strip_padding else stream
        if segments is not None and len(segments) == 1 and isinstance(segments[0], list):
            segments = segments[0]
        record = self.codec.decode(stream, segments)
        problems = [
            p for p in record.problems if not (is_rows and p.stop == len(stream) and p.reason.endswith(NO_END))
        ]
        if problems and errors == "strict":
            raise ValueError(f"ids are not a well-formed stream: {problems[0]}; errors='report' decodes the rest")
        return record

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Return the string of token strings: bytes as UTF-8, others as they are."""
        return string_of_ids(np.array([self.vocab[token] for token in tokens], np.int64), self.tables)

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        segments, _ = self.encode_record(text=text)
        return [self.tables.tokens[index] for index in segments[0].ids.reshape(-1)[:-1]]

    def _convert_token_to_id(self, token: str) -> int | None:
        return self.vocab.get(token)

    def _convert_id_to_token(self, index: int) -> str:
        return self.tables.tokens[index]

    def _truncate(self, example: dict[str, Any], max_length: int | None) -> dict[str, Any]:
        if max_length is None:
            return example
        keep = slice(0, max_length) if self.truncation_side == "right" else slice(-max_length, None)
        return {name: rows[keep] for name, rows in example.items()}


def _check_vocab_file(vocab_file: str | None, vocab: dict[str, int]) -> None:
    if vocab_file is None:
        return
    saved = read_object(vocab_file)
    if saved != vocab:
        different = sorted(key for key in saved.keys() | vocab.keys() if saved.get(key) != vocab.get(key))[:3]
        raise ValueError(
            f"{vocab_file} does not match the tokenizer's tables ({len(saved)} ids, {len(vocab)}): {different}"
        )


if not is_copy(__name__):
    AutoTokenizer.register(PixelBytesConfig, slow_tokenizer_class=ActionPixelBytesTokenizer, exist_ok=True)
