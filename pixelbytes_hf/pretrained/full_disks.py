"""A disk that takes no more, said in one way: what could not be written, why, and what to do.

Python names no file where a write fails, safetensors hides the error's number in a text, torch and numpy drop it.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RUST_NUMBER = re.compile(r"\(os error (\d+)\)")
# what torch and numpy say of a write that came to less than it should
_WITHOUT_NUMBER = re.compile(r"PytorchStreamWriter|unexpected pos|\d+ requested and \d+ written")


class FullDiskError(OSError):
    """A write that the file system did not take; `errno` says why."""


@contextmanager
def writing(target: str | os.PathLike[str], advice: str = "make room there and try again") -> Iterator[None]:
    """Name what is being written if the disk takes no more.

    Args:
        target: File or folder.
        advice: What to do about it.

    Raises:
        FullDiskError: In place of the many errors that say so.

    Example:
        >>> with writing("run/config.json"): raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        pixelbytes_hf.pretrained.full_disks.FullDiskError: 'run/config.json' could not be written: ...
    """
    try:
        yield
    except FullDiskError:
        raise  # of what is within
    except (OSError, RuntimeError, SafetensorError) as error:
        if (number := _number_of(error)) is None:
            raise
        folder = next(path for path in (Path(target).absolute(), *Path(target).absolute().parents) if path.is_dir())
        free = shutil.disk_usage(folder).free / 1e6
        full = FullDiskError(
            f"{str(target)!r} could not be written: {os.strerror(number)}; {free:,.1f} MB are free there: {advice}"
        )
        full.errno = number
        raise full from error


def _number_of(error: Exception) -> int | None:
    """Return the number of an error that says that the disk took no more, or None of any other."""
    if _WITHOUT_NUMBER.search(str(error)):
        return errno.ENOSPC
    found = _RUST_NUMBER.search(str(error)) if isinstance(error, SafetensorError) else None
    number = int(found[1]) if found else getattr(error, "errno", None)
    return number if number in _NUMBERS else None
