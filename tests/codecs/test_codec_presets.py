"""Every preset of a codec: its configuration builds, without memory too, and reads a clip of its length."""

import pytest
import torch

from pixelbytes_hf.runs.kinds import find_kind, find_object
from pixelbytes_hf.training.builders import build_tokenizer
from pixelbytes_hf.training.codecs.presets_codecs import codec_rows
from pixelbytes_hf.training.presets import get_preset


@pytest.mark.parametrize("name", sorted(codec_rows()))
def test_it_builds_and_reads_a_clip_of_its_length(name):
    preset = get_preset(name)
    recipe = find_object(find_kind(preset.kind).recipe)
    config = recipe.config_class(vocabulary=build_tokenizer(preset).tables, **preset.model)
    with torch.device("meta"):
        empty = recipe.model_class(config)
    assert all(weight.is_meta for weight in empty.parameters())
    codec, length = recipe.model_class(config).train(), preset.training.clip_length
    cells = {
        "image": torch.randint(0, len(config.tables.pixel_ids), (1, length or 4, 12, 12)),
        "audio": torch.randint(0, len(config.tables.levels), (1, length or 200, 2)),
    }[codec.medium]
    output = codec(cells)
    output.loss.backward()
    assert output.loss.isfinite() and output.logits.shape[:-1] == cells.shape
    size = tuple(cells.shape[1:4]) if codec.medium == "image" else cells.shape[1]
    assert codec.decode_batch(codec.encode_batch(cells), size).shape == cells.shape
    assert {weight.shape for weight in empty.parameters()} == {weight.shape for weight in codec.parameters()}
