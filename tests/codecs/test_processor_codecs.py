"""A processor with codecs: media in, codes out, and back; saved and loaded as one."""

import json

import numpy as np
import pytest
import torch
from codec_media import clip_pixels
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

from pixelbytes_hf import (
    ActionPixelBytesTokenizer,
    PixelBytesAudioCodec,
    PixelBytesAudioCodecConfig,
    PixelBytesProcessor,
    PixelBytesVideoCodec,
    PixelBytesVideoCodecConfig,
)
from pixelbytes_hf.pretrained.exported_code import saving_without_code
from pixelbytes_hf.tokens.grid import codes_of_segment
from pixelbytes_hf.tokens.parsing import parse

SMALL = {"widths": [8, 8], "num_groups": 2}


@pytest.fixture(scope="module")
def processor(paper):
    torch.manual_seed(0)
    picture = PixelBytesVideoCodec(PixelBytesVideoCodecConfig(vocabulary=paper, **SMALL))
    rvq = {"codebook_size": 8, "codebook_dim": 4}
    config = PixelBytesAudioCodecConfig(vocabulary=paper, strides=[8], quantiser_settings=rvq, **SMALL)
    sound = PixelBytesAudioCodec(config)
    tables = paper.with_codes(**picture.codes, **sound.codes)
    return PixelBytesProcessor(ActionPixelBytesTokenizer(vocabulary=tables), None, picture, sound)


@pytest.fixture(scope="module")
def media(paper):
    colours = np.array(paper.colours, np.uint8)
    frames = colours[clip_pixels(1, paper)[0, :3, :7, :6].numpy()]
    sound = {"array": np.sin(np.arange(84).reshape(2, 42) / 5), "sampling_rate": 8000}
    return {"text": "a red one", "image": frames, "audio": sound}


def test_media_become_the_codes_of_the_codecs_and_come_back(processor, media):
    feature, tables = processor(**media), processor.tokenizer.tables
    segments = parse(np.array(feature["labels"]), tables).segments
    assert [segment.modality for segment in segments] == ["text", "image_code", "audio_code"]
    raw = processor.tokenizer.encode_record(**media)[0]
    for codec, given, codes in zip(processor.codecs.values(), raw[1:], segments[1:], strict=True):
        assert np.array_equal(codec.encode(given, tables).ids, codes.ids)
        sizes = codec.quantiser.code_sizes
        cells = codes_of_segment(codes, tables).reshape(-1, len(sizes))
        assert (cells >= 0).all() and (cells < sizes).all() and len(np.unique(cells[:, 0])) > 1
    [sizes], [infos] = feature.sizes, feature.segments
    record = processor.decode_record(feature["labels"], infos, sizes=sizes)
    assert record.text == "a red one" and record.frames.shape == (3, 7, 6, 3)
    assert record.sound["array"].shape == (2, 42) and record.sound["sampling_rate"] == 8000
    decoded = processor.codecs["picture_codec"].decode(segments[1], sizes[1], tables)
    expected = processor.tokenizer.decode_modalities(decoded.ids.reshape(-1)).frames
    assert np.array_equal(record.frames, expected)
    [padded] = processor.post_process_multimodal_output(np.array(feature["labels"])[None])
    assert padded.frames.shape == (3, 8, 6, 3)


def test_batches_are_padded_and_contexts_are_the_tokenizers(processor, media):
    batch = processor(text=["a", "a red one"], images=[media["image"]] * 2, padding=True, return_tensors="pt")
    alone = processor(text="a red one", images=media["image"])
    assert batch["input_ids"].shape[0] == 2 and batch["labels"][1].tolist() == alone["labels"]
    assert batch["input_ids"][1].tolist() == np.asarray(alone["input_ids"]).tolist()


def test_a_processor_is_saved_and_loaded_as_one(processor, media, tmp_path):
    with saving_without_code():
        processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert {name: codec.digest for name, codec in loaded.codecs.items()} == {
        name: codec.digest for name, codec in processor.codecs.items()
    }
    assert loaded(**media)["labels"] == processor(**media)["labels"]


def test_a_codec_that_was_changed_is_refused(processor, tmp_path):
    with saving_without_code():
        processor.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "picture_codec" / "model.safetensors")
    next(each for each in weights.values() if each.is_floating_point()).view(-1)[0] += 1
    save_file(weights, tmp_path / "picture_codec" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"picture_codec in .* must be the codec that was saved"):
        AutoProcessor.from_pretrained(tmp_path)
    content = json.loads((tmp_path / "processor_config.json").read_text())
    content["codecs"] = {"smell_codec": "0"}
    (tmp_path / "processor_config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="smell_codec"):
        AutoProcessor.from_pretrained(tmp_path)


def test_a_processor_without_codecs_is_what_it_was(tmp_path, media):
    tokenizer = ActionPixelBytesTokenizer()
    processor = PixelBytesProcessor(tokenizer)
    with saving_without_code():
        processor.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "processor_config.json").read_text()) == {"processor_class": "PixelBytesProcessor"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "processor_config.json",
        "tokenizer_config.json",
        "vocab.json",
    ]
    assert processor(**media)["labels"] == tokenizer(**media)["labels"]


def test_codecs_of_another_medium_or_vocabulary_are_refused(processor, paper):
    picture, sound = processor.codecs.values()
    with pytest.raises(ValueError, match="sound_codec must be a codec of audio, got one of image"):
        PixelBytesProcessor(processor.tokenizer, sound_codec=picture)
    with pytest.raises(ValueError, match="must have the codec's codes"):
        PixelBytesProcessor(ActionPixelBytesTokenizer(), picture_codec=picture)
    with pytest.raises(ValueError, match="of the codec, got one with other"):
        PixelBytesProcessor(ActionPixelBytesTokenizer(preset="full"), sound_codec=sound)
