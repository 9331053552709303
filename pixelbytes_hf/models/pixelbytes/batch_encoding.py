"""Examples as a batch: lists of inputs taken apart, rows of unequal length padded and stacked.

Axes: B batch, L positions, N context cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.utils import PaddingStrategy

from ...tokens.contexts import ContextRule
from ...tokens.grid import Segment, as_array, flatten
from ...tokens.record import SegmentInfo

Example = dict[str, Any]
# what transformers' tokenizers can be asked for, and this one has nothing to answer
_IDLE_OPTIONS = {
    *("is_split_into_words", "return_length", "return_offsets_mapping", "return_overflowing_tokens"),
    *("return_special_tokens_mask", "return_token_type_ids", "sanitize_control_tokens", "stride", "verbose"),
}


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


def refuse_options(options: Mapping[str, Any]) -> None:
    """Make sure that options of transformers' tokenizers which have no meaning here ask for nothing.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If one asks for something.
    """
    if unknown := sorted(options.keys() - _IDLE_OPTIONS):
        raise TypeError(f"the tokenizer has no option {', '.join(unknown)}")
    if asked := sorted(name for name, value in options.items() if value not in (None, False, 0)):
        raise ValueError(
            f"{', '.join(asked)} must be None or False: the tokenizer returns contexts, labels and a mask"
        )


def split_batch(inputs: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Return the inputs of each record, and whether any was a list.

    Raises:
        ValueError: If lists differ in length, or what is given is a list in part only.
    """
    # a column of `datasets` is a sequence too
    lists = {
        name: list(value)
        for name, value in inputs.items()
        if isinstance(value, Sequence) and not isinstance(value, str | bytes)
    }
    if not lists:
        return [inputs], False
    lengths = {name: len(value) for name, value in lists.items()}
    scalars = [name for name, value in inputs.items() if value is not None and name not in lists]
    if len(set(lengths.values())) > 1 or scalars or 0 in lengths.values():
        raise ValueError(f"a batch needs lists of one length >= 1 for all that is given, got {lengths} and {scalars}")
    size = next(iter(lengths.values()))
    return [{name: lists[name][n] if name in lists else None for name in inputs} for n in range(size)], True


def example_of(segments: list[Segment], rule: ContextRule) -> Example:
    """Return contexts (L, N), labels (L,) and mask (L,) of a record."""
    ids, shapes = flatten(segments)
    rows = rule.gather(ids, shapes, 0, len(ids), pad_id=0)
    return {"input_ids": rows, "labels": ids, "attention_mask": np.ones(len(ids), np.int64)}


def examples_of(encoded: Any, context_size: int) -> tuple[list[Example], bool]:
    """Return examples of arrays, each with a mask, and whether they are a batch.

    Args:
        encoded: One example ``{"input_ids": (L, N), ...}``, a list of them, or a dictionary of lists.
        context_size: N.

    Raises:
        TypeError: If it is none of these.
        ValueError: If there is no example, or the contexts of one have another shape.
    """
    _check_encoded(encoded)
    if isinstance(encoded, Mapping):
        rows = encoded["input_ids"]
        is_single = len(rows) > 0 and np.ndim(rows[0]) == 1
        count = 1 if is_single else len(rows)
        examples = [{k: to_numpy(v if is_single else v[n]) for k, v in encoded.items()} for n in range(count)]
    else:
        is_single, examples = False, [{k: to_numpy(v) for k, v in example.items()} for example in encoded]
    if not examples:
        raise ValueError("encoded inputs must be at least one example, got none")
    for example in examples:
        if np.ndim(example["input_ids"]) != 2 or example["input_ids"].shape[1] != context_size:
            raise ValueError(f"input_ids must be (L, {context_size}), got shape {np.shape(example['input_ids'])}")
        example.setdefault("attention_mask", np.ones(len(example["input_ids"]), np.int64))
    return examples, not is_single


def _check_encoded(encoded: Any) -> None:
    each = [encoded] if isinstance(encoded, Mapping) else encoded
    if not isinstance(each, list | tuple) or not all(
        isinstance(example, Mapping) and hasattr(example.get("input_ids"), "__len__") for example in each
    ):
        raise TypeError(
            f"encoded inputs must be a dictionary with 'input_ids', or a list of them, got {encoded!r:.100}"
        )


