import numpy as np
import pytest
from skimage.color import rgb2lab

from pixelbytes_hf.media.pictures import composite_on_white
from pixelbytes_hf.tokens.pixel_codec import decode_pixels, encode_pixels, nearest_colours
from pixelbytes_hf.tokens.vocabulary import Vocabulary


@pytest.mark.parametrize("preset", ["paper", "full"])
def test_palette_colours_survive_exactly(preset):
    vocabulary = Vocabulary.from_preset(preset)
    ids = np.array(vocabulary.pixel_ids).reshape(1, 1, -1)
    assert np.array_equal(encode_pixels(decode_pixels(ids, vocabulary), vocabulary), ids)


def test_look_up_equals_one_by_one_search(paper, rng):
    frames = rng.integers(0, 256, (2, 9, 11, 3), dtype=np.uint8)
    palette = rgb2lab(np.array(paper.colours, np.uint8)[None])[0]
    expected = [np.linalg.norm(palette - lab, axis=1).argmin() + 58 for lab in rgb2lab(frames).reshape(-1, 3)]
    assert encode_pixels(frames, paper).reshape(-1).tolist() == expected
    assert encode_pixels(frames, paper).reshape(-1).tolist() == expected  # from the table this time


def test_two_vocabularies_do_not_share_a_table(paper):
    other = Vocabulary(paper.byte_values, ((255, 0, 0), (0, 0, 255)), paper.levels)
    frames = np.array([[[[250, 0, 0]]]], np.uint8)
    assert (
        paper.colours[encode_pixels(frames, paper).item() - 58]
        != other.colours[encode_pixels(frames, other).item() - 58]
    )


def test_transparency_is_white_in_paper_and_an_id_in_full(paper):
    full = Vocabulary.from_preset("full")
    clear = np.zeros((1, 1, 2, 4), np.uint8)
    clear[..., 1, 3] = 255
    assert decode_pixels(encode_pixels(clear, paper), paper)[0, 0].tolist() == [[252, 252, 252], [0, 0, 0]]
    ids = encode_pixels(clear, full)
    assert ids[0, 0, 0] == full.transparent_id and decode_pixels(ids, full)[0, 0, :, 3].tolist() == [0, 255]


def test_large_palettes_are_encoded(paper, rng):
    colours = tuple(map(tuple, np.unique(rng.integers(0, 256, (400, 3)), axis=0).tolist()))
    large = Vocabulary(paper.byte_values, colours, paper.levels)
    ids = np.array(large.pixel_ids).reshape(1, 1, -1)
    assert len(colours) > 300 and np.array_equal(encode_pixels(decode_pixels(ids, large), large), ids)


def test_nearest_colours_agree_over_chunks(rng, monkeypatch):
    colours, rgb = rng.integers(0, 256, (7, 3), dtype=np.uint8), rng.integers(0, 256, (50, 3), dtype=np.uint8)
    whole = nearest_colours(rgb, colours)
    monkeypatch.setattr("pixelbytes_hf.tokens.pixel_codec.CHUNK", 8)
    assert np.array_equal(nearest_colours(rgb, colours), whole)


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3)), np.zeros((0, 2, 2, 3), np.uint8)]
)
def test_malformed_frames_are_refused(paper, frames):
    with pytest.raises(ValueError, match="frames"):
        encode_pixels(frames, paper)


def test_ids_that_are_no_pixels_are_refused(paper):
    with pytest.raises(ValueError, match="pixel ids"):
        decode_pixels(np.array([[57]]), paper)


def test_half_an_alpha_divides_transparent_from_opaque():
    full, frames = Vocabulary.from_preset("full"), np.zeros((1, 1, 2, 4), np.uint8)
    frames[..., 3] = [127, 128]
    ids = encode_pixels(frames, full)[0, 0]
    assert ids[0] == full.transparent_id and ids[1] != full.transparent_id


def test_composites_on_white_are_rounded():
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    got = composite_on_white(np.stack([colour, colour, colour, alpha], -1).astype(np.uint8))
    assert np.array_equal(got[..., 0], np.rint((colour * alpha + 255 * (255 - alpha)) / 255))
