"""Cards of models: every number from a fact, nothing empty, the figures of this model; Trainer's own stays away."""

import html
import json
import re
import shlex
import shutil
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from number_tracing import find_untraced
from tiny_training import make_trainer

from pixelbytes_hf.cli.main import _parser
from pixelbytes_hf.publishing import cards
from pixelbytes_hf.publishing.card_facts import CardFacts, gather_facts
from pixelbytes_hf.publishing.cards import inert, render_model_card
from pixelbytes_hf.publishing.reproduction import closest_preset, training_command
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer

TEMPLATE = (files("pixelbytes_hf.publishing") / cards.TEMPLATE_NAME).read_text()
MODEL_CARDS = Path(__file__).parents[2] / "model_cards"
REAL = sorted(path.stem for path in MODEL_CARDS.glob("*.json"))


@pytest.fixture(scope="module")
def facts(run_folder, corpus):
    return gather_facts(run_folder, name="tiny", dataset=str(corpus))


@pytest.fixture
def copied(run_folder, tmp_path):
    """Return a copy of the run that a test may change."""
    return Path(shutil.copytree(run_folder, tmp_path / "runs" / "x", ignore=shutil.ignore_patterns("checkpoints")))


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def result_of(facts, bits=1.25, **values):
    """Return the JSON of an evaluation of the run's model."""
    row = {"bits": bits, "accuracy": 0.5, "tokens": 1234}
    settings = {"objective": "predictive", "parameters": facts.parameters, "state": "carried", "window_length": 512}
    return {
        "likelihood": "exact",
        "matched": {"all": row, "text": row},
        "paper": {"loss": 1.0, "accuracy": 0.25, "targets": 1234},
        "settings": {**settings, "batch_size": 16},
        "seed": 0,
        "corpus": {"fingerprint": "f" * 64, "num_records": 7},
        **values,
    }


def test_facts_come_from_the_files(facts, run_folder, corpus):
    last = json.loads((run_folder / "history.json").read_text())["validation"][-1]
    record = json.loads((run_folder / "training.json").read_text())
    assert facts.evaluation["split"] == "validation"
    assert facts.evaluation["result"]["matched"]["pixel"]["bits"] == last["bits_pixel"]
    assert facts.training["total"]["steps"] == 2 and facts.training["total"]["tokens"] > 0
    assert facts.training["data"] == record["data"] and facts.preset == "mini"
    assert record["dataset"]["name"] == "pixelbytes-mini" and record["dataset"]["config"] == "mini"
    sizes = json.loads((corpus / "build_report.json").read_text())["splits"]
    assert facts.dataset["num_records"] == {split: size["num_records"] for split, size in sizes.items()}
    assert record["dataset"]["num_records"]["train"] == sizes["train"]["num_records"]
    assert (facts.dataset["origin"], facts.licence["id"]) == ("procedural", "apache-2.0")


def test_metadata_begins_with_matched_bits(facts):
    card = ModelCard(render_model_card(facts), ignore_metadata_errors=False)
    results = card.data.eval_results
    assert (results[0].metric_type, results[0].dataset_split) == ("matched_bits", "validation")
    assert results[0].metric_value == facts.evaluation["result"]["matched"]["all"]["bits"]
    assert [r.metric_type for r in results][1:4] == [f"matched_bits_{kind}" for kind in ("text", "pixel", "level")]
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "transformers")
    assert card.data.datasets is None  # no name on the Hub was told


def test_facts_survive_json(facts):
    again = CardFacts(**json.loads(json.dumps(asdict(facts))))
    assert render_model_card(again) == render_model_card(facts)


def test_card_shows_what_a_reader_needs(facts):
    text = render_model_card(facts)
    for heading in (
        "How good it is",
        "How to load it",
        "What it was trained on",
        "How to make it again",
        "What it is not for",
        "Licence",
    ):
        assert f"\n## {heading}\n" in text
    assert "bits per new token" in text and facts.training["data"]["train"]["fingerprint"] in text
    assert "trust_remote_code" not in text  # it is published nowhere
    assert "What it makes" not in text  # it has no samples


