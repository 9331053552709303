"""`ActionPixelBytesTokenizer`: text, pictures and sound as one Hugging Face tokenizer.

A thin layer over `RecordCodec`: calls, batches, padding, saving. Row n of ``input_ids`` is the context of position n,
six cells here, ``labels[n]`` the token there.

Axes: B batch, L positions, N context cells. Source: `ActionPixelBytesTokenizer`, pixelbytes/tokenizer.py:30 of
fabienfrfr/PixelBytes@7646d6a; same outputs but for the last mark of a mono sound (always 2 here) and constant sounds.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AddedToken, AutoTokenizer, BatchEncoding, PreTrainedTokenizer
from transformers.utils import PaddingStrategy

from ...media.media_limits import MediaLimits
from ...pretrained.exported_code import writes_code
from ...pretrained.remote_code import is_copy
from ...tokens.contexts import ContextRule, context_rule
from ...tokens.grid import MODALITIES, Ids, Modality, Segment, flatten
from ...tokens.level_codec import Scaling
from ...tokens.parsing import NO_END, parse
from ...tokens.record import AudioInput, DecodedRecord, ImageInput, RecordCodec, SegmentInfo, check_order
from ...tokens.six_cells import CONTEXT_SIZE
from ...tokens.text_codec import TextErrors, decode_text
from ...tokens.vocabulary import Preset, Vocabulary
from .configuration_pixelbytes import PixelBytesConfig
from .family_code import TOKENIZER_CLASSES, write_family_code

IGNORE_INDEX = -100


class PixelBytesEncoding(BatchEncoding):
    """A `BatchEncoding` that also says what the ids do not.

    Attributes:
        segments: For each example (one of a single call too), the `SegmentInfo` of its segments: amplitude scale,
            sampling rate, frame durations, characters replaced. Not a key: ``model(**encoding)`` does not see it.
    """

    def __init__(self, *args: Any, segments: Sequence[list[SegmentInfo]] = (), **kwargs: Any) -> None:
        """Begin as a `BatchEncoding`, with `segments` beside its keys."""
        super().__init__(*args, **kwargs)
        self.segments = list(segments)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling keeps."""
        return {**super().__getstate__(), "segments": self.segments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what pickling kept."""
        super().__setstate__(state)
        self.segments = state["segments"]


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
        limits: What media and records may hold, as `MediaLimits` or its fields; a matter of the machine that reads, so
            that it is not saved.
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
        order: Sequence[Modality] = MODALITIES,
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
        steps = {"image": 1, "audio": 1} | dict(slicing or {})
        self.slicing = {name: list(step) if isinstance(step, tuple) else step for name, step in steps.items()}
        check_order(order)
        self.order, self.scaling, self.sampling_rate_hz = list(order), scaling, sampling_rate_hz
        limits = limits if isinstance(limits, MediaLimits) else MediaLimits(**(limits or {}))
        self.codec = RecordCodec(tables, self.slicing, errors, scaling, sampling_rate_hz, limits)
        self.vocab = {token: index for index, token in enumerate(tables.tokens)}
        _check_vocab_file(vocab_file, self.vocab)
        options = {name: getattr(self, name) for name in ("preset", "vocabulary", "slicing", "order", "scaling")}
        special = tables.tokens[tables.pad_id]
        kwargs = {
            "pad_token": AddedToken(special, normalized=False, special=True),
            "split_special_tokens": True,
        } | kwargs
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
        add_special_tokens: bool = True,
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
            add_special_tokens: Accepted for callers that pass it; end marks are part of the grid and always there.

        Returns:
            ``input_ids`` (L, N), ``labels`` (L,), ``attention_mask`` (L,); with a leading B in a batch or with
            `return_tensors`. Its attribute `segments` holds what decoding needs beside the ids.

        Raises:
            ValueError: If nothing is given, lists differ in length, an input is malformed, or a record is over the
                limits; says how many tokens it would take.
        """
        if text_pair is not None or text_target is not None or text_pair_target is not None:
            raise ValueError("text_pair and text_target are not supported: a record has one text")
        records, is_batch = _split_batch({"text": text, "image": image, "audio": audio})
        if max_length is not None and max_length < 1:
            raise ValueError(f"max_length must be at least 1, got {max_length}")
        examples, infos = [], []
        for record in records:
            segments, info = self.encode_record(**record, order=order)
            example = _to_example(segments, self.rule)
            examples.append(self._truncate(example, max_length if _cuts(truncation) else None))
            infos.append(info)
        batch = self.pad(
            examples,
            padding=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
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
        return self.codec.encode(text=text, image=image, audio=audio, order=self.order if order is None else order)

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
        examples, is_batch = _examples_of(encoded_inputs, self.context_size)
        lengths = [len(example["input_ids"]) for example in examples]
        target = _padded_length(padding, lengths, max_length, pad_to_multiple_of)
        side = padding_side or self.padding_side
        if side not in ("left", "right"):
            raise ValueError(f"padding_side must be 'left' or 'right', got {side!r}")
        left = side == "left"
        columns: dict[str, list[Any]] = {name: [] for name in examples[0]}
        for example, length in zip(examples, lengths, strict=True):
            for name, rows in example.items():
                fill = {"input_ids": self.pad_token_id, "labels": IGNORE_INDEX}.get(name, 0)
                columns[name].append(_pad_rows(rows, (target or length) - length, fill, left=left))
        if return_attention_mask is False:
            columns.pop("attention_mask", None)
        if return_tensors is None:
            lists = {name: [rows.tolist() for rows in values] for name, values in columns.items()}
            return PixelBytesEncoding(lists if is_batch else {name: values[0] for name, values in lists.items()})
        if len({len(rows) for rows in columns["input_ids"]}) > 1:
            raise ValueError(f"examples have lengths {lengths}: pass padding=True to make tensors of them")
        stacked = {name: values[0][None] if len(values) == 1 else np.stack(values) for name, values in columns.items()}
        return PixelBytesEncoding(stacked, tensor_type=return_tensors)

    def encode(self, text: str, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the token stream of a text, end mark included, (L,); `kwargs` as in `__call__`.

        With `return_tensors`, an array or tensor (1, L).
        """
        return self(text=text, **kwargs)["labels"]

    def decode(  # type: ignore[override]
        self, token_ids: Any, skip_special_tokens: bool = False, **kwargs: Any
    ) -> Any:
        """Return a stream as one string: text as text, pixels and levels as their token strings.

        Args:
            token_ids: (L,) ids, or a batch (B, L) of streams, as `generate` returns it.
            skip_special_tokens: Leave padding, pixels and levels out: only text remains.
            kwargs: Accepted for callers that pass tokenizers' other options.
        """
        array = _to_numpy(token_ids)
        if isinstance(array, list) or array.ndim == 2:
            return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in array]
        array = np.atleast_1d(array)
        ids = self._strip_padding(array[array != IGNORE_INDEX])
        segments, problems = parse(ids, self.tables)
        if problems:  # a stream cut short, as a streamer decodes it
            return self._loose_string(ids, skip_special_tokens)
        return "".join(self._segment_string(segment, skip_special_tokens) for segment in segments)

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
        stream, is_rows = _one_stream(_to_numpy(ids), self.context_size)
        if is_rows:
            cell = self.rule.newest_cell
            stream = _read_rows(stream, self.tables, cell) if strip_padding else stream[:, cell]
        else:
            stream = stream[stream != IGNORE_INDEX]
            stream = self._strip_padding(stream) if strip_padding else stream
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
        return self._loose_string(np.array([self.vocab[token] for token in tokens], np.int64), False)

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

    def _strip_padding(self, ids: Ids) -> Ids:
        kept = np.flatnonzero(ids != self.tables.pad_id)
        return ids[kept[0] : kept[-1] + 1] if kept.size else ids[:0]

    def _segment_string(self, segment: Segment, text_only: bool) -> str:
        if segment.modality == "text":
            return decode_text(segment.ids[0, 0, :-1], self.tables)
        return "" if text_only else "".join(self.tables.tokens[index] for index in segment.ids.reshape(-1))

    def _loose_string(self, ids: Ids, text_only: bool) -> str:
        is_byte = (ids >= self.tables.byte_ids.start) & (ids < self.tables.byte_ids.stop)
        parts: list[str] = []
        for run in np.split(ids, np.flatnonzero(np.diff(is_byte)) + 1) if len(ids) else []:
            if self.tables.byte_ids.start <= run[0] < self.tables.byte_ids.stop:
                parts.append(decode_text(run, self.tables))
            elif not text_only:
                parts += [self.tables.tokens[index] for index in run]
        return "".join(parts)


def _one_stream(array: Any, context_size: int) -> tuple[Ids, bool]:
    """Return a stream (L,), or rows (L, N) and True."""
    if not isinstance(array, list) and array.ndim == 2 and array.shape[1] == context_size:
        return array, True
    if not isinstance(array, list) and (array.ndim == 1 or (array.ndim == 2 and len(array) == 1)):
        return array.reshape(-1), False
    shape = f"{len(array)} streams" if isinstance(array, list) else f"shape {array.shape}"
    raise ValueError(
        f"ids must be one stream (L,) or context rows (L, {context_size}), got {shape}: decode one by one"
    )


def _read_rows(rows: Ids, tables: Vocabulary, newest_cell: int) -> Ids:
    """Return the tokens that context rows (L, N) have read, padding left out.

    A row of nothing but padding opens a segment: what was read before it is the end mark of the one before.
    """
    filled = np.flatnonzero((rows != tables.pad_id).any(-1))
    if not filled.size:
        return rows[:0, newest_cell]
    rows = rows[filled[0] : filled[-1] + 1]
    opens = (rows == tables.pad_id).all(-1)
    return np.where(opens, tables.segment_end_id, rows[:, newest_cell])


def _check_vocab_file(vocab_file: str | None, vocab: dict[str, int]) -> None:
    if vocab_file is None:
        return
    saved = json.loads(Path(vocab_file).read_text(encoding="utf-8"))
    if saved != vocab:
        different = sorted(set(saved.items()) ^ set(vocab.items()))[:3]
        raise ValueError(
            f"{vocab_file} does not match the tokenizer's tables ({len(saved)} ids, {len(vocab)}): {different}"
        )


def _to_example(segments: list[Segment], rule: ContextRule) -> dict[str, Any]:
    ids, shapes = flatten(segments)
    rows = rule.gather(ids, shapes, 0, len(ids), pad_id=0)
    return {"input_ids": rows, "labels": ids, "attention_mask": np.ones(len(ids), np.int64)}


def _split_batch(inputs: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    lists = {name: value for name, value in inputs.items() if isinstance(value, list | tuple)}
    if not lists:
        return [inputs], False
    lengths = {name: len(value) for name, value in lists.items()}
    scalars = [name for name, value in inputs.items() if value is not None and name not in lists]
    if len(set(lengths.values())) > 1 or scalars or 0 in lengths.values():
        raise ValueError(f"a batch needs lists of one length >= 1 for all that is given, got {lengths} and {scalars}")
    size = next(iter(lengths.values()))
    return [{name: lists[name][n] if name in lists else None for name in inputs} for n in range(size)], True


def _examples_of(encoded: Any, context_size: int) -> tuple[list[dict[str, Any]], bool]:
    if isinstance(encoded, Mapping):
        rows = encoded["input_ids"]
        is_single = len(rows) > 0 and np.ndim(rows[0]) == 1
        count = 1 if is_single else len(rows)
        examples = [{k: _to_numpy(v if is_single else v[n]) for k, v in encoded.items()} for n in range(count)]
    else:
        is_single, examples = False, [{k: _to_numpy(v) for k, v in example.items()} for example in encoded]
    for example in examples:
        if example["input_ids"].ndim != 2 or example["input_ids"].shape[1] != context_size:
            raise ValueError(f"input_ids must be (L, {context_size}), got shape {example['input_ids'].shape}")
        example.setdefault("attention_mask", np.ones(len(example["input_ids"]), np.int64))
    return examples, not is_single


def _cuts(truncation: bool | str | None) -> bool:
    names = {"longest_first": True, "do_not_truncate": False}
    if isinstance(truncation, str) and truncation not in names:
        raise ValueError(f"truncation must be a bool or one of {sorted(names)}, got {truncation!r}")
    return names[truncation] if isinstance(truncation, str) else bool(truncation)


def _padded_length(
    padding: bool | str | PaddingStrategy, lengths: list[int], max_length: int | None, multiple: int | None
) -> int | None:
    strategy = {True: "longest", False: "do_not_pad"}[padding] if isinstance(padding, bool) else str(padding)
    strategy = strategy.rsplit(".", 1)[-1].lower()
    if strategy == "do_not_pad":
        return None
    if strategy not in ("longest", "max_length") or (strategy == "max_length" and max_length is None):
        raise ValueError(f"padding must be a bool, 'longest', or 'max_length' with max_length, got {padding!r}")
    target = max(lengths) if strategy == "longest" else int(max_length or 0)
    target = -(-target // multiple) * multiple if multiple else target
    if target < max(lengths):
        raise ValueError(f"an example of {max(lengths)} positions does not fit in {target}: pass truncation=True")
    return target


def _pad_rows(rows: Any, count: int, fill: int, *, left: bool) -> Any:
    rows = rows.astype(np.int64) if rows.dtype.kind in "iub" else rows
    blank = np.full((count, *rows.shape[1:]), fill, rows.dtype)
    return np.concatenate([blank, rows] if left else [rows, blank]) if count else rows


def _to_numpy(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if isinstance(value, list | tuple) and value and np.ndim(value[0]) >= 1:
        sizes = {len(row) for row in value}
        return (
            np.stack([np.asarray(_to_numpy(row)) for row in value]) if len(sizes) == 1 else list(map(_to_numpy, value))
        )
    return np.asarray(value)


if not is_copy(__name__):
    AutoTokenizer.register(PixelBytesConfig, slow_tokenizer_class=ActionPixelBytesTokenizer, exist_ok=True)
