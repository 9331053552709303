"""Tokenized corpora: flat ids in memory or mapped from disk, one byte a token, with the shapes of their segments.

Contexts, 56 bytes a token in the original, are index arithmetic on a record and are computed when a window is read.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..pretrained.full_disks import writing
from ..pretrained.json_files import read_object, reading
from ..tokens.grid import MODALITIES, Ids, Segment, Shape, check_ids, flatten
from ..tokens.vocabulary import Vocabulary

FORMAT_VERSION = 2
_BEFORE_FINGERPRINTS = 1
_PART = 1 << 24  # ids that are looked at together, as they may be mapped from disk


class Records(Protocol):
    """What is read of a corpus; `TokenCorpus` is one."""

    vocabulary: Vocabulary

    @property
    def num_records(self) -> int:
        """Number of records."""

    def record(self, index: int, /) -> tuple[Ids, tuple[Shape, ...]]:
        """Return the raster stream of one record and its segments' shapes."""


def record_lengths(corpus: Records) -> list[int]:
    """Return the number of tokens of every record."""
    return [len(corpus.record(index)[0]) for index in range(corpus.num_records)]


def given_tokens(corpus: Records, index: int) -> int:
    """Return how many tokens at the beginning of a record are given, so that none scores them.

    Those of a `TaskCorpus`, which says it; of other corpora none.
    """
    return corpus.num_given(index) if hasattr(corpus, "num_given") else 0