def test_published_card_says_how_to_load_without_the_package(facts):
    text = render_model_card(replace(facts, repo_id="user/tiny", subfolder="small"))
    assert 'from_pretrained("user/tiny", subfolder="small", trust_remote_code=True)' in text


def test_samples_are_shown(facts):
    text = render_model_card(replace(facts, samples={"samples/a.gif": "A red beast", "samples/a.wav": "Its cry"}))
    assert "![A red beast](samples/a.gif)" in text and "\n[Its cry](samples/a.wav)" in text


def test_code_of_the_card_runs(facts, run_folder):
    text = render_model_card(facts).replace('"runs/tiny"', json.dumps(str(run_folder)))
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    assert names["made"].frames.shape == (4, 12, 12, 3) and names["made"].sound["array"].shape == (2, 200)


def test_model_that_cannot_answer_a_sentence_shows_its_logits(facts, run_folder):
    sound_only = {"segments": facts.layout["segments"][-1:]}
    text = render_model_card(replace(facts, layout=sound_only))
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text.replace('"runs/tiny"', repr(str(run_folder))), re.DOTALL):
        exec(block, names)
    assert names["scores"].shape[-1] == facts.config["vocab_size"]


ACTIVE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></pre><svg onload=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "`<b>x</b>` ` <b> `",
    "a | <b>b</b> | ` | <i>",
    "\\| <b> \\",
    "&lt;b&gt; &#106;avascript:x",
    "\n\n# x\n\n```\n<script>alert(1)</script>",
    "--- \n <!-- x -->",
    "- a list of <b>",
]


def with_everywhere(facts, text):
    """Return facts that hold a text wherever one from outside is shown."""
    line, result, training = " ".join(text.split()), facts.evaluation["result"], facts.training
    evaluation = {
        "split": text,
        "result": {**result, "corpus": {"fingerprint": text}},
        "references": {text: {"matched": result["matched"]}},
    }
    settings = {**training["settings"], "schedule": text, "repeats": {text: text}}
    data = {text: {"num_tokens": 1, "fingerprint": text}}
    return replace(
        facts,
        name=line,
        repo_id=line,
        subfolder=line,
        dataset={**facts.dataset, "name": text, "num_records": {text: 1}},
        config={**facts.config, "mixer_config": {"model_type": text}, "embedding": text},
        licence={"id": "other", "name": text, "link": "https://example.org/x"},
        preset=text,
        base_model=text,
        training={**training, "versions": {text: text}, "settings": settings, "data": data},
        evaluation=evaluation,
        tables=[{"title": text, "caption": text, "unit": "number", "rows": {text: {text: 0.5}}}],
        commands=[f"pixelbytes train --dataset {shlex.quote(text)}"],
        samples={"samples/a.gif": text, "samples/a.wav": text},
    )


