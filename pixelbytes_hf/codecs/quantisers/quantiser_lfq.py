"""Lookup-free quantisation: the signs of K numbers are the code (MAGVIT-v2, arXiv 2310.05737).

From the library vector-quantize-pytorch. Its bits stand most significant first, those of the paper least significant
first, so that indices differ from the paper's by the order of bits. A zero counts as negative. Vectors are normalised
first, as the library assumes; a mean of zero keeps the two codes of equal signs out of reach.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...pretrained.setting_checks import check_size
from .quantiser import LibraryBox, Quantised, Quantiser, QuantiserLosses, check_positive

MOST_BITS = 16  # the entropy of a batch takes a column a code


class LookupFreeQuantiser(Quantiser):
    """Signs of K numbers, with an entropy term that wants them decided and all codes used.

    Settings: `num_bits`, K; `temperature`, tau of p(code) = softmax(2 z . code / tau) in the entropy terms.
    """

    name = "lfq"
    needs_norm = True
    is_spherical: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]] = {"num_bits": 9, "temperature": 1.0}

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """See the class."""
        super().__init__(settings)
        self._box = LibraryBox(self._build)

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Make sure that every setting is in its range; raises ValueError."""
        check_size(f"{cls.name}.num_bits", settings["num_bits"], 2)
        if settings["num_bits"] > MOST_BITS:
            raise ValueError(f"{cls.name}.num_bits must be at most {MOST_BITS}, got {settings['num_bits']}")
        check_positive(cls.name, settings, "temperature")

    @property
    def width(self) -> int:
        """Width of a vector, K."""
        return int(self.settings["num_bits"])

    @classmethod
    def sizes_of(cls, settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the number of codes."""
        return (2 ** settings["num_bits"],)

    def quantise(self, vectors: Tensor) -> Quantised:
        """Round float32 vectors (1, n, K)."""
        library = self._box.on(vectors.device, self.training)
        temperature = self.settings["temperature"]
        result, terms = library(vectors, inv_temperature=1 / temperature, return_loss_breakdown=True)
        losses = QuantiserLosses(terms.per_sample_entropy, terms.batch_entropy, terms.commitment)
        return Quantised(result.quantized, result.indices, losses)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors (1, n, K) of codes (1, n, 1)."""
        return self._box.on(codes.device, self.training).indices_to_codes(codes[..., 0])

    def _build(self) -> Any:
        try:
            from vector_quantize_pytorch import LFQ
        except ImportError as error:
            raise ImportError(MISSING_LIBRARY) from error

        # the weights are the codec's affair; the library leaves a commitment of weight zero out
        return LFQ(
            dim=self.width,
            codebook_size=2**self.width,
            commitment_loss_weight=1.0,
            spherical=self.is_spherical,
            channel_first=False,
        )


MISSING_LIBRARY = "learned codecs need the package vector-quantize-pytorch: pip install vector-quantize-pytorch"
