"""Corpora and windows: flat ids on disk or in memory, cut into windows whose contexts are computed when they are read.

Knows records, windows and batches; knows nothing about models. A corpus keeps one id per token (one byte in the
``paper`` preset) and the segments' shapes; the six-cell contexts, 56 bytes a token in the original, are index
arithmetic on a record and reach before the window where the record does.

Shapes: B windows of a batch, L positions of a window, N cells (`contexts`; six unless said otherwise).

Source: `TokenPxByDataset`, pixelbytes/model.py:33 of fabienfrfr/PixelBytes@7646d6a. Differs on purpose: windows end at
the record's end instead of at the end modulo its length, so no token is lost, and padding is never a target.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from ..models.pixelbytes.tokenization_pixelbytes import IGNORED_LABEL, ActionPixelBytesTokenizer
from ..tokens.contexts import context_rule
from ..tokens.grid import CONTEXT_SIZE, MODALITIES, Ids, Segment, Shape, check_ids, flatten
from ..tokens.vocabulary import Vocabulary
from .augmentation import Augmentation, flip_record
from .corruption import Corruption, Moment, Window, stack_drawn

FORMAT_VERSION = 1
COLUMNS: Mapping[str, str] = MappingProxyType({"text": "text", "image": "pixels", "audio": "audio"})


class TokenCorpus:
    """The records of a corpus as one flat stream of ids with a table of segments.

    Args:
        ids: All records one after another, (total,), `vocabulary.id_dtype`.
        segments: Modality (index into `MODALITIES`), T, H and W of every segment, (S, 4) int32.
        first_segments: Row of `segments` where each record begins, then S, (R + 1,) int64.
        vocabulary: The tables the ids belong to.

    Raises:
        ValueError: If the three arrays do not describe the same records.
    """

    def __init__(
        self, ids: Ids, segments: NDArray[np.int32], first_segments: NDArray[np.int64], vocabulary: Vocabulary
    ) -> None:
        """Check that the arrays fit together and index the records."""
        if ids.dtype != vocabulary.id_dtype or ids.ndim != 1:
            raise ValueError(f"ids must be a 1-D {vocabulary.id_dtype} stream, got {ids.dtype} of shape {ids.shape}")
        if first_segments[0] != 0 or first_segments[-1] != len(segments) or (np.diff(first_segments) < 1).any():
            raise ValueError(f"first_segments must ascend strictly from 0 to {len(segments)}, got {first_segments}")
        sizes = np.concatenate([[0], np.cumsum(segments[:, 1:].astype(np.int64).prod(1))])
        if sizes[-1] != len(ids):
            raise ValueError(f"segments hold {sizes[-1]} positions, ids {len(ids)}: expected the same number")
        self.ids, self.segments, self.first_segments, self.vocabulary = ids, segments, first_segments, vocabulary
        self.offsets = sizes[first_segments]

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
        """Ids of all records together, end marks included."""
        return len(self.ids)

    @property
    def num_records(self) -> int:
        """Number of records, R."""
        return len(self.offsets) - 1

    @property
    def num_bytes(self) -> int:
        """Memory or disk space of the arrays, in bytes."""
        return self.ids.nbytes + self.segments.nbytes + self.first_segments.nbytes + self.offsets.nbytes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of vocabulary, shapes and ids, in hex: the same for equal corpora on any machine."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.to_dict(), sort_keys=True).encode())
        for array in (self.first_segments.astype("<i8"), self.segments.astype("<i4")):
            digest.update(array.tobytes())
        step = 1 << 24
        for start in range(0, len(self.ids), step):
            digest.update(self.ids[start : start + step].astype(self.ids.dtype.newbyteorder("<")).tobytes())
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
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
            part = Path(temporary) / "corpus"
            part.mkdir()
            for name in ("ids", "segments", "first_segments"):
                np.save(part / f"{name}.npy", getattr(self, name))
            header = {"format_version": FORMAT_VERSION, "vocabulary": self.vocabulary.to_dict()}
            (part / "corpus.json").write_text(json.dumps(header))
            part.rename(target)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "TokenCorpus":
        """Return the corpus that `save` wrote, its ids mapped from disk.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is cut short, or of another format version.
        """
        header = json.loads((Path(folder) / "corpus.json").read_text())
        if header["format_version"] != FORMAT_VERSION:
            found = header["format_version"]
            raise ValueError(f"{str(folder)!r} has format_version {found}, expected {FORMAT_VERSION}")
        return cls(
            ids=np.load(Path(folder) / "ids.npy", mmap_mode="r"),
            segments=np.load(Path(folder) / "segments.npy"),
            first_segments=np.load(Path(folder) / "first_segments.npy"),
            vocabulary=Vocabulary.from_dict(header["vocabulary"]),
        )


def tokenize_dataset(
    dataset: Any,
    tokenizer: ActionPixelBytesTokenizer,
    *,
    columns: Mapping[str, str] = COLUMNS,
    progress: bool = True,
) -> TokenCorpus:
    """Return the corpus of a `datasets.Dataset`, one record per row.

    Media columns are read as stored bytes, so that an animation keeps all its frames and a sound its channels.

    Args:
        dataset: Rows with the columns named in `columns`; a value of None leaves that medium out of the record.
        tokenizer: Encodes the records; a modality that its `order` does not name is left out.
        columns: Column of each modality.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If a column is missing, the dataset is empty, or a row cannot be encoded; the row is named.
    """
    from datasets import Audio, Image
    from tqdm.auto import tqdm

    columns = {modality: name for modality, name in columns.items() if modality in tokenizer.order}
    if missing := [name for name in columns.values() if name not in dataset.column_names]:
        raise ValueError(f"dataset has no column {missing}: expected {dict(columns)}, got {dataset.column_names}")
    dataset = dataset.select_columns([*columns.values()])
    for name, feature in dataset.features.items():
        if isinstance(feature, Audio | Image):
            dataset = dataset.cast_column(name, type(feature)(decode=False))

    def encode_rows() -> Iterable[list[Segment]]:
        for index, row in enumerate(tqdm(dataset, desc="tokenize", unit="record", disable=not progress)):
            try:
                yield tokenizer.encode_record(**{modality: row[name] for modality, name in columns.items()})[0]
            except ValueError as error:
                raise ValueError(f"row {index} of the dataset cannot be encoded: {error}") from error

    return TokenCorpus.from_records(encode_rows(), tokenizer.tables)


class WindowDataset(Dataset[dict[str, Ids]]):
    """Windows over the records of a corpus; every token is a target.

    The windows of a record of L tokens start at 0, `stride`, 2 `stride`, ... up to the first that reaches the record's
    end; a window ends there too, so it may be shorter, and never crosses into the next record. With
    `stride == window_length` every token is a target exactly once. With a smaller stride (the paper's half) windows
    overlap, and a token is a target once in every window that holds it; with ``score_overlap=False`` only in the first
    of them, the others reading it as context: then too every token is a target exactly once.

    Args:
        corpus: The records.
        window_length: Tokens of a window, at most.
        stride: Tokens from one window's start to the next; `window_length` if None.
        seed: Of the jitter.
        jitter: Move a record's windows to the left by a random part of what they reach beyond its end, drawn anew each
            epoch as a pure function of (seed, epoch, record). Their number, and what is said above, stay.
        score_overlap: Whether tokens that an earlier window held are targets again.
        repeats: Visits of a window in an epoch by modality, 1 where not named; the largest of those it holds counts.
        openings: Further visits, in every epoch, of each record's first `opening_length` tokens: what a sentence asks
            for shows in a sprite's first frame, which is a small part of a record.
        opening_length: See there.
        context_size: Cells of a row, N; one of `contexts.CONTEXT_RULES`.
        corruption: What an objective that corrupts its input draws for each window, or None; see `corruption`.
        num_draws: Visits of every window one after another, each with draws of its own, to validate on.
        augmentation: What may be done to a window's record, drawn anew each epoch as a pure function of (seed, epoch,
            index).

    Raises:
        ValueError: If a number is out of range or a modality unknown.
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        window_length: int,
        *,
        stride: int | None = None,
        seed: int = 0,
        jitter: bool = False,
        score_overlap: bool = True,
        repeats: Mapping[str, int] | None = None,
        openings: int = 0,
        opening_length: int = 256,
        context_size: int = CONTEXT_SIZE,
        corruption: Corruption | None = None,
        num_draws: int = 1,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Count the windows of every record."""
        self.augmentation = Augmentation() if augmentation is None else augmentation
        if num_draws < 1 or (num_draws > 1 and openings):
            raise ValueError(f"num_draws must be at least 1, and 1 with openings, got {num_draws}")
        self.corruption, self.num_draws = corruption, num_draws
        self._ranks: NDArray[np.int64] | None = None
        self.rule = context_rule(context_size)
        stride = window_length if stride is None else stride
        if not 1 <= stride <= window_length:
            raise ValueError(f"stride must be in 1..window_length ({window_length}), got {stride}")
        if openings < 0 or opening_length < 1:
            raise ValueError(f"openings must be >= 0, of length >= 1, got {openings} of {opening_length}")
        self.num_openings, self.opening_length = openings * corpus.num_records, opening_length
        self.corpus, self.window_length, self.stride, self.seed = corpus, window_length, stride, seed
        self.jitter, self.score_overlap, self.epoch = jitter, score_overlap, 0
        lengths = np.diff(corpus.offsets)
        counts = np.maximum(-(-(lengths - window_length) // stride), 0) + 1
        self._first_window = np.concatenate([[0], np.cumsum(counts)])
        # a table, not a search: finding a window takes the same time however many records there are
        self._record_of_window = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._visits = self._repeat_windows(dict(repeats or {}))

    def _repeat_windows(self, repeats: dict[str, int]) -> NDArray[np.int64] | None:
        if unknown := repeats.keys() - set(MODALITIES):
            raise ValueError(f"repeats must name modalities among {MODALITIES}, got {sorted(unknown)}")
        if not all(isinstance(times, int) and times >= 1 for times in repeats.values()):
            raise ValueError(f"repeats must be whole numbers from 1, got {repeats}")
        if all(times == 1 for times in repeats.values()):
            return None
        times = np.ones(self.num_windows, np.int64)
        segments, bounds = self.corpus.segments, self.corpus.first_segments
        for record in range(self.corpus.num_records):
            start = 0
            low, high = self._first_window[record : record + 2]
            for modality, *extent in segments[bounds[record] : bounds[record + 1]].tolist():
                stop = start + int(np.prod(extent))
                # windows k with k * stride < stop and k * stride + window_length > start
                first = low + max((start - self.window_length) // self.stride + 1, 0)
                last = min(low + (stop - 1) // self.stride + 1, high)
                np.maximum(times[first:last], repeats.get(MODALITIES[modality], 1), out=times[first:last])
                start = stop
        return np.repeat(np.arange(self.num_windows), times)

    @property
    def num_windows(self) -> int:
        """Windows, each counted once."""
        return len(self._record_of_window)

    @property
    def num_bytes(self) -> int:
        """Memory of the window index, in bytes, the corpus not counted."""
        tables = (self._first_window, self._record_of_window, self._visits)
        return sum(table.nbytes for table in tables if table is not None)

    def __len__(self) -> int:
        """Return the number of windows of an epoch, repeats and openings counted; openings come last."""
        num_visits = self.num_windows if self._visits is None else len(self._visits)
        return num_visits * self.num_draws + self.num_openings

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose jitter and draws `locate` and `__getitem__` use."""
        self.epoch = epoch

    def set_order(self, order: Sequence[int]) -> None:
        """Tell which window is read when, so that draws of windows read together can be spread evenly."""
        if self.corruption is not None:
            self._ranks = np.argsort(np.asarray(order, np.int64))

    def locate(self, index: int) -> tuple[int, int, int]:
        """Return record, start and stop (one past the last) of a window, in the same time for any corpus.

        Raises:
            IndexError: If there is no window of that index.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in 0..{len(self) - 1}, got {index}")
        past = index - (len(self) - self.num_openings)
        if past >= 0:
            record = past % self.corpus.num_records
            length = int(self.corpus.offsets[record + 1] - self.corpus.offsets[record])
            return record, 0, min(self.opening_length, length)
        window = index // self.num_draws
        window = window if self._visits is None else int(self._visits[window])
        record = int(self._record_of_window[window])
        length = int(self.corpus.offsets[record + 1] - self.corpus.offsets[record])
        start = (window - int(self._first_window[record])) * self.stride
        if self.jitter:
            start -= self._shift(record, length)
        return record, max(start, 0), min(start + self.window_length, length)

    def _shift(self, record: int, length: int) -> int:
        count = int(self._first_window[record + 1] - self._first_window[record])
        slack = (count - 1) * self.stride + self.window_length - length
        return int(np.random.default_rng((self.seed, self.epoch, record)).integers(slack + 1))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return contexts (L, N), labels (L,) int64, `IGNORED_LABEL` where there is no target, and what was drawn."""
        record, start, stop = self.locate(index)
        ids, shapes = self.corpus.record(record)
        flips = self.augmentation.draw(self.seed, self.epoch, index)
        ids = flip_record(ids, shapes, flips, self.corpus.vocabulary)
        labels = ids[start:stop].astype(np.int64)
        if not self.score_overlap and start > 0:
            labels[: self.window_length - self.stride] = IGNORED_LABEL
        pad_id = self.corpus.vocabulary.pad_id
        if self.corruption is None:
            return {"input_ids": self.rule.gather(ids, shapes, start, stop, pad_id=pad_id), "labels": labels}
        window = Window(ids, shapes, start, stop, labels != IGNORED_LABEL)
        rank = index if self._ranks is None else int(self._ranks[index])
        moment = Moment(self.seed, self.epoch, index, rank, self.num_draws if self.num_draws > 1 else None)
        context, drawn = self.corruption.corrupt(window, moment, pad_id=pad_id)
        return {"input_ids": context, "labels": labels, "corruption": drawn}


