"""Publishing a run: what is sent, that it loads elsewhere and computes the same, and what is said of bad input."""

import contextlib
import dataclasses
import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from lone_loading import compute

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.generation.layout import as_layout
from pixelbytes_hf.hub.plain_files import list_plain_files
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.family_code import write_family_code
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.pretrained.json_files import read_json
from pixelbytes_hf.publishing.export import check_travels, write_checkpoint
from pixelbytes_hf.publishing.push import _write_index, assemble, render_index
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.training.builders import build_config, build_tokenizer
from pixelbytes_hf.training.presets import get_preset

HERE = Path(__file__).parents[1]
LAYOUT = {"segments": [{"modality": "image", "frames": 2, "height": 2, "width": 3}]}
SMALL_LSTM = {"hidden_size": 8, "num_hidden_layers": 1}
BOTH_WAYS = {
    "model_type": "pixelbytes_bidirectional",
    "inner_config": {"model_type": "mamba2", "hidden_size": 16, "num_hidden_layers": 1, "state_size": 8},
}
# by name: preset, settings over it, whether to generate; together every objective, embedding, tokenizer, own mixer
VARIANTS = {
    "best": ("best", {"mixer_config": {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}}, True),
    "masked": ("small-llama-masked", {"mixer_config": {"num_hidden_layers": 1}}, True),
    "both-ways.masked": ("small-llama-masked", {"mixer_config": BOTH_WAYS}, True),
    "first-conv": ("first-rnn-uni-conv-81-64-2", {"mixer_config": SMALL_LSTM}, True),
    "first-ssm": ("first-ssm-bi-conv-81-64-2", {"mixer_config": {"state_size": 4, "num_hidden_layers": 1}}, True),
    "first-attention": ("first-attention-conv-81-64-1", {"mixer_config": {"num_attention_heads": 1}}, True),
    "autoregressive": ("paper-lstm-autoregressive", {"mixer_config": SMALL_LSTM}, True),
    "diffusion": ("paper-lstm-autoregressive", {"objective": "diffusion", "mixer_config": SMALL_LSTM}, True),
    "xlstm": ("small-xlstm-predictive", {"mixer_config": {"num_hidden_layers": 1}}, True),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_run(preset, model):
    """Return an untrained run of a preset, made smaller."""
    import torch

    plan = get_preset(preset).replace(model=model)
    tokenizer = build_tokenizer(plan)
    torch.manual_seed(1)
    model = aPxBySequenceModel(build_config(plan, tokenizer.tables)).eval()
    return Run(model, tokenizer, as_layout(["text", "image"]))


def ask_lonely(lone, request, folder):
    """Return what `lone_loading` answers."""
    (folder / "request.json").write_text(json.dumps(request))
    lone.run("from lone_loading import main; main('request.json', 'reply.json')", folder=folder)
    return read_json(folder / "reply.json")


def assert_equal(answer, run, layout):
    expected = json.loads(json.dumps(compute(run.model, run.tokenizer, layout)))
    assert {name: answer[name] for name in expected} == expected
    assert answer["base"]


@pytest.fixture(scope="module")
def lonely(lone, tmp_path_factory):
    """Return runs of all variants and the answers of a process that loaded them from folders, without the package."""
    folder = tmp_path_factory.mktemp("lonely")
    runs = {name: make_run(preset, model) for name, (preset, model, _) in VARIANTS.items()}
    request = []
    for name, run in runs.items():
        root = folder / "checkpoints" / name
        write_family_code(root)
        # every other one in a subfolder, its code beside it
        options = {"subfolder": "presets/x"} if len(request) % 2 else {}
        write_checkpoint(run, root / options.get("subfolder", ""))
        request.append({"place": str(root), "options": options, "layout": LAYOUT if VARIANTS[name][2] else None})
    num_requests = len(lone.hub.log)
    reply = ask_lonely(lone, request, folder)
    assert len(lone.hub.log) == num_requests  # folders need no Hub
    return runs, dict(zip(VARIANTS, reply["answers"], strict=True)), reply


@pytest.mark.parametrize("name", VARIANTS)
def test_checkpoint_loads_without_the_package_and_computes_the_same(lonely, name):
    runs, answers, _ = lonely
    assert_equal(answers[name], runs[name], LAYOUT if VARIANTS[name][2] else None)


def test_loading_needs_nothing_beside_transformers(lonely):
    assert lonely[2]["imported"] == []


def test_what_reading_media_needs_is_said(lonely):
    wanted = ("pip install scikit-image", "pip install scipy", "pip install soundfile")
    assert [told.rpartition(": ")[2] for told in lonely[2]["missing"]] == list(wanted)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_checkpoint_is_loaded_by_its_own_code(lonely, name):
    module = name.replace("-", "_hyphen_").replace(".", "_dot_")
    assert all(kind.startswith(f"transformers_modules.{module}.") for kind in lonely[1][name]["classes"])


@pytest.fixture(scope="module")
def pushed(lone, run_folder, corpus, tmp_path_factory):
    """Return a Hub to which a run was pushed in several ways, not without faults, and what the command said."""
    from transformers import AutoModelForCausalLM, AutoProcessor

    hub, said, complained = lone.hub, io.StringIO(), io.StringIO()
    run = str(run_folder)
    commands = [
        [run, "user/one", "--dataset", str(corpus), "--private"],
        [run, "user/many", "--subfolder", "small", "--no-samples"],
        [run, "user/many", "--subfolder", "deep/er", "--no-samples"],
        [run, "user/one", "--revision", "trial", "--no-samples"],
        [run, "user/one", "--subfolder", "second"],
        [run, "user/many", "--subfolder", "small", "--no-samples"],
        [run, "user/refused", "--no-samples"],
    ]
    hub.inject("POST", "user/one/commit/", 503)
    hub.inject("GET", "user/many/tree/", 500)
    hub.inject("POST", "user/refused/commit/", 403)
    with hub.seen_here(tmp_path_factory.mktemp("pushed")):
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            codes = [main(["push", *words]) for words in commands]
        assert codes == [0, 0, 0, 0, 0, 0, 2] and not hub.waiting_faults
        place = {"pretrained_model_name_or_path": "user/many", "subfolder": "deep/er"}
        model = AutoModelForCausalLM.from_pretrained(**place).eval()
        here = compute(model, AutoProcessor.from_pretrained(**place).tokenizer, LAYOUT)
    return hub, said.getvalue(), complained.getvalue(), json.loads(json.dumps(here))


def test_one_push_is_one_commit_of_everything(pushed):
    hub, printed, *_ = pushed
    assert hub.commits("user/many") == ["Publish deep/er", "Publish small", "initial commit"]
    files = hub.files("user/one")
    assert {"README.md", "config.json", "model.safetensors", "tokenizer_config.json", "processor_config.json"} <= set(
        files
    )
    assert {"layout.json", "training.json", "history.json", "card.json", "generation_config.json"} <= set(files)
    media = {"creature.gif", "creature_large.gif", "cry.wav", "contact_sheet.png", "cries.png", "samples.json"}
    assert {f"samples/{name}" for name in media} <= set(files)
    weights = [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl", ".safetensors"))]
    assert weights == ["model.safetensors", "second/model.safetensors"]
    assert "user/one" in printed and "no samples: --dataset" in printed and " 0 of them new" in printed
    assert hub.store.get("user/one", "model").private


def test_refused_push_is_no_success_and_leaves_nothing(pushed):
    hub, printed, told, _ = pushed
    assert hub.files("user/refused") == {} and "user/refused" not in printed
    assert "pixelbytes push: user/refused: the token has no right to do this" in told


def test_card_shows_the_samples_and_says_how_to_load(pushed):
    files = pushed[0].files("user/one")
    card = files["README.md"].decode()
    assert "user/one" in card and "samples/contact_sheet.png" in card and "trust_remote_code=True" in card
    samples = json.loads(files["samples/samples.json"])
    assert samples["seed"] == 0 and len(samples["sentences"]) == samples["num_rows"] >= 4
    assert (
        str(Path.home()) not in card
        and "/tmp" not in b"".join(files[n] for n in files if n.endswith(".json")).decode()
    )


def test_repository_of_subfolders_has_an_index_and_the_code_once(pushed):
    hub = pushed[0]
    files = hub.files("user/many")
    index = files["README.md"].decode()
    assert "(deep/er/README.md)" in index and "(small/README.md)" in index
    assert [name for name in files if name.endswith("modeling_pixelbytes.py")] == ["modeling_pixelbytes.py"]
    assert 'subfolder="small"' in files["small/README.md"].decode()
    # a checkpoint at the root keeps its card
    assert "samples/contact_sheet.png" in hub.files("user/one")["README.md"].decode()
    assert "second/README.md" in hub.files("user/one")


def test_what_was_pushed_loads_by_name_with_and_without_the_package(lone, pushed, run_folder, tmp_path):
    places = [
        ("user/one", {}),
        ("user/one", {"local_files_only": True}),
        ("user/one", {"revision": "trial"}),
        ("user/one", {"subfolder": "second"}),
        ("user/many", {"subfolder": "small"}),
        ("user/many", {"subfolder": "deep/er"}),
    ]
    request = [{"place": place, "options": options, "layout": LAYOUT} for place, options in places]
    reply = ask_lonely(lone, request, tmp_path)
    run = Run.load(run_folder)
    for answer in reply["answers"]:
        assert_equal(answer, run, LAYOUT)
        assert all(kind.startswith("transformers_modules.user.") for kind in answer["classes"])
    assert reply["imported"] == []
    with_package = pushed[3]
    assert {name: reply["answers"][-1][name] for name in with_package} == with_package


def test_installed_package_loads_what_was_pushed_without_trusting_its_code(run_folder, tmp_path):
    from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer

    assemble(run_folder, tmp_path, repo_id="user/x", subfolder="a", with_samples=False)
    loaders = (AutoModelForCausalLM, AutoTokenizer, AutoProcessor, AutoModel)
    parts = [loader.from_pretrained(tmp_path, subfolder="a") for loader in loaders]
    assert all(type(part).__module__.startswith("pixelbytes_hf.") for part in parts)
    run, again = Run.load(run_folder), Run.load(tmp_path / "a")
    assert compute(parts[0].eval(), parts[1], LAYOUT) == compute(run.model, run.tokenizer, LAYOUT)
    assert again.layout == run.layout


def test_dry_run_lists_what_would_be_sent_and_needs_no_network(run_folder, corpus, capsys):
    # the tests run offline: a request would raise
    command = ["push", str(run_folder), "user/x", "--dry-run", "--dataset", str(corpus), "--subfolder", "a"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    sizes = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in lines[:-1]}
    assert {
        "README.md",
        "a/README.md",
        "a/model.safetensors",
        "a/samples/creature.gif",
        "modeling_pixelbytes.py",
    } <= set(sizes)
    assert lines[-1].split() == [f"{sum(sizes.values()):,}", "in", str(len(sizes)), "files"]


def test_assembling_twice_gives_the_same_bytes(run_folder, corpus, tmp_path):
    options = {"repo_id": "user/x", "dataset": str(corpus), "seed": 3}
    first, second = (assemble(run_folder, tmp_path / name, **options) for name in "ab")
    assert first == second == list_plain_files(tmp_path / "a")
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in first)


def test_card_says_what_the_command_says(run_folder, tmp_path):
    licence = {"licence": "other", "licence_name": "mine", "licence_link": "https://example.org"}
    assemble(run_folder, tmp_path, repo_id="user/x", with_samples=False, **licence)
    card = (tmp_path / "README.md").read_text()
    assert "license: other" in card and "license_name: mine" in card


@pytest.fixture
def copied(run_folder, tmp_path):
    """Return a copy of the run that a test may change, and a file beside it that is nobody's business."""
    (tmp_path / "key").write_text('{"note": "secret"}')
    return Path(shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))


