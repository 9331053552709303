"""The builder's file as a loading script of datasets 3.6, in an environment of its own: the rows of version 5.

The environment has from the package index what is older there, and sees the rest of this one; it is made once per run
of the tests. `DATASETS_3_PYTHON` names the interpreter of one that is there already.
"""

import json
import os
import subprocess
from pathlib import Path

import datasets
import numpy as np
import pytest
from environments import install, make_environment, see_installed

import dataset_builder
from dataset_builder import pixelbytes_pokemon
from dataset_builder.pixelbytes_pokemon import PixelBytesPokemon
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound

pytestmark = pytest.mark.slow
# datasets 3.6, and what it needs older than datasets 5 does
OLDER = ["datasets==3.6.0", "dill==0.3.8", "fsspec==2025.3.0", "multiprocess==0.70.16"]
SCRIPT = """
import json
import sys

import datasets
from datasets import load_dataset

script, pokeapi, built = sys.argv[1:]
datasets.disable_progress_bars()


def plain(value):
    return value["bytes"].hex() if isinstance(value, dict) and "bytes" in value else value


def dump(splits):
    rows = {}
    for split, found in splits.items():
        for name in {"sprite", "pixels"} & found.features.keys():
            found = found.cast_column(name, datasets.Image(decode=False))
        rows[split] = [{key: plain(value) for key, value in row.items()} for row in found]
    return rows


mini = load_dataset(script, "mini", size=128, trust_remote_code=True)
streamed = load_dataset(script, "mini", size=128, num_shards=4, streaming=True, split="train", trust_remote_code=True)
seen = {
    "version": datasets.__version__,
    "mini": dump(mini),
    "control": dump(load_dataset(script, "control", size=4, trust_remote_code=True)),
    # without a name it is full
    "full": dump(load_dataset(script, source=pokeapi, trust_remote_code=True)),
    "frames": mini["train"][0]["sprite"].n_frames,
    "streamed": [streamed.n_shards, [row["id"] for row in streamed]],
    "built": {name: dump(load_dataset(built, name)) for name in ("full", "sprites")},
}
with open("seen.json", "w") as file:
    json.dump(seen, file)
"""


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """Return the Python of an environment with datasets 3.6; skip where none can be made."""
    if ready := os.environ.get("DATASETS_3_PYTHON"):
        return ready
    python = make_environment(tmp_path_factory.mktemp("datasets-3"))
    done = install(python, "--no-deps", *OLDER)
    if done.returncode:
        pytest.skip(f"datasets 3.6 cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    see_installed(python)
    return str(python)


def decoded(rows):
    """Return rows with media as numbers: other versions of the libraries may compress them otherwise."""
    for row in rows:
        sprite, pixels, audio = (row.pop(name, None) for name in ("sprite", "pixels", "audio"))
        yield row, [read_frames(data) for data in (sprite, pixels) if data], audio and read_sound(audio)


def stored(splits):
    """Return rows as the script of version 3.6 tells them."""
    rows = {}
    for split, found in splits.items():
        for name in {"sprite", "pixels"} & found.features.keys():
            found = found.cast_column(name, datasets.Image(decode=False))
        rows[split] = [
            {
                key: value["bytes"] if isinstance(value, dict) and "bytes" in value else value
                for key, value in row.items()
            }
            for row in found
        ]
    return rows


def read(splits):
    media = {"sprite", "pixels", "audio"}
    return {
        split: [
            {key: bytes.fromhex(value) if key in media and value else value for key, value in row.items()}
            for row in rows
        ]
        for split, rows in splits.items()
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for split in found:
        assert len(found[split]) == len(expected[split]) > 0
        for mine, yours in zip(decoded(found[split]), decoded(expected[split]), strict=True):
            assert mine[0] == yours[0]
            assert [frames.durations_ms for frames in mine[1]] == [frames.durations_ms for frames in yours[1]]
            for one, other in zip(mine[1], yours[1], strict=True):
                np.testing.assert_array_equal(one.array, other.array)
            if mine[2] is not None:
                np.testing.assert_allclose(mine[2][0], yours[2][0], atol=1 / 32767)


def test_script_gives_the_rows_of_version_5(interpreter, pokeapi, tmp_path):
    dataset_builder.build("full", tmp_path / "built", source=pokeapi, progress=False)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTHON"))}
    done = subprocess.run(
        [interpreter, "-c", SCRIPT, pixelbytes_pokemon.__file__, str(pokeapi), str(tmp_path / "built")],
        # elsewhere than the checkout, and with nothing installed of it
        cwd=tmp_path,
        env={**clean, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["version"].startswith("3.6")

    def rows(config, **options):
        builder = PixelBytesPokemon(str(tmp_path / "cache"), config_name=config, **options)
        builder.download_and_prepare()
        return stored(builder.as_dataset())

    mini, full = rows("mini", size=128), rows("full", source=str(pokeapi))
    assert seen["frames"] == 4
    assert seen["streamed"] == [4, [row["id"] for row in mini["train"]]]
    assert_equal(read(seen["mini"]), mini)
    assert_equal(read(seen["control"]), rows("control", size=4))
    assert_equal(read(seen["full"]), full)
    assert_equal(read(seen["built"]["full"]), rows("full", source=str(pokeapi)))
    assert_equal(read(seen["built"]["sprites"]), rows("sprites", source=str(pokeapi)))


def test_script_away_from_its_package_says_what_it_needs(interpreter, tmp_path):
    lone = tmp_path / "pixelbytes_pokemon.py"
    lone.write_bytes(Path(pixelbytes_pokemon.__file__).read_bytes())
    done = subprocess.run(
        [
            interpreter,
            "-c",
            "import sys, datasets; datasets.load_dataset(sys.argv[1], 'mini', trust_remote_code=True)",
            str(lone),
        ],
        cwd=tmp_path,
        env={"HF_HOME": str(tmp_path / "home"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "package dataset_builder is neither installed nor beside this script" in done.stderr
