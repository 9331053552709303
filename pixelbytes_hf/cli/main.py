"""The command line, ``pixelbytes COMMAND``: build, train, evaluate, compare, encode, generate, push, demo and others.

Parses arguments and calls the library; a bad input ends with one line that says what was wrong, and exit code 2;
a comparison with failed runs ends with exit code 1.
"""

import argparse
import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..compare.settings import ComparisonConfig
from ..pretrained.full_disks import writing
from ..runs.kinds import KINDS, find_object
from ..training.presets import PRESETS, get_preset
from ..training.settings import OLD_NAMES
from .build import add_build, build_corpus
from .compress import add_compress, add_decompress, compress, decompress
from .corpora import count_unreadable, open_corpus, tell, tokenizer_of_corpus
from .encode import add_encode, encode
from .evaluate import add_evaluate, evaluate
from .generate import add_generate, generate
from .option_readers import json_list, json_object, positive
from .publish import add_demo, add_push, demo, push

PRESET_HELP = "name of a preset, which says model, tokenizer and settings; `pixelbytes presets` lists them"
POSITIONAL = {"run_folder": "RUN", "repo_id": "USER/NAME"}
BAD_INPUT = 2
SOME_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 1 or 2 after a message on standard error."""
    options = _parser().parse_args(arguments)
    made = getattr(options, "out", None) or getattr(options, "output_dir", None) or "."
    try:
        with writing(made):
            code = options.run(options)
    except (ValueError, TypeError, OSError) as error:
        if options.traceback:
            raise
        print(f"pixelbytes {options.command}: {_in_options(_words(error), vars(options))}", file=sys.stderr)
        return BAD_INPUT
    return code or 0


def _words(error: Exception) -> str:
    """Return what an error says; of a word that is no text, as a shell may hand on any bytes, in words of our own."""
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!a:.100} has bytes that are no text: expected words in UTF-8"
    return str(error)


def _in_options(message: str, names: Iterable[str]) -> str:
    """Return a message of the library in the words of the command line: options in the place of arguments.

    Example:
        >>> _in_options("batch_size must be positive, or resume=True", ["batch_size", "resume"])
        '--batch-size must be positive, or --resume'
    """
    words = {"with_samples=False": "--no-samples", "do_sample=False": "--greedy"}
    words |= {f"{name}=True": f"--{name.replace('_', '-')}" for name in names}
    words |= {name: POSITIONAL.get(name) or f"--{name.replace('_', '-')}" for name in names if "_" in name}
    # not within names of files, nor within quotes
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<![\w./'\"-])({pattern})(?![\w/'\"-])", lambda found: words[found[0]], message)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pixelbytes", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, add, run in (
        ("build", add_build, build_corpus),
        ("train", _add_train, _train),
        ("evaluate", add_evaluate, evaluate),
        ("compare", _add_compare, _compare),
        ("encode", add_encode, encode),
        ("generate", add_generate, generate),
        ("presets", lambda command: None, _presets),
        ("quickstart", _add_quickstart, _quickstart),
        ("push", add_push, push),
        ("demo", add_demo, demo),
        ("compress", add_compress, compress),
        ("decompress", add_decompress, decompress),
    ):
        summary = (run.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        add(command)
        command.add_argument("--traceback", action="store_true", help="show where an error came from")
        command.set_defaults(run=run)
    return parser


def _add_train(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    command.add_argument("--preset", required=True, choices=sorted(PRESETS), metavar="PRESET", help=PRESET_HELP)
    command.add_argument("--output-dir", required=True, help="run folder to make")
    command.add_argument("--resume", action="store_true", help="go on from the newest complete checkpoint")
    command.add_argument(
        "--allow-other-versions",
        action="store_true",
        help="resume also with other versions of libraries or another number of threads, which changes the weights",
    )
    command.add_argument(
        "--start-from", metavar="CHECKPOINT", help="folder or Hub name of a model to train further, with its tokenizer"
    )
    command.add_argument("--model", type=json_object, metavar="JSON", help="settings of the model, over the preset's")
    command.add_argument("--tokenizer", type=json_object, metavar="JSON", help="settings of the tokenizer, likewise")
    group = command.add_argument_group("settings of the run, over the preset's")
    added: list[str] = []
    for settings in _settings_of_kinds():
        _add_fields(group, settings, leave_out=added)
        added += [field.name for field in dataclasses.fields(settings)]


def _settings_of_kinds() -> list[Any]:
    """Return the classes of the settings of a run, a class once."""
    return list({kind.settings: find_object(kind.settings) for kind in KINDS.values()}.values())


def _train(options: argparse.Namespace) -> None:
    """Train a preset on a corpus."""
    from ..training.builders import build_tokenizer, tokenizer_class
    from ..training.train import train

    names = {field.name for settings in _settings_of_kinds() for field in dataclasses.fields(settings)}
    overrides = {name: value for name, value in vars(options).items() if name in names}
    plan = get_preset(options.preset)
    known = inspect.signature(tokenizer_class(plan.tokenizer_class)).parameters
    if unknown := sorted((options.tokenizer or {}).keys() - known):
        raise ValueError(f"the tokenizer has no setting {unknown}: expected names among {sorted(known)}")
    if options.tokenizer and options.start_from:
        raise ValueError(f"--tokenizer must not be given with --start-from, got {options.tokenizer}")
    plan = plan.replace(tokenizer=options.tokenizer)
    data = open_corpus(options.dataset)
    tokenizer = None if options.start_from else tokenizer_of_corpus(options.dataset, options.tokenizer)
    if tokenizer is None and not options.start_from:
        tokenizer = build_tokenizer(plan)
    if tokenizer is not None and "text" in getattr(data["train"], "column_names", ()):
        tell(count_unreadable(data["train"]["text"], tokenizer.tables))
    folder = train(
        data,
        plan,
        options.output_dir,
        tokenizer=tokenizer,
        model=options.model,
        start_from=options.start_from,
        resume=options.resume,
        allow_other_versions=options.allow_other_versions,
        **overrides,
    )
    print(folder)


def _add_compare(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--presets", nargs="+", required=True, choices=sorted(PRESETS), metavar="PRESET", help=PRESET_HELP
    )
    command.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    command.add_argument(
        "--output-dir",
        required=True,
        help="folder to make, or one to go on in: finished runs stay, interrupted ones go on from their checkpoint",
    )
    command.add_argument("--jobs", type=positive, default=1, help="runs at a time; they share the processors")
    command.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=[0, 1, 2],
        help="seeds; every preset is trained once with each (default: 0 1 2)",
    )
    group = command.add_argument_group("what all runs share", "either --tokens or --seconds is required")
    _add_fields(group, ComparisonConfig, shows_defaults=True, leave_out=("seeds",))


def _compare(options: argparse.Namespace) -> int:
    """Train and evaluate several presets with several seeds under one budget, and print the table."""
    from ..compare.compare import compare
    from ..compare.report import TABLE_NAME

    names = {field.name for field in dataclasses.fields(ComparisonConfig)} - {"seeds"}
    given = {name: value for name, value in vars(options).items() if name in names}
    settings = ComparisonConfig(seeds=tuple(options.seeds), **given)
    result = compare(options.presets, open_corpus(options.dataset), options.output_dir, settings, jobs=options.jobs)
    print((Path(options.output_dir) / TABLE_NAME).read_text(encoding="utf-8").rstrip())
    for run in result["failures"]:
        print(f"pixelbytes compare: {run['preset']}, seed {run['seed']} failed: {run['reason']}", file=sys.stderr)
    return SOME_FAILED if result["failures"] else 0


def _presets(options: argparse.Namespace) -> None:
    """List the presets with their sizes."""
    from .preset_list import format_presets

    print(format_presets(PRESETS))


def _add_quickstart(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", default="outputs/quickstart", help="folder to make")
    command.add_argument("--seed", type=int, default=0)


def _quickstart(options: argparse.Namespace) -> None:
    """Build the embedded corpus, train on it, evaluate, and make creatures: the whole path in minutes."""
    from .quickstart import run_quickstart

    print(run_quickstart(options.out, seed=options.seed))


def _add_fields(command: Any, settings: Any, *, shows_defaults: bool = False, leave_out: Sequence[str] = ()) -> None:
    """Add an option for every field of a class of settings, explained as in its docstring."""
    explained, old_names = _explanations(settings), {new: (old,) for old, new in OLD_NAMES.items()}
    for field in dataclasses.fields(settings):
        if field.name in leave_out:
            continue
        text = explained.get(field.name, "")  # python -OO has no docstrings
        if shows_defaults and field.default not in (None, dataclasses.MISSING):
            text = f"{text} (default: {field.default})"
        flags = [f"--{name.replace('_', '-')}" for name in (field.name, *old_names.get(field.name, ()))]
        command.add_argument(*flags, dest=field.name, default=argparse.SUPPRESS, help=text, **_reader(field.type))


def _explanations(settings: Any) -> dict[str, str]:
    """Return what the docstrings of a class and of its bases say of arguments, by name, as argparse wants its help."""
    texts = (inspect.cleandoc(vars(kind).get("__doc__") or "") for kind in reversed(settings.__mro__))
    arguments = "\n".join(text.partition("Args:\n")[2].partition("\n\n")[0] for text in texts)
    items = re.findall(r"^    (\w+): (.+?)(?=^    \w|\Z)", arguments, flags=re.MULTILINE | re.DOTALL)
    return {name: " ".join(re.sub("`+", "", text).split()).rstrip(".").replace("%", "%%") for name, text in items}


def _reader(annotation: Any) -> dict[str, Any]:
    """Return argparse's settings for a field of that type: numbers and names as they are, the rest as JSON."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return {"type": _or_none(next(kind for kind in get_args(annotation) if kind is not type(None)))}
    if origin is Literal:
        return {"choices": get_args(annotation)}
    if annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if origin in (Mapping, tuple):
        return {"type": json_object if origin is Mapping else json_list, "metavar": "JSON"}
    return {"type": annotation}


def _or_none(kind: type) -> Any:
    def read(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    read.__name__ = f"{kind.__name__} or none"  # argparse shows it in messages
    return read
