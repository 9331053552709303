"""Fraction of positions whose tokens differ, as a metric of `evaluate`.

Load it with
``evaluate.load(str(files("pixelbytes_hf.evaluation") / "evaluate_metrics" / "hamming"))``;
no network is needed. One import per line, as `evaluate` reads them with a regular expression.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from pixelbytes_hf.evaluation.similarity import token_hamming


class Hamming(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
    """Fraction of positions of two token streams whose ids differ, averaged over records; in [0, 1], lower is better.

    Positions that only the longer stream has differ. Use it where an output is meant to equal its target, as in
    copying or infilling: a plausible sprite that differs from the true one scores badly. Not for streams that may be
    shifted.
    """

    def _info(self) -> evaluate.MetricInfo:
        ids = datasets.Sequence(datasets.Value("int64"))
        about, inputs = inspect.getdoc(type(self)), inspect.getdoc(self._compute)
        features = datasets.Features({"predictions": ids, "references": ids})
        return evaluate.MetricInfo(description=about, citation="", inputs_description=inputs, features=features)

    def _compute(self, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, Any]:
        """Return the mean.

        Args:
            predictions: of each record, the generated ids.
            references: of each record, the true ids.

        Returns:
            hamming: mean over records; num_records.
        """
        if not len(references):
            raise ValueError("references must hold at least one record, got none")
        pairs = zip(references, predictions, strict=True)
        fractions = [token_hamming(np.asarray(target, np.int64), np.asarray(made, np.int64)) for target, made in pairs]
        return {"hamming": float(np.mean(fractions)), "num_records": len(fractions)}
