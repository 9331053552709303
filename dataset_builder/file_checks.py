"""What files of a kind begin and end with: enough to tell a whole one from a login page, an empty or a cut body."""

from collections.abc import Callable

from pixelbytes_hf.media.animations import read_animation
from pixelbytes_hf.media.sounds import ogg_is_cut

GIF_STARTS = (b"GIF87a", b"GIF89a")
OGG_START = b"OggS"


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
    try:
        animation = read_animation(content)
        if animation is None or not animation.patches:
            return "is a GIF without a picture"
        for patch in animation.patches:
            if patch.num_pixels:
                patch.open()
    except (ValueError, OSError, SyntaxError) as error:  # the latter two are PIL's of a patch that it cannot unpack
        return f"is a GIF that cannot be read: {error}"
    return None


def _ogg_problem(content: bytes) -> str | None:
    if not content.startswith(OGG_START):
        return "does not begin as an OGG does"
    return "does not end as an OGG does" if ogg_is_cut(content) else None


def _csv_problem(content: bytes) -> str | None:
    try:
        first, _, rest = content.decode("utf-8").partition("\n")
    except UnicodeDecodeError:
        return "is no text in UTF-8"
    if first.lstrip().startswith("<") or "," not in first:
        return "does not begin as a table does"
    return None if not rest or rest.endswith("\n") else "ends within a line"


_CHECKS: dict[str, Callable[[bytes], str | None]] = {"gif": _gif_problem, "ogg": _ogg_problem, "csv": _csv_problem}
