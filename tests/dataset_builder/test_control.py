import io

import numpy as np
import pytest
import soundfile
from datasets import Audio, load_dataset

import dataset_builder
from dataset_builder.control import (
    CLOSED_LOOP_KINDS,
    DEFAULT_NUM_SYSTEMS,
    KINDS,
    NUM_SAMPLES,
    SAMPLING_RATE_HZ,
    SETPOINT_LIMIT,
    draw_actions,
    draw_members,
    draw_setpoints,
    make_controller,
    make_record,
    make_signals,
)
from dataset_builder.linear_systems import Plant, draw_systems, read_system, simulate
from pixelbytes_hf.data.tokenize_dataset import tokenize_dataset
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.training.presets import get_preset

SIXTEEN_BITS = 1 / 32768


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "control"
    return folder, dataset_builder.build("control", folder, num_systems=30, progress=False)


@pytest.fixture(scope="module")
def splits(built, tmp_path_factory):
    return load_dataset(str(built[0]), cache_dir=str(tmp_path_factory.mktemp("cache")))


def read_signals(row):
    return soundfile.read(io.BytesIO(row["audio"]["bytes"]))


def test_members_are_every_kind_of_every_system():
    members = list(draw_members(6, seed=2))
    assert [kind for _, _, kind in members] == list(KINDS) * 6
    assert [family for family, _, _ in members] == [n for n in range(6) for _ in KINDS]
    assert [system for _, system, _ in members[:: len(KINDS)]] == list(draw_systems(6, seed=2))


@pytest.mark.parametrize("kind", KINDS)
def test_signals_stay_within_full_scale_and_follow_the_system(kind):
    errors, wanted = [], []
    for index, system in enumerate(draw_systems(30, seed=1)):
        signals = make_signals(system, kind, np.random.default_rng(index))
        assert signals.shape == (NUM_SAMPLES, 3 if kind in CLOSED_LOOP_KINDS else 2)
        assert np.abs(signals).max() <= 1
        assert np.allclose(simulate(system, signals[:, 0]), signals[:, 1], atol=1e-9)
        if kind in CLOSED_LOOP_KINDS:
            setpoints = signals[:, 1] + signals[:, 2]
            assert np.abs(setpoints).max() <= SETPOINT_LIMIT and 2 <= len(np.unique(setpoints.round(9))) <= 8
            if system.order == 1:
                errors.append(np.mean(signals[20:, 2] ** 2))
                wanted.append(np.mean(setpoints[20:] ** 2))
    # steered, in spite of what is added to the actions: the error is far smaller than without any action
    assert np.sum(errors) <= 0.3 * np.sum(wanted)


def test_inputs_are_what_their_names_say():
    rng = np.random.default_rng(0)
    assert len(np.unique(draw_actions(rng, "bang-bang", 128))) == 2
    assert 4 <= len(np.unique(draw_actions(rng, "steps", 128))) <= 128
    chirp = draw_actions(rng, "chirp", 512)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(chirp))))
    assert np.diff(turns)[:2].mean() > 2 * np.diff(turns)[-2:].mean()
    assert np.abs(draw_setpoints(rng, 4000)).max() == pytest.approx(SETPOINT_LIMIT, rel=0.1)
    with pytest.raises(ValueError, match="kind"):
        draw_actions(rng, "noise", 8)


def test_record_holds_signals_and_system():
    [system] = draw_systems(1)
    record = make_record(3, 0, system, "lqr", seed=5)
    assert record == make_record(3, 0, system, "lqr", seed=5) != make_record(3, 0, system, "lqr", seed=6)
    signals, rate = read_signals(record)
    assert (signals.shape, rate) == ((NUM_SAMPLES, 3), SAMPLING_RATE_HZ)
    expected = make_signals(system, "lqr", np.random.default_rng((5, 3, 1)))
    assert np.abs(signals - expected).max() <= SIXTEEN_BITS
    assert read_system(record["text"]) == system
    assert (record["types"], record["generation"]) == (["lqr"], 1)


def test_corpus_opens_and_no_system_is_in_two_splits(built, splits):
    _, report = built
    assert {name: split.num_rows for name, split in splits.items()} == {"train": 120, "validation": 15, "test": 15}
    assert report.drops == () and report.source == {}
    texts = [set(split["text"]) for split in splits.values()]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 30
    assert splits["train"].features["audio"] == Audio(decode=False)
    assert splits["train"][0]["pixels"] is None


def test_stored_signals_are_those_of_the_text(splits):
    for row in splits["test"]:
        signals, _ = read_signals(row)
        exact = simulate(read_system(row["text"]), signals[:, 0])
        assert np.abs(exact - signals[:, 1]).max() <= 2 * SIXTEEN_BITS


def test_tokens_keep_the_global_scale(splits):
    tokenizer = ActionPixelBytesTokenizer(**get_preset("control").tokenizer)
    tables = tokenizer.tables
    assert len(tables.levels) == 141 and 0.0 in tables.levels
    step = 1 / 70
    assert np.allclose(np.diff(tables.levels), step)
    for row in splits["test"].select(range(5)):
        segments, infos = tokenizer.encode_record(text=row["text"], audio=row["audio"])
        decoded = tokenizer.decode_modalities(np.concatenate([s.ids.ravel() for s in segments]), infos)
        assert decoded.text == row["text"]
        signals, _ = read_signals(row)
        assert np.abs(decoded.sound["array"].T - signals).max() <= step / 2 + 1e-6
        assert infos[1].scale == (1.0, 0.0)


def test_corpus_is_tokenized_with_and_without_text(splits):
    tokenizer = ActionPixelBytesTokenizer(**get_preset("control").tokenizer)
    whole = tokenize_dataset(splits["test"], tokenizer, progress=False)
    signals = tokenize_dataset(splits["test"], tokenizer, columns={"audio": "audio"}, progress=False)
    assert [shape.modality for shape in whole.record(0)[1]] == ["text", "audio"]
    assert signals.record(0)[1] == (("audio", NUM_SAMPLES + 1, 1, 2),)
    assert signals.record(3)[1] == (("audio", NUM_SAMPLES + 1, 1, 3),)


def test_card_says_what_the_channels_are(built):
    card = " ".join((built[0] / "README.md").read_text(encoding="utf-8").split())
    assert (
        "error, in records of a closed loop" in card
        and "`r[t + 1] - y[t + 1]`" in card
        and "one system under every kind of input" in card
    )
    assert "sprite" in card and "animated GIF" not in card


@pytest.mark.slow
def test_command_line_builds_it(tmp_path):
    from pixelbytes_hf.cli.main import main

    assert main(["build", "--config", "control", "--out", str(tmp_path / "x")]) == 0
    splits = load_dataset(str(tmp_path / "x"), cache_dir=str(tmp_path / "cache"))
    assert sum(split.num_rows for split in splits.values()) == DEFAULT_NUM_SYSTEMS * len(KINDS)


def test_wrong_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="num_systems"):
        dataset_builder.build("control", tmp_path / "x", num_systems=0, progress=False)
    with pytest.raises(ValueError, match=r"only for \('full', 'sprites', 'folder'\), got 'y' with 'control'"):
        dataset_builder.build("control", tmp_path / "x", source="y", progress=False)


def test_a_controller_of_another_name_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of \('pi', 'lqr'\), got 'steps'"):
        make_controller("steps", Plant(next(draw_systems(1))))
