"""The examples: each is run as it stands, with few steps, and does what it says."""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY = {"embedding_dim": 12, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 1}}


@pytest.fixture
def example(monkeypatch):
    """Return what imports an example by name, as a script beside it would."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield import_module
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def sprites(example, tmp_path):
    """Return a folder of sprites, one of them with a sentence and a sound, and a file that is torn."""
    from pixelbytes_hf.media.sounds import Sound, write_sound

    folder = tmp_path / "sprites"
    example("draw_invaders").draw_folder(folder, num_sprites=12)
    (folder / "red_invader_0.txt").write_text("a red invader that hums.\n")
    write_sound(Sound(np.sin(np.arange(200) / 5)[:, None].astype(np.float32), 4000), folder / "red_invader_0.wav")
    Image.open(folder / "blue_invader_4.png").save(folder / "blue_invader_4.jpeg")
    (folder / "blue_invader_4.png").unlink()
    (folder / "torn.png").write_bytes((folder / "red_invader_0.png").read_bytes()[:20])
    return folder


def test_every_example_says_how_it_is_run():
    for path in EXAMPLES.glob("*.py"):
        assert f"python examples/{path.name} " in path.read_text().split('"""')[1], path.name


def test_invaders_are_mirrored_and_named_after_their_colour(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["draw_invaders.py", "--out", str(tmp_path), "--num-sprites", "3"])
    example("draw_invaders").main()
    assert "3 sprites" in capsys.readouterr().out
    picture = np.array(Image.open(tmp_path / "green_invader_2.png"))
    assert (picture == picture[:, ::-1]).all() and {tuple(each) for each in picture.reshape(-1, 3).tolist()} == {
        (252, 252, 252),
        (0, 168, 0),
    }


def test_own_folder_becomes_a_corpus(example, sprites, tmp_path, monkeypatch, capsys):
    from datasets import load_dataset

    monkeypatch.setattr(sys, "argv", ["own_folder.py", str(sprites), "--out", str(tmp_path / "corpus")])
    example("own_folder").main()
    assert "left out: 1\n  11 torn: picture unreadable" in capsys.readouterr().out
    data = load_dataset(str(tmp_path / "corpus"))
    assert set(data) == {"train", "validation", "test"} and all(map(len, data.values()))
    rows = [row for split in data.values() for row in split]
    assert len(rows) == 12
    by_name = {row["name"]: row for row in rows}
    hums, plain = by_name["red_invader_0"], by_name["blue_invader_4"]
    assert hums["text"] == "a red invader that hums."
    assert hums["audio"]["bytes"][:4] == b"fLaC" and hums["sampling_rate"] == 4000
    assert plain["text"] == "blue invader 4" and plain["audio"] is None
    assert plain["pixels"].size == (10, 10)
    families = [{row["family_id"] for row in split} for split in data.values()]
    assert sum(map(len, families)) == len(set.union(*families)) == 12
    with pytest.raises(FileExistsError, match="exists: give another one"):
        example("own_folder").main()


def test_own_folder_names_what_is_wrong(example, sprites, tmp_path):
    own_folder = example("own_folder")
    (sprites / "red_invader_0.wav").write_bytes(b"no sound")
    drops = own_folder.build_corpus(sprites, tmp_path / "corpus", max_side=4)
    assert [(drop.name, drop.reason) for drop in drops] == [
        ("red_invader_0", "sound unreadable"),
        ("torn", "picture unreadable"),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="must hold pictures"):
        own_folder.build_corpus(tmp_path / "empty", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_fine_tuning_on_a_folder_of_sprites(example, sprites, run_folder, tmp_path, monkeypatch, capsys):
    command = ["fine_tune_sprites.py", "--run", str(run_folder), "--sprites", str(sprites)]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "out"), "--max-steps", "20"])
    example("fine_tune_sprites").main()
    said = capsys.readouterr().out.splitlines()
    before, after = (float(word) for word in said[-1].replace(",", "").split() if word[0].isdigit())
    assert after < before < 10
    assert (tmp_path / "out" / "contact_sheet.png").read_bytes()[1:4] == b"PNG"
    assert (tmp_path / "out" / "run" / "model.safetensors").is_file()


