"""Virtual environments made of what is installed here: an index is asked only for what is not.

    python = make_environment(tmp_path / "own")
    install(python, "--no-deps", "some-package==1.0")  # before what is here is seen, or pip would take that away
    see_installed(python)                              # all of it, or
    link_required(python, "some-package")              # what one distribution requires, and nothing else

What is installed here as editable is not seen: the file that leads to it is not read from another environment.
"""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import PathDistribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

INSTALLED = Path(sysconfig.get_path("purelib"))


def make_environment(folder: Path) -> Path:
    """Make an empty environment, without pip, and return its interpreter."""
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def pip(python: Path, *words) -> subprocess.CompletedProcess:
    """Run the pip of this environment on another one."""
    command = [sys.executable, "-m", "pip", "--python", str(python), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def install(python: Path, *words) -> subprocess.CompletedProcess:
    """Install with little patience for an index that is not there."""
    return pip(python, "install", "--quiet", "--retries", "1", "--timeout", "15", *words)


def see_installed(python: Path) -> None:
    """Let an environment import what is installed here, after what is its own."""
    (_packages_of(python) / "installed.pth").write_text(f"{INSTALLED}\n")


def link_required(python: Path, name: str) -> None:
    """Link into an environment what a distribution in it requires, and what that requires, from here."""
    folder = _packages_of(python)
    [own] = distributions(name=name, path=[str(folder)])
    waiting, seen = _requirements(own, ()), set()
    while waiting:
        wanted = waiting.pop()
        if (key := (wanted.name.lower(), tuple(sorted(wanted.extras)))) not in seen:
            seen.add(key)
            found = distribution(wanted.name)
            waiting += _requirements(found, wanted.extras)
            for top in {path.parts[0] for path in found.files or ()} - {"..", "__pycache__"}:
                if not (folder / top).exists():
                    (folder / top).symlink_to(INSTALLED / top)


def _requirements(found: PathDistribution, extras) -> list[Requirement]:
    """Return what a distribution requires here, with some of its extras."""
    wanted = [Requirement(line) for line in found.requires or ()]
    told = [{"extra": extra} for extra in ("", *extras)]
    return [each for each in wanted if not each.marker or any(each.marker.evaluate(one) for one in told)]


def _packages_of(python: Path) -> Path:
    [folder] = (python.parents[1] / "lib").glob("python*/site-packages")
    return folder
