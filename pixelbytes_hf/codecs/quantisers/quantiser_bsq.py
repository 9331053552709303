"""Binary spherical quantisation: lookup-free quantisation on the unit sphere (arXiv 2406.07548).

Vectors are divided by their length, codes are (+-1, ..., +-1) / sqrt(K), so that a commitment is bounded and no norm
has to come before.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from .quantiser_lfq import LookupFreeQuantiser


class SphericalQuantiser(LookupFreeQuantiser):
    """Signs of K numbers of unit length; settings as of `LookupFreeQuantiser`."""

    name = "bsq"
    needs_norm = False
    is_spherical = True
    defaults: ClassVar[Mapping[str, Any]] = {"num_bits": 9, "temperature": 0.1}
