"""Comparisons of several presets over several seeds at an equal budget."""
