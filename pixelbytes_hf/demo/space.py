"""The demo page as a Space of the Hub: a folder that runs by itself, and its way to the Hub.

The folder holds the run, the package's sources, ``app.py``, ``requirements.txt`` and the card, so that a Space needs
no registry entry of ours: only libraries that everybody installs.
"""

import re
import shutil
from collections.abc import Callable
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

from ..hub.plain_files import NEVER_DELETED, list_plain_files
from ..hub.requests import remote_files
from ..hub.upload import Published, publish_folder
from ..runs.kinds import kind_of_run
from ..runs.run_folder import Run
from .views import name_media

DISTRIBUTION = "pixelbytes-hf"
TEMPLATE_NAME, APP_NAME = "space.md.jinja", "app.py.jinja"
# what the page never imports
NOT_NEEDED = ("accelerate", "datasets", "jinja2", "matplotlib", "tqdm")
RUN_NAME, SOURCES_NAME = "run", "pixelbytes_hf"
# of a Space that is ours to replace; the first of one written before the package had rooms
MARKS = frozenset([f"{SOURCES_NAME}/demo_page.py", f"{SOURCES_NAME}/demo/page.py"])


def write_space(run_folder: str | Path, folder: str | Path, *, title: str = "PixelBytes") -> list[Path]:
    """Write a Space that shows a run.

    Args:
        run_folder: That `train` made; its checkpoints for resuming are left out.
        folder: Folder to make.
        title: Of the Space.

    Returns:
        The files written, sorted.

    Raises:
        FileNotFoundError: If the run has no checkpoint or no layout.
        ValueError: If a file of the run or of the package is a link.
        FileExistsError: If `folder` exists and is not empty.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"folder {str(target)!r} is not empty: expected a free name")
    write: Callable[..., None] = kind_of_run(run_folder).verb("space")
    write(run_folder, target, title=title)
    return sorted(path for path in target.rglob("*") if path.is_file())


def write_sequence_space(run_folder: str | Path, target: Path, *, title: str) -> None:
    """Write the Space of a sequence model into an empty folder; see `write_space`."""
    run = Run.load(run_folder, follow_links=False)
    (target / "dataset_builder").mkdir(parents=True)
    run.save(target / RUN_NAME)
    _copy_sources(target)
    shutil.copyfile(Path(__file__).with_name(APP_NAME), target / "app.py")
    (target / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
    (target / "README.md").write_text(render_card(run, title=title), encoding="utf-8")


def push_space(folder: str | Path, repo_id: str, *, private: bool = False, token: str | None = None) -> Published:
    """Publish a written Space in one commit; what an older one had besides is deleted.

    Args:
        folder: That `write_space` made.
        repo_id: Space, ``user/name``; made if absent.
        private: Whether only its owner shall see it.
        token: Of the Hub; by default the one that is logged in.

    Raises:
        FileNotFoundError: If the folder is no Space.
        ValueError: If a Space of that name shows something else.
    """
    for name in ("app.py", "requirements.txt", "README.md", f"{RUN_NAME}/config.json"):
        if not (Path(folder) / name).is_file():
            raise FileNotFoundError(f"{str(folder)!r} has no {name}: expected a folder that write_space made")
    there = sorted({*remote_files(repo_id, "space", token=token)} - {*NEVER_DELETED, "README.md"})
    if there and not MARKS & set(there):
        raise ValueError(
            f"{repo_id} is a Space that shows something else, and would lose {len(there)} files ({there[0]}, ...): "
            "expected a free name, or a Space of an earlier demo"
        )
    return publish_folder(
        folder, repo_id, repo_type="space", private=private, message="Show a run", token=token, delete_others=True
    )


def requirements() -> list[str]:
    """Return the libraries that the page needs, with the versions that this package asks for."""
    chosen = []
    for line in requires(DISTRIBUTION) or ():
        requirement, _, marker = line.partition(";")
        name = re.split(r"[^\w-]", requirement.strip(), maxsplit=1)[0]
        if ('extra == "demo"' in marker) if marker else (name not in NOT_NEEDED):
            chosen.append(requirement.strip())
    return sorted(chosen)


def render_card(run: Run, *, title: str) -> str:
    """Return the README of a Space, with what the Hub reads at its head."""
    from jinja2 import Environment, StrictUndefined

    template = (files(__package__) / TEMPLATE_NAME).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    facts = {"media": name_media(run), "num_parameters": run.model.num_parameters()}
    return environment.from_string(template).render(title=title, run=run, gradio_version=version("gradio"), **facts)


def _copy_sources(target: Path) -> None:
    """Copy the package, and of the corpus builder the one module that the page needs."""
    from dataset_builder import signals

    package = Path(__file__).parents[1]
    for name in list_plain_files(package):
        path = target / SOURCES_NAME / name
        if path.suffix not in (".pyc", ".jinja") and "evaluate_metrics" not in path.parts:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package / name, path)
    (target / "dataset_builder" / "__init__.py").write_text('"""What the page needs of the corpus builder."""\n')
    shutil.copyfile(signals.__file__, target / "dataset_builder" / "signals.py")
