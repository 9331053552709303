"""A corpus on the Hub: one commit, no file of another build, and nobody's media without the word of who may."""

import json
from itertools import chain

import pytest
import yaml

import dataset_builder
from dataset_builder.publish import MissingRightsError, _stage, check_rights, publish

REPOSITORY = "user/pixelbytes-pokemon"
# datasets looks for the Hub's address when it is imported, so that what reads from it is a process of its own
SCRIPT = """
import json, sys
from pathlib import Path
from datasets import load_dataset
from huggingface_hub import HfApi
from dataset_builder.install import install
from dataset_builder.publish import publish

folders, repository = Path(sys.argv[1]), "user/pixelbytes-pokemon"
seen = {}

def attempt(**options):
    try:
        return publish(**options).url
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def commits(name=repository):
    return [commit.title for commit in HfApi().list_repo_commits(name, repo_type="dataset")]

# a Hub that answers, and does not know the bare name
install(folders / "mini")
seen["installed"] = load_dataset("pixelbytes-pokemon", "mini", split="test")["id"][:]
published = publish(folders / "mini", repository)
seen["files"], seen["sent"] = published.files, published.sent
seen["again"] = publish(folders / "mini", repository).sent
seen["commits"] = commits()
splits = load_dataset(repository)
seen["rows"] = {split: rows["id"][:] for split, rows in splits.items()}
seen["named"] = load_dataset(repository, "mini", split="test")["id"][:]
streamed = load_dataset(repository, "mini", split="train", streaming=True)
seen["streamed"] = [streamed.num_shards, [row["id"] for row in streamed]]
seen["frames"] = next(iter(streamed))["sprite"].n_frames
seen["private"] = [HfApi().repo_info(repository, repo_type="dataset").private]
seen["other config"] = attempt(folder=folders / "control", repo_id=repository)
seen["commits after refusal"] = commits()
seen["fewer shards"] = publish(folders / "fewer", repository).files
seen["replaced"] = attempt(folder=folders / "control", repo_id=repository, replaces=True)
seen["commits at the end"] = commits()
api = HfApi()
for name, files in {
    "user/theirs": {"README.md": b"no configs named", "train.csv": b"a,b", "data/train-00000-of-00001.parquet": b"x"},
    "user/stub": {"README.md": b"---\\nlicense: mit\\n---\\n"},
    "user/older": {"build_report.json": b"{}"},
}.items():
    api.create_repo(name, repo_type="dataset")
    for path, data in files.items():
        api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name, repo_type="dataset")
    seen[name] = attempt(folder=folders / "fewer", repo_id=name)
seen["theirs"] = api.list_repo_files("user/theirs", repo_type="dataset")
seen["theirs replaced"] = attempt(folder=folders / "fewer", repo_id="user/theirs", replaces=True)
seen["older replaced"] = attempt(folder=folders / "fewer", repo_id="user/older", replaces=True)
api.upload_file(path_or_fileobj=b"", path_in_repo="notes.txt", repo_id="user/stub", repo_type="dataset")
seen["notes"] = attempt(folder=folders / "fewer", repo_id="user/stub")
seen["no rights"] = attempt(folder=folders / "full", repo_id="user/full")
seen["into a public one"] = attempt(folder=folders / "full", repo_id=repository, has_rights=True, replaces=True)
seen["with rights"] = attempt(folder=folders / "full", repo_id="user/full", has_rights=True)
seen["private"].append(HfApi().repo_info("user/full", repo_type="dataset").private)
seen["sprites"] = load_dataset("user/full", "sprites", split="test").column_names
seen["sprites streamed"] = list(next(iter(load_dataset("user/full", "sprites", split="test", streaming=True))))
seen["public"] = attempt(folder=folders / "full", repo_id="user/open", has_rights=True, is_private=False)
seen["private"].append(HfApi().repo_info("user/open", repo_type="dataset").private)
json.dump(seen, sys.stdout)
"""


@pytest.fixture
def folders(pokeapi, tmp_path):
    """Return a folder of built corpora."""
    root = tmp_path / "built"
    for name, config, options in [
        ("mini", "mini", {"num_creatures": 128, "num_shards": 4}),
        ("fewer", "mini", {"num_creatures": 128}),
        ("control", "control", {"num_systems": 4}),
        ("full", "full", {"source": pokeapi}),
    ]:
        dataset_builder.build(config, root / name, progress=False, **options)
    return root