class TokenCorpus:
    """The records of a corpus as one flat stream of ids with a table of segments.

    Args:
        ids: All records one after another, (total,), `vocabulary.id_dtype`.
        segments: Modality (index into `MODALITIES`), T, H and W of every segment, (S, 4) int32.
        first_segments: Row of `segments` where each record begins, then S, (R + 1,) int64.
        vocabulary: The tables the ids belong to.

    Attributes:
        codecs: Digests of the learned codecs that made its codes, by medium; none of a corpus without codes.

    Raises:
        ValueError: If the three arrays do not describe the same records.
    """

    def __init__(
        self, ids: Ids, segments: NDArray[np.int32], first_segments: NDArray[np.int64], vocabulary: Vocabulary
    ) -> None:
        """Check that the arrays fit together and index the records."""
        if ids.dtype != vocabulary.id_dtype or ids.ndim != 1:
            raise ValueError(f"ids must be a 1-D {vocabulary.id_dtype} stream, got {ids.dtype} of shape {ids.shape}")
        if segments.ndim != 2 or segments.shape[1] != 4 or {segments.dtype.kind, first_segments.dtype.kind} != {"i"}:
            raise ValueError(f"segments must be (S, 4) integers, got {segments.dtype} of shape {segments.shape}")
        is_list = first_segments.ndim == 1 and first_segments.size > 0
        if not is_list or first_segments[0] != 0 or first_segments[-1] != len(segments):
            raise ValueError(f"first_segments must go from 0 to {len(segments)}, got {first_segments}")
        if (np.diff(first_segments) < 1).any():
            raise ValueError(f"first_segments must ascend strictly, got {first_segments}")
        sizes = np.concatenate([[0], np.cumsum(segments[:, 1:].astype(np.int64).prod(1))])
        if sizes[-1] != len(ids):
            raise ValueError(f"segments hold {sizes[-1]} positions, ids {len(ids)}: expected the same number")
        self.ids, self.segments, self.first_segments, self.vocabulary = ids, segments, first_segments, vocabulary
        self.offsets = sizes[first_segments]
        self.codecs: dict[str, str] = {}

    @classmethod
    def from_records(cls, records: Iterable[Sequence[Segment]], vocabulary: Vocabulary) -> "TokenCorpus":
        """Return the corpus of the records, each a sequence of segments.

        Raises:
            ValueError: If there is no record, or one is empty or holds an id outside the vocabulary; named by index.
        """
        streams, rows, firsts = [], [], [0]
        for index, record in enumerate(records):
            try:
                ids, shapes = flatten(record)
                streams.append(check_ids(ids, vocabulary).astype(vocabulary.id_dtype))
            except ValueError as error:
                raise ValueError(f"record {index}: {error}") from error
            rows += [(MODALITIES.index(shape.modality), *shape[1:]) for shape in shapes]
            firsts.append(len(rows))
        if not streams:
            raise ValueError("records must not be empty: a corpus has at least one record")
        return cls(np.concatenate(streams), np.array(rows, np.int32), np.array(firsts, np.int64), vocabulary)

    @property
    def num_tokens(self) -> int:
        """Ids of all records together, separators included."""
        return len(self.ids)

    @property
    def num_records(self) -> int:
        """Number of records, R."""
        return len(self.offsets) - 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of vocabulary, codecs, shapes and ids, in hex: the same for equal corpora on any machine."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.to_dict(), sort_keys=True).encode())
        if self.codecs:
            digest.update(json.dumps(self.codecs, sort_keys=True).encode())
        for array in (self.first_segments.astype("<i8"), self.segments.astype("<i4")):
            digest.update(array.tobytes())
        for start in range(0, len(self.ids), _PART):
            digest.update(self.ids[start : start + _PART].astype(self.ids.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def record(self, index: int) -> tuple[Ids, tuple[Shape, ...]]:
        """Return the raster stream of one record, (L,), and its segments' shapes.

        Raises:
            IndexError: If there is no record of that index.
        """
        if not 0 <= index < self.num_records:
            raise IndexError(f"index must be in 0..{self.num_records - 1}, got {index}")
        rows = self.segments[self.first_segments[index] : self.first_segments[index + 1]].tolist()
        shapes = tuple(Shape(MODALITIES[modality], *extent) for modality, *extent in rows)
        return self.ids[self.offsets[index] : self.offsets[index + 1]], shapes

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the corpus as a new folder; a write that is cut short leaves no folder of that name.

        Raises:
            FileExistsError: If `folder` exists.
        """
        target = Path(folder)
        if target.exists():
            raise FileExistsError(f"folder {str(target)!r} exists: expected a name that is free")
        target.parent.mkdir(parents=True, exist_ok=True)
        part_of = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
        with writing(target), part_of as temporary:
            part = Path(temporary) / "corpus"
            part.mkdir()
            for name in ("ids", "segments", "first_segments"):
                np.save(part / f"{name}.npy", getattr(self, name))
            header = {"format_version": FORMAT_VERSION, "fingerprint": self.fingerprint}
            header |= {"vocabulary": self.vocabulary.to_dict()} | ({"codecs": self.codecs} if self.codecs else {})
            (part / "corpus.json").write_text(json.dumps(header))
            part.rename(target)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "TokenCorpus":
        """Return the corpus that `save` wrote, its ids mapped from disk.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is cut short, or of another format version, holds what no record has, or is not what
                was written; a folder of version 1 cannot tell the last.
        """
        header = read_object(Path(folder) / "corpus.json", {"format_version": int, "vocabulary": dict})
        if (found := header["format_version"]) not in (known := (_BEFORE_FINGERPRINTS, FORMAT_VERSION)):
            raise ValueError(f"{str(folder)!r} has format_version {found}, expected one of {known}")
        with reading(folder):
            names = "ids", "segments", "first_segments"
            # mapped, so that a size that a header only claims is compared with the file's
            ids, segments, first_segments = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in names)
            corpus = cls(ids, np.array(segments), np.array(first_segments), Vocabulary.from_dict(header["vocabulary"]))
            corpus._check_values()
            corpus.codecs = dict(header.get("codecs", {}))
            if found != _BEFORE_FINGERPRINTS and corpus.fingerprint != header.get("fingerprint"):
                raise ValueError(
                    f"its ids, segments and vocabulary have the fingerprint {corpus.fingerprint}, expected that of "
                    f"corpus.json, {header.get('fingerprint')}: a file was changed after it was written"
                )
        return corpus

    def _check_values(self) -> None:
        """Refuse what no record has; raises ValueError."""
        extents, size = self.segments[:, 1:], self.vocabulary.size
        if not ((self.segments[:, 0] >= 0) & (self.segments[:, 0] < len(MODALITIES))).all() or (extents < 1).any():
            raise ValueError(f"segments must have modalities in 0..{len(MODALITIES) - 1} and extents of at least 1")
        for start in range(0, len(self.ids), _PART):
            if (largest := int(self.ids[start : start + _PART].max())) >= size:
                raise ValueError(f"ids must be in 0..{size - 1}, got {largest} after position {start}")
