"""What files of a kind begin and end with: enough to tell a whole one from a login page, an empty or a cut body."""

from collections.abc import Callable

GIF_STARTS, GIF_END = (b"GIF87a", b"GIF89a"), b";"
# a page of an OGG: its first bytes, where its flags stand, that of the last page, where the table of its parts begins
OGG_START, OGG_FLAGS, OGG_LAST, OGG_TABLE = b"OggS", 5, 0x04, 27


def problem_of(name: str, content: bytes) -> str | None:
    """Return what is wrong with a file, as the end of a sentence, or None.

    Args:
        name: Its name, whose ending tells the kind.
        content: Its bytes.

    Example:
        >>> problem_of("1.gif", b"<html>log in</html>")
        'does not begin as a GIF does'
    """
    if not content:
        return "is empty"
    check = _CHECKS.get(name.rpartition(".")[2].lower())
    return None if check is None else check(content)


def _gif_problem(content: bytes) -> str | None:
    if not content.startswith(GIF_STARTS):
        return "does not begin as a GIF does"
    return None if content.endswith(GIF_END) else "does not end as a GIF does"


def _ogg_problem(content: bytes) -> str | None:
    if not content.startswith(OGG_START):
        return "does not begin as an OGG does"
    page = content[content.rfind(OGG_START) :]
    sizes = page[OGG_TABLE : OGG_TABLE + page[OGG_TABLE - 1]] if len(page) >= OGG_TABLE else b""
    is_whole = len(page) >= OGG_TABLE + len(sizes) + sum(sizes) and len(page) > OGG_TABLE
    return None if is_whole and page[OGG_FLAGS] & OGG_LAST else "does not end as an OGG does"


def _csv_problem(content: bytes) -> str | None:
    try:
        first, _, rest = content.decode("utf-8").partition("\n")
    except UnicodeDecodeError:
        return "is no text in UTF-8"
    if first.lstrip().startswith("<") or "," not in first:
        return "does not begin as a table does"
    return None if not rest or rest.endswith("\n") else "ends within a line"


_CHECKS: dict[str, Callable[[bytes], str | None]] = {"gif": _gif_problem, "ogg": _ogg_problem, "csv": _csv_problem}
