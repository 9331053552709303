"""A medium of one's own: melodies, learnt from sentences that name them, generated and played.

    python examples/own_medium.py --out outputs/melodies

A medium is a grid of small integers, so adding one takes a pair of functions and a table, no change of the package:

1. Which grid is it? A line of symbols without columns is a text, pictures over time are an image, channels over time
   are a sound. A melody is two channels over time, pitch and duration: a sound.
2. Which ids? `Vocabulary.from_dict` takes tables of one's own. Here 128 levels stand for the numbers 0 to 127, and
   ``scaling="none"`` keeps them as they are.
3. To and fro: `encode_melody` and `decode_melody` are inverses of each other, and a test says so.

Contexts, windows, models, objectives, evaluation and layouts then take melodies as they take cries.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelbytes_hf import ActionPixelBytesTokenizer, Run, TokenCorpus, Vocabulary, get_preset, train
from pixelbytes_hf.media.sounds import Sound, write_sound

NUM_NUMBERS = 128
NUM_NOTES = 16
TONICS = {"c": 60, "d": 62, "e": 64, "f": 65, "g": 67, "a": 69, "b": 71}
STEPS = {"rising": (2,), "falling": (-2,), "waving": (2, 2, -2, -2), "still": (0,)}
RHYTHMS = {"slow": (4,), "fast": (1,), "dotted": (3, 1)}  # sixteenths
Notes = NDArray[np.int64]


def encode_melody(notes: Notes) -> dict[str, Any]:
    """Return notes (N, 2), pitch and sixteenths, each 0 to 127, as a sound of two channels in [-1, 1).

    Raises:
        ValueError: If the notes have another shape or leave the range.
    """
    if notes.ndim != 2 or notes.shape[1] != 2 or notes.min() < 0 or notes.max() >= NUM_NUMBERS:
        raise ValueError(f"notes must be (N, 2) in 0..{NUM_NUMBERS - 1}, got shape {notes.shape}")
    return {"array": notes.T / (NUM_NUMBERS / 2) - 1, "sampling_rate": None}


def decode_melody(sound: dict[str, Any]) -> Notes:
    """Return the notes of a sound: the inverse of `encode_melody`."""
    return np.rint((np.asarray(sound["array"]).T + 1) * (NUM_NUMBERS / 2)).astype(np.int64)


def make_tokenizer() -> ActionPixelBytesTokenizer:
    """Return a tokenizer whose levels are the numbers 0 to 127."""
    tables = Vocabulary.from_preset("paper").to_dict()
    tables["levels"] = [number / (NUM_NUMBERS / 2) - 1 for number in range(NUM_NUMBERS)]
    return ActionPixelBytesTokenizer(vocabulary=tables, scaling="none", order=["text", "audio"])


def make_melody(tonic: str, shape: str, rhythm: str) -> Notes:
    """Return the melody that a sentence names."""
    steps, lengths = np.resize(STEPS[shape], NUM_NOTES - 1), np.resize(RHYTHMS[rhythm], NUM_NOTES)
    return np.stack([TONICS[tonic] + np.concatenate([[0], np.cumsum(steps)]), lengths], axis=1)


def name_melodies() -> list[tuple[str, Notes]]:
    """Return every sentence with its melody."""
    return [
        (f"a {rhythm} {shape} melody from {tonic}.", make_melody(tonic, shape, rhythm))
        for tonic in TONICS
        for shape in STEPS
        for rhythm in RHYTHMS
    ]


def learn_melodies(out: Path, *, max_steps: int) -> tuple[Run, list[tuple[str, Notes]]]:
    """Train on nine melodies of ten and return the run, and the melodies that were held out."""
    tokenizer, melodies = make_tokenizer(), name_melodies()
    held_out = melodies[::10]
    kept = [each for index, each in enumerate(melodies) if index % 10]
    records = [tokenizer.encode_record(text=text, audio=encode_melody(notes))[0] for text, notes in kept]
    plan = get_preset("mini").replace(
        **{"window_length": 128, "stride": 128, "prefix_windows": 0, "num_train_epochs": 1000, "max_steps": max_steps},
        **{"memory_horizon": None, "batch_size": 16},
    )
    corpus = TokenCorpus.from_records(records, tokenizer.tables)
    model = {"embedding_dim": 96, "mixer_config": {"hidden_size": 96, "num_hidden_layers": 2}}
    return Run.load(train(corpus, plan, out, tokenizer=tokenizer, model=model)), held_out


def play(notes: Notes, path: Path, *, rate_hz: int = 16_000, sixteenth_seconds: float = 0.12) -> None:
    """Write notes as a sound file: sines that fade."""
    tones = []
    for pitch, length in notes:
        times = np.arange(max(int(length), 1) * sixteenth_seconds * rate_hz) / rate_hz
        tones.append(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * times) * np.exp(-4 * times) * 0.5)
    write_sound(Sound(np.concatenate(tones)[:, None].astype(np.float32), rate_hz), path)


def main() -> None:
    """Parse the command line, train, and play a melody that was never heard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--max-steps", type=int, default=600, help="optimiser steps (default: %(default)s)")
    options = parser.parse_args()
    out = Path(options.out)
    run, held_out = learn_melodies(out / "run", max_steps=options.max_steps)
    made = run.create(text=[text for text, _ in held_out], do_sample=False)
    melodies = [decode_melody(record.sound) for record in made]
    right = sum(np.array_equal(got, notes) for got, (_, notes) in zip(melodies, held_out, strict=True))
    print(f"{right} of {len(held_out)} melodies that were never heard are right, note by note")
    play(melodies[0], out / "melody.wav")
    print(f"{held_out[0][0]} {melodies[0].tolist()}")


if __name__ == "__main__":
    main()
