import errno
import json
import multiprocessing
import os
import re
import resource
import signal
import time

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Audio, Image, load_dataset
from datasets.distributed import split_dataset_by_node
from PIL import GifImagePlugin

import dataset_builder
from dataset_builder.builder import REPORT_NAME, find_built
from dataset_builder.corpora import DEFAULT_SIZES
from dataset_builder.own_media import Fitting
from dataset_builder.pokemon import CRY_FOLDER, SPRITE_FOLDER
from dataset_builder.remote_source import RemoteSource
from dataset_builder.report import read_report
from dataset_builder.sources import REVISIONS, LocalSource

COLUMNS = {"id", "name", "text", "sprite", "pixels", "audio", "types", "generation", "family_id", "sampling_rate"}


def load(folder, tmp_path):
    return load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def build(config, out, **options):
    return dataset_builder.build(config, out, progress=False, **options)


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "mini"
    return folder, build("mini", folder)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_mini_opens_with_load_dataset(mini, tmp_path):
    folder, report = mini
    splits = load(folder, tmp_path)
    assert {name: split.num_rows for name, split in splits.items()} == {
        name: size.num_records for name, size in report.splits.items()
    }
    assert sum(split.num_rows for split in splits.values()) == 2048
    features = splits["train"].features
    assert set(features) == COLUMNS | {"attributes"}
    assert (features["sprite"], features["audio"]) == (Image(), Audio(decode=False))
    row = splits["train"][0]
    assert isinstance(row["sprite"], GifImagePlugin.GifImageFile)
    assert row["sprite"].n_frames == 4
    assert row["audio"]["bytes"].startswith(b"fLaC")


def test_no_family_is_in_two_splits(mini):
    folder, _ = mini
    families = [
        set(pq.read_table(path, columns=["family_id"])["family_id"].to_pylist())
        for path in (folder / "data").glob("*.parquet")
    ]
    assert len(families) == 3
    assert sum(map(len, families)) == len(set.union(*families)) == 128


def test_two_builds_are_equal(tmp_path):
    for name in ("once", "again"):
        build("mini", tmp_path / name, num_creatures=256)
    for path in (tmp_path / "once/data").iterdir():
        assert path.read_bytes() == (tmp_path / "again/data" / path.name).read_bytes()


def test_seed_changes_creatures(tmp_path):
    build("mini", tmp_path / "a", num_creatures=128)
    build("mini", tmp_path / "b", num_creatures=128, seed=1)
    assert (tmp_path / "a/data/test-00000-of-00001.parquet").read_bytes() != (
        tmp_path / "b/data/test-00000-of-00001.parquet"
    ).read_bytes()


def test_card_counts_what_was_built(mini):
    folder, report = mini
    card = (folder / "README.md").read_text(encoding="utf-8")
    front, body = card.removeprefix("---\n").split("---\n", 1)
    info = yaml.safe_load(front)["dataset_info"]
    assert {split["name"]: split["num_examples"] for split in info["splits"]} == {
        name: size.num_records for name, size in report.splits.items()
    }
    assert info["download_size"] == sum(path.stat().st_size for path in (folder / "data").iterdir())
    for name, size in report.splits.items():
        assert f"| {name} | {size.num_records} | {size.num_families} |" in body
    assert not re.search(r"\{[{%]|[%}]\}|Undefined|None", body.replace('bytes"])})', ""))
    assert "\n\n\n" not in body
    assert json.loads((folder / REPORT_NAME).read_text())["splits"]["train"]["num_records"] == 1632


def test_pokemon_opens_with_load_dataset(pokeapi, tmp_path):
    report = build("pokemon", tmp_path / "out", source=pokeapi, num_species=12)
    assert (report.drops, report.config) == ((), "full")
    splits = load(tmp_path / "out", tmp_path)
    rows = [row for split in splits.values() for row in split]
    assert sorted(row["id"] for row in rows) == list(range(1, 13))
    assert set(rows[0]) == COLUMNS
    original = (pokeapi / "sprites" / SPRITE_FOLDER / "1.gif").read_bytes()
    stored = {
        row["id"]: row["sprite"]["bytes"]
        for split in splits.values()
        for row in split.cast_column("sprite", Image(decode=False))
    }
    assert stored[1] == original


