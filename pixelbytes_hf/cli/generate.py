"""The command that makes media: ``pixelbytes generate``."""

import argparse
from typing import Any

from .corpora import count_unreadable, tell
from .option_readers import json_object, positive


def add_generate(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``generate``."""
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("--out", required=True, help="folder for creature.gif, cry.wav and description.txt")
    command.add_argument("--text", help="sentence to begin from")
    command.add_argument("--image", help="picture file to begin from")
    command.add_argument("--audio", help="sound file to begin from")
    command.add_argument(
        "--layout",
        help="comma-separated text, image, audio, or a layout as JSON; default: the rest",
        type=_read_layout,
    )
    command.add_argument(
        "--keep", type=positive, help="begin from only this many tokens, and continue the medium they end in"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--greedy", action="store_true", help="take the likeliest token instead of drawing one")
    command.add_argument("--temperature", type=float)
    command.add_argument("--top-k", type=int)
    command.add_argument("--top-p", type=float)


def generate(options: argparse.Namespace) -> None:
    """Make a sprite, a cry or a description from any of them."""
    from ..runs.run_folder import Run, write_media

    run = Run.load(options.run_folder)
    prompts = _read_prompts(options, run)
    if not prompts:
        raise ValueError("nothing to begin from: expected --text, --image or --audio")
    if options.layout is not None:
        layout = options.layout
    elif options.keep is not None:
        layout = run.layout_from(options.keep, **{name: value for name, [value] in prompts.items()})
    else:
        layout = run.layout_after(list(prompts))
    chosen = ("temperature", "top_k", "top_p")
    settings = {name: getattr(options, name) for name in chosen if getattr(options, name) is not None}
    settings |= {"do_sample": not options.greedy} | ({} if options.greedy else {"seed": options.seed})
    [record] = run.create(**prompts, layout=layout, keep=options.keep, **settings)
    for path in write_media(record, options.out):
        print(path)


def _read_prompts(options: argparse.Namespace, run: Any) -> dict[str, list[Any]]:
    """Return what is to be begun from, made to fit as the demo does, after saying what became of it."""
    from ..demo.inputs import read_cry, read_drawing, read_picture

    prompts: dict[str, list[Any]] = {}
    if options.text is not None:
        tell(count_unreadable([options.text], run.tokenizer.tables))
        prompts["text"] = [options.text]
    if options.image is not None:
        picture = read_picture(options.image, run)
        tell(picture.note)
        prompts["image"] = [read_drawing(picture.value, run)]
    if options.audio is not None:
        cry = read_cry(options.audio, run)
        tell(cry.note)
        prompts["audio"] = [cry.value]
    return prompts


def _read_layout(text: str) -> Any:
    return json_object(text) if text.lstrip().startswith("{") else [name.strip() for name in text.split(",")]
