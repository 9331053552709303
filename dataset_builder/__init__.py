"""Builders of the corpora: `full` and `sprites`, species of PokeAPI, `mini`, creatures, `control`, linear systems."""

from .builder import BuildReport, build

__all__ = ["BuildReport", "build"]
