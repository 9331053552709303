"""Evaluation of learned codecs: what they keep, what their codes cost, and what does without a network.

A codec is a lossless code in two parts: the bits of its codes, by an adaptive count coder that went over those of the
training records before, and the bits of the cells under them. Sizes of media are known to all rows.

Shapes: B clips of one size, L positions.
"""

import lzma
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..codecs.codec_scores import scorer_of
from ..data.clips import ClipDataset
from ..data.code_corpus import encode_corpus
from ..data.corpus import TokenCorpus
from ..data.token_table import TokenTable, gather_table
from ..runs.versions import describe_versions
from ..tokens.modalities import KINDS, TRAITS
from .adaptive_ngram import AdaptiveNgram
from .metrics import FRAME_BEFORE_CELL
from .tables import align_table

Result = dict[str, Any]
_NATS_PER_BIT = float(np.log(2.0))


def evaluate_codec(
    codec: Any, test: TokenCorpus, train: TokenCorpus | None = None, *, batch_size: int = 16, progress: bool = True
) -> Result:
    """Return the figures of a codec on a corpus.

    Args:
        codec: In evaluation mode.
        test: Records of the codec's vocabulary, to score.
        train: Records whose codes are counted before; None leaves the bits of codes out.
        batch_size: Clips read together; does not change the figures.
        progress: Whether to show progress bars.

    Returns:
        ``figures``: those of `codec_scores`, ``raw_rate`` (bits of codes of equal length) and, with `train`,
        ``code_bits`` and ``two_part_bits``, all per cell; ``settings``, ``versions``, ``corpus``, ``seconds``.

    Raises:
        ValueError: If a corpus is of another vocabulary or has none of the codec's medium.
    """
    start_time = time.monotonic()
    for corpus in filter(None, (test, train)):
        if corpus.vocabulary != codec.tables:
            raise ValueError(
                f"corpus must be of the codec's vocabulary of {codec.tables.size} ids, got {corpus.vocabulary.size}"
            )
    held_out = medium_of(test, codec.medium)
    figures = _score(codec, held_out, batch_size, progress)
    codes_per_cell = figures["codes"] / len(codec.quantiser.code_sizes) / figures["cells"]
    figures["raw_rate"] = codes_per_cell * float(np.log2(codec.quantiser.code_sizes).sum())
    if train is not None:
        coded = [
            encode_corpus(part, [codec], progress=progress) for part in (medium_of(train, codec.medium), held_out)
        ]
        tables = list(map(gather_table, coded))
        nats = AdaptiveNgram().fit(tables[0]).predict(tables[1]).nats
        is_code = tables[1].vocabulary.kind_of_id[tables[1].ids] == KINDS.index(TRAITS[codec.code_medium].kind)
        figures["code_bits"] = float(nats[is_code].sum()) / _NATS_PER_BIT / figures["cells"]
        figures["two_part_bits"] = figures["code_bits"] + figures["residual_bits"]
    settings = {"quantiser": codec.config.quantiser, "digest": codec.digest, "batch_size": batch_size}
    settings["parameters"] = sum(parameter.numel() for parameter in codec.parameters())
    return {
        "medium": codec.medium,
        "figures": figures,
        "settings": settings,
        "versions": describe_versions("torch", "transformers", "numpy"),
        "corpus": {"fingerprint": test.fingerprint, "num_records": test.num_records},
        "seconds": time.monotonic() - start_time,
    }