class WindowSampler(Sampler[int]):
    """Every window of an epoch once, in an order that is a pure function of (seed, epoch).

    Openings, which are short, fill batches of their own, so that none is padded to the length of a whole window.

    Args:
        dataset: The windows; it is told the epoch too.
        seed: Of the order.
        batch_size: Windows of a batch, of all processes together.
    """

    def __init__(self, dataset: Any, seed: int, *, batch_size: int = 1) -> None:
        """Start at epoch 0."""
        self.dataset, self.seed, self.batch_size, self.epoch = dataset, seed, batch_size, 0

    def __len__(self) -> int:
        """Return the number of windows of an epoch."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        """Return the indices of the epoch."""
        random, total = np.random.default_rng((self.seed, self.epoch)), len(self.dataset)
        num_whole = total - getattr(self.dataset, "num_openings", 0)
        if num_whole == total:
            return iter(random.permutation(total).tolist())
        groups = [random.permutation(num_whole), num_whole + random.permutation(total - num_whole)]
        full = [group[: len(group) // self.batch_size * self.batch_size] for group in groups]
        batches = np.concatenate(full).reshape(-1, self.batch_size)
        rest = [group[len(part) :] for group, part in zip(groups, full, strict=True)]
        return iter(np.concatenate([random.permutation(batches).reshape(-1), *rest]).tolist())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, of the order and of the windows."""
        self.epoch = epoch
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        if hasattr(self.dataset, "set_order"):
            self.dataset.set_order(list(self))


class WindowCollator:
    """Stacks windows of different lengths into a batch, padded on the right to the longest.

    Args:
        pad_id: Id that fills the contexts of padding.
    """

    def __init__(self, pad_id: int = 0) -> None:
        """Keep the id of padding."""
        self.pad_id = pad_id

    def __call__(self, windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return `input_ids` (B, L, N), `labels` (B, L) and `attention_mask` (B, L), all int64, and what was drawn."""
        size = len(windows), max(len(window["labels"]) for window in windows)
        input_ids = np.full((*size, np.shape(windows[0]["input_ids"])[-1]), self.pad_id, np.int64)
        labels = np.full(size, IGNORED_LABEL, np.int64)
        mask = np.zeros(size, np.int64)
        for row, window in enumerate(windows):
            length = len(window["labels"])
            input_ids[row, :length] = window["input_ids"]
            labels[row, :length] = window["labels"]
            mask[row, :length] = 1
        arrays = {"input_ids": input_ids, "labels": labels, "attention_mask": mask}
        batch: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if "corruption" in windows[0]:
            batch["corruption"] = stack_drawn([window["corruption"] for window in windows])
        return batch
