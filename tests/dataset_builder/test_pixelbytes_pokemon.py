"""The builder under the installed version of datasets: the same rows as a built folder, however they are asked for."""

import ast
import sys
from pathlib import Path

import datasets
import pytest
from datasets.distributed import split_dataset_by_node

import dataset_builder
from dataset_builder import pixelbytes_pokemon
from dataset_builder.corpora import DEFAULT_SIZES, corpus_features
from dataset_builder.pixelbytes_pokemon import CODECS, PixelBytesPokemon

MEDIA = {"sprite": datasets.Image(decode=False), "pixels": datasets.Image(decode=False)}


def stored(dataset):
    """Return rows as stored: the media as bytes."""
    for name in MEDIA.keys() & dataset.features.keys():
        dataset = dataset.cast_column(name, MEDIA[name])
    return list(dataset)


def make(tmp_path, config, **options):
    return PixelBytesPokemon(str(tmp_path / "cache"), config_name=config, **options)


def prepare(tmp_path, config, **options):
    builder = make(tmp_path, config, **options)
    builder.download_and_prepare()
    return builder.as_dataset()


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """Return a built folder of 128 creatures, and its rows."""
    folder = tmp_path_factory.mktemp("built") / "mini"
    dataset_builder.build("mini", folder, num_creatures=128, num_shards=2, progress=False)
    cache = str(tmp_path_factory.mktemp("cache"))
    splits = datasets.load_dataset(str(folder), cache_dir=cache)
    return folder, {split: stored(rows) for split, rows in splits.items()}


def test_rows_are_those_of_a_folder(mini, tmp_path):
    _, expected = mini
    splits = prepare(tmp_path, "mini", size=128)
    assert {split: stored(rows) for split, rows in splits.items()} == expected
    assert splits["train"].features == corpus_features("mini")
    assert splits["train"][0]["sprite"].n_frames == 4


def test_rows_of_every_corpus_are_those_of_its_folder(pokeapi, tmp_path):
    for config, options, settings in [
        ("full", {"source": str(pokeapi)}, {"num_species": 493}),
        ("sprites", {"source": str(pokeapi)}, {"num_species": 493}),
        ("control", {"size": 4}, {"num_systems": 4}),
    ]:
        given = {name: value for name, value in options.items() if name == "source"}
        dataset_builder.build(config, tmp_path / config, progress=False, **given, **settings)
        splits = prepare(tmp_path, config, **options)
        loaded = datasets.load_dataset(str(tmp_path / config), cache_dir=str(tmp_path / "cache"))
        for split in ("train", "validation", "test"):
            assert stored(splits[split]) == stored(loaded[split]), config
            assert splits[split].features == loaded[split].features


def test_sprites_are_the_rows_of_full_without_the_sound(pokeapi, tmp_path):
    full, sprites = (prepare(tmp_path, config, source=str(pokeapi)) for config in ("full", "sprites"))
    assert set(full["test"].column_names) - set(sprites["test"].column_names) == {"audio", "sampling_rate"}
    for split, rows in full.items():
        assert stored(rows.remove_columns(["audio", "sampling_rate"])) == stored(sprites[split])


def test_without_a_name_it_is_full(pokeapi, tmp_path):
    builder = PixelBytesPokemon(str(tmp_path), source=str(pokeapi))
    assert builder.config.name == "full" and builder.config.source == str(pokeapi)


def test_processes_share_a_build(mini, tmp_path):
    _, expected = mini
    builder = make(tmp_path, "mini", size=128, num_shards=2)
    builder.download_and_prepare(num_proc=2)
    assert {split: stored(rows) for split, rows in builder.as_dataset().items()} == expected


def test_streaming_gives_the_rows_and_divides_them(mini, tmp_path):
    _, expected = mini
    splits = make(tmp_path, "mini", size=128, num_shards=4).as_streaming_dataset()
    assert {split: rows.num_shards for split, rows in splits.items()} == {"train": 4, "validation": 4, "test": 4}
    assert stored(splits["train"]) == expected["train"]
    parts = [stored(split_dataset_by_node(splits["train"], rank=rank, world_size=2)) for rank in range(2)]
    assert sorted(row["id"] for part in parts for row in part) == [row["id"] for row in expected["train"]]
    assert abs(len(parts[0]) - len(parts[1])) <= 2


