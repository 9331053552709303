"""The picture codec: causality, pictures as clips of one frame, odd sizes, saving and loading."""

import pytest
import torch
from codec_media import clip_pixels
from transformers import AutoConfig, AutoModel

from pixelbytes_hf import PixelBytesVideoCodec, PixelBytesVideoCodecConfig, Vocabulary
from pixelbytes_hf.codecs.geometry import code_size, padded_size
from pixelbytes_hf.codecs.quantisers.quantisers import QUANTISERS

TINY = {"widths": [8, 8, 8], "strides": [[1, 2, 2], [2, 2, 1]], "num_groups": 2}
SINGLE = [name for name, kind in QUANTISERS.items() if not kind.is_residual]


def make(paper, quantiser="lfq", **settings):
    torch.manual_seed(0)
    config = PixelBytesVideoCodecConfig(quantiser=quantiser, **{"vocabulary": paper, **TINY, **settings})
    return PixelBytesVideoCodec(config).eval()


@pytest.fixture(scope="module")
def clips(paper):
    return clip_pixels(2, paper)


def latents(codec, pixels):
    with torch.inference_mode():
        return codec._encode(pixels)


@pytest.mark.parametrize("strides", [[[1, 2, 2], [2, 2, 2]], [[2, 2, 2], [2, 1, 1]], [[3, 4, 3], [1, 1, 2]]])
def test_no_latent_sees_later_frames(paper, clips, strides):
    codec = make(paper, strides=strides)
    stride = codec.config.total_stride[0]
    noisy = clips.clone()
    seen = stride + 1 if stride < 4 else 1  # frames that two latents, or one, are made of
    noisy[:, seen:] = torch.randint(0, codec.config.num_pixels, noisy[:, seen:].shape)
    plain, changed = latents(codec, clips), latents(codec, noisy)
    kept = 1 + (seen - 1) // stride
    assert (plain[:, :kept] - changed[:, :kept]).abs().max() < 1e-4
    assert (plain[:, kept:] - changed[:, kept:]).abs().max() > 1e-2


def test_no_pixel_sees_later_codes(paper):
    codec = make(paper)
    codes = torch.randint(0, 512, (1, 3, 6, 12))
    other = codes.clone()
    other[:, 2] = torch.randint(0, 512, (1, 6, 12))
    one, two = codec.logits_of_batch(codes), codec.logits_of_batch(other)
    assert (one[:, :3] - two[:, :3]).abs().max() < 1e-4 and (one[:, 3:] - two[:, 3:]).abs().max() > 1e-2


def test_a_picture_is_the_first_frame_of_a_clip(paper, clips):
    codec = make(paper)
    assert (latents(codec, clips)[:, :1] - latents(codec, clips[:, :1])).abs().max() < 1e-4
    codes = codec.encode_batch(clips)
    difference = codec.logits_of_batch(codes)[:, :1] - codec.logits_of_batch(codes[:, :1])
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 5, 3), (2, 4, 2), (3, 9, 8), (4, 12, 12), (5, 24, 24)])
def test_every_size_is_padded_and_cropped_again(paper, size):
    codec = make(paper)
    pixels = torch.randint(0, codec.config.num_pixels, (2, *size))
    codes = codec.encode_batch(pixels)
    stride = codec.config.total_stride
    assert codes.shape == (2, *code_size(size, stride))
    assert codec.decode_batch(codes, size).shape == pixels.shape
    assert codec.decode_batch(codes).shape == (2, *padded_size(codes.shape[1:], stride))
    with torch.no_grad():
        assert codec(pixels).logits.shape == (*pixels.shape, codec.config.num_pixels)


def test_padding_is_background_and_the_last_frame(paper):
    codec = make(paper)
    pixels = torch.randint(0, codec.config.num_pixels, (1, 4, 7, 5))
    padded = torch.full((1, 5, 8, 6), codec.config.background)
    padded[:, :4, :7, :5] = pixels
    padded[:, 4] = padded[:, 3]
    assert torch.equal(codec.encode_batch(pixels), codec.encode_batch(padded))


@pytest.mark.parametrize("quantiser", SINGLE)
def test_evaluation_is_deterministic(paper, clips, quantiser):
    codec = make(paper, quantiser)
    codes = codec.encode_batch(clips)
    with torch.no_grad():
        one, two = codec(clips), codec(clips)
    assert torch.equal(one.codes, codes) and torch.equal(one.logits, two.logits) and int(codec.num_steps) == 0
    assert torch.allclose(codec.logits_of_batch(codes), one.logits, atol=1e-5)
    assert torch.equal(codec.decode_batch(codes), one.logits.argmax(-1))


def test_probabilities_of_pixels_are_those_of_the_logits(paper, clips):
    codec = make(paper)
    codes = codec.encode_batch(clips)
    log_probs = codec.log_probs_of_batch(clips, codes)
    with torch.no_grad():
        loss = codec(clips).reconstruction
    assert log_probs.shape == clips.shape
    assert float(-log_probs.mean()) == pytest.approx(float(loss), abs=1e-5)