def test_another_backbone(example, corpus, tmp_path, capsys, monkeypatch):
    module = example("other_backbone")
    monkeypatch.setattr(module, "SETTINGS", {**module.SETTINGS, "window_length": 64, "stride": 64, "batch_size": 2})
    lfm2 = {"model_type": "lfm2", "hidden_size": 16, "num_hidden_layers": 1}
    qwen2 = {**lfm2, "model_type": "qwen2", "intermediate_size": 32}
    qwen2 |= {"num_attention_heads": 2, "num_key_value_heads": 2}
    wider = {**lfm2, "hidden_size": 24}
    command = ["other_backbone.py", "--dataset", str(corpus), "--out", str(tmp_path), "--max-steps", "2"]
    for mixer in (qwen2, lfm2, wider):
        command += ["--mixer", json.dumps(mixer)]
    monkeypatch.setattr(sys, "argv", command)
    module.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["mixer", "qwen2", "lfm2", "lfm2-2"]
    assert rows[2][1] != rows[3][1]
    assert all(0 < float(row[2]) < 10 for row in rows[1:])


def test_sound_to_sprite(example, tmp_path):
    module = example("sound_to_sprite")
    data = module.open_voices(tmp_path / "pixelbytes-mini", num_creatures=160)
    for row in data["test"]:
        assert module.SIZE_OF_PITCH[row["attributes"]["pitch"]] == row["attributes"]["size"]
    folder = module.train_on_voices(data, tmp_path / "run", max_steps=2, model=TINY)
    run = module.Run.load(folder)
    assert [segment.modality for segment in run.layout.segments] == ["audio", "image"]
    share, made = module.share_of_right_sizes(run, data["test"].select(range(3)))
    assert 0 <= share <= 1 and [record.frames.shape for record in made] == [(4, 12, 12, 3)] * 3


@pytest.fixture
def own_mixer(example, monkeypatch):
    """Return the example's module, its mixer among those that `test_mixers` puts to the test."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "mixers"))
    import test_mixers

    module = example("own_mixer")
    monkeypatch.setitem(test_mixers.MIXERS, "own", {"model_type": "moving_average", "hidden_size": test_mixers.WIDTH})
    return module


def test_own_mixer_passes_what_every_mixer_has_to(own_mixer):
    import test_mixers

    test_mixers.test_output_has_the_width_the_config_names("own")
    test_mixers.test_the_future_is_seen_where_the_config_says_so("own")
    for kept in (range(9), range(5, 14), (0, 1, 4, 5, 6, 9, 11, 12, 13)):
        for use_cache in (True, False):
            test_mixers.test_padding_has_no_influence("own", kept, use_cache)
    vectors, mixer = test_mixers.vectors_of(), test_mixers.make("own")
    cache = test_mixers.build_cache(mixer.config)
    steps = [test_mixers.read(mixer, each, cache=cache).last_hidden_state for each in vectors.split([4, 1, 4], dim=1)]
    test_mixers.close(torch.cat(steps, dim=1), test_mixers.read(mixer, vectors).last_hidden_state)


def test_own_mixer_trains_loads_and_generates(own_mixer, corpus, tmp_path):
    from datasets import load_dataset

    from pixelbytes_hf import Image as ImageLayout
    from pixelbytes_hf.runs.run_folder import Run

    settings = {"max_steps": 2, "batch_size": 2, "window_length": 48, "stride": 48, "progress": False}
    data = load_dataset(str(corpus))
    data["validation"] = data["validation"].select(range(1))
    run = Run.load(own_mixer.train_with_it(data, tmp_path / "run", **settings))
    assert type(run.model.model.mixer).__name__ == "MovingAverageModel"
    [made] = run.create(text=["a red beast."], layout=[ImageLayout(frames=2, height=5, width=4)], seed=0)
    assert made.frames.shape == (2, 5, 4, 3)


def test_own_medium_survives_its_round_trip(example):
    module = example("own_medium")
    tokenizer = module.make_tokenizer()
    notes = np.random.default_rng(0).integers(0, 128, (20, 2))
    encoding = tokenizer(text="a melody.", audio=module.encode_melody(notes))
    decoded = tokenizer.decode_modalities(encoding["labels"], encoding.segments[0])
    assert decoded.text == "a melody." and np.array_equal(module.decode_melody(decoded.sound), notes)
    for wrong in (notes[:, :1], notes - 128, notes + 128):
        with pytest.raises(ValueError, match="notes must be"):
            module.encode_melody(wrong)


def test_own_medium_is_learnt_and_played(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["own_medium.py", "--out", str(tmp_path), "--max-steps", "3"])
    example("own_medium").main()
    first, melody = capsys.readouterr().out.splitlines()[-2:]
    assert first.endswith("of 9 melodies that were never heard are right, note by note")
    assert melody.startswith("a slow rising melody from c. [[") and melody.count("[") == 17
    assert (tmp_path / "melody.wav").stat().st_size > 44
    shutil.rmtree(tmp_path / "run")