def test_built_folder_is_read_and_not_made_anew(mini, tmp_path, monkeypatch):
    folder, expected = mini
    monkeypatch.delattr("dataset_builder.mini.make_record")
    builder = make(tmp_path, "mini", base_path=str(folder))
    builder.download_and_prepare()
    assert {split: stored(rows) for split, rows in builder.as_dataset().items()} == expected
    streamed = make(tmp_path, "mini", base_path=str(folder)).as_streaming_dataset(split="train")
    assert (streamed.num_shards, stored(streamed)) == (2, expected["train"])


def test_other_folders_are_refused(mini, tmp_path):
    folder, _ = mini
    with pytest.raises(ValueError, match=r"holds the corpora \('mini',\), not 'control'"):
        make(tmp_path, "control", base_path=str(folder))
    with pytest.raises(FileNotFoundError, match=r"no built corpus: it has no build_report\.json"):
        make(tmp_path, "mini", base_path=str(tmp_path))


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ("mini", {"num_shards": 9999}, "num_shards must be 1 to"),
        ("mini", {"size": 2}, "at least 3 families"),
        ("mini", {"source": "x"}, "source is only for"),
        ("control", {"size": 0}, "num_systems"),
        ("mini", {"seed": -1}, "seed must be at least 0"),
        ("mini", {"num_threads": 0}, "num_threads at least 1"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, config, options, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, config, **{"size": 128, **options}).download_and_prepare()
    with pytest.raises(ValueError, match="BuilderConfig 'maxi' not found"):
        make(tmp_path, "maxi")


def test_leftovers_of_a_killed_build_are_no_part_of_the_next(tmp_path):
    leftover = tmp_path / "out.incomplete"
    (leftover / "deeper").mkdir(parents=True)
    (leftover / "pixelbytes_pokemon-train-00000-00003-of-00004.parquet").write_bytes(b"stale")
    make(tmp_path, "mini", size=128).download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset_info.json",
        *(f"pixelbytes_pokemon-{split}.parquet" for split in ("test", "train", "validation")),
    ]
    assert not leftover.exists()


def test_cache_does_not_outlive_code_or_files(mini, tmp_path, monkeypatch):
    folder, _ = mini
    places = {make(tmp_path, "mini").cache_dir, make(tmp_path, "mini", base_path=str(folder)).cache_dir}
    assert make(tmp_path, "mini").cache_dir in places
    (tmp_path / "new.py").write_text("new code")
    monkeypatch.setattr(pixelbytes_pokemon, "_code_files", lambda: [tmp_path / "new.py"])
    places.add(make(tmp_path, "mini").cache_dir)
    assert len(places) == 3


def test_sizes_are_those_of_the_command_line():
    defaults = dataset_builder.build.__kwdefaults__
    assert (DEFAULT_SIZES["full"], DEFAULT_SIZES["mini"]) == (defaults["num_species"], defaults["num_creatures"])
    assert DEFAULT_SIZES["control"] == defaults["num_systems"]


def imports_at_the_top(path):
    tree = ast.parse(path.read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return nodes, path.read_text().splitlines()


def test_version_3_6_can_read_the_imports():
    nodes, lines = imports_at_the_top(Path(pixelbytes_pokemon.__file__))
    for node in nodes:
        # it reads a line at a time, and checks what stands at a line's beginning
        assert node.lineno == node.end_lineno
        if isinstance(node, ast.Import):
            assert len(node.names) == 1
        else:
            assert node.level == 0
        name = (node.names[0].name if isinstance(node, ast.Import) else node.module).split(".")[0]
        assert name in sys.stdlib_module_names or name in ("datasets", "pyarrow"), lines[node.lineno - 1]


def test_digest_covers_the_code_that_rows_pass_through():
    package = Path(dataset_builder.__file__).parent
    used = set()
    waiting = {
        "/".join(node.module.split(".")[1:])
        for path in package.glob("*.py")
        if path.stem not in ("publish", "builder")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pixelbytes_hf.")
    }
    while waiting:
        name = waiting.pop()
        used.add(name)
        tree = ast.parse((package.parent / f"pixelbytes_hf/{name}.py").read_text())
        room = {1: f"{name.split('/')[0]}/", 2: ""}  # by the dots of a relative import
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        waiting |= {room[node.level] + node.module.replace(".", "/") for node in imports} - used
    assert used == set(CODECS)
