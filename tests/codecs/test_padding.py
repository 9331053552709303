"""Padding of a batch is no data: it enters neither the terms of the loss nor the codebooks."""

import pytest
import torch
import torch.nn.functional as F
from codec_media import clip_pixels, cry_levels

from pixelbytes_hf import (
    PixelBytesAudioCodec,
    PixelBytesAudioCodecConfig,
    PixelBytesVideoCodec,
    PixelBytesVideoCodecConfig,
)
from pixelbytes_hf.codecs.geometry import code_mask, code_size

SMALL = {"widths": [8, 8], "num_groups": 2}
TERMS = ("loss", "reconstruction", "sample_entropy", "batch_entropy", "commitment")


def step(codec, cells, mask):
    """Return the terms of a step, and the codec's weights and averages after it."""
    torch.manual_seed(1)
    output = codec.train()(cells, mask=mask)
    return torch.stack([output[name].detach() for name in TERMS]), output.codes, codec.state_dict()


def pad(cells, fill, *extra):
    """Return cells filled up by so many along each axis but the first, and the mask of those that were there."""
    amounts = [amount for each in reversed(extra) for amount in (0, each)]
    return F.pad(cells, amounts, value=fill), F.pad(torch.ones_like(cells), amounts)


def video(paper, quantiser):
    torch.manual_seed(0)
    return PixelBytesVideoCodec(PixelBytesVideoCodecConfig(vocabulary=paper, quantiser=quantiser, **SMALL))


def audio(paper):
    torch.manual_seed(0)
    rvq = {"codebook_size": 8, "codebook_dim": 4}
    return PixelBytesAudioCodec(
        PixelBytesAudioCodecConfig(vocabulary=paper, strides=[8], quantiser_settings=rvq, **SMALL)
    )


@pytest.mark.parametrize("quantiser", ["lfq", "bsq", "fsq"])
def test_later_frames_of_padding_change_nothing(paper, quantiser):
    clips = clip_pixels(2, paper)[:, :3]
    one, codes, _ = step(video(paper, quantiser), clips, None)
    codec = video(paper, quantiser)
    two, more, _ = step(codec, *pad(clips, codec.config.background, 6, 0, 0))
    assert torch.allclose(one, two, atol=1e-5) and one[0] != 0
    assert torch.equal(codes, more[:, :2]) and (more[:, 2:] == -1).all()


@pytest.mark.parametrize("quantiser", ["lfq", "bsq", "fsq"])
def test_rows_and_columns_of_padding_enter_no_term_of_the_quantiser(paper, quantiser):
    codec = video(paper, quantiser)
    cells, mask = pad(clip_pixels(2, paper)[:, :3, :7, :8], codec.config.background, 2, 9, 8)
    terms, codes, _ = step(codec, cells, mask)
    # norms of frames see the padding, so that it is not as if it were absent
    vectors = codec._encode(cells)[:, :2, :4, :4]
    quantised = codec.quantiser(vectors.reshape(1, -1, vectors.shape[-1]))
    assert torch.allclose(terms[2:], torch.stack(quantised.losses).detach(), atol=1e-5)
    kept = torch.zeros_like(codes, dtype=torch.bool)
    kept[:, :2, :4, :4] = True
    assert torch.equal(codes >= 0, kept) and torch.equal(codes[kept], quantised.codes.flatten())


def test_more_padding_of_sounds_changes_neither_terms_nor_codebooks(paper):
    cries, seen = cry_levels(2, paper)[:, :80], []
    for extra in (160, 480):
        cells, mask = pad(cries, 19, extra, 0)
        seen.append(step(audio(paper), cells, mask[..., 0]))
    (one, _, before), (two, _, after) = seen
    assert torch.allclose(one, two, atol=1e-5)
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    assert not torch.equal(
        before["quantiser.codebooks.layers.0._codebook.embed"],
        audio(paper).state_dict()["quantiser.codebooks.layers.0._codebook.embed"],
    )


def test_a_mask_of_ones_is_none(paper):
    clips, cries = clip_pixels(2, paper), cry_levels(2, paper)
    for make, cells, mask in (
        (lambda: video(paper, "lfq"), clips, torch.ones_like(clips)),
        (lambda: audio(paper), cries, torch.ones_like(cries[..., 0])),
    ):
        one, two = step(make(), cells, mask), step(make(), cells, None)
        assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])
        assert all(torch.equal(one[2][name], two[2][name]) for name in one[2])


@pytest.mark.parametrize("stride", [(1, 2, 2), (2, 2, 2), (3, 4, 1)])
def test_the_mask_of_codes_is_that_of_the_clip_alone(stride):
    for size in ((1, 1, 1), (2, 3, 4), (4, 5, 8)):
        mask = torch.zeros(1, 6, 9, 9)
        mask[:, : size[0], : size[1], : size[2]] = 1
        kept, own = code_mask(mask, stride), code_size(size, stride)
        assert kept.shape[1:] == code_size(mask.shape[1:], stride)
        assert (
            kept[:, : own.frames, : own.rows, : own.columns].all()
            and int(kept.sum()) == own.frames * own.rows * own.columns
        )


def test_a_mask_that_keeps_nothing_is_refused(paper):
    clips = clip_pixels(1, paper)
    with pytest.raises(ValueError, match=r"keep one of them, got shape .* with 0 kept"):
        video(paper, "lfq")(clips, mask=torch.zeros_like(clips))
