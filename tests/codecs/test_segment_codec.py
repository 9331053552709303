"""Codecs as maps from segments to segments of one vocabulary."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from codec_media import clip_pixels, cry_levels

from pixelbytes_hf import (
    PixelBytesAudioCodec,
    PixelBytesAudioCodecConfig,
    PixelBytesVideoCodec,
    PixelBytesVideoCodecConfig,
    Vocabulary,
)
from pixelbytes_hf.tokens.grid import audio_code_segment, audio_segment, codes_of_segment, image_segment, text_segment

RVQ = {"num_quantizers": 3, "codebook_size": 8, "codebook_dim": 4}


@pytest.fixture(scope="module")
def full():
    return Vocabulary.from_preset("full")


@pytest.fixture(scope="module")
def pictures(full):
    torch.manual_seed(0)
    settings = {"vocabulary": full, "widths": [8, 8], "num_groups": 2, "quantiser_settings": {"num_bits": 5}}
    return PixelBytesVideoCodec(PixelBytesVideoCodecConfig(**settings))


@pytest.fixture(scope="module")
def sounds(full):
    torch.manual_seed(0)
    settings = {"vocabulary": full, "widths": [8, 8], "strides": [8], "num_groups": 2, "quantiser_settings": RVQ}
    return PixelBytesAudioCodec(PixelBytesAudioCodecConfig(**settings))


@pytest.fixture
def picture(full):
    return image_segment(clip_pixels(1, full)[0, :4, 3:, :19].numpy() + full.pixel_ids.start, full)


@pytest.fixture
def cry(full):
    return audio_segment(cry_levels(1, full)[0, :99].numpy() + full.level_ids.start, full)


def test_a_picture_becomes_a_segment_of_codes_and_back(pictures, picture, full):
    codes = pictures.encode(picture)
    assert codes.modality == "image_code" and codes.ids.shape == (3, 11, 11) and pictures.vocabulary.size == 607 + 32
    decoded = pictures.decode(codes, (4, 21, 19))
    assert decoded.shape == picture.shape
    assert pictures.decode(codes).ids.shape == (5, 22, 21)
    batch = torch.from_numpy(codes_of_segment(picture, full))[None]
    assert np.array_equal(codes_of_segment(codes, pictures.vocabulary), pictures.encode_batch(batch)[0])
    assert np.array_equal(pictures.logits(picture).argmax(-1) + full.pixel_ids.start, decoded.ids[..., :-1])


def test_a_sound_becomes_a_segment_of_codes_and_back(sounds, cry):
    codes = sounds.encode(cry)
    assert codes.modality == "audio_code" and codes.ids.shape == (14, 1, 3) and sounds.vocabulary.size == 607 + 24
    ranges = sounds.vocabulary.audio_code_ids
    assert all(set(codes.ids[:-1, 0, level].tolist()) <= set(ids) for level, ids in enumerate(ranges))
    assert all(first.stop == second.start for first, second in pairwise(ranges))
    assert sounds.decode(codes, 99).shape == cry.shape and sounds.decode(codes).ids.shape == (105, 1, 2)


def test_a_sound_decodes_from_its_first_levels(sounds, cry):
    codes = codes_of_segment(sounds.encode(cry), sounds.vocabulary)
    coarse = sounds.decode(audio_code_segment(codes[:, :1], sounds.vocabulary), 99)
    assert coarse.shape == cry.shape and not np.array_equal(coarse.ids, sounds.decode(sounds.encode(cry), 99).ids)


def test_one_vocabulary_serves_both(pictures, sounds, picture, cry, full):
    both = full.with_codes(**pictures.codes, **sounds.codes)
    codes = pictures.encode(picture, both), sounds.encode(cry, both)
    assert set(codes[0].ids[..., :-1].ravel()) <= set(both.image_code_ids)
    assert all(set(codes[1].ids[:-1, 0, level]) <= set(ids) for level, ids in enumerate(both.audio_code_ids))
    alone = pictures.decode(pictures.encode(picture), (4, 21, 19)), sounds.decode(sounds.encode(cry), 99)
    assert np.array_equal(pictures.decode(codes[0], (4, 21, 19), both).ids, alone[0].ids)
    assert np.array_equal(sounds.decode(codes[1], 99, both).ids, alone[1].ids)


@pytest.mark.parametrize("medium", ["picture", "sound"])
def test_two_part_code(request, medium, pictures, sounds, picture, cry, full):
    codec, segment = (pictures, picture) if medium == "picture" else (sounds, cry)
    logits, log_probs = codec.logits(segment), codec.log_probs(segment)
    cells = codes_of_segment(segment, full)
    expected = torch.from_numpy(logits).log_softmax(-1).numpy()
    assert log_probs.shape == cells.shape
    assert np.allclose(log_probs, np.take_along_axis(expected, cells[..., None], -1)[..., 0], atol=1e-5)


def test_encoding_while_training_leaves_the_codec_as_it_was(sounds, cry):
    before = sounds.eval().digest
    codes = sounds.encode(cry)
    sounds.train()
    assert np.array_equal(sounds.encode(cry).ids, codes.ids) and sounds.training and sounds.quantiser.training
    assert sounds.eval().digest == before


def test_what_does_not_fit_is_named(pictures, sounds, picture, cry, paper, full):
    with pytest.raises(ValueError, match="segment must be of image, got one of audio"):
        pictures.encode(cry)
    with pytest.raises(ValueError, match="segment must be of image_code"):
        pictures.decode(picture)
    with pytest.raises(ValueError, match="segment must be of audio, got one of text"):
        sounds.encode(text_segment(np.array([40]), full))
    with pytest.raises(ValueError, match="other byte_values"):
        pictures.encode(picture, paper.with_codes(image=32))
    with pytest.raises(ValueError, match="image=32, got 64"):
        pictures.encode(picture, full.with_codes(image=64))
    with pytest.raises(ValueError, match="image must have ids of pixel"):
        pictures.encode(image_segment(np.full((1, 2, 2), full.level_ids.start), full))
    with pytest.raises(ValueError, match="size must be"):
        pictures.decode(pictures.encode(picture), (4, 21, 22))
    with pytest.raises(ValueError, match="non-empty"):
        sounds.encode(type(cry)("audio", cry.ids[-1:]))
    with pytest.raises(ValueError, match="without codes"):
        PixelBytesVideoCodecConfig(vocabulary=pictures.vocabulary)
