"""Records of a few tokens with every medium, raw and as codes, for tests of tasks."""

import numpy as np

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.tokens.grid import (
    audio_code_segment,
    audio_segment,
    image_code_segment,
    image_segment,
    text_segment,
)
from pixelbytes_hf.tokens.text_codec import encode_text
from pixelbytes_hf.tokens.vocabulary import Vocabulary

FULL = Vocabulary.from_preset("full")
CODED = FULL.with_codes(image=6, audio=(4, 3))
WORDS = ("fire", "water", "leaf", "spark")


def text_of(words, vocabulary=FULL):
    return text_segment(encode_text(words, vocabulary).ids, vocabulary)


def record_of(rng, *, vocabulary=FULL, frames=4, side=4, samples=5, word=None):
    """Return a text, a clip and a sound; codes where the vocabulary has them."""
    text = text_of(f"a {word or rng.choice(WORDS)} one", vocabulary)
    if vocabulary.codes.image:
        codes = rng.integers(0, vocabulary.codes.image, (frames, side, side))
        levels = rng.integers(0, vocabulary.codes.audio, (samples, len(vocabulary.codes.audio)))
        return [text, image_code_segment(codes, vocabulary), audio_code_segment(levels, vocabulary)]
    pixels = rng.integers(vocabulary.pixel_ids.start, vocabulary.pixel_ids.start + 5, (frames, side, side))
    levels = rng.integers(vocabulary.level_ids.start, vocabulary.level_ids.start + 5, (samples, 2))
    return [text, image_segment(pixels, vocabulary), audio_segment(levels, vocabulary)]


def corpus_of(num_records=6, seed=0, *, vocabulary=FULL, **extents):
    rng = np.random.default_rng(seed)
    return TokenCorpus.from_records(
        [record_of(rng, vocabulary=vocabulary, **extents) for _ in range(num_records)], vocabulary
    )


class HalvingCodec:
    """Stands for a learned codec: the codes of a picture are pixels of every other row and column, 5 of them."""

    medium, code_medium = "image", "image_code"

    def encode(self, segment, vocabulary=None):
        ids = segment.ids[:, :, :-1][:, ::2, ::2].astype(int) - FULL.pixel_ids.start
        return image_code_segment(ids % 6, vocabulary or CODED)

    def decode(self, segment, size=None, vocabulary=None):
        tables = vocabulary or CODED
        codes = segment.ids[:, :, :-1].astype(int) - tables.image_code_ids.start
        return image_segment((codes + tables.pixel_ids.start).repeat(2, 1).repeat(2, 2), tables)
