"""The card of a built corpus: what is in it, where it comes from, how to read it; and what `load_dataset` needs.

Every number was counted during the build; nothing is written by hand that a build could contradict. The prose is in
`dataset_card.md.jinja`.
"""

import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from .corpora import DEFAULT_SIZES, SIZE_NAMES, THIRD_PARTY_CONFIGS, VIEWS, corpus_features
from .report import BuildReport, Config
from .splits import HELD_OUT_SHARES, SPLITS

if TYPE_CHECKING:
    from datasets import DatasetInfo

SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"))
TEMPLATE_NAME = "dataset_card.md.jinja"


@dataclass(frozen=True)
class CardText:
    """What a card says of one corpus, and its template does not.

    Attributes:
        title: Heading.
        summary: What a record is.
        family: What the records of a family share.
        licence: Identifier the Hub knows, or ``other``.
        licence_name: Name of the licence if it is ``other``.
        licence_link: Where it is explained if it is ``other``.
        tasks: Names of the Hub's task categories.
    """

    title: str
    summary: str
    family: str
    licence: str = "apache-2.0"
    licence_name: str | None = None
    licence_link: str | None = None
    tasks: tuple[str, ...] = ("text-to-image", "text-to-audio", "image-to-text")


def _of_third_parties(title: str, summary: str, tasks: tuple[str, ...]) -> CardText:
    return CardText(
        title=title,
        summary=summary,
        family="a family is an evolution chain",
        licence="other",
        licence_name="third-party-works",
        licence_link="https://github.com/PokeAPI/sprites/blob/master/LICENCE.txt",
        tasks=tasks,
    )


CARD_TEXTS: dict[Config, CardText] = {
    "full": _of_third_parties(
        "PixelBytes Pokémon",
        "Each record is a species: a description, an animated sprite, and a cry.",
        ("text-to-image", "text-to-audio", "image-to-text"),
    ),
    "sprites": _of_third_parties(
        "PixelBytes Pokémon, sprites",
        "Each record is a species: a description and an animated sprite.",
        ("text-to-image", "image-to-text"),
    ),
    "mini": CardText(
        title="PixelBytes mini",
        summary=(
            "Each record is a procedural creature whose attributes are known: a sentence that states them, an "
            "animated sprite that shows colour, size, shape and pose, and a cry that carries element and pitch."
        ),
        family="a family is a colour, a shape and an element; its members differ in size, pose and pitch",
    ),
    "control": CardText(
        title="PixelBytes control",
        summary=(
            "Each record is a stable, controllable and observable linear system of order 1 to 3 at work: its transfer "
            "function as text, and the signals of its action and state under one kind of input."
        ),
        family="a family is one system under every kind of input",
        tasks=("time-series-forecasting", "robotics"),
    ),
    "folder": CardText(
        title="Pictures of one's own",
        summary="Each record is a picture, what is said of it, and a sound where one lay beside it.",
        family="a family is what the builder was told to keep together",
        licence="unknown",
    ),
}


def render_card(report: BuildReport, folder: Path, *, name: str) -> str:
    """Return the README of a built corpus: YAML that `load_dataset` reads, and text.

    Args:
        report: What was counted.
        folder: Folder that holds the corpus, for now maybe under another name.
        name: What `load_dataset` is given: name of the folder, or id of a repository.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.from_string((files(__package__) / TEMPLATE_NAME).read_text(encoding="utf-8"))
    body = template.render(
        report=report,
        text=CARD_TEXTS[report.config],
        name=name,
        sizes={split: report.splits[split] for split in SPLITS},
        views=VIEWS[report.config],
        shares={split: f"{share:.0%}" for split, share in HELD_OUT_SHARES.items()},
        drops=", ".join(f"{count} with {reason}" for reason, count in sorted(report.drops_by_reason.items())),
        is_third_party=report.config in THIRD_PARTY_CONFIGS,
        has_sound=report.config != "sprites" and (report.config != "folder" or _holds_sound(folder / "data")),
        has_default_size=report.size == DEFAULT_SIZES[report.config],
        size_name=SIZE_NAMES[report.config],
        folder=name.rpartition("/")[2],
        folder_in_shell=shlex.quote(name.rpartition("/")[2]),
        options_in_shell=_options(report),
    )
    return f"---\n{_front_matter(report, folder)}---\n\n{body}"


def _options(report: BuildReport) -> str:
    """Return what a command needs to read a folder again as it was read."""
    if report.config != "folder":
        return ""
    settings = {("source" if name == "folder" else name): value for name, value in report.source.items()}
    return "".join(
        f" --{name.replace('_', '-')} {shlex.quote(value)}" for name, value in settings.items() if name != "kind"
    )


def _front_matter(report: BuildReport, folder: Path) -> str:
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    text = CARD_TEXTS[report.config]
    num_records = sum(size.num_records for size in report.splits.values())
    views = [
        {"config_name": view, "columns": [*corpus_features(view)], "data_files": _data_files()}
        for view in VIEWS[report.config]
    ]
    data = DatasetCardData(
        language=None if report.config == "folder" else ["en"],
        license=text.licence,
        license_name=text.licence_name,
        license_link=text.licence_link,
        pretty_name=text.title,
        size_categories=[next((name for limit, name in SIZE_CATEGORIES if num_records < limit), "n>10K")],
        task_categories=list(text.tasks),
        tags=["control" if report.config == "control" else "pixel-art", "multimodal", "pixelbytes"],
        configs=[{"config_name": report.config, "default": True, "data_files": _data_files()}, *views],
    )
    infos = {name: _info(name, report, folder / "data") for name in (report.config, *VIEWS[report.config])}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return f"{data.to_yaml()}\n"


def _data_files() -> list[dict[str, str]]:
    return [{"split": split, "path": f"data/{split}-*"} for split in SPLITS]


def _info(config: Config, report: BuildReport, folder: Path) -> "DatasetInfo":
    """Return what `load_dataset` checks of a config: columns, and records of each split."""
    from datasets import DatasetInfo, SplitDict, SplitInfo

    features = corpus_features(config)
    splits = SplitDict()
    for split in SPLITS:
        counted = report.splits[split]
        num_bytes = counted.num_bytes if config == report.config else _num_bytes(folder, split, [*features])
        splits.add(SplitInfo(split, num_bytes, counted.num_records))
    return DatasetInfo(
        config_name=config,
        features=features,
        splits=splits,
        download_size=sum(path.stat().st_size for path in folder.iterdir()),
        dataset_size=sum(split.num_bytes for split in splits.values()),
    )


def _holds_sound(folder: Path) -> bool:
    import pyarrow.parquet as pq

    tables = (pq.read_table(path, columns=["audio"]) for path in sorted(folder.glob("*.parquet")))
    return any(table["audio"].null_count < len(table) for table in tables)


def _num_bytes(folder: Path, split: str, columns: list[str]) -> int:
    """Return the size of some columns of a split in memory, bytes."""
    import pyarrow.parquet as pq

    return sum(pq.read_table(path, columns=columns).nbytes for path in sorted(folder.glob(f"{split}-*.parquet")))
