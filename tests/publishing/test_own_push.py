"""transformers' own ways to the Hub: what they push loads where this package is not installed."""

import json

import pytest
from test_push import ask_lonely, assert_equal

from pixelbytes_hf import (
    ActionPixelBytesTokenizer,
    PixelBytesProcessor,
    Run,
    TokenCorpus,
    WindowCollator,
    WindowDataset,
)
from pixelbytes_hf.pretrained.exported_code import saving_without_code
from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.training.train import train

LAYOUT = {"segments": [{"modality": "image", "frames": 1, "height": 3, "width": 3}]}


def push_in_every_way(run, folder):
    """Push a run by whatever transformers has for it, and return under which names."""
    from transformers import Trainer, TrainingArguments

    processor = PixelBytesProcessor(run.tokenizer)
    run.model.push_to_hub("user/pushed")
    processor.push_to_hub("user/pushed")
    for part in (run.model, run.tokenizer, processor):
        part.save_pretrained(str(folder / "saved"), push_to_hub=True, repo_id="user/saved")
    corpus = TokenCorpus.from_records([run.tokenizer.encode_record(text="a red beast")[0]], run.tokenizer.tables)
    options = {"max_steps": 1, "learning_rate": 0.0, "report_to": "none", "use_cpu": True, "disable_tqdm": True}
    options |= {"push_to_hub": True, "hub_model_id": "user/trained", "remove_unused_columns": False}
    args = TrainingArguments(folder / "trained", **options)
    data = {"train_dataset": WindowDataset(corpus, 8), "data_collator": WindowCollator()}
    trainer = Trainer(run.model, args, **data, processing_class=processor)
    trainer.train()
    trainer.push_to_hub()
    return "user/pushed", "user/saved", "user/trained"


def test_what_transformers_pushes_loads_without_the_package(lone, run_folder, tmp_path):
    with lone.hub.seen_here(tmp_path):
        places = push_in_every_way(Run.load(run_folder), tmp_path)
    for place in places:
        assert {"modeling_pixelbytes.py", "tokenization_pixelbytes.py"} <= set(lone.hub.files(place))
    request = [{"place": place, "options": {}, "layout": LAYOUT} for place in places]
    reply = ask_lonely(lone, request, tmp_path)
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
