"""A saved codec carries the code that loads it where this package is not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelbytes_hf import (
    ActionPixelBytesTokenizer,
    PixelBytesAudioCodec,
    PixelBytesAudioCodecConfig,
    PixelBytesProcessor,
    PixelBytesVideoCodec,
    PixelBytesVideoCodecConfig,
)
from pixelbytes_hf.pretrained.exported_code import saving_without_code

TESTS = Path(__file__).parents[1]
SCRIPT = """
import json, sys
sys.path.append(sys.argv[1])
from lone_loading import HIDDEN, Hiding
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
import torch
from transformers import AutoConfig, AutoModel, AutoProcessor
torch.set_num_threads(1)
answers = []
for place, shape in json.loads(sys.argv[2]):
    codec = AutoModel.from_pretrained(place, trust_remote_code=True).eval()
    config = AutoConfig.from_pretrained(place, trust_remote_code=True)
    cells = torch.arange(torch.Size(shape).numel()).reshape(shape) % 30
    codes = codec.encode_batch(cells)
    answers.append([type(codec).__module__, type(config).__module__, codec.digest, codes.tolist(),
                    codec.log_probs_of_batch(cells, codes).sum().item()])
processor = AutoProcessor.from_pretrained(sys.argv[3], trust_remote_code=True)
sound = {"array": torch.arange(80).reshape(2, 40).sin().numpy(), "sampling_rate": 8000}
feature = processor(text="a red one", audio=sound)
record = processor.decode_record(json.loads(sys.argv[4]))
answers.append([type(processor).__module__, feature["labels"], record.frames.tolist()])
assert not HIDDEN & {name.partition(".")[0] for name in sys.modules}
print(json.dumps(answers))
"""


def make_codecs(paper):
    torch.manual_seed(0)
    small = {"vocabulary": paper, "widths": [8, 8], "num_groups": 2}
    picture = {quantiser: PixelBytesVideoCodecConfig(quantiser=quantiser, **small) for quantiser in ("lfq", "fsq")}
    codecs = {name: PixelBytesVideoCodec(config) for name, config in picture.items()}
    codecs["sound"] = PixelBytesAudioCodec(PixelBytesAudioCodecConfig(strides=[8], **small))
    return {name: codec.eval() for name, codec in codecs.items()}


def test_without_the_package(paper, tmp_path):
    codecs = make_codecs(paper)
    shapes = {"lfq": (1, 3, 5, 6), "fsq": (2, 1, 4, 4), "sound": (2, 20, 2)}
    for name, codec in codecs.items():
        codec.save_pretrained(tmp_path / name)
    tables = paper.with_codes(**codecs["lfq"].codes, **codecs["sound"].codes)
    tokenizer = ActionPixelBytesTokenizer(vocabulary=tables)
    processor = PixelBytesProcessor(tokenizer, None, codecs["lfq"], codecs["sound"])
    processor.save_pretrained(tmp_path / "processor")
    frames = np.array(paper.colours, np.uint8)[np.arange(2 * 4 * 6).reshape(2, 4, 6) % 50]
    drawn = processor(images=frames)["labels"]  # nearest colours need a package that is hidden there
    request = json.dumps([(str(tmp_path / name), shapes[name]) for name in codecs])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(TESTS), request, str(tmp_path / "processor"), json.dumps(drawn)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    *answers, [module, labels, shown] = json.loads(done.stdout.splitlines()[-1])
    sound = {"array": torch.arange(80).reshape(2, 40).sin().numpy(), "sampling_rate": 8000}
    assert module.startswith("transformers_modules.processor.")
    assert labels == processor(text="a red one", audio=sound)["labels"]
    assert shown == processor.decode_record(drawn).frames.tolist()
    for answer, (name, codec) in zip(answers, codecs.items(), strict=True):
        cells = torch.arange(torch.Size(shapes[name]).numel()).reshape(shapes[name]) % 30
        codes = codec.encode_batch(cells)
        assert all(module.startswith(f"transformers_modules.{name}.") for module in answer[:2])
        assert answer[2:4] == [codec.digest, codes.tolist()]
        assert answer[4] == pytest.approx(float(codec.log_probs_of_batch(cells, codes).sum()), rel=1e-5)


def test_a_run_of_its_own_needs_no_code(paper, tmp_path):
    codec = make_codecs(paper)["lfq"]
    with saving_without_code():
        codec.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert PixelBytesVideoCodec.from_pretrained(tmp_path).digest == codec.digest
