"""What a run was made from, ``training.json``, and the rule by which a run may be resumed."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers.utils import logging

from ..data.corpus import TokenCorpus
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.json_files import read_object
from ..runs.files import find_differences, is_part, remove_parts, write_json
from ..runs.kinds import SEQUENCE
from ..runs.versions import describe_versions
from .presets import Preset
from .settings import rename_settings

logger = logging.get_logger(__name__)
RECORD_NAME = "training.json"
_RECORD_KINDS = {**dict.fromkeys(["model", "tokenizer", "settings", "data", "versions"], dict), "settings.seed": int}
# settings that a resumed run may change; of a codec the folder: its digest is among the data
_FREE_TO_CHANGE = ("save_total_limit", "report_to", "codec")


def describe_run(
    plan: Preset, tokenizer: ActionPixelBytesTokenizer, corpora: Mapping[str, TokenCorpus], *, num_processes: int
) -> dict[str, Any]:
    """Return what a run is made from: all that has to be equal when it is resumed, and the versions."""
    return {
        "kind": plan.kind,
        "model": dict(plan.model),
        "tokenizer": tokenizer.options,
        "settings": {**dataclasses.asdict(plan.training), "num_processes": num_processes},
        "data": {name: _describe_corpus(corpus) for name, corpus in corpora.items()},
        "versions": describe_versions("torch", "transformers", "accelerate", "numpy"),
    }


def _describe_corpus(corpus: TokenCorpus) -> dict[str, Any]:
    size = {"fingerprint": corpus.fingerprint, "num_tokens": corpus.num_tokens}
    return {**size, "codecs": corpus.codecs} if corpus.codecs else size


def describe_dataset(data: Any, corpora: Mapping[str, TokenCorpus]) -> dict[str, Any]:
    """Return how the data call themselves, for the card; None where they are a `TokenCorpus`, which has no name."""
    info = getattr(data["train"] if isinstance(data, Mapping) else data, "info", None)
    return {
        "name": getattr(info, "dataset_name", None),
        "config": getattr(info, "config_name", None),
        "num_records": {name: corpus.num_records for name, corpus in corpora.items()},
    }


def read_record(folder: str | Path) -> dict[str, Any]:
    """Return what a run was made from, its settings under the names of today.

    Raises:
        FileNotFoundError: If the folder has no record.
        ValueError: If it cannot be read.
    """
    path = Path(folder) / RECORD_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} has no {RECORD_NAME}: expected the folder of a finished run")
    record = read_object(path, _RECORD_KINDS)
    return {**record, "settings": rename_settings(record["settings"])}


def open_folder(
    folder: Path, description: dict[str, Any], *, resume: bool, allow_other_versions: bool = False
) -> None:
    """Make the folder of a run and write down what it is made from.

    Args:
        folder: To make or, with `resume`, to go on in.
        description: From `describe_run`, and the number of threads.
        resume: Whether an earlier run in the folder may go on.
        allow_other_versions: Whether it may with other versions of libraries or another number of threads, with which
            the weights are not those of the run uninterrupted.

    Raises:
        FileExistsError: If the folder is not empty and `resume` is False.
        ValueError: If the folder holds no run, or one that was made from something else.
    """
    record = folder / RECORD_NAME
    if folder.exists() and not all(map(is_part, folder.iterdir())):
        if not resume:
            raise FileExistsError(f"folder {str(folder)!r} is not empty: expected a free name, or resume=True")
        if not record.is_file():
            raise ValueError(f"folder {str(folder)!r} has no {RECORD_NAME}: it is no run that can be resumed")
        before = read_record(folder)
        _check_same_run(before, description)
        _compare_versions(before, description, allow_other_versions)
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    write_json(record, description)


def _check_same_run(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to resume with other settings: the schedule and the order of windows would not be those of the run."""
    if (kind := old.get("kind", SEQUENCE)) != new["kind"]:
        raise ValueError(f"the run to resume was of the kind {kind!r}, got {new['kind']!r}")
    for part in ("model", "tokenizer", "settings", "data"):
        for place, before, after in find_differences(old[part], new[part]):
            if part != "settings" or place.partition("[")[0] not in _FREE_TO_CHANGE:
                raise ValueError(f"the run to resume had other {part}: {place} was {before!r}, got {after!r}")


def _compare_versions(old: dict[str, Any], new: dict[str, Any], is_allowed: bool) -> None:
    """Refuse, or say, that the resumed run computes otherwise than the one that was interrupted."""
    # a run of before the threads were written down is taken to have had as many
    one, other = ({**run["versions"], "threads": run.get("threads", new["threads"])} for run in (old, new))
    found = [f"{place} was {before}, is {after}" for place, before, after in find_differences(one, other)]
    if found and not is_allowed:
        raise ValueError(
            f"the run to resume was computed otherwise ({'; '.join(found)}), so that its weights would not be those "
            "of the run uninterrupted: expected the same versions and threads, or --allow-other-versions"
        )
    for difference in found:
        logger.warning("resumed with a difference that changes the weights: %s", difference)
