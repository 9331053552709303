"""Corpora as the command line opens them, and what it tells of texts that a vocabulary cannot hold."""

import sys
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Any, Final

from ..tokens.text_codec import find_unreadable
from ..tokens.vocabulary import Vocabulary

MOST_SHOWN = 12  # characters
LOSSLESS: Final = "full"


def open_corpus(name: str) -> Any:
    """Return the splits of a corpus, a folder or a name on the Hub; of a folder that `encode` wrote, token corpora.

    Raises:
        ValueError: If it is a folder of pictures that no corpus was made of.
    """
    from datasets import load_dataset

    from dataset_builder.own_folder import holds_pictures

    folder = Path(name)
    if found := _code_splits(folder):
        from ..data.corpus import TokenCorpus

        return {split: TokenCorpus.load(folder / split) for split in found}
    if folder.is_dir() and holds_pictures(folder):
        raise ValueError(
            f"{name} holds pictures, and is no corpus yet: make one with "
            f"`pixelbytes build --config folder --source {quote(name)} --out {quote(f'{folder.name}-corpus')}`"
        )
    return load_dataset(name)


def _code_splits(folder: Path) -> list[str]:
    """Return the splits of a folder that `encode` wrote, none of another."""
    if not (folder / "tokenizer_config.json").is_file():
        return []
    return sorted(path.parent.name for path in folder.glob("*/corpus.json"))


def tokenizer_of_corpus(name: str, settings: Any = None) -> Any:
    """Return the tokenizer of a folder that `encode` wrote, None of another corpus.

    Args:
        name: Of the corpus.
        settings: Given for the preset's tokenizer, which a corpus of codes does not use.

    Raises:
        ValueError: If settings are given for a corpus of codes.
    """
    from transformers import AutoTokenizer

    if not _code_splits(Path(name)):
        return None
    if settings:
        raise ValueError(f"--tokenizer must not be given with a corpus of codes, which has its own, got {settings}")
    return AutoTokenizer.from_pretrained(name)


def count_unreadable(texts: Iterable[str | None], vocabulary: Vocabulary) -> str:
    """Return in words what a vocabulary cannot read of texts, and what can; nothing if it reads all.

    Example:
        >>> count_unreadable(["a red one", None, "赤い"], Vocabulary.from_preset("paper"))
        "2 characters in 1 of 3 texts are not in the vocabulary: '赤い'; the tokenizer's preset `full` reads them"
    """
    given = [text or "" for text in texts]
    unreadable = find_unreadable("".join(given), vocabulary)
    lost = set(unreadable)
    counts = [sum(character in lost for character in text) for text in given]
    if not sum(counts):
        return ""
    shown = repr(unreadable[:MOST_SHOWN]) + ("..." if len(unreadable) > MOST_SHOWN else "")
    place = f" in {sum(map(bool, counts))} of {len(given)} texts" if len(given) > 1 else ""
    return (
        f"{sum(counts)} characters{place} are not in the vocabulary: {shown}; the tokenizer's preset `{LOSSLESS}` "
        "reads them"
    )


def tell(note: str) -> None:
    """Print a note on standard error, if there is one."""
    if note:
        print(f"pixelbytes: {note}", file=sys.stderr)
