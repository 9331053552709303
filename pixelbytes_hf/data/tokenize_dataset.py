"""Tokenizing a `datasets.Dataset`: rows of media to a corpus of ids."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from transformers.utils import logging

from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..tokens.grid import Segment
from .corpus import TokenCorpus

logger = logging.get_logger(__name__)
_ROWS_AT_ONCE = 1000
COLUMNS: Mapping[str, str] = MappingProxyType({"text": "text", "image": "pixels", "audio": "audio"})


def as_corpus(rows: Any, tokenizer: ActionPixelBytesTokenizer, *, progress: bool = True) -> TokenCorpus:
    """Return a corpus as it is, and rows of a `datasets.Dataset` tokenized.

    Raises:
        ValueError: If the corpus is of another vocabulary than the tokenizer.
    """
    if not isinstance(rows, TokenCorpus):
        return tokenize_dataset(rows, tokenizer, progress=progress)
    if rows.vocabulary != tokenizer.tables:
        raise ValueError(
            f"the corpus has a vocabulary of {rows.vocabulary.size} ids that is not the tokenizer's of "
            f"{tokenizer.tables.size}: expected the same tables"
        )
    return rows


def rows_with_media(rows: Any, tokenizer: ActionPixelBytesTokenizer) -> Any:
    """Return the rows that have one of the media that a tokenizer reads; how many are left out is logged.

    Args:
        rows: A `datasets.Dataset` with the columns of those media; a `TokenCorpus` is returned as it is.
        tokenizer: Whose `order` names the media.

    Raises:
        ValueError: If no row has one.
    """
    if isinstance(rows, TokenCorpus):
        return rows
    names = [COLUMNS[medium] for medium in tokenizer.order if COLUMNS[medium] in rows.column_names]
    if not names:
        return rows  # `tokenize_dataset` says which columns lack
    kept: list[int] = []
    stored = rows.select_columns(names).with_format("arrow")
    for start, table in zip(range(0, len(rows), _ROWS_AT_ONCE), stored.iter(_ROWS_AT_ONCE), strict=True):
        has_one = np.any([table[name].is_valid().to_numpy() for name in names], axis=0)
        kept += (np.flatnonzero(has_one) + start).tolist()
    if not kept:
        raise ValueError(f"dataset must have rows with {' or '.join(tokenizer.order)}, got {len(rows)} without")
    if len(kept) == len(rows):
        return rows
    media = " or ".join(tokenizer.order)
    logger.warning("%d of %d rows are left out: they have no %s", len(rows) - len(kept), len(rows), media)
    return rows.select(kept)


def tokenize_dataset(
    dataset: Any, tokenizer: ActionPixelBytesTokenizer, *, columns: Mapping[str, str] = COLUMNS, progress: bool = True
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