@pytest.mark.parametrize(
    "name", ["evaluation-z.json", "training.json", "history.json", "layout.json", "model.safetensors", "config.json"]
)
def test_links_of_a_run_are_not_followed(online, copied, tmp_path, capsys, name):
    if (copied / name).exists():
        (copied / name).replace(tmp_path / "key")
    (copied / name).symlink_to(tmp_path / "key")
    assert main(["push", str(copied), "user/x", "--no-samples"]) == 2
    assert f"must hold {name} itself, got a link" in capsys.readouterr().err
    assert online.log == []


def test_only_known_files_of_a_run_are_sent(online, copied, capsys):
    before = {path.name for path in copied.iterdir()}
    for name in (".env", ".ssh/id_rsa", "notes.txt", "notes.json", "chat_template.jinja", "x.safetensors.tmp"):
        (copied / name).parent.mkdir(exist_ok=True)
        (copied / name).write_text('"secret"')
    assert main(["push", str(copied), "user/x", "--no-samples"]) == 0
    sent = online.files("user/x")
    assert {name for name in sent if not name.endswith(".py")} <= before | {"README.md", "card.json", PROCESSOR}
    assert not [name for name, data in sent.items() if b"secret" in data and not name.endswith(".py")]
    # what is sent was shown, with its size
    shown = [line.split() for line in capsys.readouterr().out.splitlines()[: len(sent)]]
    assert {name: int(size.replace(",", "")) for size, name in shown} == {n: len(data) for n, data in sent.items()}


