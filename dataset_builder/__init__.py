"""Builders of the corpora: `pokemon`, from PokeAPI, `mini`, procedural creatures, `control`, linear systems."""

from .builder import BuildReport, build

__all__ = ["BuildReport", "build"]
