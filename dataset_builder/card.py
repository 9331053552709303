"""The card of a built corpus: what is in it, where it comes from, how to read it; and what `load_dataset` needs.

Knows numbers that were counted during the build; nothing is written by hand that a build could contradict.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .splits import SPLITS

if TYPE_CHECKING:
    from datasets import Features

SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"))


@dataclass(frozen=True)
class SplitSize:
    """What was counted in a split.

    Attributes:
        num_records: Records.
        num_families: Families.
        num_bytes: Size of the columns in memory, bytes.
    """

    num_records: int
    num_families: int
    num_bytes: int


CREATURE_COLUMNS = """\
- `text`: English description. `types`, `generation`, `family_id`: as the source gives them.
- `sprite`: the original animated GIF, all frames. `pixels`: at most 50 pixels a side, NES colours on white.
- `audio`: FLAC of two channels at `sampling_rate` Hz. Channel 0 is the cry in mono, channel 1 the same through a Game
  Boy's speaker (8192 Hz, band-pass 100-3000 Hz); each has a peak of one."""
CREATURE_READING = """\
```python
from datasets import Image, load_dataset

records = load_dataset("{folder}", split="train")
records = records.cast_column("sprite", Image(decode=False)).cast_column("pixels", Image(decode=False))
```
Cast the pictures to `decode=False` before any `map`: a `map` that only looks at a decoded GIF keeps one frame of it.
"""
CONTROL_COLUMNS = """\
- `text`: the system's transfer function as `[numerator] / [denominator]`, coefficients in descending powers of s, time
  counted in samples; `dataset_builder.linear_systems.read_system` reads it back.
- `audio`: 16-bit FLAC of the signals, a row per sample t; before the first row the system rests at zero. Channel 0 is
  the action u[t], held until t + 1; channel 1 the state y[t + 1] that it leads to; channel 2, in records of a closed
  loop alone, the error r[t + 1] - y[t + 1], set-point minus state, told with the state, for the next action.
- All amplitudes are as simulated, in one unit for all records: do not rescale them (tokenizer: `scaling="none"`).
- `types`: the kind of input: steps, chirp or bang-bang look at no state; pi (tuned to the system) and lqr (which knows
  it) follow a set-point, with a random addition to every action: u[t] is what was applied.
- `generation`: order of the system. `family_id`: the system. `sampling_rate`: nominal. `sprite`, `pixels`: empty."""
CONTROL_READING = """\
```python
from datasets import load_dataset

records = load_dataset("{folder}", split="train")
```
"""


@dataclass(frozen=True)
class CardText:
    """What a card says of one corpus.

    Attributes:
        title: Heading.
        summary: What a record is.
        provenance: Where the records come from, and whose they are.
        licence: Identifier the Hub knows, or ``other``.
        licence_name: Name of the licence if it is ``other``.
        licence_link: Where it is explained if it is ``other``.
        family: What the records of a family share.
        columns: What the columns hold.
        reading: What to know before reading them.
        tasks: Names of the Hub's task categories.
    """

    title: str
    summary: str
    provenance: str
    licence: str
    licence_name: str | None = None
    licence_link: str | None = None
    family: str = "colour, shape and element"
    columns: str = CREATURE_COLUMNS
    reading: str = CREATURE_READING
    tasks: tuple[str, ...] = ("text-to-image", "text-to-audio", "image-to-text")


