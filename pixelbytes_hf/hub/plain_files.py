"""Which files of a folder may leave this machine: those that lie in it, under their own names.

A link may lead to a key, and hidden files hold settings and secrets of their owner; neither is published, nor left out
without a word.
"""

from pathlib import Path

from huggingface_hub.utils import DEFAULT_IGNORE_PATTERNS, filter_repo_objects

# the Hub writes it into every repository and keeps there which files are large
NEVER_DELETED = (".gitattributes",)


def list_plain_files(folder: str | Path) -> dict[str, int]:
    """Return the bytes of every file in a folder by its relative path, in order.

    Args:
        folder: Its `.git` and the Hub's own `.cache/huggingface` are left out.

    Raises:
        ValueError: If it is no folder, or holds a link, a hidden file or anything else that is no regular file.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"folder must be a folder with the files to publish, got {str(folder)!r}")
    found = (path for path in sorted(root.rglob("*")) if path.is_symlink() or not path.is_dir())
    paths = {path.relative_to(root).as_posix(): path for path in found}
    names = list(filter_repo_objects(paths, ignore_patterns=DEFAULT_IGNORE_PATTERNS))
    if refused := [name for name in names if not _is_plain(paths[name], name)]:
        raise ValueError(f"folder must hold no links and no hidden files, got {', '.join(refused)} in {str(folder)!r}")
    return {name: paths[name].stat().st_size for name in names}


def plain_file(folder: str | Path, name: str) -> Path:
    """Return the path of a file in a folder.

    Args:
        folder: Where it lies.
        name: Relative path.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a link, or lies behind one.
    """
    path = Path(folder) / name
    if path.resolve() != Path(folder).resolve() / name:
        raise ValueError(f"{str(folder)!r} must hold {name} itself, got a link, which is not followed")
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} has no {name}: expected a regular file")
    return path


def _is_plain(path: Path, name: str) -> bool:
    is_hidden = any(part.startswith(".") for part in name.split("/")) and name not in NEVER_DELETED
    return not is_hidden and not path.is_symlink() and path.is_file()
