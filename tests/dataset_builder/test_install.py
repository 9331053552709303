"""A corpus in the cache of datasets: found by its name from any directory, whole or not at all."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from datasets import load_dataset

import dataset_builder
from dataset_builder.install import DATASET_NAME, UNFINISHED_NAME, install
from dataset_builder.pixelbytes_pokemon import PixelBytesPokemon
from dataset_builder.publish import publish


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def build(config, out, **options):
    sizes = {"mini": {"num_creatures": 128}, "control": {"num_systems": 4}}
    dataset_builder.build(config, out, progress=False, **sizes.get(config, {}), **options)
    return out


def load(tmp_path, *config, **options):
    return load_dataset("pixelbytes-pokemon", *config, cache_dir=str(tmp_path / "cache"), **options)


def ids(dataset):
    return [row["id"] for row in dataset.select_columns(["id"])]


def test_name_is_found_from_anywhere_without_the_folder(elsewhere):
    folder = build("mini", elsewhere / "built")
    expected = load_dataset(str(folder), cache_dir=str(elsewhere / "other"))
    expected_ids = {split: ids(rows) for split, rows in expected.items()}
    [found] = install(folder, cache_dir=elsewhere / "cache")
    for path in [*(folder / "data").iterdir(), *folder.glob("*.*")]:
        path.unlink()
    assert str(found) == 'load_dataset("pixelbytes-pokemon", "mini")'
    splits = load(elsewhere, "mini")
    assert {split: ids(rows) for split, rows in splits.items()} == expected_ids
    assert splits["train"].features == expected["train"].features
    assert splits["train"][0]["sprite"].n_frames == 4
    assert ids(load(elsewhere, split="test")) == expected_ids["test"]
    streamed = load(elsewhere, "mini", split="test", streaming=True)
    assert [row["id"] for row in streamed] == expected_ids["test"]


def test_full_brings_sprites_and_the_bare_name_is_full(pokeapi, elsewhere):
    full = build("full", elsewhere / "built", source=pokeapi)
    installed = install(full, cache_dir=elsewhere / "cache")
    assert [found.config for found in installed] == ["sprites", "full"]
    assert "audio" in load(elsewhere)["train"].column_names
    assert "audio" not in load(elsewhere, "sprites")["train"].column_names
    install(build("control", elsewhere / "control"), cache_dir=elsewhere / "cache")
    # the newest one
    assert load(elsewhere)["train"][0]["name"].startswith("system")
    install(full, cache_dir=elsewhere / "cache")
    assert load(elsewhere)["train"][0]["name"].startswith("Species")
    assert {path.name for path in (elsewhere / "cache" / DATASET_NAME).glob("[!.]*")} == {"full", "sprites", "control"}


def test_later_build_replaces_the_earlier(elsewhere):
    first = install(build("mini", elsewhere / "a"), cache_dir=elsewhere / "cache")[0].folder
    texts = load(elsewhere, "mini")["train"]["text"][:]
    again = install(elsewhere / "a", cache_dir=elsewhere / "cache")[0].folder
    assert again == first
    second = install(build("mini", elsewhere / "b", seed=1), cache_dir=elsewhere / "cache")[0].folder
    assert not first.exists() and second.is_dir()
    assert load(elsewhere, "mini")["train"]["text"][:] != texts


def test_what_a_killed_install_left_disturbs_nobody(elsewhere):
    root = elsewhere / "cache" / DATASET_NAME
    for name in (UNFINISHED_NAME, f"{UNFINISHED_NAME}.incomplete"):
        (root / name / "deeper").mkdir(parents=True)
        (root / name / f"{DATASET_NAME}-train-00007-of-00009.arrow").write_bytes(b"stale")
    install(build("mini", elsewhere / "built"), cache_dir=elsewhere / "cache")
    assert load(elsewhere, "mini").keys() == {"train", "validation", "test"}
    assert [path for path in root.glob(f"{UNFINISHED_NAME}*") if path.is_dir()] == []
    assert list(root.rglob("*00007*")) == []


def test_install_that_fails_leaves_the_earlier_one(elsewhere, monkeypatch):
    [first] = install(build("mini", elsewhere / "a"), cache_dir=elsewhere / "cache")
    folder = build("mini", elsewhere / "b", seed=1)

    def fill_the_disk(self, shards):
        yield from ()
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PixelBytesPokemon, "_generate_tables", fill_the_disk)
        with pytest.raises(OSError, match="'mini' is not installed: No space left"):
            install(folder, cache_dir=elsewhere / "cache")
    assert first.folder.is_dir()
    assert len(load(elsewhere, "mini")["train"]) > 0


def test_installs_at_once_wait_for_each_other(elsewhere):
    folders = [build("mini", elsewhere / f"seed {seed}", seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(len(folders)) as pool:
        places = list(pool.map(lambda folder: install(folder, cache_dir=elsewhere / "cache")[0].folder, folders))
    assert len(set(places)) == 4
    # the last one is left
    assert sum(place.is_dir() for place in places) == 1
    assert len(load(elsewhere, "mini")["train"]) > 0


def lose_a_file(folder):
    (folder / "data/test-00000-of-00001.parquet").unlink()


def cut_a_file(folder):
    path = folder / "data/test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])


def swap_files(folder):
    shutil.copy(folder / "data/train-00000-of-00001.parquet", folder / "data/test-00000-of-00001.parquet")


def name_another_corpus(folder):
    path = folder / "build_report.json"
    path.write_text(path.read_text().replace('"config": "mini"', '"config": "maxi"'))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (name_another_corpus, ValueError, "not a report of this version: build the corpus again .config 'maxi'"),
        (lose_a_file, FileNotFoundError, "no whole corpus: it lacks data/test-00000-of-00001.parquet"),
        (cut_a_file, ValueError, "test-00000-of-00001.parquet is no whole Parquet file: build the corpus again"),
        (swap_files, ValueError, r"holds \d+ records of split 'test', and its build_report.json counts \d+: build"),
    ],
)
def test_folder_that_is_not_whole_does_not_replace_one_that_is(elsewhere, spoil, error, message):
    [first] = install(build("mini", elsewhere / "a"), cache_dir=elsewhere / "cache")
    spoil(build("mini", elsewhere / "b", seed=1))
    with pytest.raises(error, match=message):
        install(elsewhere / "b", cache_dir=elsewhere / "cache")
    with pytest.raises(error, match=message):
        publish(elsewhere / "b", "user/name")
    assert first.folder.is_dir()
    assert len(load(elsewhere, "mini")["test"]) > 0


def test_folder_that_no_build_made_is_refused(elsewhere):
    with pytest.raises(FileNotFoundError, match=r"no built corpus: it has no build_report\.json"):
        install(elsewhere)
    (elsewhere / "build_report.json").write_text("{}")
    with pytest.raises(ValueError, match="not a report of this version"):
        install(elsewhere)
    assert os.listdir(elsewhere / "elsewhere") == []
