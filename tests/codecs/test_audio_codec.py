"""The sound codec: shapes, fewer levels, probabilities, saving and loading."""

import pytest
import torch
from codec_media import cry_levels
from transformers import AutoModel

from pixelbytes_hf import PixelBytesAudioCodec, PixelBytesAudioCodecConfig, Vocabulary

RVQ = {"num_quantizers": 3, "codebook_size": 8, "codebook_dim": 4}
TINY = {"widths": [8, 8, 8], "strides": [4, 2], "num_groups": 2, "quantiser_settings": RVQ}


def make(paper, **settings):
    torch.manual_seed(0)
    return PixelBytesAudioCodec(PixelBytesAudioCodecConfig(vocabulary=paper, **{**TINY, **settings})).eval()


@pytest.fixture(scope="module")
def cries(paper):
    return cry_levels(2, paper)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 400])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_length_is_padded_and_cropped_again(paper, length, channels):
    codec = make(paper, num_channels=channels)
    levels = torch.randint(0, 38, (2, length, channels))
    codes = codec.encode_batch(levels)
    assert codes.shape == (2, -(-length // 8), 3)
    assert codec.decode_batch(codes, length).shape == levels.shape
    assert codec.decode_batch(codes).shape == (2, codes.shape[1] * 8, channels)
    with torch.no_grad():
        assert codec(levels).logits.shape == (*levels.shape, 38)


def test_decodes_from_fewer_levels(paper, cries):
    codec = make(paper)
    codes = codec.encode_batch(cries)
    decoded = [codec.amplitudes_of_batch(codes[..., :count], 400) for count in (1, 2, 3)]
    assert not torch.equal(decoded[0], decoded[1]) and not torch.equal(decoded[1], decoded[2])
    vectors = sum(book[codes[..., level]] for level, book in enumerate(codec.quantiser.codebooks.codebooks))
    assert torch.allclose(codec._decode(vectors, 400), decoded[2], atol=1e-5)
    assert len(codec.snr_by_level(cries)) == 3


def test_decodes_to_the_likeliest_level_of_evenly_spaced_ones(paper, cries):
    codec = make(paper)
    codes = codec.encode_batch(cries)
    assert torch.equal(codec.decode_batch(codes), codec.logits_of_batch(codes).argmax(-1))


@pytest.mark.parametrize("preset", ["paper", "full"])
def test_probabilities_are_those_of_the_loss(preset):
    vocabulary = Vocabulary.from_preset(preset)
    codec, cries = make(vocabulary), cry_levels(2, vocabulary)
    log_probs = codec.log_probs_of_batch(cries, codec.encode_batch(cries))
    with torch.no_grad():
        output = codec(cries)
        masked = codec(cries, mask=torch.arange(400).expand(2, -1) < 100)
    assert float(-log_probs.mean()) == pytest.approx(float(output.reconstruction), abs=1e-5)
    # the last samples that count are decoded beside none, so not as those of the whole sound
    counted = masked.logits[:, :100].log_softmax(-1).gather(-1, cries[:, :100, :, None])
    assert float(-counted.mean()) == pytest.approx(float(masked.reconstruction), abs=1e-5)
    assert float(-log_probs[:, :100].mean()) == pytest.approx(float(masked.reconstruction), abs=1e-2)


def test_training_leaves_levels_out_and_evaluation_none(paper, cries):
    codec = make(paper).train()
    left_out = [bool((codec(cries).codes == -1).any()) for _ in range(12)]
    assert any(left_out) and not all(left_out)
    assert int(codec.num_steps) == 0 and not (codec.eval()(cries).codes == -1).any()
    assert torch.equal(codec.encode_batch(cries), codec.encode_batch(cries))


def test_saved_and_loaded(paper, cries, tmp_path):
    codec = make(paper).train()
    codec(cries)
    codec.eval().save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is PixelBytesAudioCodec and loaded.digest == codec.digest
    codes = codec.encode_batch(cries)
    assert torch.equal(loaded.encode_batch(cries), codes)
    assert torch.equal(loaded.logits_of_batch(codes), codec.logits_of_batch(codes))


def test_weights_that_are_no_numbers_are_refused(paper, tmp_path):
    codec = make(paper)
    codec.quantiser.codebooks.layers[1]._codebook.embed[0, 0, 0] = float("inf")
    codec.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"finite.*codebooks\.layers\.1"):
        AutoModel.from_pretrained(tmp_path)


def test_malformed_settings_and_input_are_named(paper):
    with pytest.raises(ValueError, match="must have levels"):
        make(Vocabulary.from_preset("first"))
    with pytest.raises(ValueError, match="strides"):
        make(paper, strides=[4, [2]])
    with pytest.raises(ValueError, match="num_channels"):
        make(paper, num_channels=0)
    codec = make(paper)
    for shape in ((1, 0, 2), (1, 8, 1), (1, 8)):
        with pytest.raises(ValueError, match=r"non-empty \(B, N, 2\)"):
            codec.encode_batch(torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"0\.\.37, got 0\.\.38"):
        codec.encode_batch(torch.tensor([[[0, 38]]]))
    with pytest.raises(ValueError, match="length must be"):
        codec.decode_batch(torch.zeros(1, 2, 3, dtype=torch.int64), 17)
    with pytest.raises(ValueError, match="no ratio"):
        codec.snr_by_level(torch.full((1, 8, 2), 19))
