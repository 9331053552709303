"""Similarity of token sequences: Hamming distance, cosine and BLEU as the paper defines them, and what to use instead.

The paper compares 16 generated contexts with the 16 true ones, all their cells flattened. So most of what is
compared was given or is a copy, the cosine treats ids as amounts, and BLEU counts runs of cells. `paper_*` reproduce
that for comparison with its tables; the others take each token once and treat ids as names.

None of them is a likelihood: a plausible sprite that differs from the true one scores badly on all. To compare models
use matched bits (`metrics`); use these where an output is meant to equal its target, as in copying or infilling.

Shapes: L tokens.

Source: `EvaluateMetric`, pixelbytes/modules/eval.py of fabienfrfr/PixelBytes@7646d6a (its `cosine` is the similarity,
one minus scipy's distance; its BLEU is nltk's sentence BLEU without smoothing); same values.
"""

import sys
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..tokens.grid import Ids

BLEU_ORDER = 4


def paper_hamming(target: Ids, generated: Ids) -> float:
    """Return the fraction of flattened cells that differ; in [0, 1], lower is better.

    Not for comparing models: cells are counted in several contexts, and cells that are always padding are counted too.

    Raises:
        ValueError: If the shapes differ or are empty.

    Example:
        >>> paper_hamming(np.array([[0, 1], [1, 2]]), np.array([[0, 1], [1, 5]]))
        0.25
    """
    target, generated = _same_shape(target, generated)
    return float((target != generated).mean())


def paper_cosine(target: Ids, generated: Ids) -> float:
    """Return the cosine of the flattened ids taken as amounts; in [0, 1], higher is better; 0 if all ids are 0.

    Not for anything but the paper's table: renumbering the ids changes it, and unrelated sequences score near 1.

    Raises:
        ValueError: If the shapes differ or are empty.

    Example:
        >>> round(paper_cosine(np.array([59, 60]), np.array([60, 59])), 3)
        1.0
    """
    target, generated = _same_shape(target, generated)
    return _cosine(target.reshape(-1).astype(np.float64), generated.reshape(-1).astype(np.float64))


def paper_bleu(target: Ids, generated: Ids) -> float:
    """Return BLEU of the flattened cells: orders 1 to 4, equal weights, no smoothing; in [0, 1], higher is better.

    An order without any match counts as the smallest positive float, so that one such order makes the result nearly 0.
    Not for comparing models, for the reasons of `paper_hamming`, and not for sequences of fewer than four cells.

    Raises:
        ValueError: If either is empty.

    Example:
        >>> paper_bleu(np.array([1, 2, 3, 4, 5]), np.array([1, 2, 3, 4, 5]))
        1.0
    """
    reference, hypothesis = np.asarray(target).reshape(-1).tolist(), np.asarray(generated).reshape(-1).tolist()
    if not reference or not hypothesis:
        raise ValueError(f"target and generated must not be empty, got {len(reference)} and {len(hypothesis)} cells")
    logs = []
    for order in range(1, BLEU_ORDER + 1):
        found, expected = _ngrams(hypothesis, order), _ngrams(reference, order)
        matches = (found & expected).total()
        if order == 1 and not matches:
            return 0.0
        logs.append(np.log(matches / found.total() if matches else sys.float_info.min))
    brevity = min(0.0, 1.0 - len(reference) / len(hypothesis))
    return float(np.exp(brevity + np.mean(logs)))


def token_hamming(target: Ids, generated: Ids) -> float:
    """Return the fraction of positions of two streams whose tokens differ; in [0, 1], lower is better.

    Each token counts once. Positions that only the longer stream has differ. Not for streams that may be shifted: one
    token more at the start makes all that follows differ; use `ngram_overlap`.

    Args:
        target: (L,).
        generated: (L',).

    Raises:
        ValueError: If either is not 1-D, or both are empty.

    Example:
        >>> token_hamming(np.array([7, 8, 9, 9]), np.array([7, 8, 5]))
        0.5
    """
    target, generated = _streams(target, generated)
    shared, longest = sorted((len(target), len(generated)))
    return float(((target[:shared] != generated[:shared]).sum() + longest - shared) / longest)


def histogram_cosine(target: Ids, generated: Ids) -> float:
    """Return the cosine of how often each id occurs; in [0, 1], higher is better, 1 for the same fraction of every id.

    Says whether the same colours, levels or letters are used alike often; blind to their order, so not a measure of
    shape or content. A common background dominates it: leave such ids out before, where that is not wanted.

    Args:
        target: (L,).
        generated: (L',).

    Raises:
        ValueError: If either is not 1-D, or is empty.

    Example:
        >>> round(histogram_cosine(np.array([3, 4, 4, 3]), np.array([4, 3])), 6)
        1.0
    """
    target, generated = _streams(target, generated)
    size = int(max(target.max(initial=0), generated.max(initial=0))) + 1
    return _cosine(*(np.bincount(ids, minlength=size).astype(np.float64) for ids in (target, generated)))


def ngram_overlap(target: Ids, generated: Ids, *, order: int = 2) -> float:
    """Return the F1 of shared runs of `order` tokens: 2 * shared / (runs of both); in [0, 1], higher is better.

    A run counts as often as it occurs in both. Unlike BLEU it is symmetric and needs no smoothing. Use it for text and
    for streams that may be shifted; in pictures runs end at rows, so that it sees one dimension only.

    Args:
        target: (L,).
        generated: (L',).
        order: Tokens of a run.

    Raises:
        ValueError: If either is not 1-D or has fewer than `order` tokens, or `order` is not positive.

    Example:
        >>> ngram_overlap(np.array([1, 2, 3]), np.array([9, 1, 2, 3]), order=2)
        0.8
    """
    target, generated = _streams(target, generated)
    if order < 1 or min(len(target), len(generated)) < order:
        raise ValueError(f"order must be in 1..{min(len(target), len(generated))}, the shorter length, got {order}")
    expected, found = _ngrams(target.tolist(), order), _ngrams(generated.tolist(), order)
    return 2 * (expected & found).total() / (expected.total() + found.total())


def _same_shape(target: Ids, generated: Ids) -> tuple[Ids, Ids]:
    target, generated = np.asarray(target), np.asarray(generated)
    if target.shape != generated.shape or not target.size:
        got = f"{target.shape} and {generated.shape}"
        raise ValueError(f"target and generated must have one non-empty shape, got {got}")
    return target, generated


def _streams(target: Ids, generated: Ids) -> tuple[Ids, Ids]:
    target, generated = np.asarray(target), np.asarray(generated)
    if target.ndim != 1 or generated.ndim != 1 or not target.size or not generated.size:
        raise ValueError(f"target and generated must be non-empty streams, got {target.shape} and {generated.shape}")
    return target, generated


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0


def _ngrams(tokens: list[int], order: int) -> Counter[tuple[int, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))
