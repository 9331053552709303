"""Publishing a run: a folder that anyone can load, with this package or without it, sent to the Hub in one commit.

The folder holds weights, configuration, tokenizer, processor, their code (`family_code`), what was measured, samples
and the card. One repository may hold many checkpoints, each in a subfolder with a card of its own.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..hub.plain_files import list_plain_files
from ..hub.requests import remote_files
from ..hub.upload import Published, check_repo_id, publish_folder
from ..models.pixelbytes.family_code import write_family_code
from ..runs.files import write_json
from ..runs.kinds import kind_of_run
from ..runs.run_folder import Run
from .card_facts import CardFacts, gather_facts
from .cards import render_model_card, render_template
from .export import check_travels, write_checkpoint
from .records import read_records
from .samples import make_samples

CARD_NAME, FACTS_NAME, SAMPLES_NAME = "README.md", "card.json", "samples"
_OURS_TO_SHOW = ("procedural", "control")  # origins of a corpus whose media came from our own code
_SUBFOLDER = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")


def publish_run(
    run_folder: str | Path,
    repo_id: str,
    *,
    subfolder: str | None = None,
    private: bool = False,
    revision: str | None = None,
    dataset: str | None = None,
    with_samples: bool = True,
    seed: int = 0,
    token: str | None = None,
    show: Callable[[dict[str, int]], object] | None = None,
    **card: Any,
) -> Published:
    """Publish a run on the Hub, all of it in one commit.

    Args:
        run_folder: That `train` made.
        repo_id: Repository, ``user/name``; made if absent.
        subfolder: Of the repository, for one of several checkpoints.
        private: Refuse to publish where others can see it; a new repository is made private.
        revision: Branch; made if absent.
        dataset: As of `assemble`.
        with_samples: As of `assemble`.
        seed: As of `assemble`.
        token: Of the Hub; by default the one that is logged in.
        show: Told the bytes of every file by its path, before anything is sent.
        card: As of `assemble`.

    Raises:
        FileNotFoundError: If the folder holds no finished run.
        ValueError: If a name is malformed, or the run cannot be published as it is.
        IncompleteUploadError: If the Hub does not hold what was sent.
    """
    with TemporaryDirectory(prefix="pixelbytes_push_") as name:
        folder = Path(name)
        card |= {"subfolder": subfolder, "dataset": dataset, "with_samples": with_samples, "seed": seed}
        assemble(run_folder, folder, repo_id=repo_id, **card)
        if subfolder is not None:
            there = remote_files(repo_id, "model", revision=revision, token=token)
            _write_index(folder, repo_id, [*there, *list_plain_files(folder)])
        to: dict[str, Any] = {"repo_type": "model", "private": private, "revision": revision}
        message = f"Publish {subfolder or Path(run_folder).resolve().name}"
        return publish_folder(folder, repo_id, message=message, token=token, show=show, **to)


def assemble(
    run_folder: str | Path,
    folder: str | Path,
    *,
    repo_id: str,
    subfolder: str | None = None,
    dataset: str | None = None,
    with_samples: bool = True,
    seed: int = 0,
    **card: Any,
) -> dict[str, int]:
    """Write all that is published of a run into a folder, without the network.

    Args:
        run_folder: That `train` made.
        folder: To write into.
        repo_id: Where it will be published; the card says how to load it from there.
        subfolder: Of the repository; the code stands beside it all the same.
        dataset: Corpus that the run was trained on: its folder or Hub name. Its test split gives the samples' prompts.
        with_samples: Whether to make samples, which needs `dataset`.
        seed: Of the samples.
        card: What the card shall say, as of `gather_facts`: `evaluation`, `licence`, `licence_name`, ...

    Returns:
        Bytes of every file by its path, in order.

    Raises:
        FileNotFoundError: If `run_folder` holds no finished run.
        ValueError: If a name is malformed, samples are asked of a corpus that is not named, a file of the run is a
            link, or the mixer's code is neither ours nor transformers'.
    """
    check_repo_id(repo_id)
    if subfolder is not None and not _SUBFOLDER.fullmatch(subfolder):
        raise ValueError(f"subfolder must be a relative path such as 'small' or 'small/seed-1', got {subfolder!r}")
    if with_samples and dataset is None:
        raise ValueError("samples begin from a corpus' test records: expected dataset, or with_samples=False")
    write: Callable[..., None] = kind_of_run(run_folder).verb("push")
    given = {"repo_id": repo_id, "subfolder": subfolder, "dataset": dataset, "with_samples": with_samples}
    write(run_folder, Path(folder), **given, seed=seed, **card)
    if subfolder is not None:
        _write_index(Path(folder), repo_id, list_plain_files(folder))
    return list_plain_files(folder)


def assemble_sequence(
    run_folder: str | Path,
    root: Path,
    *,
    repo_id: str,
    subfolder: str | None,
    dataset: str | None,
    with_samples: bool,
    seed: int,
    **card: Any,
) -> None:
    """Write all that is published of a sequence model, but for the index; arguments as of `assemble`."""
    run = Run.load(run_folder, follow_links=False)
    check_travels(run.model.config.mixer_config)
    name = (subfolder or repo_id).rpartition("/")[2]
    facts = gather_facts(run_folder, name=name, repo_id=repo_id, subfolder=subfolder, dataset=dataset, **card)
    target = root if subfolder is None else root / subfolder
    write_family_code(root)
    write_checkpoint(run, target)
    for record_name, content in read_records(run_folder).items():
        write_json(target / record_name, content)
    if with_samples:
        facts = replace(facts, samples=_add_samples(run, str(dataset), target, facts, seed))
    write_json(target / FACTS_NAME, asdict(facts))
    (target / CARD_NAME).write_text(render_model_card(facts), encoding="utf-8")


def _add_samples(run: Run, dataset: str, target: Path, facts: CardFacts, seed: int) -> dict[str, str]:
    """Write the samples and return their captions by path."""
    from datasets import load_dataset

    rows, is_ours = load_dataset(dataset, split="test"), facts.dataset["origin"] in _OURS_TO_SHOW
    captions = make_samples(run, rows, target / SAMPLES_NAME, seed=seed, shows_real=is_ours)
    return {f"{SAMPLES_NAME}/{name}": caption for name, caption in captions.items()}


def _write_index(folder: Path, repo_id: str, files: Iterable[str]) -> None:
    """Write the card of a repository of several checkpoints, unless one of them stands at the root and has its own.

    Args:
        folder: Root of the repository.
        repo_id: Its name.
        files: Paths in it.
    """
    homes = {path.rpartition("/")[0] for path in files if path.rpartition("/")[2] == "config.json"}
    if "" in homes:
        (folder / CARD_NAME).unlink(missing_ok=True)
        return
    # others may have written into the repository: what is no name that push takes could be read as Markdown
    named = sorted(home for home in homes if _SUBFOLDER.fullmatch(home))
    (folder / CARD_NAME).write_text(render_index(repo_id, named), encoding="utf-8")


def render_index(repo_id: str, subfolders: Sequence[str]) -> str:
    """Return the card of a repository whose checkpoints stand in subfolders."""
    return render_template("index_card.md.jinja", repo_id=repo_id, subfolders=subfolders, card_name=CARD_NAME)
