"""transformers' own ways to the Hub: what they push loads where this package is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_push import ask_lonely, assert_equal

from pixelbytes_hf import ActionPixelBytesTokenizer, PixelBytesProcessor, Run
from pixelbytes_hf.pretrained.exported_code import saving_without_code
from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.training.train import train

HERE = Path(__file__).parents[1]
LAYOUT = {"segments": [{"modality": "image", "frames": 1, "height": 3, "width": 3}]}
PUSH = """
import sys
from pixelbytes_hf import PixelBytesProcessor, Run, TokenCorpus, WindowCollator, WindowDataset
from transformers import Trainer, TrainingArguments
run = Run.load(sys.argv[1])
run.model.push_to_hub("user/pushed")
PixelBytesProcessor(run.tokenizer).push_to_hub("user/pushed")
run.model.save_pretrained("saved", push_to_hub=True, repo_id="user/saved")
run.tokenizer.save_pretrained("saved", push_to_hub=True, repo_id="user/saved")
PixelBytesProcessor(run.tokenizer).save_pretrained("saved", push_to_hub=True, repo_id="user/saved")
corpus = TokenCorpus.from_records([run.tokenizer.encode_record(text="a red beast")[0]], run.tokenizer.tables)
args = TrainingArguments("trained", max_steps=1, learning_rate=0.0, report_to="none", use_cpu=True, push_to_hub=True,
                         hub_model_id="user/trained", remove_unused_columns=False)
trainer = Trainer(run.model, args, train_dataset=WindowDataset(corpus, 8), data_collator=WindowCollator(),
                  processing_class=PixelBytesProcessor(run.tokenizer))
trainer.train()
trainer.push_to_hub()
"""


def test_what_transformers_pushes_loads_without_the_package(run_folder, loopback_hub, tmp_path):
    environment = loopback_hub.environment(tmp_path)
    command = [sys.executable, "-c", PUSH, str(run_folder)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    places = ("user/pushed", "user/saved", "user/trained")
    for place in places:
        assert {"modeling_pixelbytes.py", "tokenization_pixelbytes.py"} <= set(loopback_hub.files(place))
    request = [{"place": place, "options": {}, "layout": LAYOUT} for place in places]
    reply = ask_lonely(request, tmp_path, environment)
    assert reply["imported"] == []
    for answer in reply["answers"]:
        assert_equal(answer, Run.load(run_folder), LAYOUT)
        assert all(kind.startswith("transformers_modules.") for kind in answer["classes"])


def test_a_saved_model_has_its_code_and_a_run_has_none(run_folder, tmp_path):
    run = Run.load(run_folder)
    assert not [*run_folder.glob("*.py")] and "auto_map" not in read_json(run_folder / "config.json")
    run.model.save_pretrained(tmp_path / "model")
    assert read_json(tmp_path / "model" / "config.json")["auto_map"]["AutoConfig"].endswith(".PixelBytesConfig")
    assert (tmp_path / "model" / "modeling_pixelbytes.py").is_file()
    with saving_without_code():
        run.model.save_pretrained(tmp_path / "bare")
        PixelBytesProcessor(run.tokenizer).save_pretrained(tmp_path / "bare")
    assert not [*(tmp_path / "bare").glob("*.py")]
    assert not any("auto_map" in json.loads(path.read_text()) for path in (tmp_path / "bare").glob("*config.json"))


class OwnTokenizer(ActionPixelBytesTokenizer):
    """A tokenizer whose code does not travel."""


def test_a_tokenizer_of_ones_own_names_no_class_that_is_not_there(tmp_path):
    OwnTokenizer().save_pretrained(tmp_path)
    assert "auto_map" not in read_json(tmp_path / "tokenizer_config.json")


@pytest.mark.parametrize("name", ["checkpoints/checkpoint-1", "."])
def test_training_writes_no_code(corpus, tmp_path, name):
    from datasets import load_dataset

    tiny = {"embedding_dim": 12, "mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}
    data = load_dataset(str(corpus))["validation"].select(range(2))
    folder = train(data, "mini", tmp_path / "x", model=tiny, max_steps=1, save_steps=1, batch_size=1, progress=False)
    assert (folder / name / "config.json").is_file() and not [*(folder / name).glob("*.py")]
