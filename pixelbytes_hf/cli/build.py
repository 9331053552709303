"""The command that makes corpora: ``pixelbytes build``.

Parses arguments and calls `dataset_builder`, as `cli` does for the commands that make runs.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .publish import print_sizes

CONFIGS = ("full", "sprites", "mini", "control", "folder", "pokemon")
OF_FOLDER = ("families", "max_side", "max_frames", "max_seconds", "preset")
OF_PUSH = ("private", "public", "i_have_the_rights", "replace")


def add_build(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``build``."""
    command.add_argument(
        "--config",
        choices=CONFIGS,
        required=True,
        help="which corpus: full (species of PokeAPI; pokemon is its old name), sprites (the same without sound), "
        "mini (creatures made by code), control (signals of linear systems), folder (pictures of your own)",
    )
    command.add_argument(
        "--out",
        help="folder to make; load_dataset opens it. With --install or --push, one that an equal build made is used",
    )
    command.add_argument(
        "--source",
        help="folder: your pictures; full, sprites: local copy of PokeAPI's repositories, or address of a host "
        "(default: download)",
    )
    command.add_argument("--seed", type=int, default=0, help="of the splits, and of what code makes")
    command.add_argument(
        "--num-shards", type=int, default=1, help="files of each split, of equal size (default: %(default)s)"
    )
    command.add_argument(
        "--install",
        action="store_true",
        help='put it where load_dataset("pixelbytes-pokemon", CONFIG) finds it from any directory',
    )
    own = command.add_argument_group("settings of --config folder")
    own.add_argument(
        "--families",
        metavar="name|folder|COLUMN",
        help="pictures that no split may tear apart: of names that differ in a number at their end (the default), of "
        "one folder, or of one value in that column of a table",
    )
    own.add_argument("--max-side", type=int, help="longest side of a picture in pixels (default: 24)")
    own.add_argument("--max-frames", type=int, help="frames of an animation (default: 32)")
    own.add_argument("--max-seconds", type=float, help="length of a sound (default: 1)")
    own.add_argument("--preset", help="preset that you will train, to see what it sees (default: mini)")
    command.add_argument("--push", metavar="USER/NAME", help="publish it as this dataset of the Hub, in one commit")
    group = command.add_argument_group("settings of --push")
    seen_by = group.add_mutually_exclusive_group()
    seen_by.add_argument(
        "--private",
        action="store_true",
        help="refuse to publish where others see it (full, sprites, folder: default)",
    )
    seen_by.add_argument("--public", action="store_true", help="full, sprites, folder: publish where others see it")
    group.add_argument(
        "--i-have-the-rights",
        action="store_true",
        help="full, sprites: you may publish the sprites and cries, which belong to others",
    )
    group.add_argument("--replace", action="store_true", help="delete what the repository holds besides this corpus")


def build_corpus(options: argparse.Namespace) -> None:
    """Make a corpus that load_dataset opens, and install or publish it."""
    from dataset_builder.corpora import resolve_config
    from dataset_builder.install import install
    from dataset_builder.publish import check_rights, publish

    _check(options)
    if options.push:
        # before the minutes that a download takes
        check_rights(resolve_config(options.config), has_rights=options.i_have_the_rights)
    with _folder(options) as folder:
        _build_once(options, folder)
        if options.install:
            for found in install(folder):
                print(f"installed: {found}")
        if options.push:
            published = publish(
                folder,
                options.push,
                has_rights=options.i_have_the_rights,
                is_private=True if options.private else False if options.public else None,
                replaces=options.replace,
                show=print_sizes,
            )
            print(f"{published.url}: {len(published.files)} files, commit {published.commit}")


def _check(options: argparse.Namespace) -> None:
    from ..hub.upload import check_repo_id
    from ..training.presets import get_preset

    if not (options.out or options.install or options.push):
        raise ValueError("nothing to make: expected --out, --install or --push")
    given = [f"--{name.replace('_', '-')}" for name in OF_PUSH if getattr(options, name)]
    if given and not options.push:
        raise ValueError(f"{', '.join(given)} must not be given without --push")
    given = [f"--{name.replace('_', '-')}" for name in OF_FOLDER if getattr(options, name) is not None]
    if given and options.config != "folder":
        raise ValueError(f"{', '.join(given)} must not be given without --config folder")
    if options.preset is not None:
        get_preset(options.preset)
    if options.push:
        check_repo_id(options.push)


@contextmanager
def _folder(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder to build: the one asked for, or a temporary one."""
    if options.out:
        yield Path(options.out)
        return
    with tempfile.TemporaryDirectory(prefix="pixelbytes-build-") as parent:
        yield Path(parent) / f"pixelbytes-{options.config}"


def _build_once(options: argparse.Namespace, folder: Path) -> None:
    """Build a folder and print the report, unless it is only to be delivered and was built before."""
    from dataset_builder import build
    from dataset_builder.builder import find_built
    from dataset_builder.own_media import Fitting

    from .preview import preview_corpus

    arguments = {"source": options.source, "seed": options.seed, "num_shards": options.num_shards}
    if options.config == "folder":
        given = {name: getattr(options, name) for name in OF_FOLDER[:-1] if getattr(options, name) is not None}
        arguments["fitting"] = Fitting(**given)
    if (options.install or options.push) and find_built(options.config, folder, **arguments):
        print(f"{folder} was built before, and is taken as it is")
        return
    print(build(options.config, folder, **arguments))
    if options.config == "folder":
        print(preview_corpus(folder, options.preset or "mini"))
