"""Finite scalar quantisation: each of a few numbers, bounded, rounds to one of its levels (arXiv 2309.15505).

From the library vector-quantize-pytorch. It needs no terms of the loss, and no norm: one over so few numbers would
take two of them away.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from torch import Tensor

from ...pretrained.setting_checks import check_size
from .quantiser import LibraryBox, Quantised, Quantiser, QuantiserLosses, check_code_count
from .quantiser_lfq import MISSING_LIBRARY, MOST_BITS


class FiniteScalarQuantiser(Quantiser):
    """Numbers rounded to a few levels each.

    Settings: `levels`, the number of levels of each of the K numbers, each at least 3.
    """

    name = "fsq"
    defaults: ClassVar[Mapping[str, Any]] = {"levels": [8, 5, 5, 5]}

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """See the class."""
        super().__init__(settings)
        self._box = LibraryBox(self._build)

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Make sure that every setting is in its range; raises ValueError."""
        levels = settings["levels"]
        if not isinstance(levels, list | tuple) or not levels:
            raise ValueError(f"fsq.levels must be a list of integers, got {levels!r}")
        for count in levels:
            check_size("fsq.levels", count, 3)
        check_code_count("fsq.levels", prod(levels), 2**MOST_BITS)

    @property
    def width(self) -> int:
        """Width of a vector, K."""
        return len(self.settings["levels"])

    @classmethod
    def sizes_of(cls, settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the number of codes."""
        return (prod(settings["levels"]),)

    def quantise(self, vectors: Tensor) -> Quantised:
        """Round float32 vectors (1, n, K)."""
        rounded, codes = self._box.on(vectors.device, self.training)(vectors)
        none = vectors.new_zeros(())
        return Quantised(rounded, codes, QuantiserLosses(none, none, none))

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors (1, n, K) of codes (1, n, 1)."""
        vectors: Tensor = self._box.on(codes.device, self.training).indices_to_codes(codes[..., 0])
        return vectors

    def _build(self) -> Any:
        try:
            from vector_quantize_pytorch import FSQ
        except ImportError as error:
            raise ImportError(MISSING_LIBRARY) from error

        return FSQ(levels=list(self.settings["levels"]))
