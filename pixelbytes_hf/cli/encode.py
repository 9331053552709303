"""The command that makes corpora of codes: ``pixelbytes encode``."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .corpora import open_corpus, tell

MEDIUM_OF_OPTION = {"--codec": "image", "--audio-codec": "audio"}


def add_encode(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``encode``."""
    command.add_argument("--codec", metavar="RUN", help="run folder of a codec of pictures")
    command.add_argument("--audio-codec", metavar="RUN", help="run folder of a codec of sounds")
    command.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    command.add_argument("--out", required=True, help="folder to make, which `pixelbytes train --dataset` takes")


def encode(options: argparse.Namespace) -> None:
    """Make a corpus of codes with learned codecs; texts stay as they are."""
    given = {"--codec": options.codec, "--audio-codec": options.audio_codec}
    runs = {name: folder for name, folder in given.items() if folder is not None}
    if not runs:
        raise ValueError("nothing to encode with: expected --codec, --audio-codec or both")
    for split, num_tokens in encode_dataset(runs, open_corpus(options.dataset), options.out).items():
        print(f"{split}: {num_tokens:,} ids")
    print(options.out)


def encode_dataset(runs: Mapping[str, str], data: Mapping[str, Any], out: str | Path) -> dict[str, int]:
    """Write every split of a dataset as a corpus of codes, with its tokenizer, into a new folder.

    Args:
        runs: Run folders of codecs by the option that named them.
        data: Rows by split.
        out: Folder to make, whole or not at all.

    Returns:
        Number of ids by split.

    Raises:
        FileExistsError: If `out` exists.
        ValueError: If a codec is of another medium than its option says, codecs do not fit each other, or data do not
            fit them.
    """
    from ..data.code_corpus import encode_corpus, vocabulary_of_codecs
    from ..data.tokenize_dataset import as_corpus, rows_with_media
    from ..runs.codec_run import CodecRun

    target = Path(out)
    if target.exists():
        raise FileExistsError(f"folder {str(target)!r} exists: expected a name that is free")
    loaded = {name: CodecRun.load(folder) for name, folder in runs.items()}
    for name, run in loaded.items():
        if (found := run.codec.medium) != (medium := MEDIUM_OF_OPTION[name]):
            raise ValueError(f"{name} must be a codec of {medium}, got one of {found} in {runs[name]!r}")
    codecs = [run.codec for run in loaded.values()]
    vocabulary = vocabulary_of_codecs(codecs)
    options = _options_of_reading({run.codec.medium: run.tokenizer for run in loaded.values()})
    tell(_left_out(data, options["order"]))
    tokenizer_class = type(next(iter(loaded.values())).tokenizer)
    reads = tokenizer_class(**options)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        part, sizes = Path(temporary) / "corpus", {}
        part.mkdir()
        for split, rows in data.items():
            corpus = encode_corpus(as_corpus(rows_with_media(rows, reads), reads), codecs)
            corpus.save(part / split)
            sizes[split] = corpus.num_tokens
        tokenizer_class(**{**options, "vocabulary": vocabulary.to_dict()}).save_pretrained(part)
        part.rename(target)
    return sizes


def _options_of_reading(tokenizers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a tokenizer that reads text and each codec's medium as that codec's own does.

    Args:
        tokenizers: Of codecs, by medium.

    Raises:
        ValueError: If they differ in what all media share.
    """
    first, *others = tokenizers.values()
    for other in others:
        if any(first.options[name] != other.options[name] for name in ("preset", "vocabulary")):
            raise ValueError("codecs must be of one vocabulary of media, got two of different ones")
        if first.errors != other.errors or type(first) is not type(other):
            got = ", ".join(f"{type(each).__name__} with errors={each.errors!r}" for each in (first, other))
            raise ValueError(f"codecs must have tokenizers of one class that read text alike, got {got}")
    sound = tokenizers.get("audio", first)
    own = {name: sound.options[name] for name in ("scaling", "sampling_rate_hz")}
    slicing = {medium: tokenizer.options["slicing"][medium] for medium, tokenizer in tokenizers.items()}
    return {**first.options, **own, "slicing": slicing, "order": _order_of(tokenizers)}


def _order_of(tokenizers: Mapping[str, Any]) -> list[str]:
    """Return text and the codecs' media in the order of the tokenizers that name all of them, else text first."""
    kept = ["text", *tokenizers]
    orders = {tuple(name for name in tokenizer.order if name in kept) for tokenizer in tokenizers.values()}
    whole = [order for order in orders if len(order) == len(kept)]
    if len(whole) > 1:
        raise ValueError(f"codecs must have tokenizers of one order of media, got {sorted(whole)}")
    return list(whole[0]) if whole else kept


def _left_out(data: Mapping[str, Any], order: Sequence[str]) -> str:
    """Return in words which media of a dataset are not read; nothing if all are."""
    from ..data.tokenize_dataset import COLUMNS

    columns = {name for rows in data.values() for name in getattr(rows, "column_names", ())}
    media = [medium for medium, column in COLUMNS.items() if column in columns and medium not in order]
    return f"left out, as there is no codec of it: {', '.join(media)}" if media else ""