def test_corpora_come_back_from_the_hub(forks, loopback_hub, folders, tmp_path):
    done = forks.run(SCRIPT, folders, folder=tmp_path, environment=loopback_hub.environment(tmp_path))
    seen = json.loads(done.stdout)

    names = [f"data/{split}-{i:05d}-of-00004.parquet" for split in ("test", "train", "validation") for i in range(4)]
    assert seen["files"] == seen["sent"] == ["README.md", "build_report.json", *names]
    assert seen["again"] == []
    assert seen["commits"] == ["Corpus mini, seed 0, by pixelbytes_hf 0.1.0", "initial commit"]
    assert sorted(chain.from_iterable(seen["rows"].values())) == list(range(1, 129))
    assert seen["installed"] == seen["rows"]["test"]
    assert seen["named"] == seen["rows"]["test"]
    assert seen["streamed"] == [4, seen["rows"]["train"]]
    assert seen["frames"] == 4

    assert "holds the config 'mini', which publishing 'control' there would delete" in seen["other config"]
    assert seen["commits after refusal"] == seen["commits"]
    assert len([name for name in seen["fewer shards"] if name.startswith("data/")]) == 3
    assert seen["replaced"].startswith("http")
    assert len(seen["commits at the end"]) == 4

    lost = "holds data/train-00000-of-00001.parquet, train.csv, which publishing 'mini' there would delete"
    assert lost in seen["user/theirs"]
    assert seen["theirs"] == [".gitattributes", "README.md", "data/train-00000-of-00001.parquet", "train.csv"]
    assert "build_report.json that this version did not write" in seen["user/older"]
    for replaced in ("theirs replaced", "older replaced", "user/stub"):
        assert seen[replaced].startswith("http")
    assert "train.csv" not in loopback_hub.files("user/theirs", "dataset")
    assert "holds notes.txt, which" in seen["notes"]

    assert seen["no rights"].startswith("MissingRightsError") and "--i-have-the-rights" in seen["no rights"]
    assert seen["into a public one"].startswith("HubError") and "public" in seen["into a public one"]
    assert seen["with rights"].startswith("http") and seen["public"].startswith("http")
    assert seen["private"] == [False, True, False]
    assert "audio" not in seen["sprites"] and "sprite" in seen["sprites"]
    assert seen["sprites streamed"] == seen["sprites"]

    # the last state of the repository: no file of the builds before
    files = loopback_hub.files(REPOSITORY, "dataset")
    assert sorted(files) == ["README.md", "build_report.json", *names_of_one_shard()]
    card = files["README.md"].decode()
    assert f'load_dataset("{REPOSITORY}", split="train")' in card
    assert [config["config_name"] for config in yaml.safe_load(card.split("---\n")[1])["configs"]] == ["control"]
    # publishing does not touch the folder
    assert 'load_dataset("control", split="train")' in (folders / "control/README.md").read_text()


def test_copy_can_be_written_where_the_folder_cannot(tmp_path):
    """Root may write anywhere, so that the rights themselves are looked at."""
    folder, staged = tmp_path / "built", tmp_path / "staged"
    report = dataset_builder.build("mini", folder, num_creatures=128, progress=False)
    (folder / "notes.txt").write_text("no part of the build")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    staged.mkdir()
    _stage(folder, staged, report, REPOSITORY)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    copied = {path.relative_to(staged).as_posix(): path for path in staged.rglob("*")}
    assert sorted(copied) == ["README.md", "build_report.json", "data", *names_of_one_shard()]
    assert all(path.stat().st_mode & 0o200 for path in (staged, *copied.values()))


@pytest.mark.parametrize("name", ["build_report.json", "data/train-00000-of-00001.parquet", "data"])
def test_links_of_a_corpus_are_not_published(tmp_path, name):
    folder = tmp_path / "built"
    dataset_builder.build("mini", folder, num_creatures=128, progress=False)
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    # the tests run offline: a request would end in another error
    with pytest.raises(ValueError, match="itself, got a link"):
        publish(folder, REPOSITORY, replaces=True)


def names_of_one_shard():
    return [f"data/{split}-00000-of-00001.parquet" for split in ("test", "train", "validation")]


@pytest.mark.parametrize("config", ["full", "sprites"])
def test_works_of_others_need_a_word(config):
    with pytest.raises(MissingRightsError, match="belong to Nintendo"):
        check_rights(config, has_rights=False)
    check_rights(config, has_rights=True)
    check_rights("mini", has_rights=False)


def test_folder_that_no_build_made_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no built corpus"):
        publish(tmp_path, REPOSITORY)
