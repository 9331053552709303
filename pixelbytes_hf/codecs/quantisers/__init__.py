"""Quantisers of the codecs, a file each, behind one contract, and the table of them."""
