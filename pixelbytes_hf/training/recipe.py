"""Recipes: what `train` asks of a kind of system, and what kinds whose data are token corpora share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import Dataset
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

from ..data.code_corpus import check_codecs
from ..data.corpus import TokenCorpus
from ..data.tokenize_dataset import as_corpus
from ..objectives.objective import Likelihood
from ..runs.corpus_layout import save_layout
from ..runs.files import write_pretrained
from .builders import build_tokenizer, load_tokenizer
from .presets import Preset
from .resume import RECORD_NAME, describe_run, read_record
from .trainer import SettingsTrainer

Corpora = Mapping[str, TokenCorpus]


class Examples(NamedTuple):
    """What a model is trained and validated on."""

    train: Dataset[Any]
    validation: Dataset[Any] | None


class Recipe(ABC):
    """Builds what a training needs; `train` calls the methods in the order in which they stand.

    Args:
        plan: Preset with the settings of the run.
        tokenizer: Of the data; by default the preset's, or that of `start_from`.
        start_from: Checkpoint that is trained further, or None.
    """

    def __init__(
        self, plan: Preset, *, tokenizer: Any = None, start_from: str | os.PathLike[str] | None = None
    ) -> None:
        """Build or load the tokenizer."""
        self.plan, self.start_from = plan, start_from
        if tokenizer is None:
            tokenizer = build_tokenizer(plan) if start_from is None else load_tokenizer(start_from)
        self.tokenizer = tokenizer

    @property
    def training_arguments(self) -> dict[str, Any]:
        """Fields of `TrainingArguments` that differ from those of `make_training_arguments`."""
        return {}

    def read(self, data: Any, *, progress: bool) -> dict[str, TokenCorpus]:
        """Return the corpora ``train`` and perhaps ``validation``.

        Raises:
            ValueError: If there is no split ``train``, or a corpus is of another vocabulary than the tokenizer.
        """
        splits = dict(data) if isinstance(data, Mapping) else {"train": data}
        if "train" not in splits:
            raise ValueError(f"data must have a split 'train', got {sorted(splits)}")
        found = {name: splits[name] for name in ("train", "validation") if splits.get(name) is not None}
        corpora = {name: as_corpus(split, self.tokenizer, progress=progress) for name, split in found.items()}
        for name in corpora.keys() - {"train"}:
            check_codecs(corpora[name].codecs, corpora["train"].codecs, "the split 'train'")
        if self.start_from is not None and (Path(self.start_from) / RECORD_NAME).is_file():
            before = read_record(self.start_from)["data"]["train"].get("codecs", {})
            check_codecs(corpora["train"].codecs, before, f"the run {str(self.start_from)!r}")
        return corpora

    @abstractmethod
    def make_model(self, corpora: Corpora) -> PreTrainedModel:
        """Return a new model, or that of `start_from`."""

    @abstractmethod
    def make_examples(self, model: PreTrainedModel, corpora: Corpora) -> Examples:
        """Return what the model is trained and validated on."""

    def describe(self, corpora: Corpora, *, num_processes: int) -> dict[str, Any]:
        """Return what has to be equal when the run is resumed."""
        return describe_run(self.plan, self.tokenizer, corpora, num_processes=num_processes)

    @abstractmethod
    def likelihood(self, model: PreTrainedModel) -> Likelihood:
        """Return what the bits of the curves are."""

    @abstractmethod
    def make_trainer(
        self, model: PreTrainedModel, args: TrainingArguments, examples: Examples, *, callbacks: list[TrainerCallback]
    ) -> SettingsTrainer:
        """Return the Trainer."""

    def save(self, folder: Path, model: PreTrainedModel, corpora: Corpora) -> None:
        """Write what the run is loaded from."""
        save_layout(corpora["train"], folder)
        write_pretrained(folder, model, self.tokenizer)
