"""``pixelbytes build``: what it makes, installs and publishes, and what it says of bad input."""

import pytest

import dataset_builder
from dataset_builder import corpora
from dataset_builder.corpora import DEFAULT_SIZES
from pixelbytes_hf.cli import build as cli_build
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.hub.upload import Published


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Work in an empty folder, with a small corpus and a cache of its own."""
    monkeypatch.setitem(DEFAULT_SIZES, "control", 8)
    monkeypatch.setitem(dataset_builder.build.__kwdefaults__, "num_systems", 8)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def pushed(monkeypatch):
    """Return the calls of `publish`, which reaches no Hub here."""
    calls = []

    def publish(folder, repo_id, **options):
        options.pop("show")({"README.md": 1234})
        calls.append((sorted(path.name for path in folder.iterdir()), repo_id, options))
        return Published(f"http://hub/{repo_id}", "c0ffee", ("README.md",), ())

    monkeypatch.setattr("dataset_builder.publish.publish", publish)
    return calls


def test_install_without_a_folder_leaves_none(cache, tmp_path, capsys):
    from datasets import load_dataset

    assert main(["build", "--config", "control", "--install"]) == 0
    printed = capsys.readouterr().out
    assert "control: 30 train" in printed and 'installed: load_dataset("pixelbytes-pokemon", "control")' in printed
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert load_dataset("pixelbytes-pokemon", "control", split="train").num_rows == 30


def test_folder_of_an_equal_build_is_used_again(cache, tmp_path, capsys, pushed):
    command = ["build", "--config", "control", "--out", "here", "--num-shards", "2"]
    assert main(command) == 0
    assert len(list((tmp_path / "here/data").iterdir())) == 6
    assert main(command) == 2
    assert "'here' exists" in capsys.readouterr().err
    assert main([*command, "--install", "--push", "user/name"]) == 0
    printed = capsys.readouterr().out
    assert "here was built before" in printed
    assert printed.index("1,234  README.md") < printed.index("http://hub/user/name: 1 files, commit c0ffee")
    assert main([*command, "--install", "--seed", "1"]) == 2
    assert "another corpus, with seed 0, not 1" in capsys.readouterr().err
    [(files, repository, options)] = pushed
    assert (files, repository) == (["README.md", "build_report.json", "data"], "user/name")
    assert options == {"has_rights": False, "is_private": None, "replaces": False}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--private"], {"has_rights": False, "is_private": True, "replaces": False}),
        (["--public", "--replace"], {"has_rights": False, "is_private": False, "replaces": True}),
        (["--i-have-the-rights"], {"has_rights": True, "is_private": None, "replaces": False}),
    ],
)
def test_settings_of_push_arrive(cache, pushed, given, expected):
    assert main(["build", "--config", "control", "--push", "user/name", *given]) == 0
    assert pushed[0][2] == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--config", "control"], "expected --out, --install or --push"),
        (["--config", "control", "--out", "x", "--private"], "--private must not be given without --push"),
        (["--config", "full", "--out", "x", "--i-have-the-rights"], "--i-have-the-rights must not be given"),
        (["--config", "full", "--out", "x", "--push", "user/name"], "say so with --i-have-the-rights"),
        (["--config", "pokemon", "--out", "x", "--push", "user/name"], "corpus 'full' is made of works"),
        (["--config", "control", "--push", "a/b/c"], "a/b/c"),
        (["--config", "control", "--push", "name"], "repo_id must be owner and name"),
        (["--config", "control", "--source", "y", "--out", "x"], "source is only for"),
        (["--config", "sprites", "--source", "y", "--out", "x"], "must hold folders"),
        (["--config", "folder", "--out", "x"], "source must be a folder of pictures"),
        (["--config", "folder", "--source", "y", "--out", "x"], "'y' is no folder"),
        (
            ["--config", "mini", "--max-side", "9", "--out", "x"],
            "--max-side must not be given without --config folder",
        ),
        (["--config", "folder", "--source", ".", "--max-side", "0", "--out", "x"], "--max-side must be positive"),
        (["--config", "folder", "--source", ".", "--preset", "maxi", "--out", "x"], "maxi"),
        (["--config", "control", "--num-shards", "0", "--out", "x"], "--num-shards must be at least 1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(cache, tmp_path, capsys, pushed, given, message):
    assert main(["build", *given]) == 2
    assert message in capsys.readouterr().err
    assert pushed == [] and not (tmp_path / "x").exists()


def test_a_folder_of_odd_sprites_becomes_a_corpus_a_run_and_a_creature(tmp_path, capsys, monkeypatch):
    from odd_sprites import make_folder
    from PIL import Image

    expected = make_folder(tmp_path / "my-sprites")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--dataset", "my-sprites", "--preset", "mini", "--output-dir", "run"]) == 2
    command = "pixelbytes build --config folder --source my-sprites --out my-sprites-corpus"
    assert command in capsys.readouterr().err
    assert main(command.split()[1:]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and word in printed for name, word in expected.items())
    assert "what the preset mini will see:" in printed and "to the nearest of 55 in CIE Lab" in printed
    assert "are not in the vocabulary" in printed and "tokens a record" in printed
    with Image.open("my-sprites-corpus/contact_sheet.png") as sheet:
        assert sheet.height > 22 * 100
    small = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}']
    train = ["train", "--dataset", "my-sprites-corpus", "--preset", "mini", "--output-dir", "run", *small]
    assert main([*train, "--max-steps", "20", "--batch-size", "4"]) == 0
    assert "are not in the vocabulary: '犬" in capsys.readouterr().err
    assert main(["generate", "run", "--image", "my-sprites/wide.BMP", "--out", "made"]) == 0
    assert "wide.BMP: 1 frame of 200 x 120" in capsys.readouterr().err
    assert (tmp_path / "made" / "creature.gif").is_file() or (tmp_path / "made" / "description.txt").is_file()


def test_names_are_those_of_the_corpora():
    assert (*corpora.CONFIGS, *corpora.OLD_NAMES) == cli_build.CONFIGS


@pytest.mark.parametrize("given", [["--private", "--public"], ["--config", "maxi"]])
def test_contradictions_are_refused_by_the_parser(given, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["build", "--config", "mini", "--push", "user/name", *given])
    assert "error" in capsys.readouterr().err
