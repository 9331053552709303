"""What stands behind the verbs for runs of learned codecs: figures, reconstructions beside originals, the list."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.code_corpus import segments_of_record
from ..data.corpus import TokenCorpus
from ..data.tokenize_dataset import as_corpus, rows_with_media
from ..evaluation.codecs import evaluate_codec, evaluate_without_codec, format_codec_table
from ..evaluation.figures import SheetRow, draw_contact_sheet, draw_sounds
from ..media.gif_writer import write_gif
from ..media.sounds import write_sound
from ..runs.codec_run import CodecRun
from ..runs.kinds import find_kind, find_object
from ..runs.run_folder import DEFAULT_RATE_HZ, LARGE_SCALE, playable_sound
from ..tokens.grid import Segment, codes_of_segment
from ..training.builders import build_tokenizer
from ..training.presets import Preset
from .corpora import open_corpus

SHEET_NAME, SOUNDS_NAME, CODES_NAME = "reconstructions.png", "sounds.png", "codes.json"
NUM_ITEMS, BATCH_SIZE = 8, 16


def evaluate_codec_run(
    run_folder: str | Path,
    data: Mapping[str, Any],
    *,
    split: str,
    baselines: bool,
    batch_size: int = BATCH_SIZE,
) -> tuple[dict[str, Any], str]:
    """Return what a codec keeps and what its codes cost, beside what needs no network, and the table.

    Args:
        run_folder: Of the codec.
        data: Rows by split, or corpora.
        split: To score.
        baselines: Whether to count the split ``train``: its codes, and for the rows without a network its cells.
        batch_size: Clips read together.
    """
    run = CodecRun.load(run_folder)
    test = _read(data[split], run)
    train = _read(data["train"], run) if baselines else None
    results = {f"run {Path(run_folder).resolve().name}": evaluate_codec(run.codec, test, train, batch_size=batch_size)}
    if train is not None:
        results |= evaluate_without_codec(run.codec, test, train)
    return results, format_codec_table(results)


def write_reconstructions(
    run_folder: str | Path,
    out: str | Path,
    *,
    dataset: str | None = None,
    split: str | None = None,
    image: str | None = None,
    audio: str | None = None,
    num_items: int | None = None,
) -> list[Path]:
    """Write media as they are and as they come back from a codec's codes, and return the files.

    Args:
        run_folder: Of the codec.
        out: Folder to write into.
        dataset: Corpus whose first records are shown.
        split: Of it, by default ``test``.
        image: Picture file to show instead, for a codec of pictures.
        audio: Sound file to show instead, for a codec of sounds.
        num_items: Of its records to show, at most; by default `NUM_ITEMS`.

    Raises:
        ValueError: If there is not one source, of the codec's medium, no record has that medium, or a part of a
            dataset is chosen without one.
    """
    run, target = CodecRun.load(run_folder), Path(out)
    medium = run.codec.medium
    given: dict[str, Any] = {"dataset": dataset, "image": image, "audio": audio}
    sources = [name for name, value in given.items() if value is not None]
    if sources not in (["dataset"], [medium]):
        got = ", ".join(f"--{name}" for name in sources) or "none"
        raise ValueError(f"a codec of {medium} shows --dataset or --{medium}, one of them: got {got}")
    if dataset is None:
        chosen = [f"--{name}" for name, value in (("split", split), ("num-items", num_items)) if value is not None]
        if chosen:
            raise ValueError(f"{' and '.join(chosen)} must not be given without --dataset")
        segments = run.tokenizer.encode_record(**{medium: given[medium]})[0]
    else:
        split = "test" if split is None else split
        segments = list(_held_out(run, dataset, split, NUM_ITEMS if num_items is None else num_items))
    if not segments:
        raise ValueError(f"--dataset must have records with {medium} in its split {split!r}, got none")
    write = _write_pictures if medium == "image" else _write_sounds
    target.mkdir(parents=True, exist_ok=True)
    codes = [run.codec.encode(segment) for segment in segments]
    lists = [codes_of_segment(each, run.codec.vocabulary).tolist() for each in codes]
    path = target / CODES_NAME
    path.write_text(json.dumps({"digest": run.codec.digest, "codes": lists}), encoding="utf-8")
    return [*write(run, segments, codes, target), path]


def describe_codec_preset(preset: Preset) -> dict[str, Any]:
    """Return what the columns of the list show of a codec."""
    tables = build_tokenizer(preset).tables
    recipe = find_object(find_kind(preset.kind).recipe)
    config = recipe.config_class(vocabulary=tables, **preset.model)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in recipe.model_class(config).parameters())
    sizes = " + ".join(map(str, config.code_sizes))
    widths = "-".join(map(str, config.widths))
    return {
        "source": preset.source,
        "parameters": parameters,
        "ids": tables.size,
        "cells": 1,
        "embedding": f"codes {sizes}",
        "objective": f"{preset.kind}, {config.quantiser}",
        "mixer": f"convolutions {widths}",
        "note": preset.note,
    }


def _held_out(run: CodecRun, dataset: str, split: str, num_items: int) -> Iterator[Segment]:
    data = open_corpus(dataset)
    if split not in data:
        raise ValueError(f"dataset {dataset!r} has no split {split!r}: it has {sorted(data)}")
    # cut after rows without the medium are left out, so that they take no place
    rows = rows_with_media(data[split], run.tokenizer)
    rows = rows.select(range(min(num_items, len(rows)))) if hasattr(rows, "select") else rows
    corpus = as_corpus(rows, run.tokenizer)
    found = (each for index in range(corpus.num_records) for each in segments_of_record(corpus, index))
    of_medium = (segment for segment in found if segment.modality == run.codec.medium)
    for _, segment in zip(range(num_items), of_medium, strict=False):
        yield segment


def _read(rows: Any, run: CodecRun) -> TokenCorpus:
    return as_corpus(rows_with_media(rows, run.tokenizer), run.tokenizer)


def _decode(run: CodecRun, segment: Segment) -> Any:
    [decoded] = run.tokenizer.decode_modalities(segment.ids.reshape(-1)).segments
    return decoded.value


def _write_pictures(run: CodecRun, segments: Sequence[Segment], codes: Sequence[Segment], target: Path) -> list[Path]:
    """Write a contact sheet, and of the first picture both animations, enlarged."""
    rows, written = [], []
    for number, (segment, code) in enumerate(zip(segments, codes, strict=True)):
        cells = codes_of_segment(segment, run.codec.vocabulary)
        decoded = run.codec.decode(code, cells.shape)
        back = codes_of_segment(decoded, run.codec.vocabulary)
        real, made = _decode(run, segment), _decode(run, decoded)
        size = "x".join(map(str, codes_of_segment(code, run.codec.vocabulary).shape))
        rows.append(SheetRow(f"{number}: {size} codes, {(cells == back).mean():.1%} of pixels", real, made))
        if number == 0:
            for name, frames in (("real.gif", real), ("reconstructed.gif", made)):
                write_gif(frames, target / name, durations_ms=(100,) * len(frames), scale=LARGE_SCALE)
                written.append(target / name)
    sheet = draw_contact_sheet(rows, target / SHEET_NAME, titles=("real", "reconstructed"))
    return [sheet, *written]


def _write_sounds(run: CodecRun, segments: Sequence[Segment], codes: Sequence[Segment], target: Path) -> list[Path]:
    """Write the first sound, and what comes back from its first 1, 2, ... levels of codes, and draw them."""
    segment, grid = segments[0], codes[0]
    length, sounds = len(segment.ids) - 1, {"real": _decode(run, segment)}
    for count in range(1, grid.ids.shape[2] + 1):
        part = _first_levels(run, grid, count)
        sounds[f"{count} of {grid.ids.shape[2]} codes"] = _decode(run, run.codec.decode(part, length))
    written = []
    for number, sound in enumerate(sounds.values()):
        name = f"reconstructed_{number}.wav" if number else "real.wav"
        write_sound(playable_sound(sound), target / name)
        written.append(target / name)
    shown = {
        name: {**each, "sampling_rate": each["sampling_rate"] or DEFAULT_RATE_HZ} for name, each in sounds.items()
    }
    return [draw_sounds(shown, target / SOUNDS_NAME), *written]


def _first_levels(run: CodecRun, segment: Segment, count: int) -> Segment:
    """Return the first levels of a sound's codes as a segment of their own."""
    from ..tokens.grid import audio_code_segment

    return audio_code_segment(codes_of_segment(segment, run.codec.vocabulary)[:, :count], run.codec.vocabulary)
