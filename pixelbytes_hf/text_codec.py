"""Text to byte ids and back.

A vocabulary that holds all 256 bytes keeps text as it is (UTF-8). A smaller one takes text in lower case, NFKD, ASCII,
as the paper does; what that or the byte table cannot hold is refused, replaced and counted, or becomes id 0.

Source: `ActionPixelBytesTokenizer`, pixelbytes/tokenizer.py:47 of fabienfrfr/PixelBytes@7646d6a.
"""

import unicodedata
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from .grid import Ids
from .vocabulary import Vocabulary

TextErrors = Literal["strict", "replace", "paper"]
REPLACEMENT = " "


class EncodedText(NamedTuple):
    """Byte ids of a text, and what did not fit.

    Attributes:
        ids: (n,), without an end mark.
        num_replaced: Characters that became a space (``replace``) or id 0 (``paper``).
        num_dropped: Characters outside ASCII that normalisation leaves out; accents taken off a letter do not count.
    """

    ids: Ids
    num_replaced: int
    num_dropped: int


@cache
def _normalizer() -> Any:
    from tokenizers import Regex, normalizers

    drop_non_ascii = normalizers.Replace(Regex(r"[^\x00-\x7F]"), "")
    return normalizers.Sequence([normalizers.Lowercase(), normalizers.NFKD()]), drop_non_ascii


def check_text_errors(errors: str) -> TextErrors:
    """Return `errors` if it names a policy.

    Raises:
        ValueError: If it does not.
    """
    if errors not in get_args(TextErrors):
        raise ValueError(f"errors must be one of {get_args(TextErrors)}, got {errors!r}")
    return errors  # type: ignore[return-value]


def encode_text(text: str, vocabulary: Vocabulary, *, errors: TextErrors = "replace") -> EncodedText:
    """Return the byte ids of a text.

    Args:
        text: Any string.
        vocabulary: The tables.
        errors: What becomes of a character outside the table: ``strict`` raises, ``replace`` puts a space, ``paper``
            puts id 0. ``strict`` also refuses a character that normalisation would leave out.

    Raises:
        TypeError: If `text` is not a string.
        ValueError: If `errors` is unknown, or is ``strict`` and a character does not fit, or is ``replace`` and the
            table has no space.

    Example:
        >>> encode_text("Pokémon?", Vocabulary.from_preset("paper"))
        EncodedText(ids=array([47, 46, 42, 36, 44, 46, 45,  3], dtype=uint8), num_replaced=1, num_dropped=0)
    """
    check_text_errors(errors)
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, got {type(text).__name__}")
    if vocabulary.text_is_lossless:
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        return EncodedText(_byte_table(vocabulary)[data].astype(vocabulary.id_dtype), 0, 0)
    data, num_dropped = _normalise(text, errors)
    ids = _byte_table(vocabulary)[data]
    unknown = ids < 0
    if unknown.any():
        _check_unknown(data[unknown], vocabulary, errors)
        ids = np.where(unknown, _byte_table(vocabulary)[ord(REPLACEMENT)] if errors == "replace" else 0, ids)
    return EncodedText(ids.astype(vocabulary.id_dtype), int(unknown.sum()), num_dropped)


def decode_text(ids: Ids, vocabulary: Vocabulary) -> str:
    """Return the text of byte ids, (n,); bytes that are not UTF-8 show as U+FFFD.

    Raises:
        ValueError: If an id is not that of a byte.
    """
    ids = np.asarray(ids, np.int64)
    outside = ids[(ids < vocabulary.byte_ids.start) | (ids >= vocabulary.byte_ids.stop)]
    if outside.size:
        raise ValueError(f"text ids must be in {vocabulary.byte_ids}, got {int(outside[0])}")
    values = np.array(vocabulary.byte_values, np.uint8)[ids - vocabulary.byte_ids.start]
    return values.tobytes().decode("utf-8", errors="replace")


def _normalise(text: str, errors: TextErrors) -> tuple[Any, int]:
    decompose, drop_non_ascii = _normalizer()
    decomposed = decompose.normalize_str(text)
    dropped = [character for character in decomposed if ord(character) > 127 and not unicodedata.combining(character)]
    if dropped and errors == "strict":
        raise ValueError(f"text holds {dropped[0]!r}, which the vocabulary cannot: expected ASCII (errors='strict')")
    return np.frombuffer(drop_non_ascii.normalize_str(decomposed).encode("ascii"), np.uint8), len(dropped)


def _check_unknown(values: Any, vocabulary: Vocabulary, errors: TextErrors) -> None:
    character = chr(int(values[0]))
    if errors == "strict":
        raise ValueError(f"text holds {character!r}, which is not in the vocabulary's bytes (errors='strict')")
    if errors == "replace" and ord(REPLACEMENT) not in vocabulary.byte_values:
        raise ValueError(f"text holds {character!r} and the vocabulary has no space to replace it with")


@cache
def _byte_table(vocabulary: Vocabulary) -> Any:
    table = np.full(256, -1, np.int64)
    table[list(vocabulary.byte_values)] = np.arange(vocabulary.byte_ids.start, vocabulary.byte_ids.stop)
    return table
