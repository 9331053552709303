"""Options that only some kinds of systems have, handed to what stands behind a verb.

The functions behind verbs, whose paths are in `runs.kinds`, are called with:

| verb | arguments | returns |
|---|---|---|
| evaluate | run folder, splits, ``split``, ``baselines``, options | results by row, table |
| generate | run folder, output folder, options | paths written |
| compare | presets by name, splits, output folder, settings, ``jobs``, ``progress`` | content of ``results.json`` |
| push | run folder, output folder, and the arguments of `publishing.push.assemble` | nothing |
| demo | run folder, ``title``, options of gradio | the page |
| space | run folder, output folder, ``title`` | nothing |
| list | preset | cells by column of `preset_list` |
"""

import argparse
import inspect
from collections.abc import Collection
from typing import Any

from ..runs.kinds import Kind

_OF_THE_COMMAND = ("command", "run", "traceback")


def own_options(kind: Kind, verb: str, options: argparse.Namespace, *, used: Collection[str]) -> dict[str, Any]:
    """Return the options that were given for a verb, but for those that every kind has.

    Args:
        kind: Of the run.
        verb: The command.
        options: As parsed, where an option that was not given is absent.
        used: Names of those that every kind has.

    Raises:
        ValueError: If the kind has none of that name.
    """
    given = {name: value for name, value in vars(options).items() if name not in {*used, *_OF_THE_COMMAND}}
    known = inspect.signature(kind.verb(verb)).parameters
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"--{name.replace('_', '-')} is not for a run of the kind {kind.name!r}, got {value!r}")
    return given
