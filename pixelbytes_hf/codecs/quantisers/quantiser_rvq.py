"""Residual vector quantisation: each level rounds what the levels before it left over (SoundStream, arXiv 2107.03312).

From the library vector-quantize-pytorch, whose codebooks follow the vectors as running averages. While training, a
random number of levels is left out, so that the first levels alone decode too. The last levels then learn least often:
under a learning rate that never falls, or averages over too few vectors, they add noise.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from ...pretrained.setting_checks import check_number, check_size
from .quantiser import Quantised, Quantiser, QuantiserLosses, check_code_count
from .quantiser_lfq import MISSING_LIBRARY, MOST_BITS

MOST_QUANTIZERS = 64


class ResidualQuantiser(Quantiser):
    """Codebooks whose entries add up.

    Settings: `num_quantizers`, Q; `codebook_size`, codes of each; `codebook_dim`, K; `decay` of the running averages;
    `quantize_dropout`, whether training leaves levels out.
    """

    name = "rvq"
    is_residual = True
    defaults: ClassVar[Mapping[str, Any]] = {
        "num_quantizers": 4,
        "codebook_size": 64,
        "codebook_dim": 16,
        "decay": 0.95,
        "quantize_dropout": True,
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Make the codebooks."""
        super().__init__(settings)
        try:
            from vector_quantize_pytorch import ResidualVQ
        except ImportError as error:
            raise ImportError(MISSING_LIBRARY) from error

        names = ("num_quantizers", "codebook_size", "decay", "quantize_dropout")
        chosen = {name: self.settings[name] for name in names}
        self.codebooks = ResidualVQ(dim=self.width, rotation_trick=False, **chosen)

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Make sure that every setting is in its range; raises ValueError."""
        for name in ("num_quantizers", "codebook_dim"):
            check_size(f"rvq.{name}", settings[name], 1)
        if settings["num_quantizers"] > MOST_QUANTIZERS:
            raise ValueError(f"rvq.num_quantizers must be at most {MOST_QUANTIZERS}, got {settings['num_quantizers']}")
        check_code_count("rvq.codebook_size", settings["codebook_size"], 2**MOST_BITS)
        check_number("rvq.decay", settings["decay"])
        if not 0 < settings["decay"] < 1:
            raise ValueError(f"rvq.decay must be between 0 and 1, got {settings['decay']}")
        if not isinstance(settings["quantize_dropout"], bool):
            raise ValueError(f"rvq.quantize_dropout must be a bool, got {settings['quantize_dropout']!r}")

    @property
    def width(self) -> int:
        """Width of a vector, K."""
        return int(self.settings["codebook_dim"])

    @classmethod
    def sizes_of(cls, settings: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the number of codes of each level."""
        return (settings["codebook_size"],) * settings["num_quantizers"]

    def quantise(self, vectors: Tensor) -> Quantised:
        """Round float32 vectors (1, n, K); levels that were left out have the code -1."""
        rounded, codes, commitments = self.codebooks(vectors)
        # the library passes the gradient once a level, so Q times; here once
        rounded = vectors + (rounded - vectors).detach() if self.training else rounded
        none = vectors.new_zeros(())
        return Quantised(rounded, codes, QuantiserLosses(none, none, commitments.sum()))

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the sums (1, n, K) of the entries of codes (1, n, q)."""
        missing = len(self.code_sizes) - codes.shape[-1]
        vectors: Tensor = self.codebooks.get_output_from_indices(F.pad(codes, (0, missing), value=-1))
        return vectors
