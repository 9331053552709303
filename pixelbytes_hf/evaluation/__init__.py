"""Matched bits per new token, the paper's figures, the baselines, tables and pictures of them."""
