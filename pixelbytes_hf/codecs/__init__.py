"""Learned codecs: pictures and sounds as grids of codes that a network has learnt, and back."""
