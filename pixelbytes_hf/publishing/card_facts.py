"""The facts of a model's card: gathered from a run folder and the figures measured on it, as plain JSON.

Nothing is computed here that a file does not say; what no file says is absent from the card.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..runs.corpus_layout import LAYOUT_NAME
from ..runs.files import read_json
from ..training.resume import read_record
from ..training.train import HISTORY_NAME
from .card_checks import check_licence
from .card_figures import Json, check_same_model, count_training, find_figures
from .reproduction import closest_preset, evaluation_command, shown_start, training_command

Origin = Literal["procedural", "control", "third-party", "unknown"]
WEIGHTS_NAME = "model.safetensors"
REPORT_NAME = "build_report.json"  # of a corpus that `pixelbytes build` made
ORIGINS: Mapping[str, Origin] = {
    "mini": "procedural",
    "control": "control",
    **dict.fromkeys(("pokemon", "full", "sprites"), "third-party"),
}
_OWN = {"id": "apache-2.0", "name": None, "link": None}
_LICENCES: Mapping[Origin, Json] = {
    "procedural": _OWN,
    "control": _OWN,
    "third-party": {
        "id": "other",
        "name": "third-party-works",
        "link": "https://github.com/PokeAPI/sprites/blob/master/LICENCE.txt",
    },
    "unknown": {"id": "unknown", "name": None, "link": None},
}


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card is rendered from; JSON-able, with `to_dict` and `from_dict` as inverses.

    Args:
        name: Title of the card and name of the model.
        repo_id: Where it is published, ``user/name``, or None.
        subfolder: Of the repository, or None.
        licence: ``id``, one the Hub knows, ``name`` and ``link``, which ``other`` needs.
        dataset: ``name``, ``config``, ``origin`` (what the records are), ``num_records`` by split and ``seed`` of the
            build, as far as known.
        config: Content of ``config.json``.
        parameters: Number of weights.
        generates: Whether the model can generate; one that reads its targets cannot.
        tokenizer: Options of the tokenizer.
        layout: Content of ``layout.json``.
        preset: Nearest preset, or None.
        base_model: What the run started from, or None.
        training: ``settings``, ``data`` (tokens and fingerprint by split), ``versions``, ``threads`` (or None) and
            ``total`` (steps, and perhaps tokens and seconds).
        evaluation: ``split``, ``result`` (of `evaluate_model`) and ``references``, results by name.
        tables: Other figures: each with ``title``, ``caption``, ``unit`` (``share`` or ``number``) and ``rows``,
            numbers by row and column.
        commands: Shell commands that make the run and its figures again.
        samples: Caption by path, relative to the card.

    Raises:
        TypeError: If a value is not one that JSON has, for example a number of numpy.
        ValueError: If a number is not finite, the licence unknown, the name empty, or a sample's path not relative.
    """

    name: str
    repo_id: str | None
    subfolder: str | None
    licence: Json
    dataset: Json
    config: Json
    parameters: int
    generates: bool
    tokenizer: Json
    layout: Json
    preset: str | None
    base_model: str | None
    training: Json
    evaluation: Json
    tables: list[Json] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    samples: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name.strip() or "\n" in self.name:
            raise ValueError(f"name must be one line that is not empty, got {self.name!r}")
        for item in fields(self):
            _check_plain(getattr(self, item.name), item.name)
        check_licence(**{"licence" if key == "id" else key: value for key, value in self.licence.items()})
        for path, caption in self.samples.items():
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not caption.strip():
                raise ValueError(f"samples must be captions by relative path, got {caption!r} for {path!r}")

    def to_dict(self) -> Json:
        """Return the facts as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CardFacts":
        """Return the facts that `to_dict` wrote.

        Raises:
            TypeError: If a field is missing or unknown.
        """
        return cls(**content)


def gather_facts(
    run_folder: str | Path,
    *,
    name: str,
    repo_id: str | None = None,
    subfolder: str | None = None,
    dataset: str | None = None,
    evaluation: str | Path | Mapping[str, Any] | None = None,
    split: str = "test",
    licence: str | None = None,
    licence_name: str | None = None,
    licence_link: str | None = None,
    tables: Sequence[Mapping[str, Any]] = (),
    commands: Sequence[str] | None = None,
    samples: Mapping[str, str] | None = None,
) -> CardFacts:
    """Return the facts of a run folder's card.

    Args:
        run_folder: That `train` made.
        name: Title of the card.
        repo_id: Where the model is published, ``user/name``; without it, the card's code names a local folder.
        subfolder: Of the repository.
        dataset: Corpus, as others can name it: a name on the Hub, or the folder that `pixelbytes build` made, of which
            only the last part is shown; by default the name that training recorded.
        evaluation: JSON or its file: what `pixelbytes evaluate`, ``quickstart`` or `compare` wrote of this run, or a
            result of `evaluate_model`. By default ``evaluation-*.json`` in the folder (the test's first), then
            ``metrics.json`` beside a quick start's ``run``, then the last validation of the training.
        split: Which `evaluation` is of, unless its fingerprint is of a split that training knew or the file's name
            says it.
        licence: Id of the weights' licence; by default what the corpus allows: Apache 2.0 for what code made,
            ``other`` for third-party works, ``unknown`` for a corpus we do not know.
        licence_name: Its name, if `licence` is ``other``.
        licence_link: Its address, if `licence` is ``other``.
        tables: Other figures; see `CardFacts`.
        commands: That make the run again; by default those that follow from the record.
        samples: Caption of each picture, animation or sound, by path relative to the card.

    Raises:
        FileNotFoundError: If a file of the run is absent.
        TypeError: If a value is not one that JSON has.
        ValueError: If nothing was measured, the figures are of another model, or a value does not suit a card.
    """
    if licence is None and (licence_name or licence_link):
        raise ValueError(f"licence must be given with its name and link, got {licence_name!r} and {licence_link!r}")
    folder = Path(run_folder)
    config, layout, history = (_read(folder / name) for name in ("config.json", LAYOUT_NAME, HISTORY_NAME))
    record = read_record(folder)
    data = _describe_dataset(record, dataset)
    parameters = _count_weights(folder)
    measured, found_tables = find_figures(folder, evaluation, split, record, history, parameters)
    check_same_model(measured["result"], config, parameters)
    chosen = {"id": licence, "name": licence_name, "link": licence_link}
    start = record["model"].get("start_from")
    return CardFacts(
        name=name,
        repo_id=repo_id,
        subfolder=subfolder,
        licence=dict(_LICENCES[data["origin"]]) if licence is None else chosen,
        dataset=data,
        config=config,
        parameters=parameters,
        generates=not PixelBytesConfig.from_pretrained(folder).reads_targets,
        tokenizer=record["tokenizer"],
        layout=layout,
        preset=None if start else closest_preset(record)[0],
        base_model=shown_start(start) if start else None,
        training={
            "settings": record["settings"],
            "data": record["data"],
            "versions": record["versions"],
            "threads": record.get("threads"),
            "total": count_training(history),
        },
        evaluation=measured,
        tables=[*found_tables, *map(dict, tables)],
        commands=_commands(name, record, data, measured) if commands is None else list(commands),
        samples=dict(samples or {}),
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{str(path.parent)!r} has no {path.name}: expected the folder of a finished run")
    return read_json(path)


def _describe_dataset(record: Json, dataset: str | None) -> Json:
    known = record.get("dataset", {"name": None, "config": None, "num_records": {}})
    name, report = known["name"], Json()
    if dataset is not None:
        folder = Path(dataset).resolve()
        name = folder.name if folder.is_dir() else shown_start(dataset)
        report = read_json(folder / REPORT_NAME) if (folder / REPORT_NAME).is_file() else {}
    config = report.get("config", known["config"])
    if known["config"] in ORIGINS and ORIGINS[known["config"]] != ORIGINS.get(config):
        raise ValueError(f"dataset must be the one trained on, of config {known['config']!r}, got {config!r}")
    if config not in ORIGINS:  # the name alone tells, if it is one of ours: anybody's folder may be called mini
        ours = {f"pixelbytes-{known_config}": known_config for known_config in ORIGINS}
        config = ours.get((name or "").rpartition("/")[2], config)
    counted = {split: size["num_records"] for split, size in report.get("splits", {}).items()}
    return {
        "name": name,
        "config": config,
        "origin": ORIGINS.get(config, "unknown"),
        "num_records": counted or known["num_records"],
        "seed": report.get("seed"),
    }


def _count_weights(folder: Path) -> int:
    from safetensors import safe_open

    if not (folder / WEIGHTS_NAME).is_file():
        raise FileNotFoundError(f"{str(folder)!r} has no {WEIGHTS_NAME}: expected the folder of a finished run")
    with safe_open(folder / WEIGHTS_NAME, "pt") as weights:
        return sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118


def _commands(name: str, record: Json, data: Json, measured: Json) -> list[str]:
    folder, corpus = f"runs/{name.rpartition('/')[2]}", data["name"] or "CORPUS"
    commands = []
    if "/" not in corpus and data["origin"] != "unknown":
        seed = f" --seed {data['seed']}" if data["seed"] else ""
        commands.append(f"pixelbytes build --config {data['config']} --out {corpus}{seed}")
    commands.append(training_command(record, dataset=corpus, output_dir=folder))
    if "seed" in measured["result"]:  # measured by `pixelbytes evaluate` or the like, not by the training
        settings = measured["result"]["settings"]
        commands.append(evaluation_command(settings, split=measured["split"], dataset=corpus, run_folder=folder))
    return commands


def _check_plain(value: Any, place: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_plain(item, f"{place}[{index}]")
    elif value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(f"{place} must be a value that JSON has, got {type(value).__name__} {value!r}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} must be finite, got {json.dumps(value)}")
