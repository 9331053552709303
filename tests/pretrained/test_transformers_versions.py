"""What changes between versions of transformers: the name of the state, and what is said of an unknown version."""

import configparser
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from pixelbytes_hf import PixelBytesConfig, aPxBySequenceModel
from pixelbytes_hf.models.pixelbytes.family_code import write_family_code
from pixelbytes_hf.pretrained import transformers_versions
from pixelbytes_hf.pretrained.transformers_versions import KNOWN_VERSIONS, check_version, state_of

ROOT = Path(__file__).parents[2]
LOAD = """
import sys, transformers
transformers.__version__ = "5.99.0"
config = transformers.AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=True)
print(type(config).__module__)
"""


def make(**mixer):
    torch.manual_seed(0)
    settings = {"hidden_size": 8, "num_hidden_layers": 1, **mixer}
    return aPxBySequenceModel(PixelBytesConfig(embedding_dim=12, mixer_config=settings)).eval()


def rows_of(length=5):
    return torch.randint(0, 151, (2, length, 6), generator=torch.Generator().manual_seed(1))


def test_requirement_names_the_versions_that_the_code_knows():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    [wanted] = [line.removeprefix("transformers") for line in lines if line.startswith("transformers")]
    first, last = KNOWN_VERSIONS[0], int(KNOWN_VERSIONS[-1].rpartition(".")[2])
    assert wanted == f">={first},<5.{last + 1}"


@pytest.mark.parametrize(("version", "warns"), [("5.23.0", 0), ("5.24.1", 0), ("5.2.0", 1), ("5.25.0.dev0", 1)])
def test_unknown_version_is_named(monkeypatch, version, warns):
    told = []
    monkeypatch.setattr(transformers_versions, "__version__", version)
    monkeypatch.setattr(transformers_versions.logger, "warning_once", lambda text, *args: told.append(text % args))
    check_version()
    assert len(told) == warns
    assert all(f"knows transformers 5.23 and 5.24 and meets {version}" in each for each in told)


def test_a_checkpoint_s_own_code_names_a_version_that_came_after_it(lone, tmp_path):
    write_family_code(tmp_path)
    settings = PixelBytesConfig().to_dict() | {"auto_map": {"AutoConfig": "configuration_pixelbytes.PixelBytesConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    done = lone.run(LOAD, tmp_path, folder=tmp_path)
    assert done.stdout.startswith("transformers_modules.")
    assert "meets 5.99.0" in done.stderr and "pip install 'transformers==5.24.*'" in done.stderr


@pytest.mark.parametrize("mixer", [{}, {"model_type": "llama"}, {"model_type": "mamba2"}], ids=str)
def test_state_goes_in_and_comes_out_under_either_name(mixer):
    model, rows = make(**mixer), rows_of()
    with torch.no_grad():
        whole = model(rows).logits
        for name in ("past_key_values", "cache"):
            state = state_of(model(rows[:, :3], use_cache=True))
            rest = model(rows[:, 3:], **{name: state})
            assert state_of(rest) is state and state.get_seq_length() == 5
            torch.testing.assert_close(rest.logits, whole[:, 3:], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="past_key_values and cache are the same thing"):
        model(rows, past_key_values=state, cache=state)


def test_generation_goes_on_from_a_state_under_either_name():
    model, wanted = make(), {"max_new_tokens": 2, "return_dict_in_generate": True}
    expected = model.generate(rows_of(), **wanted).sequences
    for name in ("past_key_values", "cache"):
        state = model.new_cache()
        with torch.no_grad():
            model(rows_of()[:, :3], past_key_values=state)
        outputs = model.generate(rows_of(), **wanted, **{name: state})
        assert state_of(outputs) is state
        assert torch.equal(outputs.sequences, expected)


def test_backbone_that_loses_its_state_is_an_error(monkeypatch):
    model, forward = make(model_type="llama"), LlamaModel.forward

    def lose(self, *args, **kwargs):
        return BaseModelOutputWithPast(forward(self, *args, **kwargs).last_hidden_state)

    lose.__wrapped__ = forward
    monkeypatch.setattr(LlamaModel, "forward", lose)
    with pytest.raises(RuntimeError, match=r"the backbone 'llama' was asked to keep a state.* returned NoneType"):
        model(rows_of(), use_cache=True)
    assert state_of(model(rows_of(), use_cache=False)) is None
    assert state_of(SimpleNamespace(cache_params=1)) == 1
