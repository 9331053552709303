"""The corpora as a builder of `datasets`, of version 5 and of version 3.6 alike.

Version 5 runs no scripts: there the class is used directly. Version 3.6 takes this file as a loading script; it runs a
copy of it from a cache, finds what the file imports line by line, and knows no `List`: hence one import per line here,
none of siblings at the top, and names that both versions have. Tables are yielded ready made, because the encoding of
`Audio` wants torchcodec, which nothing here needs.

Example:
    >>> rows = PixelBytesPokemon(config_name="mini", size=128).as_streaming_dataset(split="test")
    >>> next(iter(rows))["name"]
    'creature 12'

In version 3.6, given the path of this file inside a checkout, and with pillow, scipy, scikit-image, soundfile, tqdm
and wrapt installed::

    load_dataset("dataset_builder/pixelbytes_pokemon.py", "mini", trust_remote_code=True)
"""

import hashlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

ROWS_PER_TABLE = 64
# the modules of pixelbytes_hf that rows pass through
CODECS = (
    "media/animations",
    "media/fitting",
    "media/gif_writer",
    "media/media_limits",
    "media/mpeg_frames",
    "media/pictures",
    "media/sounds",
    "tokens/checks",
    "tokens/grid",
    "tokens/modalities",
    "tokens/palette",
    "tokens/pixel_codec",
    "tokens/vocabulary",
)


@dataclass(eq=False)
class CorpusConfig(datasets.BuilderConfig):  # type: ignore[misc]  # datasets has no types
    """What decides the rows of a corpus, besides its name.

    Attributes:
        seed: Seed of the splits, and of what code makes, at least 0.
        size: Largest species id, creatures, or systems; None is the size that the command line builds.
        source: Local copy of PokeAPI's repositories or address of a host; None downloads. Only for ``full`` and
            ``sprites``; of ``folder`` the pictures. A cache knows its name alone: what changes in it is not noticed.
        num_shards: Parts of each split, of equal numbers of rows or one apart, that processes share when streaming.
        num_threads: Threads that fetch and convert.
    """

    seed: int = 0
    size: int | None = None
    source: str | None = None
    num_shards: int = 1
    num_threads: int = 4


