"""Procedural clips and cries for the tests of codecs: creatures of the builder, never real media."""

import numpy as np
import torch

from dataset_builder.creatures import cry, draw
from dataset_builder.mini import draw_attributes
from pixelbytes_hf.tokens.level_codec import encode_levels
from pixelbytes_hf.tokens.pixel_codec import encode_pixels


def creature_pixels(count, vocabulary):
    """Return (count, 4, 12, 12) pixels, counted from the vocabulary's first: creatures of as many families."""
    drawn = [draw(attributes, seed) for seed, (_, attributes) in enumerate(draw_attributes(count))]
    return (
        torch.from_numpy(encode_pixels(np.concatenate(drawn), vocabulary).astype(np.int64)).unflatten(0, (count, -1))
        - vocabulary.pixel_ids.start
    )


def clip_pixels(count, vocabulary):
    """Return (count, 5, 24, 24) pixels: four creatures in each clip, the first frame once more at the end."""
    creatures = creature_pixels(4 * count, vocabulary).unflatten(0, (count, 2, 2))
    clips = creatures.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    return torch.cat([clips, clips[:, :1]], dim=1)


def cry_levels(count, vocabulary):
    """Return (count, 400, 2) levels, counted from the vocabulary's first: cries of creatures."""
    cries = [cry(attributes, seed).T for seed, (_, attributes) in enumerate(draw_attributes(count))]
    ids = np.stack([encode_levels(sound, vocabulary)[0] for sound in cries])
    return torch.from_numpy(ids.astype(np.int64)) - vocabulary.level_ids.start
