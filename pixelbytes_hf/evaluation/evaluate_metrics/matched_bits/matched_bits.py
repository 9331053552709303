"""Bits per new token, over all and per kind of token, as a metric of `evaluate`.

Load it with
``evaluate.load(str(files("pixelbytes_hf.evaluation") / "evaluate_metrics" / "matched_bits"))``;
no network is needed. One import per line, as `evaluate` reads them with a regular expression.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from pixelbytes_hf.evaluation.metrics import Totals
from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary

_CITATION = """\
@misc{furfaro2024pixelbytes,
  title = {PixelBytes: Catching Unified Representation for Multimodal Generation},
  author = {Fabien Furfaro}, year = {2024}, eprint = {2410.01820}, archivePrefix = {arXiv}
}
"""


class MatchedBits(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
    """Minus the binary logarithm of the probability that a model gave to each token of a record, averaged over tokens.

    Each token counts once, whatever the objective. Lower is better; a uniform guess among V ids takes log2(V). Not for
    models that read their targets, nor for probabilities of context cells that were read before.
    """

    def _info(self) -> evaluate.MetricInfo:
        about, inputs = inspect.getdoc(type(self)), inspect.getdoc(self._compute)
        nats, ids = (datasets.Sequence(datasets.Value(dtype)) for dtype in ("float64", "int64"))
        features = datasets.Features({"predictions": nats, "references": ids})
        return evaluate.MetricInfo(description=about, citation=_CITATION, inputs_description=inputs, features=features)

    def _compute(
        self, predictions: Sequence[Any], references: Sequence[Any], vocabulary: Any = "paper"
    ) -> dict[str, Any]:
        """Return the mean over all tokens, and over those of each kind.

        Args:
            predictions: of each record, the natural logarithm of the probability given to each of its tokens.
            references: of each record, its tokens' ids.
            vocabulary: name of the vocabulary's preset, by default "paper", or its tables as `Vocabulary.to_dict`
                writes them.

        Returns:
            matched_bits: over all tokens; matched_bits_<kind>: of each kind that occurs; num_tokens.
        """
        if not len(references):
            raise ValueError("references must hold at least one record, got none")
        lengths = [(len(one), len(other)) for one, other in zip(predictions, references, strict=True)]
        for index, (given, expected) in enumerate(lengths):
            if given != expected:
                raise ValueError(f"record {index} must have a prediction per token, got {given} for {expected}")
        is_tables = isinstance(vocabulary, Mapping)
        tables = Vocabulary.from_dict(vocabulary) if is_tables else Vocabulary.from_preset(vocabulary)
        ids = np.concatenate([np.asarray(record, np.int64) for record in references])
        if not ids.size or ids.min() < 0 or ids.max() >= tables.size:
            got = f"{ids.min()}..{ids.max()}" if ids.size else "none"
            raise ValueError(f"references must be ids in 0..{tables.size - 1}, at least one, got {got}")
        nats = -np.concatenate([np.asarray(record, np.float64) for record in predictions])
        if (wrong := nats[~(np.isfinite(nats) & (nats >= 0))]).size:
            raise ValueError(f"predictions must be logarithms of probabilities, finite and at most 0, got {-wrong[0]}")
        table = Totals.of(KINDS, tables.kind_of_id[ids], nats, np.zeros(len(ids), np.bool_)).table(with_all=True)
        bits = {f"matched_bits_{kind}": row["bits"] for kind, row in table.items() if kind != "all"}
        return {"matched_bits": table["all"]["bits"], **bits, "num_tokens": len(ids)}
