"""The table of quantisers, by the name that a configuration gives."""

from collections.abc import Mapping
from typing import Any

from .quantiser import Quantiser
from .quantiser_bsq import SphericalQuantiser
from .quantiser_fsq import FiniteScalarQuantiser
from .quantiser_lfq import LookupFreeQuantiser
from .quantiser_rvq import ResidualQuantiser

QUANTISERS: Mapping[str, type[Quantiser]] = {
    kind.name: kind for kind in (LookupFreeQuantiser, SphericalQuantiser, FiniteScalarQuantiser, ResidualQuantiser)
}


def find_quantiser(name: Any) -> type[Quantiser]:
    """Return the quantiser of a name.

    Raises:
        ValueError: If there is none.
    """
    if not isinstance(name, str) or name not in QUANTISERS:
        raise ValueError(f"quantiser must be one of {[*QUANTISERS]}, got {name!r}")
    return QUANTISERS[name]