CARD_TEXTS = {
    "pokemon": CardText(
        title="PixelBytes Pokémon",
        summary="Each record is a species: a description, an animated sprite, and a cry.",
        provenance=(
            "Built from PokeAPI's public repositories by the `dataset_builder` of pixelbytes_hf. Sprites, cries and "
            "descriptions are works of Nintendo, Creatures Inc. and GAME FREAK inc.; the builder's licence does not "
            "cover them. Build the corpus for yourself rather than redistributing it."
        ),
        licence="other",
        licence_name="third-party-works",
        licence_link="https://github.com/PokeAPI/sprites/blob/master/LICENCE.txt",
        family="a family is an evolution chain",
    ),
    "mini": CardText(
        title="PixelBytes mini",
        summary=(
            "Each record is a procedural creature whose attributes are known: a sentence that states them, an "
            "animated sprite that shows colour, size, shape and pose, and a cry that carries element and pitch."
        ),
        provenance="Made by code from a seed, by the `dataset_builder` of pixelbytes_hf; no file is used.",
        licence="apache-2.0",
    ),
    "control": CardText(
        title="PixelBytes control",
        summary=(
            "Each record is a stable, controllable and observable linear system of order 1 to 3 at work: its transfer "
            "function as text, and the signals of its action and state under one kind of input."
        ),
        provenance="Made by code from a seed, by the `dataset_builder` of pixelbytes_hf; no file is used.",
        licence="apache-2.0",
        family="a family is one system under every kind of input",
        columns=CONTROL_COLUMNS,
        reading=CONTROL_READING,
        tasks=("time-series-forecasting", "robotics"),
    ),
}

BODY = """
# {title}

{summary}

| split | records | families |
|---|---|---|
{counts}

No family is in two splits ({family}). {dropped}

## Columns
{columns}{attributes}

## Reading it
{reading}Audio is stored undecoded; read it with `soundfile.read(io.BytesIO(record["audio"]["bytes"]))`. A decoder that
returns `["array"]` averages the channels.

## Origin
{provenance}

{source}Seed {seed}, pixelbytes_hf {version}.
"""


def render_card(
    config: str,
    *,
    folder: str,
    features: "Features",
    sizes: dict[str, SplitSize],
    drops: dict[str, int],
    download_size: int,
    source: dict[str, str],
    seed: int,
    version: str,
) -> str:
    """Return the README of a built corpus: YAML that `load_dataset` reads, and text.

    Args:
        config: ``pokemon``, ``mini`` or ``control``.
        folder: Name of the folder.
        features: Columns.
        sizes: What was counted in each split.
        drops: How many records were left out, by reason.
        download_size: Size of the Parquet files, bytes.
        source: Where the files came from.
        seed: Seed of the build.
        version: Version of the builder.

    Raises:
        KeyError: If `config` has no card text.
    """
    text = CARD_TEXTS[config]
    rows = [f"| {split} | {sizes[split].num_records} | {sizes[split].num_families} |" for split in SPLITS]
    reasons = ", ".join(f"{count} with {reason}" for reason, count in sorted(drops.items()))
    body = BODY.format(
        title=text.title,
        summary=text.summary,
        counts="\n".join(rows),
        family=text.family,
        columns=text.columns,
        reading=text.reading.format(folder=folder),
        dropped=f"Left out: {reasons} (named in `build_report.json`)." if drops else "No record was left out.",
        attributes="\n- `attributes`: colour, size, shape, pose, element, pitch." if "attributes" in features else "",
        provenance=text.provenance,
        source=f"Source: {', '.join(f'{key} {value}' for key, value in source.items())}. " if source else "",
        seed=seed,
        version=version,
    )
    return f"---\n{_front_matter(config, text, features, sizes, download_size)}---\n{body}"


def _front_matter(
    config: str, text: CardText, features: "Features", sizes: dict[str, SplitSize], download_size: int
) -> str:
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    splits = SplitDict()
    for split in SPLITS:
        splits.add(SplitInfo(split, sizes[split].num_bytes, sizes[split].num_records))
    num_records = sum(size.num_records for size in sizes.values())
    data = DatasetCardData(
        language=["en"],
        license=text.licence,
        license_name=text.licence_name,
        license_link=text.licence_link,
        pretty_name=text.title,
        size_categories=[next((name for limit, name in SIZE_CATEGORIES if num_records < limit), "n>10K")],
        task_categories=list(text.tasks),
        tags=["control" if config == "control" else "pixel-art", "multimodal", "pixelbytes"],
        configs=[
            {
                "config_name": config,
                "default": True,
                "data_files": [{"split": split, "path": f"data/{split}-*"} for split in SPLITS],
            }
        ],
    )
    info = DatasetInfo(
        config_name=config,
        features=features,
        splits=splits,
        download_size=download_size,
        dataset_size=sum(size.num_bytes for size in sizes.values()),
    )
    DatasetInfosDict({config: info}).to_dataset_card_data(data)
    return f"{data.to_yaml()}\n"
