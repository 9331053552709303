"""Codecs as kinds of systems: every verb on small runs, corpora of codes, and bad input by name."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from codec_media import clip_pixels
from datasets import Image
from safetensors.torch import load_file, save_file

from pixelbytes_hf.cli.codecs import evaluate_codec_run, write_reconstructions
from pixelbytes_hf.cli.corpora import open_corpus
from pixelbytes_hf.cli.encode import _options_of_reading
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.codecs.codec_scores import PictureScorer, changed_pixels, scorer_of
from pixelbytes_hf.data.clips import ClipCollator, ClipDataset
from pixelbytes_hf.data.code_corpus import encode_corpus, segments_of_record
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.evaluation.codecs import evaluate_codec, evaluate_without_codec
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.runs.codec_run import CodecRun
from pixelbytes_hf.tokens.grid import audio_segment, image_segment, text_segment
from pixelbytes_hf.training.codecs.trainer import CodecTrainer
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.train import train

SMALL = {
    "codec-lfq": {"widths": [8, 8], "num_groups": 2, "quantiser_settings": {"num_bits": 5}},
    "codec-fsq": {"widths": [8, 8], "num_groups": 2, "quantiser_settings": {"levels": [4, 4]}},
    "codec-sound": {
        "widths": [8, 8],
        "num_groups": 2,
        "quantiser_settings": {"codebook_size": 8, "codebook_dim": 4},
    },
}
RUN = {"max_steps": 4, "batch_size": 4, "eval_steps": 2, "save_steps": 2, "logging_steps": 1, "warmup_steps": 1}


def steps():
    return [word for name, value in RUN.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def runs(corpus, tmp_path_factory):
    """Return run folders by preset; tests must not write into them."""
    folder = tmp_path_factory.mktemp("codecs")
    for name in ("codec-lfq", "codec-sound"):
        words = ["train", "--dataset", str(corpus), "--preset", name, "--output-dir", str(folder / name)]
        assert main([*words, "--model", json.dumps(SMALL[name]), *steps()]) == 0
    return {name: folder / name for name in ("codec-lfq", "codec-sound")}


@pytest.fixture(scope="module")
def encoded(runs, corpus, tmp_path_factory):
    """Return the folder of a corpus of codes of both media."""
    folder = tmp_path_factory.mktemp("encoded") / "codes"
    words = ["--codec", str(runs["codec-lfq"]), "--audio-codec", str(runs["codec-sound"])]
    assert main(["encode", *words, "--dataset", str(corpus), "--out", str(folder)]) == 0
    return folder


def picture_corpus(paper, count=6):
    pixels = clip_pixels(count, paper).numpy()
    sizes = [(1 + n % 3, 6 + n % 2 * 2, 8) for n in range(count)]
    start = paper.pixel_ids.start
    return TokenCorpus.from_records(
        [
            [text_segment(np.array([40]), paper), image_segment(clip[:t, :h, :w] + start, paper)]
            for clip, (t, h, w) in zip(pixels, sizes, strict=True)
        ],
        paper,
    )


def small_run(folder, data, **options):
    settings = {"model": SMALL["codec-fsq"], **RUN, **options}
    return train(data, get_preset("codec-fsq"), folder, progress=False, **settings)


@pytest.fixture(scope="module")
def own_run(paper, tmp_path_factory):
    corpus = picture_corpus(paper)
    return small_run(tmp_path_factory.mktemp("own") / "x", {"train": corpus, "validation": corpus})


def test_clips_are_segments_and_their_draws_are_functions_of_the_seed(paper):
    corpus = picture_corpus(paper)
    whole = ClipDataset(corpus, "image")
    assert len(whole) == corpus.num_records
    for index in range(len(whole)):
        ids = segments_of_record(corpus, index)[1].ids[:, :, :-1]
        assert np.array_equal(whole[index]["cells"], ids.astype(int) - paper.pixel_ids.start)
    drawn = [ClipDataset(corpus, "image", length=2, mirror=True, seed=1) for _ in range(2)]
    for clips in drawn:
        clips.set_epoch(3)
    seen = [[clips[index]["cells"] for index in range(len(clips))] for clips in drawn]
    assert all(np.array_equal(one, other) and len(one) <= 2 for one, other in zip(*seen, strict=True))
    drawn[0].set_epoch(4)
    assert any(not np.array_equal(seen[1][n], drawn[0][n]["cells"]) for n in range(len(whole)))
    with pytest.raises(ValueError, match="segment of 'audio', got 6 without"):
        ClipDataset(corpus, "audio")


def test_clips_of_different_sizes_are_filled_up_and_masked(paper):
    clips = ClipDataset(picture_corpus(paper), "image")
    batch = ClipCollator(7, "pixels")([clips[index] for index in range(len(clips))])
    for index, (cells, mask, size) in enumerate(zip(batch["pixels"], batch["mask"], batch["sizes"], strict=True)):
        place = tuple(slice(extent) for extent in size.tolist())
        assert np.array_equal(cells[place], clips[index]["cells"]) and mask[place].all()
        assert int(mask.sum()) == int(size.prod()) and (cells[~mask] == 7).all()


def test_scores_of_pictures_are_those_of_a_loop_over_pixels(own_run, paper):
    codec = CodecRun.load(own_run).codec
    cells = clip_pixels(2, paper)[:, :3, :6, :6]
    scores = PictureScorer().score(codec, cells)
    guess, log_probs = codec.decode_batch(codec.encode_batch(cells), (3, 6, 6)), None
    log_probs = codec.log_probs_of_batch(cells, codec.encode_batch(cells))
    expected = torch.zeros(7, dtype=torch.float64)
    for index, pixel in np.ndenumerate(cells.numpy()):
        hit, changed = guess[index] == pixel, index[1] and pixel != cells[index[0], index[1] - 1, *index[2:]]
        shown = pixel != codec.config.background
        parts = (-float(log_probs[index]), hit, 1, hit * shown, shown, hit * bool(changed), bool(changed))
        expected += torch.tensor([float(part) for part in parts], dtype=torch.float64)
    assert torch.allclose(scores.sums.sum(0), expected, atol=1e-4)
    assert int(scores.counts.sum()) == codec.encode_batch(cells).numel()
    assert changed_pixels(cells)[:, 0].sum() == 0


def test_figures_do_not_depend_on_the_batch_and_equal_those_of_validation(own_run, paper):
    run, corpus = CodecRun.load(own_run), picture_corpus(paper)
    one, four = (evaluate_codec(run.codec, corpus, batch_size=size, progress=False)["figures"] for size in (1, 4))
    assert one == pytest.approx(four, rel=1e-5)
    last = json.loads((own_run / "history.json").read_text())["validation"][-1]
    assert {name: last[name] for name in one if name != "raw_rate"} == pytest.approx(
        {name: value for name, value in one.items() if name != "raw_rate"}, rel=1e-5
    )


def test_an_interrupted_codec_goes_on_bit_for_bit(paper, tmp_path, monkeypatch, own_run):
    data = {name: picture_corpus(paper) for name in ("train", "validation")}
    step, calls = CodecTrainer.training_step, []

    def fail_at_the_fourth(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(CodecTrainer, "training_step", fail_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path / "cut", data)
    monkeypatch.undo()
    small_run(tmp_path / "cut", data, resume=True)
    one, other = (load_file(folder / "model.safetensors") for folder in (own_run, tmp_path / "cut"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert int(one["num_steps"]) == 4
    small_run(tmp_path / "more", data, start_from=own_run, model=None, gradient_accumulation_steps=2, max_steps=2)
    assert int(load_file(tmp_path / "more" / "model.safetensors")["num_steps"]) == 4 + 2
    assert CodecRun.load(own_run).codec.digest == CodecRun.load(tmp_path / "cut").codec.digest


def test_the_copy_scores_nothing_on_changed_pixels_and_bits_add_up(own_run, paper):
    run, corpus = CodecRun.load(own_run), picture_corpus(paper)
    rows = evaluate_without_codec(run.codec, corpus, corpus)
    assert rows["copy the frame before"]["figures"]["changed_accuracy"] == 0.0
    assert rows["adaptive count coder"]["figures"]["two_part_bits"] < 6
    figures = evaluate_codec(run.codec, corpus, corpus, progress=False)["figures"]
    assert figures["two_part_bits"] == figures["code_bits"] + figures["residual_bits"]
    assert 0 < figures["code_bits"] < figures["raw_rate"]


@pytest.mark.parametrize("name", ["codec-lfq", "codec-sound"])
def test_evaluate_prints_the_codec_beside_what_needs_no_network(runs, corpus, tmp_path, capsys, name):
    folder = shutil.copytree(runs[name], tmp_path / "x")
    assert main(["evaluate", str(folder), "--dataset", str(corpus)]) == 0
    printed = capsys.readouterr().out
    written = json.loads((folder / "evaluation-test.json").read_text())
    assert all(label in printed for label in written) and {"run x", "adaptive count coder", "xz"} <= written.keys()
    figures = written["run x"]["figures"]
    expected, column = {
        "codec-lfq": ("changed_accuracy", "changed"),
        "codec-sound": ("snr_4", "SNR dB, 4 codes"),
    }[name]
    shown = f"{figures[expected]:.1%}" if expected.endswith("accuracy") else f"{figures[expected]:.1f}"
    assert column in printed and shown in printed
    assert ("copy the frame before" in written) == (name == "codec-lfq")
    assert main(["evaluate", str(folder), "--dataset", str(corpus), "--state", "zero"]) == 2
    assert "--state is not for a run of the kind" in capsys.readouterr().err


def test_generate_shows_pictures_and_sounds_as_they_come_back(runs, corpus, tmp_path, capsys):
    for name in runs:
        words = ["generate", str(runs[name]), "--dataset", str(corpus), "--num-items", "2"]
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    assert read_frames(tmp_path / "codec-lfq" / "reconstructed.gif").array.shape == (4, 96, 96, 4)
    assert len(json.loads((tmp_path / "codec-lfq" / "codes.json").read_text())["codes"]) == 2
    made = {path.name for path in (tmp_path / "codec-sound").iterdir()}
    assert {"real.wav", "sounds.png", *(f"reconstructed_{level}.wav" for level in (1, 2, 3, 4))} <= made
    assert main(["generate", str(runs["codec-lfq"]), "--audio", "x.wav", "--out", str(tmp_path / "no")]) == 2
    assert "shows --dataset or --image, one of them: got --audio" in capsys.readouterr().err
    picture = str(tmp_path / "codec-lfq" / "real.gif")
    words = ["generate", str(runs["codec-lfq"]), "--image", picture, "--out", str(tmp_path / "no")]
    for option in (["--num-items", "8"], ["--split", "test"]):
        assert main([*words, *option]) == 2
        assert f"{option[0]} must not be given without --dataset" in capsys.readouterr().err
    assert main(["generate", str(runs["codec-lfq"]), "--image", picture, "--out", str(tmp_path / "one")]) == 0


def test_a_corpus_of_codes_decodes_and_trains_a_sequence(encoded, runs, tmp_path, capsys):
    splits = open_corpus(str(encoded))
    codec = CodecRun.load(runs["codec-lfq"]).codec
    assert splits["train"].codecs["image"] == codec.digest and splits["train"].codecs.keys() == {"image", "audio"}
    segments = segments_of_record(splits["test"], 0)
    assert [segment.modality for segment in segments] == ["text", "image_code", "audio_code"]
    back = codec.decode(segments[1], (4, 12, 12), splits["test"].vocabulary)
    assert back.shape == ("image", 4, 12, 13)
    words = ["train", "--dataset", str(encoded), "--preset", "small-lstm-predictive", "--output-dir"]
    tiny = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}']
    assert main([*words, str(tmp_path / "run"), *tiny, "--max-steps", "2", "--batch-size", "2"]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--dataset", str(encoded), "--no-baselines"]) == 0
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["data"]["train"]["codecs"] == splits["train"].codecs
    assert main([*words, str(tmp_path / "no"), *tiny, "--tokenizer", '{"preset": "full"}']) == 2
    assert "has its own" in capsys.readouterr().err


def test_a_corpus_of_another_codec_is_refused(encoded, tmp_path, capsys):
    words = [
        "train",
        "--dataset",
        str(encoded),
        "--preset",
        "small-lstm-predictive",
        "--output-dir",
        str(tmp_path / "x"),
    ]
    tiny = ["--model", '{"embedding_dim": 12, "mixer_config": {"hidden_size": 8, "num_hidden_layers": 1}}']
    assert main([*words, *tiny, "--max-steps", "1", "--batch-size", "2"]) == 0
    other = tmp_path / "other"
    shutil.copytree(encoded, other)
    for split in ("train", "validation", "test"):
        corpus = TokenCorpus.load(other / split)
        shutil.rmtree(other / split)
        corpus.codecs = {**corpus.codecs, "image": "0" * 64}
        del corpus.__dict__["fingerprint"]
        corpus.save(other / split)
    assert main(["evaluate", str(tmp_path / "x"), "--dataset", str(other), "--no-baselines"]) == 2
    assert "the corpus must have the codes of image that the run 'x' was trained on" in capsys.readouterr().err
    words = [*words[:2], str(other), *words[3:5], "--output-dir", str(tmp_path / "y")]
    assert main([*words, "--start-from", str(tmp_path / "x")]) == 2
    assert "of the codec" in capsys.readouterr().err and not (tmp_path / "y").exists()


def test_rows_without_the_medium_are_left_out_and_counted(runs, corpus, tmp_path, caplog, monkeypatch, capsys):
    data = open_corpus(str(corpus))
    for split in ("train", "test"):
        rows = data[split].cast_column("pixels", Image(decode=False))
        data[split] = rows.map(lambda row, n: {"pixels": row["pixels"] if n % 3 else None}, with_indices=True)
    logger = logging.getLogger("pixelbytes_hf.data.tokenize_dataset")
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logging.getLogger("pixelbytes_hf"), "propagate", True)
    logger.addHandler(caplog.handler)
    codec, lost = runs["codec-lfq"], [-(-len(data[split]) // 3) for split in ("train", "test")]
    results, _ = evaluate_codec_run(codec, data, split="test", baselines=True)
    assert results["run codec-lfq"]["corpus"]["num_records"] == len(data["test"]) - lost[1]
    for count, split in zip(lost, ("train", "test"), strict=True):
        assert f"{count} of {len(data[split])} rows are left out: they have no image" in caplog.text
    assert small_run(tmp_path / "run", data, tokenizer=CodecRun.load(codec).tokenizer).is_dir()
    monkeypatch.setattr("pixelbytes_hf.cli.codecs.open_corpus", lambda name: data)
    write_reconstructions(codec, tmp_path / "out", dataset="x", num_items=2)
    assert len(json.loads((tmp_path / "out" / "codes.json").read_text())["codes"]) == 2
    with pytest.raises(ValueError, match="must have rows with image, got 1 without"):
        evaluate_codec_run(codec, {"test": data["test"].select([0])}, split="test", baselines=False)


def test_encode_reads_each_medium_as_its_codec_does(runs, corpus, tmp_path, capsys):
    picture, sound = CodecRun.load(runs["codec-lfq"]), CodecRun.load(runs["codec-sound"])
    every = {
        **picture.tokenizer.options,
        "order": ["text", "image", "audio"],
        "sampling_rate_hz": 11,
        "scaling": "peak",
    }
    other = type(picture.tokenizer)(**every)
    options = _options_of_reading({"image": other, "audio": sound.tokenizer})
    assert {name: options[name] for name in ("sampling_rate_hz", "scaling")} == {
        name: sound.tokenizer.options[name] for name in ("sampling_rate_hz", "scaling")
    }
    assert options["order"] == ["text", "image", "audio"]
    assert options["slicing"] == {"image": other.slicing["image"], "audio": sound.tokenizer.slicing["audio"]}
    strict = type(other)(**{**sound.tokenizer.options, "errors": "strict"})
    with pytest.raises(ValueError, match=r"read text alike, got .*'replace'.*'strict'"):
        _options_of_reading({"image": other, "audio": strict})
    turned = type(other)(**{**sound.tokenizer.options, "order": ["audio", "image", "text"]})
    with pytest.raises(ValueError, match="of one order of media"):
        _options_of_reading({"image": other, "audio": turned})
    folder = shutil.copytree(runs["codec-lfq"], tmp_path / "every")
    other.save_pretrained(folder)
    words = ["encode", "--codec", str(folder), "--dataset", str(corpus), "--out", str(tmp_path / "codes")]
    assert main(words) == 0 and "no codec of it: audio" in capsys.readouterr().err
    segments = segments_of_record(open_corpus(str(tmp_path / "codes"))["test"], 0)
    assert [segment.modality for segment in segments] == ["text", "image_code"]


def test_encode_writes_whole_or_not_at_all(runs, corpus, tmp_path, capsys, monkeypatch):
    words = ["encode", "--dataset", str(corpus), "--out", str(tmp_path / "codes")]
    for given, said in (
        ([], "expected --codec, --audio-codec or both"),
        (["--codec", str(runs["codec-sound"])], "--codec must be a codec of image, got one of audio"),
        (["--codec", str(tmp_path)], "has no config.json"),
    ):
        assert main([*words, *given]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(TokenCorpus, "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    assert main([*words, "--codec", str(runs["codec-lfq"])]) == 2
    assert not any(tmp_path.iterdir())


def test_codecs_of_two_vocabularies_are_not_mixed(runs, own_run, paper):
    codec = CodecRun.load(runs["codec-lfq"]).codec
    full = type(codec)(type(codec.config)(widths=[8, 8], num_groups=2)).eval()
    with pytest.raises(ValueError, match="of the codec's vocabulary of 607 ids, got"):
        encode_corpus(picture_corpus(paper), [full], progress=False)
    with pytest.raises(ValueError, match=r"of different media, got \['image', 'image'\]"):
        encode_corpus(picture_corpus(paper), [codec, codec], progress=False)
    with pytest.raises(ValueError, match="of the codec's vocabulary of 607 ids, got 151"):
        evaluate_codec(full, picture_corpus(paper), progress=False)


def test_a_run_that_is_no_codec_or_broken_is_refused(run_folder, own_run, tmp_path):
    with pytest.raises(ValueError, match="must be the run of a codec, got one of the kind 'sequence'"):
        CodecRun.load(run_folder)
    broken = shutil.copytree(own_run, tmp_path / "nan")
    weights = load_file(broken / "model.safetensors")
    next(each for each in weights.values() if each.is_floating_point()).view(-1)[0] = float("nan")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="must be finite, got NaN"):
        CodecRun.load(broken)
    (broken / "model.safetensors").write_bytes((own_run / "model.safetensors").read_bytes()[:-50])
    with pytest.raises(ValueError, match="cannot be read"):
        CodecRun.load(broken)


def test_silence_has_no_ratio_of_signal_to_noise(runs, paper):
    codec = CodecRun.load(runs["codec-sound"]).codec
    corpus = TokenCorpus.from_records([[audio_segment(np.full((41, 2), paper.level_ids.start + 7), paper)]], paper)
    figures = evaluate_codec(codec, corpus, progress=False)["figures"]
    assert figures["cells"] == 82 and not [name for name in figures if name.startswith("snr")]


def test_sounds_are_not_mirrored(runs, corpus, tmp_path, capsys):
    words = ["train", "--dataset", str(corpus), "--preset", "codec-sound", "--output-dir", str(tmp_path / "x")]
    assert main([*words, "--mirror", *steps()]) == 2
    assert "mirror must be False of a codec of audio" in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_sounds_of_another_number_of_channels_are_refused(paper, tmp_path):
    levels = np.full((40, 1), paper.level_ids.start)
    corpus = TokenCorpus.from_records([[audio_segment(levels, paper)]], paper)
    with pytest.raises(ValueError, match=r"num_channels=2, got sounds of \[1\] channels"):
        train(corpus, "codec-sound", tmp_path / "x", model=SMALL["codec-sound"], progress=False, **RUN)
    assert not (tmp_path / "x").exists()


def test_a_picture_of_one_frame_is_a_clip(own_run, paper):
    codec = CodecRun.load(own_run).codec
    corpus = TokenCorpus.from_records([[image_segment(np.full((1, 3, 5), paper.pixel_ids.start), paper)]], paper)
    figures = evaluate_codec(codec, corpus, progress=False)["figures"]
    assert figures["cells"] == 15 and "changed_accuracy" not in figures
    assert scorer_of(codec).score(codec, torch.zeros(1, 1, 3, 5, dtype=torch.int64)).sums.shape == (1, 7)