def test_host_and_copy_give_the_same_corpus(host, pokeapi, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dataset_builder.builder.open_source",
        lambda source: RemoteSource(tmp_path / "cache", source, backoff_seconds=0.01),
    )
    host.faults["3.ogg"], host.faults["5.gif"] = [503], ["cut"]
    remote = build("pokemon", tmp_path / "remote", source=host.url)
    monkeypatch.undo()
    local = build("pokemon", tmp_path / "local", source=pokeapi)
    assert remote.splits == local.splits
    for path in (tmp_path / "local/data").iterdir():
        assert path.read_bytes() == (tmp_path / "remote/data" / path.name).read_bytes()


def test_unusable_records_are_counted_and_named(pokeapi, tmp_path):
    sprites, cries = pokeapi / "sprites" / SPRITE_FOLDER, pokeapi / "cries" / CRY_FOLDER
    (sprites / "2.gif").write_bytes((sprites / "2.gif").read_bytes()[:200])
    (sprites / "4.gif").unlink()
    (cries / "4.ogg").unlink()
    (cries / "6.ogg").write_bytes(b"")
    report = build("pokemon", tmp_path / "out", source=pokeapi, num_species=13)
    assert [(drop.id, drop.name, drop.reason) for drop in report.drops] == [
        (13, "", "not in the table"),
        (2, "Species 2", "sprite unreadable"),
        (4, "Species 4", "sprite missing"),
        (6, "Species 6", "cry unreadable"),
    ]
    assert sum(size.num_records for size in report.splits.values()) == 9
    assert "4 Species 4: sprite missing" in str(report)
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "1 with cry unreadable, 1 with not in the table, 1 with sprite missing, 1 with sprite unreadable" in card
    assert len(json.loads((tmp_path / "out" / REPORT_NAME).read_text())["drops"]) == 4


def test_corpus_is_never_empty(pokeapi, tmp_path):
    for path in (pokeapi / "cries" / CRY_FOLDER).iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"no record is left of 12: \{'cry missing': 12\}"):
        build("pokemon", tmp_path / "out", source=pokeapi, num_species=12)
    assert not (tmp_path / "out").exists()


def test_dead_network_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dataset_builder.builder.open_source",
        lambda source: RemoteSource(tmp_path / "cache", "http://127.0.0.1:9", attempts=1),
    )
    with pytest.raises(ConnectionError):
        build("pokemon", tmp_path / "out")
    assert "out" not in names_in(tmp_path)


def test_network_that_dies_during_the_build_is_an_error(host, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dataset_builder.builder.open_source",
        lambda source: RemoteSource(tmp_path / "cache", source, attempts=2, backoff_seconds=0.01),
    )
    host.faults["9.gif"] = [500] * 9
    with pytest.raises(ConnectionError, match=r"9\.gif"):
        build("pokemon", tmp_path / "out", source=host.url)
    assert "out" not in names_in(tmp_path)


