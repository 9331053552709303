"""Samples: what a run makes of records it has not seen, drawn with a seed, as files to show beside its weights.

A model is given the first medium of a record and makes the others; where a record has but one, it is given the first
half.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.tokenize_dataset import COLUMNS
from ..evaluation.figures import SheetRow, draw_contact_sheet, draw_sounds
from ..generation.layout import Layout, SegmentLayout
from ..media.pictures import composite_on_white, read_frames
from ..runs.files import write_json
from ..runs.run_folder import CRY_NAME, DEFAULT_RATE_HZ, LARGE_NAME, Run, write_media
from ..tokens.grid import Modality
from ..tokens.record import DecodedRecord

NUM_ROWS = 8
MOST_FRAMES, MOST_SAMPLES = 8, 4000  # of a sample: sprites of 30 frames and cries of seconds would take minutes
TEMPERATURE = 0.3  # small models, shortly trained: likelier tokens make cleaner sprites
SHOWN_STEMS = {"image": Path(LARGE_NAME).stem, "audio": Path(CRY_NAME).stem}
SHEET_NAME, SOUNDS_NAME, RECORD_NAME = "contact_sheet.png", "cries.png", "samples.json"
_NOT_PLAIN = re.compile(r"[^\w .,;:!?'()%/+-]+")  # what Markdown could take for its own


@dataclass(frozen=True)
class Prompts:
    """What a model is given of the rows of a corpus.

    Attributes:
        medium: ``text``, ``image`` or ``audio``.
        values: One per row, as the tokenizer takes them.
        keep: Tokens of each that are given, or None for all.
    """

    medium: Modality
    values: list[Any]
    keep: int | None = None

    def describe(self, name: str | None = None) -> str:
        """Return what the first of them is, in words.

        Args:
            name: Of its record, where the sentence itself may not be told.
        """
        whole = f"the {self.medium} of {name or 'a record'}"
        if self.keep is not None:
            return f"the first half of {whole}"
        return f"the sentence {_quote(self.values[0])}" if self.medium == "text" and name is None else whole


def make_samples(
    run: Run,
    rows: Any,
    folder: str | Path,
    *,
    seed: int = 0,
    temperature: float = TEMPERATURE,
    num_rows: int = NUM_ROWS,
    shows_real: bool = True,
) -> dict[str, str]:
    """Write what a run makes of the first rows of a corpus.

    Args:
        run: A trained one.
        rows: A split of a corpus, as `datasets.Dataset`.
        folder: Made if absent. Afterwards it holds the media of the first row (``creature.gif``, ``cry.wav``, ...),
            ``contact_sheet.png`` of all rows' sprites, ``cries.png``, and ``samples.json`` that says how they were
            made, with the sentences given or made if `shows_real`; those that the run has media for.
        seed: Of the generation.
        temperature: Of the generation.
        num_rows: Rows to use, at most.
        shows_real: Whether the corpus' own sentences, pictures and sounds may be written, quoted and drawn beside the
            generated ones: False where they are not ours to publish. Records are then named by their number in the
            split, from 0 on, and no sentence is written at all, as a model may know one by heart.

    Returns:
        Captions of the files to show, by name.

    Raises:
        ValueError: If `rows` is empty or lacks the medium that the run begins from, or `num_rows` is not positive.
    """
    if num_rows < 1 or not len(rows):
        raise ValueError(f"samples need rows and num_rows >= 1, got {len(rows)} rows and num_rows {num_rows}")
    target, records = Path(folder), _read_rows(rows, num_rows)
    prompts = choose_prompts(run, records)
    layout = choose_layout(run, prompts)
    given: dict[str, Any] = {prompts.medium: prompts.values, "layout": layout, "keep": prompts.keep}
    created = run.create(**given, do_sample=True, temperature=temperature, seed=seed)
    names = [f"record {number} of the {rows.split or 'given'} split" for number in range(len(records))]
    titles = [record.get("text") or "" for record in records] if shows_real else names
    sentences = prompts.values if prompts.medium == "text" else [record.text for record in created]
    if not shows_real:
        created = [_without(record, prompts.medium) for record in created]
    captions = _write_first(prompts, created[0], target, name=None if shows_real else names[0])
    if prompts.medium != "image":
        real = [_real_frames(record) if shows_real else None for record in records]
        captions |= _draw_sheet(titles, real, created, target / SHEET_NAME)
    captions |= _draw_sounds(_real_sound(run, records[0]) if shows_real else None, created[0], target / SOUNDS_NAME)
    how = {"seed": seed, "temperature": temperature, "given": prompts.medium, "kept_tokens": prompts.keep}
    told = {"sentences": sentences} if shows_real else {}
    write_json(target / RECORD_NAME, {**how, "layout": layout.to_dict(), "num_rows": len(records), **told})
    return captions


def choose_prompts(run: Run, records: list[Mapping[str, Any]]) -> Prompts:
    """Return what to give a run: the first medium of its records, half of it if they have no other.

    Args:
        run: Its tokenizer and layout say which media there are.
        records: Rows of a corpus.

    Raises:
        ValueError: If a row lacks that medium.
    """
    known = [segment.modality for segment in run.layout.segments]
    medium = next(name for name in run.tokenizer.order if name in known)
    values = [record.get(COLUMNS[medium]) for record in records]
    if any(value is None for value in values):
        raise ValueError(f"rows have no {COLUMNS[medium]!r}, which the run begins from: expected one in every row")
    if set(known) != {medium}:
        return Prompts(medium, values)
    encoded = [run.tokenizer.encode_record(**{medium: value})[0] for value in values]
    shortest = min(sum(segment.ids.size for segment in segments) for segments in encoded)
    return Prompts(medium, values, max(shortest // 2, 1))


def choose_layout(run: Run, prompts: Prompts) -> Layout:
    """Return what to make after prompts: the rest of a record, no medium longer than a sample has to be."""
    if prompts.keep is not None:
        return run.layout_from(prompts.keep, **{prompts.medium: prompts.values[0]})
    segments = run.layout.segments
    given = [segment.modality for segment in segments].index(prompts.medium)
    return Layout(tuple(map(_shorten, segments[given + 1 :])))


def _shorten(segment: SegmentLayout) -> SegmentLayout:
    bounds = {"frames": MOST_FRAMES, "samples": MOST_SAMPLES, "max_samples": MOST_SAMPLES}
    extents = {name: getattr(segment, name, None) for name in bounds}
    return replace(segment, **{name: min(n, bounds[name]) for name, n in extents.items() if n is not None})


def _read_rows(rows: Any, num_rows: int) -> list[Mapping[str, Any]]:
    """Return the first rows with their media as stored bytes."""
    from datasets import Audio, Image

    rows = rows.select(range(min(num_rows, len(rows))))
    rows = rows.select_columns([name for name in COLUMNS.values() if name in rows.column_names])
    for name, feature in rows.features.items():
        if isinstance(feature, Audio | Image):
            rows = rows.cast_column(name, type(feature)(decode=False))
    return list(rows)


def _first(record: DecodedRecord, modality: str) -> Any:
    return next((segment.value for segment in record.segments if segment.modality == modality), None)


def _write_first(prompts: Prompts, made: DecodedRecord, folder: Path, *, name: str | None) -> dict[str, str]:
    """Write the media of the first record and return captions by file; `name` replaces what may not be quoted."""
    given, captions = prompts.describe(name), {}
    for path in write_media(made, folder):
        if prompts.medium != "text" and made.text is not None:
            caption = f"Given {given}, it wrote {_quote(made.text)}"
        elif prompts.keep is None and path.stem == SHOWN_STEMS.get(prompts.medium):
            caption = f"What it was given: {given}"
        else:
            caption = f"Made from {given}"
        if path.stem.startswith(tuple(SHOWN_STEMS.values())):
            captions[path.name] = caption
    return captions


def _quote(sentence: str) -> str:
    """Return a sentence between quotation marks, in one line and without what Markdown could take for its own."""
    return f"“{' '.join(_NOT_PLAIN.sub(' ', sentence).split())}”"


def _without(record: DecodedRecord, medium: str) -> DecodedRecord:
    """Return a record without sentences, and without the medium that was given, or continued."""
    kept = [segment for segment in record.segments if segment.modality not in ("text", medium)]
    return DecodedRecord(kept, record.problems)


def _draw_sheet(titles: list[str], real: list[Any], created: list[DecodedRecord], path: Path) -> dict[str, str]:
    """Draw the sprites and return the caption by name; nothing of records without any."""
    sprites = [_first(made, "image") for made in created]
    if all(sprite is None for sprite in sprites):
        return {}
    sheet = [SheetRow(*each) for each in zip(titles, real, sprites, strict=True)]
    return {draw_contact_sheet(sheet, path).name: f"Sprites of {len(sheet)} held-out records"}


def _draw_sounds(real: Any, created: DecodedRecord, path: Path) -> dict[str, str]:
    """Draw a generated sound, beside the real one if there is one, and return the caption by name."""
    sounds = {name: sound for name, sound in (("real", real), ("generated", _first(created, "audio"))) if sound}
    if "generated" not in sounds:
        return {}
    rates = {name: sound["sampling_rate"] or DEFAULT_RATE_HZ for name, sound in sounds.items()}
    rated = {name: {**sound, "sampling_rate": rates[name]} for name, sound in sounds.items()}
    return {draw_sounds(rated, path).name: "Waveform and spectrogram of the sound above"}


def _real_frames(record: Mapping[str, Any]) -> Any:
    picture = record.get(COLUMNS["image"])
    return None if picture is None else composite_on_white(read_frames(picture).array)


def _real_sound(run: Run, record: Mapping[str, Any]) -> Any:
    """Return a record's sound as the run's tokenizer hears it; None of a run without sound."""
    sound = record.get(COLUMNS["audio"])
    if sound is None or "audio" not in [segment.modality for segment in run.layout.segments]:
        return None
    encoding = run.tokenizer(audio=sound)
    return _first(run.tokenizer.decode_modalities(encoding["labels"], encoding.segments[0]), "audio")
