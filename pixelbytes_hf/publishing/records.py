"""The records of a run as far as they are published: regular files of its folder, and of their JSON the keys we write.

A run folder is its owner's: it may hold links to other places, and its JSON what somebody else wrote into it.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..evaluation.tables import TABLE_KINDS
from ..hub.plain_files import plain_file
from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.json_files import read_object
from ..training.resume import RECORD_NAME, read_record
from ..training.settings import TrainingConfig
from ..training.train import HISTORY_NAME

Json = dict[str, Any]
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_OF_FIRST = ("tokenizer_class", "header")  # options of the first approach's tokenizer beside ours
_KIND = "|".join(TABLE_KINDS)
_VERSIONS = {"pixelbytes_hf|torch|transformers|accelerate|numpy": ...}
_SCORES = {"bits|accuracy|tokens|loss|targets|count": ...}
_POINT = {
    "step|epoch|loss|grad_norm|learning_rate|seconds|num_input_tokens_seen|padding": ...,
    f"(hidden_)?(bits|accuracy|count)(_({_KIND}))?": ...,
}
# keys, as regular expressions, and what is known below them: mappings, lists of them, or ... for a value
RESULT: Json = {
    "likelihood|seed|seconds": ...,
    "matched|by_modality|by_change": {".*": _SCORES},
    "paper|hidden|records": _SCORES,
    "settings": {
        "objective|parameters|state|window_length|batch_size|drop_partial_windows": ...,
        "reads_targets|num_draws|every|every_seed|tasks": ...,
    },
    "versions": _VERSIONS,
    "corpus": {"fingerprint|num_records": ...},
}
_KNOWN: Mapping[str, Json] = {
    RECORD_NAME: {
        "kind": ...,
        "model": dict.fromkeys(["start_from", *PixelBytesConfig.__dataclass_fields__], ...),
        "tokenizer": dict.fromkeys([*_OF_FIRST, *inspect.signature(ActionPixelBytesTokenizer).parameters], ...),
        "settings": dict.fromkeys(["num_processes", *TrainingConfig.__dataclass_fields__], ...),
        "data": {"train|validation": {"fingerprint|num_tokens": ..., "codecs": {"image|audio": ...}}},
        "versions": _VERSIONS,
        "dataset": {"name|config": ..., "num_records": {"train|validation": ...}},
        "threads": ...,
    },
    HISTORY_NAME: {
        "likelihood": ...,
        "total": {"steps|epochs|tokens": ...},
        "train": [_POINT],
        "validation": [_POINT],
    },
}


def read_records(run_folder: str | Path) -> dict[str, Json]:
    """Return the known part of a run's training record, history and evaluations, by file name.

    Raises:
        FileNotFoundError: If the record or the history is absent.
        ValueError: If a file is a link, or no JSON.
    """
    folder = Path(run_folder)
    known = {**_KNOWN, **{path.name: {".*": RESULT} for path in find_evaluations(folder)}}
    contents = {name: read_object(plain_file(folder, name)) for name in known} | {RECORD_NAME: read_record(folder)}
    read_object(folder / HISTORY_NAME, {"train": list, "validation": list})
    records = {name: select(contents[name], inner) for name, inner in known.items()}
    if codec := records[RECORD_NAME]["settings"].get("codec"):
        records[RECORD_NAME]["settings"]["codec"] = shown_start(codec)
    if start := records[RECORD_NAME]["model"].get("start_from"):
        records[RECORD_NAME]["model"]["start_from"] = shown_start(start)
    return records


def find_evaluations(folder: Path) -> list[Path]:
    """Return the files that `pixelbytes evaluate` left, the test's first."""
    return sorted(folder.glob("evaluation-*.json"), key=lambda path: (path.stem != "evaluation-test", path.name))


def select(content: Any, known: Any) -> Any:
    """Return what is known of a JSON value.

    Args:
        content: The value.
        known: As in `RESULT`.

    Raises:
        ValueError: If an object is known, and the value is none.

    Example:
        >>> select({"seed": 0, "note": "x", "corpus": {"num_records": 2, "owner": "me"}}, RESULT)
        {'seed': 0, 'corpus': {'num_records': 2}}
    """
    if known is ...:
        return content
    if isinstance(known, list):
        return [select(item, known[0]) for item in content if isinstance(item, Mapping)]
    if not isinstance(content, Mapping):
        raise ValueError(f"expected a JSON object with {', '.join(known)}, got {type(content).__name__}")
    return {
        key: select(value, inner)
        for key, value in content.items()
        for pattern, inner in known.items()
        if re.fullmatch(pattern, key) and (inner is ... or isinstance(value, type(inner)))
    }


def shown_start(start: str) -> str:
    """Return where a run started from, as others may read it: a name on the Hub, or the folder's own name.

    Example:
        >>> shown_start("user/name"), shown_start("/home/me/runs/x")
        ('user/name', 'x')
    """
    return start if _HUB_NAME.fullmatch(start) else start.rstrip("/").rpartition("/")[2]
