"""The command that makes media: ``pixelbytes generate``."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..runs.kinds import kind_of_run
from ..tokens.modalities import TRAITS
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
        "codec": {"metavar": "CODEC", "help": "tasks of a run on codes: run folder of the codec of pictures"},
        "audio-codec": {"metavar": "CODEC", "help": "likewise, of the codec of sounds"},
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
    codec: str | None = None,
    audio_codec: str | None = None,
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
        codec: Of a task, where the run reads codes: run folder of the codec that made those of pictures.
        audio_codec: Likewise of sounds.
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
        codecs = _load_codecs(run_folder, run.layout, {"image": codec, "audio": audio_codec}, task)
        media = {"text": text, "image": image, "audio": audio}
        return write_media(perform_task(run, task, **media, layout=layout, codecs=codecs, **settings), out)
    if codec is not None or audio_codec is not None:
        raise ValueError(f"--codec and --audio-codec must be given with --task, got {codec or audio_codec}")
    prompts = _read_prompts(run, text, image, audio)
    if not prompts:
        raise ValueError("nothing to begin from: expected --text, --image or --audio")
    if layout is None and keep is not None:
        layout = run.layout_from(keep, **{name: value for name, [value] in prompts.items()})
    elif layout is None:
        layout = run.layout_after(list(prompts))
    [record] = run.create(**prompts, layout=layout, keep=keep, **settings)
    return write_media(record, out)


def _load_codecs(run_folder: str | Path, layout: Any, folders: Mapping[str, str | None], task: str) -> list[Any]:
    """Return the codecs that were given, by medium, of those that the task needs with a run on codes.

    Raises:
        ValueError: If one lacks, or another than that of the training is given.
    """
    from ..data.tasks import find_task
    from ..runs.codec_run import load_codec
    from ..training.resume import read_record

    wanted = find_task(task)
    media = {part.medium for part in (*wanted.given, *wanted.asked)}
    read = {TRAITS[segment.modality].medium: segment.modality for segment in layout.segments}
    options = {"image": "--codec", "audio": "--audio-codec"}
    for medium in media & options.keys():
        if read.get(medium, medium) != medium and folders[medium] is None:
            raise ValueError(f"{options[medium]} must be given, as the run reads codes of {medium}")
    given = {medium: folder for medium, folder in folders.items() if folder is not None}
    made_by = read_record(run_folder)["data"]["train"].get("codecs", {}) if given else {}
    return [load_codec(folder, medium, made_by) for medium, folder in given.items()]


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
