"""What a corpus is made of: the columns of a record, and the reasons for which one is left out."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from pixelbytes_hf.media.sounds import Sound, write_sound

if TYPE_CHECKING:
    from datasets import Features
    from pyarrow import Table


class MediaFile(TypedDict):
    """A file as `datasets` stores it."""

    bytes: bytes
    path: str


class Record(TypedDict, total=False):
    """One creature; the columns of the dataset.

    `sprite` is the original animation, `pixels` its pixelised variant, `audio` two channels of FLAC: the cry in mono,
    and through a Game Boy's speaker. Only procedural creatures have `attributes`.
    """

    id: int
    name: str
    text: str
    sprite: MediaFile
    pixels: MediaFile
    audio: MediaFile
    types: list[str]
    generation: int
    family_id: int
    sampling_rate: int
    attributes: dict[str, str]


@dataclass(frozen=True)
class Drop:
    """A record that was left out.

    Attributes:
        id: Its id.
        name: Its name.
        reason: One of a few phrases, by which drops are counted.
        detail: What exactly was found.
    """

    id: int
    name: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Change:
    """What was done to the media of a record so that they fit.

    Attributes:
        id: Id of the record.
        name: Its name.
        detail: What became of what.
    """

    id: int
    name: str
    detail: str


class UnusableRecordError(ValueError):
    """Raised by a reader of one record; the builder counts it as a drop instead of stopping."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def encode_flac(samples: NDArray[np.float32], *, sampling_rate: int) -> bytes:
    """Return samples (N, C) as the bytes of a FLAC file of 16-bit integers.

    Raises:
        ValueError: If the samples are empty, not 2-D, or hold NaN or infinity.
    """
    target = io.BytesIO()
    write_sound(Sound(samples, sampling_rate), target, file_format="FLAC")
    return target.getvalue()


def record_features(*, with_attributes: bool, with_sound: bool = True) -> "Features":
    """Return the columns as `datasets` describes them; audio is left undecoded, because decoding averages channels.

    Args:
        with_attributes: Whether the creatures' attributes are known.
        with_sound: Whether there are the columns of the cry.
    """
    # `Sequence` is a name that datasets 3.6 and 5 both have
    from datasets import Audio, Features, Image, Sequence, Value

    from .creatures import ATTRIBUTES

    columns = {
        "id": Value("int64"),
        "name": Value("string"),
        "text": Value("string"),
        "sprite": Image(),
        "pixels": Image(),
        "audio": Audio(decode=False),
        "types": Sequence(Value("string")),
        "generation": Value("int32"),
        "family_id": Value("int64"),
        "sampling_rate": Value("int32"),
    }
    if not with_sound:
        del columns["audio"], columns["sampling_rate"]
    attributes = {"attributes": {name: Value("string") for name in ATTRIBUTES}} if with_attributes else {}
    return Features(columns | attributes)


def record_table(records: Sequence[Record], features: "Features") -> "Table":
    """Return records as an Arrow table of these columns; what a record has besides them is left out."""
    import pyarrow as pa

    schema = features.arrow_schema
    return pa.Table.from_pylist(list(records), schema=schema)