def cuts(truncation: bool | str | None) -> bool:
    """Return whether examples are to be cut, by transformers' names; raises ValueError if there is no such name."""
    names = {"longest_first": True, "do_not_truncate": False}
    if isinstance(truncation, str) and truncation not in names:
        raise ValueError(f"truncation must be a bool or one of {sorted(names)}, got {truncation!r}")
    return names[truncation] if isinstance(truncation, str) else bool(truncation)


def padded_length(
    padding: bool | str | PaddingStrategy, examples: list[Example], max_length: int | None, multiple: int | None
) -> int | None:
    """Return the length that all examples get, or None where they keep theirs.

    Args:
        padding: True or "longest", "max_length", or False.
        examples: At least one.
        max_length: Positions, for "max_length".
        multiple: What to round the length up to a multiple of.

    Raises:
        ValueError: If there is no such way to pad, or an example is longer.
    """
    longest = max(len(example["input_ids"]) for example in examples)
    strategy = {True: "longest", False: "do_not_pad"}[padding] if isinstance(padding, bool) else str(padding)
    strategy = strategy.rsplit(".", 1)[-1].lower()
    if strategy == "do_not_pad":
        return None
    if strategy not in ("longest", "max_length") or (strategy == "max_length" and max_length is None):
        raise ValueError(f"padding must be a bool, 'longest', or 'max_length' with max_length, got {padding!r}")
    target = longest if strategy == "longest" else int(max_length or 0)
    target = -(-target // multiple) * multiple if multiple else target
    if target < longest:
        raise ValueError(f"an example of {longest} positions does not fit in {target}: pass truncation=True")
    return target


def pad_examples(examples: list[Example], length: int | None, fills: dict[str, int], *, left: bool) -> dict[str, Any]:
    """Return the columns of examples, all of `length` if that is given.

    Args:
        examples: With arrays (L, ...).
        length: Of each, afterwards.
        fills: What stands at padding, by column; 0 in others.
        left: Whether padding comes first.
    """
    columns: dict[str, list[Any]] = {name: [] for name in examples[0]}
    for example in examples:
        count = 0 if length is None else length - len(example["input_ids"])
        for name, rows in example.items():
            columns[name].append(_pad_rows(rows, count, fills.get(name, 0), left=left))
    return columns


def to_encoding(columns: dict[str, Any], return_tensors: str | None, *, is_batch: bool) -> PixelBytesEncoding:
    """Return columns as lists, or stacked as tensors.

    Args:
        columns: Arrays of each example, by name.
        return_tensors: "np", "pt", or None for lists.
        is_batch: Whether lists have an axis of examples; tensors always do.

    Raises:
        ValueError: If examples to stack differ in length.
    """
    if return_tensors is None:
        lists = {name: [rows.tolist() for rows in values] for name, values in columns.items()}
        return PixelBytesEncoding(lists if is_batch else {name: values[0] for name, values in lists.items()})
    lengths = [len(rows) for rows in columns["input_ids"]]
    if len(set(lengths)) > 1:
        raise ValueError(f"examples have lengths {lengths}: pass padding=True to make tensors of them")
    stacked = {name: values[0][None] if len(values) == 1 else np.stack(values) for name, values in columns.items()}
    return PixelBytesEncoding(stacked, tensor_type=return_tensors)


def to_numpy(value: Any) -> Any:
    """Return a tensor, an array or nested lists as an array; lists of unequal length as a list of arrays."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if isinstance(value, list | tuple) and value and (isinstance(value[0], list | tuple) or np.ndim(value[0])):
        rows = [to_numpy(row) for row in value]
        is_ragged = any(isinstance(row, list) for row in rows) or len({row.shape for row in rows}) > 1
        return rows if is_ragged else np.stack(rows)
    return as_array("ids", value)


def _pad_rows(rows: Any, count: int, fill: int, *, left: bool) -> Any:
    rows = rows.astype(np.int64) if rows.dtype.kind in "iub" else rows
    blank = np.full((count, *rows.shape[1:]), fill, rows.dtype)
    return np.concatenate([blank, rows] if left else [rows, blank]) if count else rows
