"""Lossless files of pictures, sounds and text: ``.pxb``, by adaptive counts or by a trained run."""