PROCESSOR = "processor_config.json"


def test_only_known_keys_of_a_runs_records_are_sent(online, copied):
    original = {name: read_json(copied / name) for name in ("training.json", "history.json")}
    (copied / "evaluation-test.json").write_text(
        json.dumps(
            {
                "run x": {
                    "matched": {"all": {"bits": 1.5, "accuracy": 0.5, "tokens": 3, "note": "secret"}},
                    "settings": {"window_length": 8, "batch_size": 1, "state": "zero", "note": "secret"},
                    "corpus": {"num_records": 1, "note": "secret"},
                    "note": ["secret"],
                },
                "note": "secret",
            }
        )
    )
    for name in ("training.json", "history.json", "tokenizer_config.json", "generation_config.json"):
        content = read_json(copied / name)
        nested = [value for value in content.values() if isinstance(value, dict)] if name in original else []
        for part in (content, *nested, *content.get("validation", [])):
            part["note"] = "secret"
        (copied / name).write_text(json.dumps(content))
    assert main(["push", str(copied), "user/x", "--no-samples"]) == 0
    sent = online.files("user/x")
    assert not [name for name, data in sent.items() if b"secret" in data and not name.endswith(".py")]
    assert json.loads(sent["training.json"]) == original["training.json"]
    history = json.loads(sent["history.json"])
    [point], [before] = history["validation"], original["history.json"]["validation"]
    assert history["total"] == original["history.json"]["total"] and point.items() <= before.items()
    assert {"step", "bits", "bits_row_end", "seconds"} <= point.keys()
    assert json.loads(sent["evaluation-test.json"])["run x"]["matched"]["all"]["bits"] == 1.5
    tokenizer, kept = read_json(copied / "tokenizer_config.json"), json.loads(sent["tokenizer_config.json"])
    assert tokenizer == {**{name: value for name, value in kept.items() if name in tokenizer}, "note": "secret"}


