"""The command that makes corpora of codes: ``pixelbytes encode``."""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .corpora import open_corpus


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
    from ..data.tokenize_dataset import as_corpus
    from ..runs.codec_run import CodecRun

    target = Path(out)
    if target.exists():
        raise FileExistsError(f"folder {str(target)!r} exists: expected a name that is free")
    loaded = {name: CodecRun.load(folder) for name, folder in runs.items()}
    for name, medium in (("--codec", "image"), ("--audio-codec", "audio")):
        if name in loaded and (found := loaded[name].codec.medium) != medium:
            raise ValueError(f"{name} must be a codec of {medium}, got one of {found} in {runs[name]!r}")
    codecs = [run.codec for run in loaded.values()]
    vocabulary = vocabulary_of_codecs(codecs)
    options = _merge_options([run.tokenizer for run in loaded.values()])
    tokenizer_class = type(next(iter(loaded.values())).tokenizer)
    reads = tokenizer_class(**options)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        part, sizes = Path(temporary) / "corpus", {}
        part.mkdir()
        for split, rows in data.items():
            corpus = encode_corpus(as_corpus(rows, reads), codecs)
            corpus.save(part / split)
            sizes[split] = corpus.num_tokens
        tokenizer_class(**{**options, "vocabulary": vocabulary.to_dict()}).save_pretrained(part)
        part.rename(target)
    return sizes


def _merge_options(tokenizers: list[Any]) -> dict[str, Any]:
    """Return the options of a tokenizer that reads text and each codec's medium as that codec's own does."""
    names = {"preset", "vocabulary", "errors", "scaling", "sampling_rate_hz"}
    first = tokenizers[0].options
    for other in tokenizers[1:]:
        if first["preset"] != other.options["preset"] or first["vocabulary"] != other.options["vocabulary"]:
            raise ValueError("codecs must be of one vocabulary of media, got two of different ones")
    media = [name for tokenizer in tokenizers for name in tokenizer.order if name != "text"]
    slicing = dict(first["slicing"])
    sound = next((each for each in tokenizers if "audio" in each.order), tokenizers[0])
    for tokenizer in tokenizers:
        slicing |= {name: tokenizer.options["slicing"][name] for name in tokenizer.order if name != "text"}
    of_sound = {name: sound.options[name] for name in ("scaling", "sampling_rate_hz")}
    kept = {name: value for name, value in first.items() if name in names}
    return {**kept, **of_sound, "slicing": slicing, "order": ["text", *dict.fromkeys(media)]}
