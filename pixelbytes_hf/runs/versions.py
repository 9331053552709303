"""The versions that a figure was measured with."""

from importlib.metadata import version

from ..version import __version__


def describe_versions(*libraries: str) -> dict[str, str]:
    """Return the version of this package and of some libraries, by name.

    Example:
        >>> list(describe_versions("numpy"))
        ['pixelbytes_hf', 'numpy']
    """
    return {"pixelbytes_hf": __version__, **{name: version(name) for name in libraries}}