def evaluate_without_codec(codec: Any, test: TokenCorpus, train: TokenCorpus) -> dict[str, Result]:
    """Return what needs no network, by name: the frame before, the count coder on cells, xz.

    Args:
        codec: Whose medium and background count.
        test: To score.
        train: To count.
    """
    medium = codec.medium
    known, held_out = (gather_table(medium_of(part, medium)) for part in (train, test))
    prediction = AdaptiveNgram().fit(known).predict(held_out)
    is_cell = held_out.vocabulary.kind_of_id[held_out.ids] == KINDS.index(TRAITS[medium].kind)
    bits = float(prediction.nats[is_cell].sum()) / _NATS_PER_BIT / int(is_cell.sum())
    hits = (prediction.guesses == held_out.ids)[is_cell]
    counted: Result = {"two_part_bits": bits, **_accuracies(codec, held_out, is_cell, hits)}
    rows: dict[str, Result] = {"adaptive count coder": {"figures": counted}}
    if medium == "image":
        copied = (held_out.contexts[:, FRAME_BEFORE_CELL] == held_out.ids)[is_cell]
        rows["copy the frame before"] = {"figures": _accuracies(codec, held_out, is_cell, copied)}
    packed = lzma.compress(np.ascontiguousarray(held_out.ids[is_cell]).tobytes(), preset=9 | lzma.PRESET_EXTREME)
    rows["xz"] = {"figures": {"two_part_bits": 8 * len(packed) / int(is_cell.sum())}}
    return rows


def medium_of(corpus: TokenCorpus, medium: Any) -> TokenCorpus:
    """Return a corpus with a record for every segment of one medium.

    Raises:
        ValueError: If it has none.
    """
    clips = ClipDataset(corpus, medium)
    return TokenCorpus.from_records(([clips.segment(index)] for index in range(len(clips))), corpus.vocabulary)


def _score(codec: Any, corpus: TokenCorpus, batch_size: int, progress: bool) -> dict[str, float]:
    clips, scorer = ClipDataset(corpus, codec.medium), scorer_of(codec)
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, extent in enumerate(corpus.segments[:, 1:].tolist()):
        by_size.setdefault(tuple(extent), []).append(index)
    batches = [
        places[start : start + batch_size]
        for places in by_size.values()
        for start in range(0, len(places), batch_size)
    ]
    sums, counts = [], []
    for places in tqdm(batches, desc="score", unit="batch", disable=not progress):
        cells = torch.from_numpy(np.stack([clips[index]["cells"] for index in places])).to(codec.device)
        scores = scorer.score(codec, cells)
        sums.append(scores.sums.sum(0).cpu().numpy())
        counts.append(scores.counts.sum(0).cpu().numpy())
    return scorer.summarise(codec, np.sum(sums, 0), np.sum(counts, 0))


def _accuracies(codec: Any, table: TokenTable, is_cell: Any, hits: Any) -> dict[str, float]:
    """Return accuracies over all cells and, of pictures, over the foreground and changed pixels."""
    parts = {"accuracy": np.ones(len(hits), bool)}
    if codec.medium == "image":
        ids, before = table.ids[is_cell], table.contexts[is_cell, FRAME_BEFORE_CELL]
        has_before = table.vocabulary.kind_of_id[before] == KINDS.index("pixel")
        parts["foreground_accuracy"] = ids != table.vocabulary.pixel_ids.start + codec.config.background
        parts["changed_accuracy"] = has_before & (ids != before)
    return {name: float(hits[part].mean()) for name, part in parts.items() if part.any()}


def format_codec_table(results: Mapping[str, Result]) -> str:
    """Return results as a Markdown table: a row a codec or a rule, the figures that any of them has as columns."""
    shown = {
        **{"accuracy": "accuracy", "foreground_accuracy": "foreground", "changed_accuracy": "changed"},
        **{f"snr_{level}": f"SNR dB, {level} code{'s' * (level > 1)}" for level in range(1, 9)},
        **{"codes_used": "codes used", "perplexity": "perplexity", "raw_rate": "rate, bits"},
        **{"code_bits": "bits of codes", "residual_bits": "bits of cells", "two_part_bits": "bits in all"},
    }
    names = [name for name in shown if any(name in result["figures"] for result in results.values())]
    rows = [["per cell", *(shown[name] for name in names)]]
    for label, result in results.items():
        rows.append([label, *(_format(name, result["figures"].get(name)) for name in names)])
    return align_table(rows)


def _format(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name.endswith("accuracy"):
        return f"{value:.1%}"
    return (
        str(value) if isinstance(value, int) else f"{value:.3f}" if name.endswith(("bits", "rate")) else f"{value:.1f}"
    )
