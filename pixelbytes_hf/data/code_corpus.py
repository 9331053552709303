"""Corpora of codes: the segments that learned codecs read become codes, the others stay, in one vocabulary."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..tokens.grid import Segment
from ..tokens.vocabulary import Vocabulary
from .corpus import TokenCorpus


def vocabulary_of_codecs(codecs: Sequence[Any]) -> Vocabulary:
    """Return the vocabulary of the media that codecs read, with the codes of all of them.

    Args:
        codecs: At least one, of different media.

    Raises:
        ValueError: If there is none, two are of one medium, or they are of different vocabularies.
    """
    media = [codec.medium for codec in codecs]
    if not codecs or len(set(media)) < len(media):
        raise ValueError(f"codecs must be one or two, of different media, got {media}")
    if any(codec.tables != codecs[0].tables for codec in codecs):
        raise ValueError("codecs must be of one vocabulary of media, got two of different ones")
    codes: dict[str, Any] = {}
    for codec in codecs:
        codes |= codec.codes
    tables: Vocabulary = codecs[0].tables
    return tables.with_codes(**codes)


def encode_corpus(corpus: TokenCorpus, codecs: Sequence[Any], *, progress: bool = True) -> TokenCorpus:
    """Return a corpus with codes in place of the segments that codecs read; it names the codecs by their digests.

    Args:
        corpus: Of the codecs' vocabulary of media.
        codecs: In evaluation mode.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the corpus is of another vocabulary, has no segment for one of the codecs, or a segment cannot
            be encoded; the record is named.
    """
    vocabulary = vocabulary_of_codecs(codecs)
    if corpus.vocabulary != codecs[0].tables:
        raise ValueError(
            f"corpus must be of the codec's vocabulary of {codecs[0].tables.size} ids, got one of "
            f"{corpus.vocabulary.size} ids"
        )
    by_medium = {codec.medium: codec for codec in codecs}
    used: set[str] = set()

    def records() -> Iterator[list[Segment]]:
        for index in tqdm(range(corpus.num_records), desc="encode", unit="record", disable=not progress):
            segments = []
            for segment in segments_of_record(corpus, index):
                codec = by_medium.get(segment.modality)
                if codec is not None:
                    used.add(segment.modality)
                    try:
                        segment = codec.encode(segment, vocabulary)
                    except ValueError as error:
                        raise ValueError(f"record {index} cannot be encoded: {error}") from error
                segments.append(Segment(segment.modality, segment.ids.astype(vocabulary.id_dtype)))
            yield segments

    encoded = TokenCorpus.from_records(records(), vocabulary)
    if missing := sorted(by_medium.keys() - used):
        raise ValueError(f"corpus must have segments for every codec, got none of {missing}")
    encoded.codecs = {codec.medium: codec.digest for codec in codecs}
    return encoded


def segments_of_record(corpus: TokenCorpus, index: int) -> list[Segment]:
    """Return the segments of a record."""
    ids, shapes = corpus.record(index)
    bounds = np.cumsum([0, *(shape.size for shape in shapes)])
    return [
        Segment(shape.modality, np.asarray(ids[start : start + shape.size]).reshape(shape[1:]))
        for shape, start in zip(shapes, bounds, strict=False)
    ]


def check_codecs(codecs: Mapping[str, str], expected: Mapping[str, str], name: str) -> None:
    """Make sure that a corpus was made by the codecs that a run was trained with.

    Args:
        codecs: Digests of the corpus' codecs, by medium.
        expected: Those of the run.
        name: Of the run, for the message.

    Raises:
        ValueError: If it was not.
    """
    for medium in sorted(codecs.keys() | expected.keys()):
        got, wanted = codecs.get(medium), expected.get(medium)
        if got != wanted:
            raise ValueError(
                f"the corpus must have the codes of {medium} that {name} was trained on, of the codec "
                f"{_short(wanted)}, got those of {_short(got)}"
            )


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:12]
