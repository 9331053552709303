"""Builders of the corpora: `pokemon`, from PokeAPI, and `mini`, procedural creatures with known attributes."""

from .builder import BuildReport, build

__all__ = ["BuildReport", "build"]
