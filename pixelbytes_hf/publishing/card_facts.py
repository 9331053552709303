"""The facts of a model's card: gathered from a run folder and the figures measured on it, as plain JSON.

Nothing is computed here that a file does not say; what no file says is absent from the card.
"""

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..hub.plain_files import plain_file
from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..pretrained.json_files import read_json, read_object, reading
from ..runs.corpus_layout import LAYOUT_NAME, load_layout
from ..training.resume import RECORD_NAME
from ..training.train import HISTORY_NAME
from .card_figures import find_figures
from .records import Json, read_records, select, shown_start
from .reproduction import closest_preset, evaluation_command, training_command

Origin = Literal["procedural", "control", "third-party", "unknown"]
WEIGHTS_NAME = "model.safetensors"
REPORT_NAME = "build_report.json"  # of a corpus that `pixelbytes build` made
ORIGINS: Mapping[str, Origin] = {
    "mini": "procedural",
    "control": "control",
    **dict.fromkeys(("pokemon", "full", "sprites"), "third-party"),
}
# of the Hub's list of licence ids those that fit code, weights or media; `other` needs a name and a link beside it
LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "unlicense", "openrail", "ofl-1.1"),
    *("lgpl-3.0", "gpl-2.0", "gpl-3.0", "agpl-3.0", "odc-by", "odbl", "pddl", "cc0-1.0", "cc-by-3.0", "cc-by-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "cc-by-nd-4.0", "unknown", "other"),
)
_POKEAPI = "https://github.com/PokeAPI/sprites/blob/master/LICENCE.txt"
_ADDRESS = re.compile(r"https?://[^\s()<>\[\]`\\|]+")
_PATH = re.compile(r"(?!.*\.\.)\w[\w./-]*")
_SHOWN_CONFIG = {
    "context_size|vocab_size|embedding|embedding_dim|objective": ...,
    "mixer_config": {"model_type|hidden_size|num_hidden_layers": ...},
}


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card is rendered from; `dataclasses.asdict` of it is JSON-able, and its inverse is ``CardFacts(**json)``.

    Args:
        name: Title of the card and name of the model.
        repo_id: Where it is published, ``user/name``, or None.
        subfolder: Of the repository, or None.
        licence: ``id``, one of `LICENCES`, ``name`` and ``link``, which ``other`` needs.
        dataset: ``name``, ``config``, ``origin`` (what the records are), ``num_records`` by split and ``seed`` of the
            build, as far as known.
        config: Of ``config.json`` what the card shows.
        parameters: Number of weights.
        generates: Whether the model can generate; one that reads its targets cannot.
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
        ValueError: If a value is none that JSON has, a number is not finite, the licence unknown, the name empty, or a
            sample's path not relative.
    """

    name: str
    repo_id: str | None
    subfolder: str | None
    licence: Json
    dataset: Json
    config: Json
    parameters: int
    generates: bool
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
            try:
                json.dumps(getattr(self, item.name), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{item.name} must hold finite numbers and values that JSON has: {error}") from error
        licence, name, link = (self.licence[key] for key in ("id", "name", "link"))
        if licence not in LICENCES:
            raise ValueError(f"licence must be one of {LICENCES}, got {licence!r}")
        if licence == "other" and not (name and _ADDRESS.fullmatch(link or "")):
            raise ValueError(f"licence 'other' needs a name and a link (http, https), got {name!r} and {link!r}")
        for path, caption in self.samples.items():
            if not _PATH.fullmatch(path) or not caption.strip():
                raise ValueError(f"samples must be captions by relative path, got {caption!r} for {path!r}")


def gather_facts(
    run_folder: str | Path,
    *,
    name: str,
    repo_id: str | None = None,
    subfolder: str | None = None,
    dataset: str | None = None,
    evaluation: str | Path | Mapping[str, Any] | None = None,
    licence: str | None = None,
    licence_name: str | None = None,
    licence_link: str | None = None,
) -> CardFacts:
    """Return the facts of a run folder's card, without samples; `dataclasses.replace` adds what no file says.

    Args:
        run_folder: That `train` made.
        name: Title of the card.
        repo_id: Where the model is published, ``user/name``; without it, the card's code names a local folder.
        subfolder: Of the repository.
        dataset: Corpus, as others can name it: a name on the Hub, or the folder that `pixelbytes build` made, of which
            only the last part is shown; by default the name that training recorded.
        evaluation: JSON or its file: what `pixelbytes evaluate`, ``quickstart`` or `compare` wrote of this run, or a
            result of `evaluate_model`. By default ``evaluation-*.json`` in the folder (the test's first), then
            ``metrics.json`` beside a quick start's ``run``, then the last validation of the training. It is of the
            split whose fingerprint it has, else of the one in the file's name, else of the test.
        licence: Id of the weights' licence; by default what the corpus allows: Apache 2.0 for what code made,
            ``other`` for third-party works, ``unknown`` for a corpus we do not know.
        licence_name: Its name, if `licence` is ``other``.
        licence_link: Its address, if `licence` is ``other``.

    Raises:
        FileNotFoundError: If a file of the run is absent.
        ValueError: If nothing was measured, the figures are of another model, a file is a link, or a value does not
            suit a card.
    """
    if licence is None and (licence_name or licence_link):
        raise ValueError(f"licence must be given with its name and link, got {licence_name!r} and {licence_link!r}")
    folder = Path(run_folder)
    with reading(folder, names_values=True):
        config = select(read_object(plain_file(folder, "config.json")), _SHOWN_CONFIG)
        records, parameters = read_records(folder), _count_weights(folder)
        record = records[RECORD_NAME]
        data = _describe_dataset(record, dataset)
        measured, tables = find_figures(folder, evaluation, records, parameters)
        for key, value in {"parameters": parameters, "objective": config["objective"]}.items():
            if (got := measured["result"]["settings"].get(key, value)) != value:
                raise ValueError(f"evaluation must be of the run's model, whose {key} is {value!r}, got {got!r}")
        start = record["model"].get("start_from")
        return CardFacts(
            name=name,
            repo_id=repo_id,
            subfolder=subfolder,
            licence=_choose_licence(data["origin"], licence, licence_name, licence_link),
            dataset=data,
            config=config,
            parameters=parameters,
            generates=not PixelBytesConfig.from_pretrained(folder).reads_targets,
            layout=load_layout(plain_file(folder, LAYOUT_NAME).parent).to_dict(),
            preset=None if start else closest_preset(record)[0],
            base_model=start,
            training={
                **{key: record[key] for key in ("settings", "data", "versions")},
                "threads": record.get("threads"),
                "total": _count_training(records[HISTORY_NAME]),
            },
            evaluation=measured,
            tables=tables,
            commands=_commands(name, record, data, measured),
        )


def _choose_licence(origin: Origin, licence: str | None, name: str | None, link: str | None) -> Json:
    if licence is None:
        licence = {"third-party": "other", "unknown": "unknown"}.get(origin, "apache-2.0")
        name, link = ("third-party-works", _POKEAPI) if licence == "other" else (None, None)
    return {"id": licence, "name": name, "link": link}


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

    with safe_open(plain_file(folder, WEIGHTS_NAME), "pt") as weights:
        return sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118


def _count_training(history: Json) -> Json:
    """Return steps and, if told, tokens and seconds; older files have no total."""
    points = [*history["train"], *history["validation"]]
    total = {name: value for name, value in history.get("total", {}).items() if value}
    for name, key in {"steps": "step", "tokens": "num_input_tokens_seen", "seconds": "seconds"}.items():
        if found := [point[key] for point in points if key in point]:
            total.setdefault(name, max(found))
    return total


def _commands(name: str, record: Json, data: Json, measured: Json) -> list[str]:
    folder, corpus = f"runs/{name.rpartition('/')[2]}", data["name"] or "CORPUS"
    commands = []
    if "/" not in corpus and data["origin"] != "unknown":
        seed = f" --seed {int(data['seed'])}" if data["seed"] else ""
        commands.append(f"pixelbytes build --config {data['config']} --out {shlex.quote(corpus)}{seed}")
    commands.append(training_command(record, dataset=corpus, output_dir=folder))
    if "seed" in measured["result"]:  # measured by `pixelbytes evaluate` or the like, not by the training
        settings = measured["result"]["settings"]
        commands.append(evaluation_command(settings, split=measured["split"], dataset=corpus, run_folder=folder))
    return commands