class PixelBytesPokemon(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # datasets has no types
    """The corpora ``full``, ``sprites``, ``mini``, ``control`` and ``folder``.

    With `base_path`, a folder that `dataset_builder.build` made, rows are read from there instead of made anew.
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = CorpusConfig
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class declares it so
        CorpusConfig("full", VERSION, description="Species of PokeAPI: description, animated sprite, cry."),
        CorpusConfig("sprites", VERSION, description="Those of `full`, without the sound."),
        CorpusConfig("mini", VERSION, description="Procedural creatures whose attributes are known."),
        CorpusConfig("control", VERSION, description="Signals of linear systems under known inputs."),
        CorpusConfig("folder", VERSION, description="Pictures of one's own, and what lies beside them."),
    ]
    DEFAULT_CONFIG_NAME = "full"
    DEFAULT_WRITER_BATCH_SIZE = ROWS_PER_TABLE

    def __init__(
        self,
        cache_dir: str | None = None,
        dataset_name: str | None = None,
        config_name: str | None = None,
        hash: str | None = None,
        base_path: str | None = None,
        **options: Any,
    ) -> None:
        _make_importable(base_path)
        self.built_folder = _find_built_folder(base_path)
        # rows in a cache must not outlive the code that made them, or the files they were read from
        parts = [hash or "", _digest(_code_files()), _digest(_data_files(self.built_folder))]
        digest = hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]
        super().__init__(cache_dir, dataset_name, config_name, digest, base_path, **options)
        if self.built_folder is not None:
            _check_offered(self.built_folder, self.config.name)

    def _info(self) -> datasets.DatasetInfo:
        from dataset_builder.corpora import corpus_features

        features = corpus_features(self.config.name)
        return datasets.DatasetInfo(description=self.config.description or "", features=features)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        shards = self._made_shards() if self.built_folder is None else self._stored_shards()
        return [datasets.SplitGenerator(name=split, gen_kwargs={"shards": found}) for split, found in shards.items()]

    def _generate_tables(self, shards: list[Any]) -> Iterator[tuple[str, pa.Table]]:
        from dataset_builder.record import record_table

        for number, shard in enumerate(shards):
            # files are strings here: `datasets` puts a class of its own in the place of `Path`
            if isinstance(shard, str):
                yield from _read_tables(shard, number, [*self.info.features])
                continue
            for start in range(0, len(shard), ROWS_PER_TABLE):
                yield f"{number}_{start}", record_table(shard[start : start + ROWS_PER_TABLE], self.info.features)

    def _download_and_prepare(self, *arguments: Any, **options: Any) -> None:
        # `_output_dir` is the unfinished folder here, under a lock: what a killed build left there would become
        # part of this one
        unfinished = Path(self._output_dir)
        if unfinished.suffix == ".incomplete":
            for leftover in unfinished.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        super()._download_and_prepare(*arguments, **options)

    def _made_shards(self) -> dict[str, list[list[Any]]]:
        """Return the records of each split, made now, in `num_shards` parts."""
        from dataset_builder.builder import cut, open_corpus_source
        from dataset_builder.corpora import DEFAULT_SIZES, read_records

        settings = self.config
        found = read_records(
            settings.name,
            source=open_corpus_source(settings.name, settings.source),
            size=DEFAULT_SIZES[settings.name] if settings.size is None else settings.size,
            seed=settings.seed,
            num_threads=settings.num_threads,
            progress=False,
        )
        return {split: cut(rows, settings.num_shards, split=split) for split, rows in found.records.items()}

    def _stored_shards(self) -> dict[str, list[str]]:
        """Return the files of each split."""
        from dataset_builder.splits import SPLITS

        files = _data_files(self.built_folder)
        return {split: [str(path) for path in files if path.name.startswith(f"{split}-")] for split in SPLITS}


def _read_tables(path: str, number: int, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the row groups of a file under keys that begin with its number."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield f"{number}_{group}", file.read_row_group(group, columns=columns)


def _make_importable(base_path: str | None) -> None:
    """Let a copy of this file find the package beside the original, if it is not installed.

    Raises:
        ModuleNotFoundError: If it is neither installed nor there.
    """
    if importlib.util.find_spec("dataset_builder") is not None:
        return
    if base_path is None or not (Path(base_path) / "corpora.py").is_file():
        raise ModuleNotFoundError(
            "package dataset_builder is neither installed nor beside this script: give the script's path inside a "
            f"checkout of pixelbytes_hf, got base path {base_path!r}"
        )
    sys.path.append(str(Path(base_path).resolve().parent))


def _find_built_folder(base_path: str | None) -> Path | None:
    """Return the folder to read rows from, None if they are to be made."""
    # version 3.6 gives the place of the script as the base path
    if base_path is None or "://" in base_path or (Path(base_path) / Path(__file__).name).is_file():
        return None
    return Path(base_path)


def _check_offered(folder: Path, config: str) -> None:
    from dataset_builder.corpora import VIEWS
    from dataset_builder.report import read_built

    report = read_built(folder)
    offered = (report.config, *VIEWS[report.config])
    if config not in offered:
        raise ValueError(f"folder {str(folder)!r} holds the corpora {offered}, not {config!r}")


def _data_files(folder: Path | None) -> list[Path]:
    return [] if folder is None else sorted((folder / "data").glob("*.parquet"))


def _code_files() -> list[Path]:
    """Return the files of the code that makes rows."""
    import dataset_builder
    import pixelbytes_hf

    own = Path(dataset_builder.__path__[0])
    other = Path(pixelbytes_hf.__path__[0])
    return [*sorted(own.glob("*.py")), *(other / f"{name}.py" for name in CODECS)]


def _digest(paths: list[Path]) -> str:
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return hashlib.sha256("".join(digests).encode()).hexdigest()