def test_weights_of_the_loss(paper, clips):
    plain, weighted = make(paper), make(paper, foreground_weight=3.0)
    background = clips == plain.config.background
    losses = -plain.log_probs_of_batch(clips, plain.encode_batch(clips))
    expected = (losses * torch.where(background, 1.0, 3.0)).sum() / torch.where(background, 1.0, 3.0).sum()
    with torch.no_grad():
        loss, masked = weighted(clips).reconstruction, plain(clips, mask=~background)
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    counted = -masked.logits.log_softmax(-1).gather(-1, clips[..., None])[..., 0][~background]
    assert float(masked.reconstruction) == pytest.approx(float(counted.mean()), abs=1e-5)


def test_entropy_weight_is_annealed(paper, clips):
    codec = make(paper, entropy_weight=0.1, entropy_boost=3.0, entropy_anneal_steps=2).train()
    weights = []
    for step in range(4):
        codec.num_steps.fill_(step)
        weights.append(codec.entropy_weight)
        with torch.no_grad():
            output = codec(clips[:, :1])
        entropy = output.sample_entropy - output.batch_entropy
        expected = output.reconstruction + weights[-1] * entropy + 0.25 * output.commitment
        assert float(output.loss) == pytest.approx(float(expected), abs=1e-5)
    assert weights == pytest.approx([0.3, 0.2, 0.1, 0.1])


@pytest.mark.parametrize("quantiser", SINGLE)
def test_saved_and_loaded(paper, clips, quantiser, tmp_path):
    codec = make(paper, quantiser, foreground_weight=2.0)
    codec.train()(clips[:, :1])
    codec.num_steps.fill_(1)
    codec.eval().save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is PixelBytesVideoCodec and type(AutoConfig.from_pretrained(tmp_path)) is type(codec.config)
    assert loaded.digest == codec.digest and int(loaded.num_steps) == 1 and loaded.tables == paper
    codes = codec.encode_batch(clips)
    assert torch.equal(loaded.encode_batch(clips), codes)
    assert torch.equal(loaded.logits_of_batch(codes), codec.logits_of_batch(codes))


def test_digest_is_that_of_weights_and_settings(paper):
    codec, same = make(paper), make(paper)
    same.num_steps.fill_(7)
    assert codec.digest == same.digest != make(paper, commitment_weight=0.5).digest
    with torch.no_grad():
        same.decoder[0].bias[0] += 1e-3
    assert codec.digest != same.digest


def test_weights_that_are_no_numbers_are_refused(paper, tmp_path):
    codec = make(paper)
    with torch.no_grad():
        codec.encoder[0].weight[0, 0, 0, 0, 0] = float("nan")
    codec.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"finite, got NaN or infinity in encoder\.0\.weight"):
        AutoModel.from_pretrained(tmp_path)


def test_weights_of_another_configuration_are_refused(paper, tmp_path):
    make(paper).save_pretrained(tmp_path)
    PixelBytesVideoCodecConfig(vocabulary=paper, **{**TINY, "widths": [8, 8, 16]}).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="must be those of its configuration"):
        AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quantiser": "rvq"}, "one code a position"),
        ({"quantiser": "none"}, "quantiser must be one of"),
        ({"quantiser_settings": [9]}, "quantiser_settings"),
        ({"widths": [8, 8]}, "one more than strides"),
        ({"num_blocks": [1, 1]}, "num_blocks must be a list of 3"),
        ({"num_blocks": [1, 1, -1]}, "num_blocks"),
        ({"widths": [8, 8, 9]}, "multiples of num_groups"),
        ({"strides": [[1, 2], [2, 2, 2]]}, "triples"),
        ({"strides": [[1, 2, 2], [0, 2, 2]]}, "strides"),
        ({"background": 55}, r"0\.\.54"),
        ({"foreground_weight": 0}, "foreground_weight"),
        ({"entropy_weight": -1}, "entropy_weight"),
        ({"colour_weight": 1}, "colour_weight"),
        ({"vocabulary": {"bytes": []}}, "vocabulary"),
    ],
)
def test_malformed_settings_are_named(paper, settings, said):
    with pytest.raises(ValueError, match=said):
        make(paper, **{"quantiser": "lfq", **settings})


def test_malformed_input_is_named(paper):
    codec = make(paper)
    with pytest.raises(ValueError, match=r"0\.\.54, got 0\.\.55"):
        codec(torch.tensor([0, 55]).reshape(1, 1, 1, 2))
    for shape in ((1, 5, 12), (0, 5, 12, 12), (1, 0, 12, 12)):
        with pytest.raises(ValueError, match="non-empty"):
            codec.encode_batch(torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(ValueError, match="integers"):
        codec(torch.zeros(1, 1, 4, 4))
    codes = codec.encode_batch(torch.zeros(1, 5, 12, 12, dtype=torch.int64))
    with pytest.raises(ValueError, match="size must be that of a clip"):
        codec.decode_batch(codes, (6, 12, 12))
    with pytest.raises(ValueError, match=r"0\.\.511"):
        codec.decode_batch(codes + 512)


def test_vocabulary_by_default(paper):
    config = PixelBytesVideoCodecConfig(**TINY)
    assert config.tables == Vocabulary.from_preset("full") and config.background == 0 and config.num_pixels == 64
    assert PixelBytesVideoCodecConfig(vocabulary=paper).background == paper.colours.index((252, 252, 252))
