"""The command that makes media: ``pixelbytes generate``."""

import argparse
from pathlib import Path
from typing import Any

from ..runs.kinds import kind_of_run
from .corpora import count_unreadable, tell
from .option_readers import json_object, positive
from .verbs import own_options


def add_generate(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``generate``."""
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("--out", required=True, help="folder for creature.gif, cry.wav and description.txt")
    own: dict[str, dict[str, Any]] = {
        "dataset": {"help": "codecs: corpus whose first records are shown as they are and as they come back"},
        "split": {"help": "codecs: split of --dataset (default: test)"},
        "num-items": {"type": positive, "help": "codecs: records of --dataset (default: 8)"},
        "text": {"help": "sentence to begin from"},
        "image": {"help": "picture file to begin from"},
        "audio": {"help": "sound file to begin from"},
        "task": {
            "metavar": "TASK",
            "help": "what is given and what is asked, of a run that was trained on tasks: "
            "text-to-video, frame-prediction, ...; what it gives comes from --text, --image or --audio",
        },
        "layout": {
            "type": _read_layout,
            "help": "comma-separated text, image, audio, or a layout as JSON; default: the rest",
        },
        "keep": {
            "type": positive,
            "help": "begin from only this many tokens, and continue the medium they end in",
        },
        "seed": {"type": int, "help": "of the draws (default: 0)"},
        "greedy": {"action": "store_true", "help": "take the likeliest token instead of drawing one"},
        "temperature": {"type": float},
        "top-k": {"type": int},
        "top-p": {"type": float},
    }
    for name, settings in own.items():
        command.add_argument(f"--{name}", default=argparse.SUPPRESS, **settings)


def generate(options: argparse.Namespace) -> None:
    """Make a sprite, a cry or a description from any of them."""
    kind = kind_of_run(options.run_folder)
    own = own_options(kind, "generate", options, used=("run_folder", "out"))
    for path in kind.verb("generate")(options.run_folder, options.out, **own):
        print(path)


def generate_record(
    run_folder: str | Path,
    out: str | Path,
    *,
    text: str | None = None,
    image: str | None = None,
    audio: str | None = None,
    task: str | None = None,
    layout: Any = None,
    keep: int | None = None,
    seed: int = 0,
    greedy: bool = False,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
) -> list[Path]:
    """Write the media that a sequence model makes from those given, and return their files.

    Args:
        run_folder: Of the run.
        out: Folder to write into.
        text: Sentence to begin from.
        image: Picture file to begin from.
        audio: Sound file to begin from.
        task: Name of a task, with what it is given.
        layout: What to make; by default the rest of a record.
        keep: Tokens of the prompt to use.
        seed: Of the draws.
        greedy: Whether to take the likeliest token.
        temperature: Of the draws, as the next two.
        top_k: See `generate` of transformers.
        top_p: See there.
    """
    from ..runs.perform import perform_task
    from ..runs.run_folder import Run, write_media

    run = Run.load(run_folder)
    chosen = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    settings: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    settings |= {"do_sample": not greedy} | ({} if greedy else {"seed": seed})
    if task is not None:
        if keep is not None:
            raise ValueError(f"--keep must not be given with --task, whose media are whole, got {keep}")
        record = perform_task(run, task, text=text, image=image, audio=audio, layout=layout, **settings)
        return write_media(record, out)
    prompts = _read_prompts(run, text, image, audio)
    if not prompts:
        raise ValueError("nothing to begin from: expected --text, --image or --audio")
    if layout is None and keep is not None:
        layout = run.layout_from(keep, **{name: value for name, [value] in prompts.items()})
    elif layout is None:
        layout = run.layout_after(list(prompts))
    [record] = run.create(**prompts, layout=layout, keep=keep, **settings)
    return write_media(record, out)


def _read_prompts(run: Any, text: str | None, image: str | None, audio: str | None) -> dict[str, list[Any]]:
    """Return what is to be begun from, made to fit as the demo does, after saying what became of it."""
    from ..demo.inputs import read_cry, read_drawing, read_picture

    prompts: dict[str, list[Any]] = {}
    if text is not None:
        tell(count_unreadable([text], run.tokenizer.tables))
        prompts["text"] = [text]
    if image is not None:
        picture = read_picture(image, run)
        tell(picture.note)
        prompts["image"] = [read_drawing(picture.value, run)]
    if audio is not None:
        cry = read_cry(audio, run)
        tell(cry.note)
        prompts["audio"] = [cry.value]
    return prompts


def _read_layout(text: str) -> Any:
    return json_object(text) if text.lstrip().startswith("{") else [name.strip() for name in text.split(",")]