def test_evaluation_and_start_travel_without_paths_of_this_machine(run_folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    record = read_json(run / "training.json")
    record["model"] = {"start_from": "/home/somebody/secret/base"}
    (run / "training.json").write_text(json.dumps(record))
    (run / "notes.txt").write_text("private")
    files = assemble(run, tmp_path / "out", repo_id="user/x", with_samples=False)
    assert read_json(tmp_path / "out" / "training.json")["model"] == {"start_from": "base"}
    assert not {"notes.txt", "checkpoints"} & {name.partition("/")[0] for name in files}
    assert all(b"somebody" not in (tmp_path / "out" / name).read_bytes() for name in files)


def test_real_media_of_others_are_not_shown(run_folder, corpus, tmp_path, monkeypatch):
    from pixelbytes_hf.publishing import push as hub

    shown, gather = [], hub.gather_facts
    monkeypatch.setattr(hub, "make_samples", lambda *args, shows_real, **options: shown.append(shows_real) or {})
    for origin in ("procedural", "control", "third-party", "unknown"):

        def gather_as(*args, origin=origin, **options):
            facts = gather(*args, **options)
            return dataclasses.replace(facts, dataset={**facts.dataset, "origin": origin})

        monkeypatch.setattr(hub, "gather_facts", gather_as)
        assemble(run_folder, tmp_path / origin, repo_id="user/x", dataset=str(corpus))
    assert shown == [True, True, False, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "user/x/y"], "Repo id"),
        (["{run}", "x"], "USER/NAME must be owner and name"),
        (["{run}", "user/x", "--subfolder", "../up"], "subfolder must be a relative path"),
        (["{run}", "user/x", "--subfolder", "/abs"], "subfolder must be a relative path"),
        (["{tmp}", "user/x"], "config.json"),
        (["{run}", "user/x", "--licence", "my-own"], "licence"),
        (["{run}", "user/x", "--evaluation", "{tmp}/absent.json"], "absent.json"),
        (["{run}", "user/x", "--dataset", "{tmp}/absent"], "absent"),
    ],
)
def test_bad_input_ends_with_a_message_and_code_2(run_folder, tmp_path, capsys, words, message):
    command = [word.format(run=run_folder, tmp=tmp_path) for word in words]
    assert main(["push", *command, "--dry-run"]) == 2
    assert message in capsys.readouterr().err


