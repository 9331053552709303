"""Fraction of positions whose tokens differ, as a metric of `evaluate`.

Load it with
``evaluate.load(str(files("pixelbytes_hf.evaluation") / "evaluate_metrics" / "hamming"))``;
no network is needed. One import per line, as `evaluate` reads them with a regular expression.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from pixelbytes_hf.evaluation.similarity import token_hamming

_DESCRIPTION = """\
Fraction of positions of two token streams whose ids differ, averaged over records; in [0, 1], lower is better.
Positions that only the longer stream has differ. Use it where an output is meant to equal its target, as in copying or
infilling: a plausible sprite that differs from the true one scores badly. Not for streams that may be shifted.
"""
_INPUTS = """\
Args:
    predictions: of each record, the generated ids.
    references: of each record, the true ids.
Returns:
    hamming: mean over records; num_records.
"""


class Hamming(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
    """Fraction of differing tokens."""

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": ids, "references": ids}),
        )

    def _compute(self, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
        if not len(references):
            raise ValueError("references must hold at least one record, got none")
        pairs = zip(references, predictions, strict=True)
        fractions = [token_hamming(np.asarray(target, np.int64), np.asarray(made, np.int64)) for target, made in pairs]
        return {"hamming": float(np.mean(fractions)), "num_records": len(fractions)}