def parse(card):
    """Return the kinds of a card's parts, the addresses in it and its HTML, as a parser sees it that lets all pass."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda url: True
    blocks = parser.parse(card.split("---\n", 2)[2])
    parts = [part for block in blocks for part in (block, *(block.children or []))]
    addresses = {part.attrs[name] for part in parts for name in ("href", "src") if name in part.attrs}
    return (
        [part.type for part in parts if part.type not in ("text", "softbreak")],
        addresses,
        [part.content for part in parts if part.type in ("html_block", "html_inline")],
    )


@pytest.mark.parametrize("active", ACTIVE)
def test_text_from_outside_is_inert(facts, active):
    card = render_model_card(with_everywhere(facts, active))
    kinds, addresses, found = parse(card)
    assert found == []
    assert addresses == {"https://example.org/x", "samples/a.gif", "samples/a.wav"}
    # nothing of it ends a heading, a cell or a block of code either
    assert kinds == parse(render_model_card(with_everywhere(facts, "plain words")))[0]
    assert ModelCard(card).data.model_name == " ".join(active.split())


@pytest.mark.parametrize("active", ACTIVE)
def test_inert_text_is_shown_as_it_is(active):
    [paragraph] = re.findall("<h1>(.*)</h1>", MarkdownIt("commonmark").render(f"# {inert(active)}"))
    assert html.unescape(paragraph) == " ".join(active.split())


@pytest.mark.parametrize(
    ("modalities", "values", "tag"),
    [
        (["text", "image", "audio"], {}, None),
        (["audio"], {}, None),
        (["image"], {}, None),
        (["text"], {}, "text-generation"),
        (["text"], {"generates": False}, None),
        (["text"], {"objective": "masked"}, None),
        (["text"], {"objective": "diffusion"}, None),
    ],
)
def test_pipeline_tag_is_of_a_pipeline_that_serves_the_model(facts, modalities, values, tag):
    segments = [segment for segment in facts.layout["segments"] if segment["modality"] in modalities]
    config = {**facts.config, "objective": values.pop("objective", "predictive")}
    card = render_model_card(replace(facts, layout={"segments": segments}, config=config, **values))
    assert ModelCard(card).data.pipeline_tag == tag


def test_text_generation_serves_the_model_and_any_to_any_does_not(run_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline
    from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING

    model = AutoModelForCausalLM.from_pretrained(run_folder)
    [made] = pipeline("text-generation", model, tokenizer=AutoTokenizer.from_pretrained(run_folder))("a red")
    assert made["generated_text"].startswith("a red")
    # the mapping that transformers' pipeline any-to-any takes its models from
    assert type(model.config) not in MODEL_FOR_MULTIMODAL_LM_MAPPING


def test_numbers_of_a_card_are_its_facts(facts):
    text, known = render_model_card(facts), asdict(facts)
    assert find_untraced(text, known, template=TEMPLATE) == []
    shown = f"{facts.evaluation['result']['matched']['all']['bits']:.3f}"
    assert find_untraced(text.replace(f"**{shown}**", "**0.0123**"), known, template=TEMPLATE) == ["0.0123"]


def test_numbers_count_to_the_digits_shown():
    known = {"share": 0.984375, "many": 226281, "name": "mamba2 of 64"}
    assert find_untraced("98.4%, 226,281 and mamba2 of 64", known, template="") == []
    assert find_untraced("98.5% 226,282 mamba2 64", known, template="") == ["98.5%", "226,282", "64"]
    assert find_untraced("5 cells", {}, template="in {{ 5 }} words") == ["5"]


def test_missing_value_is_refused(facts):
    with pytest.raises(ValueError, match="no missing value"):
        render_model_card(replace(facts, config={**facts.config, "vocab_size": None}))


def test_undefined_name_in_the_template_is_refused(facts, monkeypatch):
    monkeypatch.setattr(cards, "asdict", lambda facts: {k: v for k, v in asdict(facts).items() if k != "preset"})
    with pytest.raises(ValueError, match="preset"):
        render_model_card(facts)


PATHS = ["/tmp/a.gif", "../a.gif", "a/../../b", ".env", "a b", "javascript:alert(1)", "a.gif)(b", "", "a\n"]
ADDRESSES = ["", "javascript:alert(1)", "https://a b", "https://a)(b", "data:text/html,x", "https://a\n"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": " "}, "name must be one line"),
        ({"name": "a\nb"}, "name must be one line"),
        ({"parameters": float("nan")}, "parameters must hold finite numbers"),
        ({"tables": [{"rows": {"a": {"b": float("inf")}}}]}, "tables must hold finite numbers"),
        ({"training": {"total": {"steps": np.int64(3)}}}, "training must hold .* JSON has: .*int64"),
        ({"licence": {"id": "mine", "name": None, "link": None}}, "licence must be one of"),
        ({"licence": {"id": None, "name": None, "link": None}}, "licence must be one of"),
        ({"licence": {"id": "other", "name": "x", "link": None}}, "needs a name and a link"),
        *(({"licence": {"id": "other", "name": "x", "link": link}}, "needs a name and a link") for link in ADDRESSES),
        *(({"samples": {path: "a"}}, "relative path") for path in PATHS),
        ({"samples": {"a.gif": ""}}, "relative path"),
    ],
)
def test_facts_that_are_none_are_refused(facts, values, message):
    with pytest.raises(ValueError, match=message):
        replace(facts, **values)


def test_evaluation_in_the_folder_is_preferred(copied, facts):
    rows = {"uniform": {"matched": {"all": {"bits": 7.0, "accuracy": 0.0, "tokens": 1234}}}}
    (copied / "evaluation-validation.json").write_text(json.dumps({"run x": result_of(facts, bits=3.5)}))
    assert gather_facts(copied, name="x").evaluation["split"] == "validation"
    (copied / "evaluation-test.json").write_text(json.dumps({"run x": result_of(facts), **rows}))
    found = gather_facts(copied, name="x")
    assert (found.evaluation["split"], found.evaluation["result"]["matched"]["all"]["bits"]) == ("test", 1.25)
    text = render_model_card(found)
    assert "| uniform" in text and "pixelbytes evaluate runs/x --dataset pixelbytes-mini --split test" in text
    assert "the state carried from window to window" in text and "7 records" in text


def test_split_is_that_of_the_fingerprint(copied, facts):
    # a file of any name: without this, figures of the validation were published as those of the test
    for split, sentence in (("validation", "not learnt from"), ("train", "It was learnt from")):
        figures = result_of(facts, corpus={"fingerprint": facts.training["data"][split]["fingerprint"]})
        found = gather_facts(copied, name="x", evaluation={"run x": figures})
        assert found.evaluation["split"] == split and f"--split {split}" in found.commands[-1]
        assert sentence in render_model_card(found)
    assert gather_facts(copied, name="x", evaluation=result_of(facts)).evaluation["split"] == "test"


def test_quick_start_brings_its_agreement(copied, facts):
    shares = {"colour": 0.984375, "pose": 0.25}
    agreement = {"num_prompts": 64, "generated": shares, "ceiling": shares, "floor": shares}
    content = {"seed": 0, "bits": {"mini": result_of(facts)}, "agreement": agreement}
    (copied.parent / "metrics.json").write_text(json.dumps(content))
    assert gather_facts(copied, name="x").evaluation["split"] == "validation"  # another run beside a quick start
    found = gather_facts(copied.rename(copied.with_name("run")), name="x")
    assert found.tables[0]["rows"]["generated"] == shares
    text = render_model_card(found)
    assert "Share of 64 held-out sentences" in text and "98.4%" in text


def test_result_of_a_comparison_is_read(copied, facts):
    found = gather_facts(copied, name="x", evaluation={"job": {}, "evaluation": result_of(facts, records=[1, 2])})
    assert "records" not in found.evaluation["result"] and found.evaluation["references"] == {}


def test_upper_bounds_are_called_so(copied, facts):
    found = gather_facts(copied, name="x", evaluation=result_of(facts, likelihood="upper bound"))
    text = render_model_card(found)
    assert "are an upper bound" in text
    assert ModelCard(text).data.eval_results[0].metric_name == "Bits per new token, all tokens, upper bound"


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ({"hidden": {"loss": 1.0, "accuracy": 0.125, "targets": 10}}, "hidden_accuracy"),
        ({}, "accuracy"),
    ],
)
def test_model_without_likelihood_claims_no_bits(copied, facts, values, metric):
    result = result_of(facts, likelihood="none", matched={}, **values)
    text = render_model_card(gather_facts(copied, name="x", evaluation=result))
    assert "has no likelihood" in text and "matched_bits" not in text
    assert ModelCard(text).data.eval_results[0].metric_type == metric


def test_validation_of_hidden_tokens_is_read(copied, facts):
    point = {"step": 2, "hidden_bits": 2.5, "hidden_accuracy": 0.125, "hidden_count": 10}
    change(copied / "history.json", validation=[point], likelihood="none")
    assert gather_facts(copied, name="x").evaluation["result"]["hidden"]["accuracy"] == 0.125


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"parameters": 3}, "whose parameters is"),
        ({"objective": "masked"}, "whose objective is 'predictive', got 'masked'"),
    ],
)
def test_figures_of_another_model_are_refused(copied, facts, evaluation, message):
    result = result_of(facts)
    result["settings"].update(evaluation)
    with pytest.raises(ValueError, match=message):
        gather_facts(copied, name="x", evaluation=result)


def test_of_an_evaluation_by_tasks_the_card_shows_that_over_all(copied, facts):
    rows = {}
    for name, bits, tasks in (("a", 3.0, ["text-to-video"]), ("all tasks", 1.5, ["text-to-video", "video-to-text"])):
        rows[f"run x: {name}"] = result_of(facts, bits=bits)
        rows[f"run x: {name}"]["settings"] = {**rows[f"run x: {name}"]["settings"], "tasks": tasks}
    change(copied / "training.json", settings={**facts.training["settings"], "codec": "/home/me/runs/codec"})
    (copied / "evaluation-test.json").write_text(json.dumps(rows))
    found = gather_facts(copied, name="x")
    assert found.evaluation["result"]["matched"]["all"]["bits"] == 1.5
    assert found.commands[-1].endswith("--split test --tasks text-to-video video-to-text --batch-size 16")
    text = render_model_card(found)
    assert "of what these tasks ask, given what they give: text-to-video, video-to-text; read in whole streams" in text
    assert "/home" not in json.dumps(found.training) and found.training["settings"]["codec"] == "codec"


def test_figures_of_several_models_or_none_are_refused(copied, facts):
    for content in ({"a": result_of(facts), "b": result_of(facts)}, {"uniform": {"matched": {}}}):
        with pytest.raises(ValueError, match="figures of one model"):
            gather_facts(copied, name="x", evaluation=content)
    change(copied / "history.json", validation=[])
    with pytest.raises(ValueError, match="nothing was measured"):
        gather_facts(copied, name="x")


@pytest.mark.parametrize("name", ["config.json", "training.json", "layout.json", "history.json", "model.safetensors"])
def test_folder_that_is_no_finished_run_is_refused(copied, name):
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        gather_facts(copied, name="x")


@pytest.mark.parametrize(
    ("dataset", "licence", "origin"),
    [
        ("user/pixelbytes-pokemon", "other", "third-party"),
        ("user/my-sprites", "unknown", "unknown"),
        ("user/mini", "unknown", "unknown"),
        ("pixelbytes-control", "apache-2.0", "control"),
    ],
)
def test_corpus_decides_licence_and_warnings(copied, dataset, licence, origin):
    change(copied / "training.json", dataset={"name": None, "config": None, "num_records": {}})
    found = gather_facts(copied, name="x", dataset=dataset)
    assert (found.licence["id"], found.dataset["origin"]) == (licence, origin)
    text = render_model_card(found)
    assert f"`{dataset}`" in text
    assert ("belong to their owners" in text) == (origin == "third-party")
    assert (ModelCard(text).data.datasets == [dataset]) == ("/" in dataset)


def test_corpus_of_another_kind_is_refused(copied, tmp_path):
    other = tmp_path / "pixelbytes-pokemon"
    other.mkdir()
    (other / "build_report.json").write_text(json.dumps({"config": "pokemon", "splits": {}}))
    with pytest.raises(ValueError, match="of config 'mini', got 'pokemon'"):
        gather_facts(copied, name="x", dataset=str(other))


def test_licence_can_be_chosen(copied):
    chosen = gather_facts(copied, name="x", licence="cc-by-4.0")
    assert "under `cc-by-4.0`" in render_model_card(chosen)
    with pytest.raises(ValueError, match="licence must be one of"):
        gather_facts(copied, name="x", licence="mine")
    with pytest.raises(ValueError, match="licence must be given with its name and link, got 'mine'"):
        gather_facts(copied, name="x", licence_name="mine")


def test_run_of_older_records_has_a_card(copied):
    record = json.loads((copied / "training.json").read_text())
    history = json.loads((copied / "history.json").read_text())
    (copied / "training.json").write_text(json.dumps({k: v for k, v in record.items() if k != "dataset"}))
    (copied / "history.json").write_text(json.dumps({k: history[k] for k in ("train", "validation")}))
    found = gather_facts(copied, name="x")
    assert found.training["total"]["steps"] == 2 and found.dataset["name"] is None
    assert "a corpus that its record does not name" in render_model_card(found)


def test_fine_tuned_run_names_what_it_began_from(copied):
    change(copied / "training.json", model={"start_from": "user/small"})
    found = gather_facts(copied, name="x")
    text = render_model_card(found)
    assert ModelCard(text).data.base_model == "user/small" and "--start-from user/small" in text
    assert "| learning rate " in text and "| initialisation " not in text
    change(copied / "training.json", model={"start_from": "/home/me/runs/small"})
    text = render_model_card(gather_facts(copied, name="x"))
    assert ModelCard(text).data.base_model is None and "/home/me" not in text and "--start-from small" in text


def test_command_leads_to_the_settings_of_the_run(run_folder):
    record = json.loads((run_folder / "training.json").read_text())
    record["settings"] |= {"learning_rate": 0.5, "betas": [0.5, 0.9], "jitter": True, "repeats": {"text": 3}}
    record["settings"] |= {"memory_horizon": None, "max_steps": 7}
    words = shlex.split(training_command(record, dataset="user/my corpus", output_dir="runs/x"))
    options = vars(_parser().parse_args(words[1:]))
    names = record["settings"].keys() & options.keys()
    plan = get_preset(options["preset"]).replace(
        model=options["model"], tokenizer=options["tokenizer"], **{name: options[name] for name in names}
    )
    again = json.loads(json.dumps(plan.to_dict()))
    assert options["dataset"] == "user/my corpus" and again["model"] == record["model"]
    assert {**again["training"], "num_processes": 1} == record["settings"]


def test_seed_of_the_corpus_is_part_of_the_commands(copied, tmp_path):
    made = tmp_path / "pixelbytes-mini"
    made.mkdir()
    (made / "build_report.json").write_text(json.dumps({"config": "mini", "seed": 5, "splits": {}}))
    [build, *_] = gather_facts(copied, name="x", dataset=str(made)).commands
    assert build == "pixelbytes build --config mini --out pixelbytes-mini --seed 5"


def test_processes_are_part_of_the_command(run_folder):
    record = json.loads((run_folder / "training.json").read_text())
    record["settings"]["num_processes"] = 2
    command = training_command(record, dataset="d", output_dir="x")
    assert command.startswith("torchrun --nproc-per-node 2 -m pixelbytes_hf.cli train --dataset d --preset mini")


def test_run_that_no_preset_leads_to_is_refused(run_folder):
    record = json.loads((run_folder / "training.json").read_text())
    record["tokenizer"]["tokenizer_class"] = "Another"
    with pytest.raises(ValueError, match="no preset leads to the run"):
        closest_preset(record)


@pytest.mark.parametrize("name", REAL)
def test_real_cards_are_rendered_from_their_json(name):
    content = json.loads((MODEL_CARDS / f"{name}.json").read_text())
    text = (MODEL_CARDS / f"{name}.md").read_text()
    assert render_model_card(CardFacts(**content)) == text
    assert find_untraced(text, content, template=TEMPLATE) == []
    assert all((MODEL_CARDS / path).is_file() for path in content["samples"])


def test_there_are_real_cards():
    assert {"mini", "small-mamba2-predictive", "control"} <= set(REAL)


def test_push_of_the_trainer_leaves_our_card_alone(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    (tmp_path / "README.md").write_text("ours")
    sent = {}

    class Hub:
        def upload_folder(self, *, folder_path, **_):
            sent.update({path.name: path for path in Path(folder_path).iterdir()})

    monkeypatch.setattr("transformers.trainer.hf_api", Hub)
    trainer.hub_model_id = "user/x"
    trainer.push_to_hub()
    assert isinstance(trainer, PixelBytesTrainer) and "model.safetensors" in sent
    assert sent["README.md"].read_text() == "ours"