def test_samples_need_a_corpus(run_folder, tmp_path):
    with pytest.raises(ValueError, match="expected dataset, or with_samples=False"):
        assemble(run_folder, tmp_path, repo_id="user/x")


def test_mixer_whose_code_would_stay_behind_is_refused():
    from transformers import PreTrainedConfig

    class ToyConfig(PreTrainedConfig):
        model_type = "toy"

    class WrapperConfig(PreTrainedConfig):
        model_type = "pixelbytes_bidirectional"
        inner_config = ToyConfig()

    check_travels(PixelBytesConfig().mixer_config)
    for config in (ToyConfig(), WrapperConfig()):
        with pytest.raises(ValueError, match="'toy' is neither ours nor transformers'"):
            check_travels(config)


def test_tokenizer_whose_code_would_stay_behind_is_refused(tmp_path):
    run = make_run("small-lstm-predictive", {"mixer_config": SMALL_LSTM})
    kind = type("OwnTokenizer", (type(run.tokenizer),), {})
    with pytest.raises(ValueError, match="got OwnTokenizer"):
        write_checkpoint(dataclasses.replace(run, tokenizer=kind()), tmp_path)
    assert not list(tmp_path.iterdir())


def test_code_is_closed_under_its_imports(tmp_path):
    from transformers.dynamic_module_utils import get_imports, get_relative_imports

    names = {path.name for path in write_family_code(tmp_path)}
    assert {f"{module}.py" for name in names for module in get_relative_imports(tmp_path / name)} <= names
    # what transformers wants to be installed before it loads the code, beside what it needs itself
    wanted = {package for name in names for package in get_imports(tmp_path / name)} - set(sys.stdlib_module_names)
    assert wanted <= {"PIL", "huggingface_hub", "numpy", "tokenizers", "torch", "tqdm", "transformers"}


@pytest.mark.parametrize(("status", "files"), [(404, []), (401, None)])
def test_refused_listing_is_no_empty_repository(monkeypatch, status, files):
    # otherwise the index would lose the other checkpoints
    import httpx2
    from huggingface_hub.errors import RepositoryNotFoundError

    from pixelbytes_hf.hub.requests import HfApi, HubError, remote_files

    def refuse(*arguments, **options):
        response = httpx2.Response(status, request=httpx2.Request("GET", "http://127.0.0.1/"))
        raise RepositoryNotFoundError("no", response=response)

    monkeypatch.setattr(HfApi, "list_repo_files", refuse)
    if files is None:
        with pytest.raises(HubError, match="does not accept the token"):
            remote_files("user/x", "model")
    else:
        assert remote_files("user/x", "model") == files


def test_index_names_every_folder():
    text = render_index("user/many", ["a", "b/c"])
    assert "# many" in text and "(a/README.md)" in text and "(b/c/README.md)" in text and '"subfolder": "a"' in text


def test_index_names_no_folder_that_could_be_read_as_markdown(tmp_path):
    files = ["a/config.json", "](javascript:x)/config.json", "<b>/config.json", "b/../config.json"]
    _write_index(tmp_path, "user/many", files)
    text = (tmp_path / "README.md").read_text()
    assert re.findall(r"^- .*README.*", text, re.MULTILINE) == ["- [`a`](a/README.md)"]