def test_existing_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("keep")
    with pytest.raises(FileExistsError, match="out"):
        build("mini", tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "keep"


# the last two within the first file of rows, which is of 201 kB
@pytest.mark.parametrize("limit", [0, 1000, 70_000, 200_000])
def test_disk_that_fills_leaves_nothing(tmp_path, limit):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError):
            build("mini", tmp_path / "out", num_creatures=256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == []


def test_disk_that_fills_at_the_card_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dataset_builder.builder.render_card", full)
    with pytest.raises(OSError, match="No space left"):
        build("mini", tmp_path / "out", num_creatures=128)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("delay", [0.0, 0.3, pytest.param(0.8, marks=pytest.mark.slow)])
def test_killed_build_leaves_no_folder_of_that_name(tmp_path, delay):
    child = multiprocessing.get_context("fork").Process(
        target=build, args=("mini", tmp_path / "out"), kwargs={"num_creatures": 3456}
    )
    child.start()
    deadline = time.monotonic() + 20
    while not names_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (leftover,) = names_in(tmp_path)
    assert leftover.startswith(".out.building-")
    report = build("mini", tmp_path / "out", num_creatures=128)
    assert sum(size.num_records for size in report.splits.values()) == 128


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ("maxi", {}, "config must be one of"),
        ("mini", {"source": "x"}, "source is only for"),
        ("mini", {"seed": -1}, "seed"),
        ("mini", {"num_creatures": 0}, "num_creatures"),
        ("mini", {"num_creatures": 2}, "at least 3 families"),
        ("mini", {"num_threads": 0}, "num_threads"),
        ("mini", {"num_shards": 0}, "num_shards"),
        ("mini", {"num_creatures": 128, "num_shards": 14}, "num_shards must be 1 to 13, .* split 'validation'"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, config, options, message):
    with pytest.raises(ValueError, match=message):
        build(config, tmp_path / "out", **options)
    assert names_in(tmp_path) == []


def test_full_offers_the_sprites_as_fewer_columns_of_the_same_files(pokeapi, tmp_path):
    build("full", tmp_path / "full", source=pokeapi)
    build("sprites", tmp_path / "sprites", source=pokeapi)
    view = load_dataset(str(tmp_path / "full"), "sprites", cache_dir=str(tmp_path / "cache"))
    alone = load_dataset(str(tmp_path / "sprites"), cache_dir=str(tmp_path / "cache"))
    for split, rows in view.items():
        assert set(rows.column_names) == COLUMNS - {"audio", "sampling_rate"}
        assert rows.features == alone[split].features
        assert rows["id"][:] == alone[split]["id"][:]
    assert len(list((tmp_path / "full/data").iterdir())) == 3
    card = yaml.safe_load((tmp_path / "full/README.md").read_text().split("---\n")[1])
    assert [(config["config_name"], config.get("default")) for config in card["configs"]] == [
        ("full", True),
        ("sprites", None),
    ]
    sizes = {info["config_name"]: info["dataset_size"] for info in card["dataset_info"]}
    assert 0 < sizes["sprites"] < sizes["full"]


def test_shards_are_equal_and_stream_whole(tmp_path):
    report = build("mini", tmp_path / "out", num_creatures=128, num_shards=4)
    for split, size in report.splits.items():
        paths = sorted((tmp_path / "out/data").glob(f"{split}-*"))
        assert [path.name for path in paths] == [f"{split}-{index:05d}-of-00004.parquet" for index in range(4)]
        counts = [pq.read_metadata(path).num_rows for path in paths]
        assert sum(counts) == size.num_records and max(counts) - min(counts) <= 1
    streamed = load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert streamed.num_shards == 4
    whole = [row["id"] for row in streamed]
    parts = [[row["id"] for row in split_dataset_by_node(streamed, rank=rank, world_size=2)] for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == whole == sorted(whole) and len(whole) == report.splits["train"].num_records
    assert abs(len(parts[0]) - len(parts[1])) <= 2


def run_card(folder, monkeypatch):
    """Run the Python of a card where its reader would, and return the variables."""
    monkeypatch.chdir(folder.parent)
    card = (folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    variables = {}
    for block in blocks:
        if "dataset_builder" not in block:
            exec(block, variables)
    return card, blocks, variables


def test_code_of_the_cards_runs(pokeapi, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for config, options, numbers in [
        ("mini", {"num_creatures": 128}, {"num_frames": 4}),
        ("full", {"source": pokeapi}, {"num_frames": 4}),
        ("sprites", {"source": pokeapi}, {"num_frames": 4}),
        ("control", {"num_systems": 4}, {"sampling_rate": 100}),
    ]:
        build(config, tmp_path / f"my {config}", **options)
        card, blocks, variables = run_card(tmp_path / f"my {config}", monkeypatch)
        assert {name: variables[name] for name in numbers} == numbers
        assert ("samples" in variables) == (config != "sprites")
        if "samples" in variables:
            assert variables["samples"].shape[1] in (2, 3)
        built_again = [block for block in blocks if "dataset_builder" in block]
        assert len(built_again) == (0 if "source" in options else 1)
        if built_again:
            [(name, number)] = options.items()
            assert f"{name}={number})" in built_again[0]
        else:
            assert f"pixelbytes build --config {config} --seed 0 --num-shards 1 --out 'my {config}'" in card


def test_code_of_the_card_of_ones_own_runs(tmp_path, monkeypatch):
    from odd_sprites import make_folder

    make_folder(tmp_path / "sprites")
    build("folder", tmp_path / "my own", source=tmp_path / "sprites")
    card, _, variables = run_card(tmp_path / "my own", monkeypatch)
    assert variables["num_frames"] >= 1 and variables["samples"].shape[1] == 2
    assert "pixelbytes build --config folder --source sprites --families name" in card and "license: unknown" in card
    report = read_report(tmp_path / "my own")
    assert find_built("folder", tmp_path / "my own", source=tmp_path / "sprites") == report
    with pytest.raises(FileExistsError, match="another corpus, with source"):
        find_built("folder", tmp_path / "my own", source=tmp_path / "sprites", fitting=Fitting(max_side=9))
    for path in (tmp_path / "sprites").iterdir():
        if path.suffix.lower() not in (".png", ".gif"):
            path.unlink()
    build("folder", tmp_path / "mute", source=tmp_path / "sprites")
    card, _, variables = run_card(tmp_path / "mute", monkeypatch)
    assert "samples" not in variables and "There is none here." in card


def test_a_file_that_may_not_be_read_never_ends_a_build(pokeapi, tmp_path, monkeypatch):
    read = LocalSource.read

    def refuse(self, location):
        if location.path.endswith("/4.gif"):
            raise PermissionError(errno.EACCES, "permission denied", location.path)
        return read(self, location)

    monkeypatch.setattr(LocalSource, "read", refuse)
    [drop] = build("full", tmp_path / "out", source=pokeapi, num_species=12).drops
    assert (drop.id, drop.reason) == (4, "file unreadable") and "4.gif" in drop.detail


def test_pitfall_of_the_card_is_real(tmp_path):
    build("mini", tmp_path / "out", num_creatures=128)
    records = load_dataset(str(tmp_path / "out"), split="test", cache_dir=str(tmp_path / "cache"))
    assert records[0]["sprite"].n_frames == 4
    looked_at = records.map(lambda record: {"width": record["sprite"].size[0]})
    assert getattr(looked_at[0]["sprite"], "n_frames", 1) == 1
    assert getattr(records.cast_column("sprite", Image(mode="RGBA"))[0]["sprite"], "n_frames", 1) == 1


def test_card_names_commits_and_owners(host, pokeapi, tmp_path):
    build("full", tmp_path / "remote", source=host.url)
    card = (tmp_path / "remote/README.md").read_text(encoding="utf-8")
    for repository, revision in REVISIONS.items():
        assert f"| {host.url}/{repository} | `{revision}` |" in card
    assert "Nintendo" in card and "--i-have-the-rights" in card
    build("mini", tmp_path / "mini", num_creatures=128)
    mini = (tmp_path / "mini/README.md").read_text(encoding="utf-8")
    assert "Nintendo" not in mini and "license: apache-2.0" in mini


def test_what_was_built_before_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(DEFAULT_SIZES, "control", 8)
    assert find_built("control", tmp_path / "out") is None
    report = build("control", tmp_path / "out", num_shards=2, num_systems=8)
    assert find_built("control", tmp_path / "out", num_shards=2) == report == read_report(tmp_path / "out")
    for config, options, message in [
        ("mini", {"num_shards": 2}, "config 'control', not 'mini'; size 8, not 2048: "),
        ("control", {"num_shards": 2, "seed": 1}, "another corpus, with seed 0, not 1: give another one"),
        ("control", {}, "num_shards 2, not 1: "),
    ]:
        with pytest.raises(FileExistsError, match=message):
            find_built(config, tmp_path / "out", **options)
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="no built corpus"):
        find_built("control", tmp_path / "mine")


@pytest.mark.slow
def test_real_species_are_built(shared, tmp_path):
    report = build("pokemon", tmp_path / "out", source=shared / "data/pokeapi")
    assert sum(size.num_records for size in report.splits.values()) == 490
    assert [drop.id for drop in report.drops] == [122, 439, 474]
    assert {drop.reason for drop in report.drops} == {"sprite missing"}
