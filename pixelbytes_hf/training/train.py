"""Training: transformers' Trainer with matched-bits validation, exact resume and the curves of the run.

`train` goes from data and a preset to a folder with model, tokenizer and curves; `PixelBytesTrainer` is the Trainer it
uses. The curves (``history.json``) and what the run was made from (``training.json``) are plain JSON.

Shapes: B windows, L positions, V vocabulary, K kinds of tokens.
"""

import dataclasses
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    AutoTokenizer,
    EvalPrediction,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import ExportableState
from transformers.utils import logging

from ..data.augmentation import Augmentation
from ..data.corruption import Corruption, build_corruption
from ..data.last_token_windows import WindowEnds
from ..data.windows import TokenCorpus, WindowCollator, WindowDataset, WindowSampler, tokenize_dataset
from ..models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..models.pixelbytes.tokenization_pixelbytes import IGNORED_LABEL, ActionPixelBytesTokenizer
from ..runs.corpus_layout import save_layout
from ..runs.files import read_json, write_json, write_pretrained
from ..tokens.grid import CONTEXT_SIZE
from ..tokens.vocabulary import KINDS, Vocabulary
from ..version import __version__
from .checkpoints import find_newest_complete
from .initialisation import initialise_ordered
from .optimisers import MuonAdamW, muon_groups
from .presets import Preset, TrainingConfig, get_preset
from .schedules import learning_rate_factor

logger = logging.get_logger(__name__)
HISTORY_NAME = "history.json"
RECORD_NAME = "training.json"
CHECKPOINTS_NAME = "checkpoints"
_NATS_PER_BIT = float(np.log(2.0))
_TIME_PARTS = 10  # of a run that seconds limit, each ending with a validation
VALIDATION_DRAWS = 4  # masks of every window, where an objective draws some; evaluation takes more
_IS_VALIDATION = frozenset(["eval_bits", "eval_hidden_bits"])
_FREE_TO_CHANGE = ("keep_checkpoints", "report_to")  # settings that a resumed run may change


class PixelBytesTrainer(Trainer):
    """Trainer of an `aPxBySequenceModel` on windows.

    Validation gives the matched figures of every kind of token, ``eval_bits`` and ``eval_accuracy`` over all and
    ``eval_bits_<kind>``, ``eval_accuracy_<kind>``, ``eval_count_<kind>``: sums over tokens divided at the end, not
    means of batch means, so that they do not depend on the batch size or the number of processes.

    Args:
        model: To train.
        args: From `make_training_arguments`.
        settings: Of the run; optimiser, schedule and sampling are read from here.
        vocabulary: The tables; they say which kind an id is.
        train_dataset: Windows to learn from.
        eval_dataset: Windows to validate on.
        callbacks: Beside the Trainer's own.

    Raises:
        ValueError: If `args` keeps data workers alive over epochs, which would not see the epoch change.
    """

    def __init__(
        self,
        model: aPxBySequenceModel,
        args: TrainingArguments,
        *,
        settings: TrainingConfig,
        vocabulary: Vocabulary,
        train_dataset: WindowDataset | WindowEnds | None = None,
        eval_dataset: WindowDataset | WindowEnds | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        """Set the Trainer up for windows."""
        if args.dataloader_persistent_workers:
            raise ValueError("dataloader_persistent_workers must be False, so that set_epoch reaches the windows")
        self.settings = settings
        self.kind_of_id = torch.from_numpy(vocabulary.kind_of_id.astype(np.int64))
        self.stopwatch = Stopwatch(settings.max_seconds)
        super().__init__(
            model=model,
            args=args,
            data_collator=WindowCollator(vocabulary.pad_id),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            compute_metrics=partial(
                summarise_kinds,
                prefix="hidden_" if model.likelihood == "none" else "",
                num_draws=getattr(eval_dataset, "num_draws", 1),
            ),
            callbacks=[self.stopwatch, *(callbacks or [])],
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the seconds of training steps so far, in earlier sessions of the run too."""
        super().log({**logs, "seconds": self.stopwatch.seconds}, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> WindowSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        sampler = WindowSampler(
            dataset, self.settings.seed, batch_size=self.settings.batch_size * self.args.world_size
        )
        self.add_callback(_EpochTeller(sampler))
        return sampler

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return the optimiser that the settings name.

        Raises:
            ValueError: If that is Muon, under DeepSpeed.
        """
        if self.settings.optimiser == "adamw" or self.optimizer is not None:
            return super().create_optimizer(model)
        if self.is_deepspeed_enabled:
            raise ValueError("optimiser must be 'adamw' with DeepSpeed, which makes matrices flat pieces, got 'muon'")
        groups = muon_groups(
            self.model if model is None else model,
            matrix_learning_rate=self.settings.matrix_learning_rate,
            learning_rate=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        dtype = getattr(torch, self.settings.matrix_dtype)
        self.optimizer = MuonAdamW(groups, betas=self.settings.betas, dtype=dtype)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """Return the schedule that the settings describe."""
        if self.lr_scheduler is None:
            rule = partial(
                learning_rate_factor,
                schedule=self.settings.schedule,
                warmup_steps=self.settings.warmup_steps,
                hold_ratio=self.settings.hold_ratio,
                final_ratio=self.settings.final_ratio,
            )

            def factor(step: int) -> float:
                return rule(step, num_steps=self.stopwatch.expected_steps(step, num_training_steps))

            self.lr_scheduler = LambdaLR(self.optimizer if optimizer is None else optimizer, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, Tensor, Tensor]:
        """Return no loss, the sums of every window and kind (B, K, 3): nats, hits, count; and a placeholder (B,)."""
        inputs = self._prepare_inputs(inputs)
        labels, weights = inputs.pop("labels"), None
        if "corruption" in inputs:
            labels, weights = self.model.objective.scored(inputs["input_ids"], labels, inputs["corruption"])
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = self.model.objective.new_token_logits(model(**inputs, use_cache=False).logits)
        sums = sum_kinds(logits, labels, self.kind_of_id.to(labels.device), weights)
        return None, sums, labels.new_zeros(len(labels))

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write nothing: cards are made from measured figures elsewhere, and are not to be overwritten."""


class _EpochTeller(TrainerCallback):
    """Tells sampler and windows the epoch; accelerate does so too, but not with several processes."""

    def __init__(self, sampler: WindowSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


def sum_kinds(logits: Tensor, labels: Tensor, kind_of_id: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return nats, hits and count of every kind in every window.

    Args:
        logits: (B, L, V).
        labels: (B, L), `IGNORED_LABEL` where no target.
        kind_of_id: Index into `KINDS` of every id, (V,) int64.
        weights: How much a target's nats and hit count, (B, L), where it is not 1; its count is 1 in any case.

    Returns:
        (B, K, 3) float64; with weights (B, K, 4), their sums last.
    """
    is_target = labels != IGNORED_LABEL
    scores = logits.float().flatten(0, 1)
    nats = F.cross_entropy(scores, labels.flatten(), ignore_index=IGNORED_LABEL, reduction="none")
    hits = (logits.argmax(-1) == labels) & is_target
    scale = torch.ones_like(nats) if weights is None else weights.flatten()
    scored = [(column.flatten() * scale).double().view_as(labels) for column in (nats, hits.float())]
    columns = [*scored, is_target.double()] + ([] if weights is None else [weights.double() * is_target])
    values = torch.stack(columns, dim=-1)
    kinds = kind_of_id[labels.clamp(min=0)]
    sums = values.new_zeros(len(labels), len(KINDS), len(columns))
    return sums.scatter_add_(1, kinds[..., None].expand_as(values), values)


def summarise_kinds(prediction: EvalPrediction, *, prefix: str = "", num_draws: int = 1) -> dict[str, float]:
    """Return bits, accuracy and count of all tokens and of every kind that occurs.

    Args:
        prediction: Its `predictions` are the sums (windows, K, 3) of `sum_kinds`.
        prefix: Of the names; ``hidden_`` where the bits are no likelihood, but of hidden cells or of targets read.
        num_draws: How often every window was read.
    """
    by_kind = np.asarray(prediction.predictions, np.float64).sum(0)
    rows = {"": by_kind.sum(0)} | {f"_{kind}": row for kind, row in zip(KINDS, by_kind, strict=True) if row[2]}
    metrics: dict[str, float] = {}
    for name, (nats, hits, count, *weight) in rows.items():
        metrics |= {
            f"{prefix}bits{name}": float(nats / count / _NATS_PER_BIT),
            # weighted hits of a kind are divided by what its masked tokens weighed, which is its count on average only
            f"{prefix}accuracy{name}": float(hits / max(weight[0], 1e-9) if weight else hits / count),
            f"{prefix}count{name}": int(count) // num_draws,
        }
    return metrics


class Stopwatch(TrainerCallback, ExportableState):
    """Counts the seconds of training steps, and ends the run when they are spent.

    Reading data counts; validation and checkpoints do not. The seconds are kept in checkpoints. Where seconds limit
    the run, it is validated and kept after each tenth of them, whatever the steps between validations.

    Args:
        max_seconds: After which to stop, or None.
    """

    def __init__(self, max_seconds: float | None = None) -> None:
        """Start at zero."""
        self.max_seconds, self.seconds, self._mark = max_seconds, 0.0, 0.0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"args": {"max_seconds": self.max_seconds}, "attributes": {"seconds": self.seconds}}

    def expected_steps(self, step: int, num_steps: int) -> int:
        """Return the steps of the whole run, at the speed so far where seconds limit it."""
        if self.max_seconds is None or not self.seconds:
            return num_steps
        return min(num_steps, math.ceil(step * max(self.max_seconds / self.seconds, 1.0)))

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on from the seconds of the checkpoint that is resumed."""
        kept = state.stateful_callbacks.get(type(self).__name__)
        self.seconds = float(kept["attributes"]["seconds"]) if kept else 0.0
        self._mark = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Count a step."""
        now, before = time.perf_counter(), self.seconds
        self.seconds, self._mark = before + now - self._mark, now
        if self.max_seconds is None:
            return
        if int(_TIME_PARTS * self.seconds / self.max_seconds) > int(_TIME_PARTS * before / self.max_seconds):
            control.should_log = control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"
        if self.seconds >= self.max_seconds:
            control.should_training_stop = True

    def leave_out(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget the time since the last step."""
        self._mark = time.perf_counter()

    on_evaluate = on_save = leave_out


class HistoryWriter(TrainerCallback):
    """Writes the curves of the run as JSON for figures, at every validation, checkpoint and at the end.

    The file holds ``train``, points with ``step``, ``epoch``, ``loss`` (the objective's, in nats per target),
    ``grad_norm`` and ``learning_rate``, and ``validation``, points with ``step``, ``epoch`` and the figures of
    `summarise_kinds`. All have ``seconds`` of training and ``num_input_tokens_seen``, padding not counted. ``total``
    has ``steps``, ``epochs`` and ``tokens`` of the run so far.

    Args:
        path: File to write.
        likelihood: What the objective's bits are: ``exact``, an ``upper bound``, or ``none``.
    """

    def __init__(self, path: Path, likelihood: str = "exact") -> None:
        """Keep the path."""
        self.path, self.likelihood = path, likelihood

    def write(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the file."""
        if not state.is_world_process_zero:
            return
        for point in state.log_history:
            if broken := [name for name, value in point.items() if not math.isfinite(value)]:
                raise ValueError(f"training diverged: {broken[0]} is {point[broken[0]]} at step {point['step']}")
        train = [point for point in state.log_history if "loss" in point]
        validation = [
            {name.removeprefix("eval_"): value for name, value in point.items()}
            for point in state.log_history
            if _IS_VALIDATION & point.keys()
        ]
        total = {"steps": state.global_step, "epochs": state.epoch, "tokens": state.num_input_tokens_seen}
        content = {"likelihood": self.likelihood, "total": total, "train": train, "validation": validation}
        write_json(self.path, content)

    on_evaluate = on_save = on_train_end = write


class QuietProgress(ProgressCallback):
    """The Trainer's progress bar, with the newest figures beside it instead of lines of them."""

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Show loss or bits beside the bar."""
        shown = {name: logs[name] for name in ("loss", *sorted(_IS_VALIDATION)) if name in (logs or {})}
        if state.is_world_process_zero and self.training_bar is not None and shown:
            self.training_bar.set_postfix(shown)


def make_training_arguments(
    settings: TrainingConfig, folder: str | os.PathLike[str], *, has_validation: bool = True, **options: Any
) -> TrainingArguments:
    """Return the Trainer's arguments for a run, with what a model of contexts needs.

    Args:
        settings: Of the run.
        folder: Of the checkpoints.
        has_validation: Whether there is data to validate on.
        options: Other fields of `TrainingArguments`, for example ``use_cpu`` or ``dataloader_num_workers``.
    """
    fields: dict[str, Any] = {
        "output_dir": os.fspath(folder),
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "num_train_epochs": settings.num_epochs,
        "max_steps": settings.max_steps or -1,
        "learning_rate": settings.learning_rate,
        "adam_beta1": settings.betas[0],
        "adam_beta2": settings.betas[1],
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_gradient_norm or 0.0,
        "eval_strategy": ("steps" if settings.eval_steps else "epoch") if has_validation else "no",
        "eval_steps": settings.eval_steps,
        "save_strategy": "steps" if settings.save_steps else "epoch",
        "save_steps": settings.save_steps or 500,
        "save_total_limit": settings.keep_checkpoints,
        "include_num_input_tokens_seen": "non_padding",
        "logging_steps": settings.logging_steps,
        "logging_nan_inf_filter": False,  # a loss that is not a number is to be seen
        "seed": settings.seed,
        "bf16": settings.bf16,
        "report_to": list(settings.report_to) or "none",
        "remove_unused_columns": False,  # the windows' columns are all the model's
        "label_names": ["labels"],
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": not torch.accelerator.is_available(),  # else several processes without one do not find each other
    }
    return TrainingArguments(**fields | options)


def train(
    data: Any,
    preset: str | Preset,
    output_dir: str | os.PathLike[str],
    *,
    tokenizer: ActionPixelBytesTokenizer | None = None,
    model: Mapping[str, Any] | None = None,
    start_from: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> Path:
    """Train a model and return its folder: model, tokenizer, ``history.json``, ``training.json`` and checkpoints.

    Started by ``torchrun`` or ``accelerate launch``, each process reads its share of the windows, and the gradients
    are those of one process with batches as large as all of theirs together; only the last batch of an epoch, where
    it is not full, is filled up with windows from the epoch's beginning.

    Args:
        data: Training data, or a mapping with ``train`` and perhaps ``validation``; each a `TokenCorpus` or a
            `datasets.Dataset` with the builder's columns.
        preset: Name in `presets.PRESETS`, or a preset of one's own.
        output_dir: Folder to make; with `resume`, to go on in.
        tokenizer: Of the data; by default the preset's.
        model: Keywords of `PixelBytesConfig` in place of the preset's.
        start_from: Checkpoint, a folder or a name on the Hub, whose model and tokenizer are trained further; the
            preset then gives nothing but the settings of the run.
        resume: Go on from the newest complete checkpoint in `output_dir`, if there is one.
        progress: Whether to show progress bars.
        overrides: Fields of `TrainingConfig` in place of the preset's.

    Raises:
        FileExistsError: If `output_dir` is not empty and `resume` is False.
        ValueError: If a name is unknown, the tokenizer does not match the data, the run to resume was another one,
            `start_from` is no checkpoint, or `model` is given with it.
    """
    plan = (get_preset(preset) if isinstance(preset, str) else preset).replace(model=model, **overrides)
    if start_from is not None:
        if model:
            raise ValueError(f"model must be None with start_from, whose configuration stays, got {dict(model)}")
        plan = dataclasses.replace(plan, model={"start_from": os.fspath(start_from)})
    settings, folder = plan.training, Path(output_dir)
    if tokenizer is None:
        tokenizer = build_tokenizer(plan) if start_from is None else load_tokenizer(start_from)
    corpora = _as_corpora(data, tokenizer, progress)
    args = make_training_arguments(
        settings, folder / CHECKPOINTS_NAME, has_validation="validation" in corpora, disable_tqdm=not progress
    )
    set_seed(settings.seed)
    if start_from is None:
        new_model = build_model(plan, tokenizer.tables, corpora["train"])
    else:
        new_model = continue_model(start_from, plan, tokenizer.tables)
    drawn = {
        "context_size": new_model.config.context_size,
        "corruption": build_corruption(new_model.config),
        "only_ends": new_model.config.objective == "last",
    }
    windows = make_windows(corpora["train"], settings, **drawn)
    with args.main_process_first(desc="prepare the output folder"):
        if args.process_index == 0:
            description = _describe_run(plan, tokenizer, corpora, num_processes=args.world_size)
            description["dataset"] = _describe_dataset(data, corpora)
            description["threads"] = torch.get_num_threads()
            _open_folder(folder, description, resume=resume)
    trainer = PixelBytesTrainer(
        new_model,
        args,
        settings=settings,
        vocabulary=tokenizer.tables,
        train_dataset=windows,
        eval_dataset=make_validation_windows(corpora["validation"], settings, **drawn)
        if "validation" in corpora
        else None,
        callbacks=[HistoryWriter(folder / HISTORY_NAME, new_model.likelihood)],
    )
    trainer.remove_callback(ProgressCallback if progress else PrinterCallback)
    if progress:
        trainer.add_callback(QuietProgress)
    checkpoint = find_newest_complete(args.output_dir, num_processes=args.world_size) if resume else None
    if resume and checkpoint is None:
        logger.warning("no complete checkpoint in %s: training starts from step 0", args.output_dir)
    with _no_bars_for_writing():
        if checkpoint is not None and _is_finished(checkpoint, settings.max_seconds):
            trainer._load_from_checkpoint(str(checkpoint))
            trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        else:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if trainer.eval_dataset is not None and not _is_evaluated(trainer):
            trainer.evaluate()
        trained = gather_model(trainer)
        if args.process_index == 0:
            save_layout(corpora["train"], folder)
            write_pretrained(folder, trained, tokenizer)
    trainer.accelerator.wait_for_everyone()
    return folder


def make_windows(
    corpus: TokenCorpus,
    settings: TrainingConfig,
    *,
    context_size: int = CONTEXT_SIZE,
    corruption: Corruption | None = None,
    only_ends: bool = False,
) -> WindowDataset | WindowEnds:
    """Return the training windows that the settings describe, with rows of `context_size` cells.

    With `only_ends`, as the objective ``last`` needs, one token of every `stride` is the target of a window.

    Raises:
        ValueError: If the settings repeat windows that are to be `only_ends`.
    """
    if only_ends:
        if settings.openings or any(times != 1 for times in settings.repeats.values()):
            raise ValueError(
                "openings and repeats must not be set with the objective 'last', got "
                f"{settings.openings} and {dict(settings.repeats)}"
            )
        if settings.mirror or settings.invert:
            raise ValueError(
                "mirror and invert must be False with the objective 'last', got "
                f"{settings.mirror} and {settings.invert}"
            )
        return WindowEnds(
            corpus,
            settings.window_length,
            every=settings.stride,
            seed=settings.seed,
            jitter=settings.jitter,
            context_size=context_size,
        )
    return WindowDataset(
        corpus,
        settings.window_length,
        stride=settings.stride,
        seed=settings.seed,
        jitter=settings.jitter,
        repeats=settings.repeats,
        augmentation=Augmentation(mirror=settings.mirror, invert=settings.invert),
        openings=settings.openings,
        opening_length=settings.opening_length,
        context_size=context_size,
        corruption=corruption,
    )


def make_validation_windows(
    corpus: TokenCorpus,
    settings: TrainingConfig,
    *,
    context_size: int = CONTEXT_SIZE,
    corruption: Corruption | None = None,
    only_ends: bool = False,
) -> WindowDataset | WindowEnds:
    """Return windows that hold every token once, or `VALIDATION_DRAWS` times where something is drawn for them.

    With `only_ends` one token of every `stride` is a target, the same for every run: chosen by chance, as the last of
    each would be an end mark far too often, and of pictures as wide as the stretch one column alone.
    """
    if only_ends:
        return WindowEnds(
            corpus, settings.window_length, every=settings.stride, jitter=True, context_size=context_size
        )
    return WindowDataset(
        corpus,
        settings.window_length,
        context_size=context_size,
        corruption=corruption,
        num_draws=1 if corruption is None else VALIDATION_DRAWS,
    )


def tokenizer_class(name: str) -> Any:
    """Return the tokenizer's class that a preset names."""
    if name == ActionPixelBytesTokenizer.__name__:
        return ActionPixelBytesTokenizer
    from ..models.pixelbytes.tokenization_first import PixelBytesTokenizer

    return PixelBytesTokenizer


def build_tokenizer(plan: Preset) -> Any:
    """Return the tokenizer of a preset."""
    return tokenizer_class(plan.tokenizer_class)(**plan.tokenizer)


def build_model(plan: Preset, vocabulary: Vocabulary, corpus: TokenCorpus) -> aPxBySequenceModel:
    """Return a new model of the preset for a vocabulary, initialised as its settings say.

    Args:
        plan: The preset.
        vocabulary: Gives the number of ids, and which of them pad and end rows and segments.
        corpus: Whose frequencies of ids the ``ordered`` initialisation starts from.
    """
    reads_window = {"window_length": plan.training.window_length} if plan.model.get("objective") == "last" else {}
    config = PixelBytesConfig(
        vocab_size=vocabulary.size,
        vocabulary_digest=vocabulary.digest,
        pad_token_id=vocabulary.pad_id,
        row_end_id=vocabulary.row_end_id,
        segment_end_id=vocabulary.segment_end_id,
        **{**reads_window, **plan.model},
    )
    model = aPxBySequenceModel(config)
    if plan.training.initialisation == "ordered":
        counts = np.bincount(corpus.ids, minlength=vocabulary.size)
        initialise_ordered(model, vocabulary, counts, memory_horizon=plan.training.memory_horizon)
    return model


def load_tokenizer(start_from: str | os.PathLike[str]) -> Any:
    """Return the tokenizer of the checkpoint that a run starts from.

    Raises:
        ValueError: If there is none; the libraries' own messages fill a page.
    """
    try:
        return AutoTokenizer.from_pretrained(start_from)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].strip()
        raise ValueError(
            "start_from must be the folder of a checkpoint or a name on the Hub, "
            f"got {os.fspath(start_from)!r}: {reason}"
        ) from error


def continue_model(start_from: str | os.PathLike[str], plan: Preset, vocabulary: Vocabulary) -> aPxBySequenceModel:
    """Return the model of a checkpoint, to be trained further with the settings of a preset.

    Args:
        start_from: Folder or name on the Hub; weights of any precision are trained in float32.
        plan: The preset; with the objective ``last`` its windows are those that the model will read from now on.
        vocabulary: Of the data.

    Raises:
        ValueError: If the checkpoint is of another vocabulary.
    """
    model = aPxBySequenceModel.from_pretrained(start_from, dtype=torch.float32)
    model.config.check_vocabulary(vocabulary)
    if model.config.objective == "last":
        model.config.window_length = plan.training.window_length
    return model


def gather_model(trainer: Trainer) -> aPxBySequenceModel:
    """Return the model with all of its weights, on the first process at least; every process has to call this.

    Args:
        trainer: Of the run; its weights may be shards that lie on several devices (FSDP, DeepSpeed).
    """
    model: aPxBySequenceModel = trainer.accelerator.unwrap_model(trainer.model)
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        return model
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    whole = aPxBySequenceModel(model.config)
    whole.generation_config = model.generation_config
    if trainer.is_world_process_zero():
        whole.load_state_dict(weights)
    return whole


@contextmanager
def _no_bars_for_writing() -> Iterator[None]:
    """Keep transformers from drawing a bar for every checkpoint it writes."""
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()


def _as_corpora(data: Any, tokenizer: ActionPixelBytesTokenizer, progress: bool) -> dict[str, TokenCorpus]:
    splits = dict(data) if isinstance(data, Mapping) else {"train": data}
    if "train" not in splits:
        raise ValueError(f"data must have a split 'train', got {sorted(splits)}")
    corpora = {}
    for name in ("train", "validation"):
        split = splits.get(name)
        if split is None:
            continue
        is_corpus = isinstance(split, TokenCorpus)
        corpora[name] = split if is_corpus else tokenize_dataset(split, tokenizer, progress=progress)
        if corpora[name].vocabulary != tokenizer.tables:
            raise ValueError(
                f"the {name} corpus has a vocabulary of {corpora[name].vocabulary.size} ids that is not the "
                f"tokenizer's of {tokenizer.tables.size}: expected the same tables"
            )
    return corpora


def _describe_run(
    plan: Preset, tokenizer: ActionPixelBytesTokenizer, corpora: Mapping[str, TokenCorpus], *, num_processes: int
) -> dict[str, Any]:
    return {
        "model": dict(plan.model),
        "tokenizer": tokenizer.options,
        "settings": {**dataclasses.asdict(plan.training), "num_processes": num_processes},
        "data": {name: {"fingerprint": c.fingerprint, "num_tokens": c.num_tokens} for name, c in corpora.items()},
        "versions": {
            "pixelbytes_hf": __version__,
            **{name: version(name) for name in ("torch", "transformers", "accelerate", "numpy")},
        },
    }


def _describe_dataset(data: Any, corpora: Mapping[str, TokenCorpus]) -> dict[str, Any]:
    """Return how the data call themselves, for the card; None where they are a `TokenCorpus`, which has no name."""
    info = getattr(data["train"] if isinstance(data, Mapping) else data, "info", None)
    return {
        "name": getattr(info, "dataset_name", None),
        "config": getattr(info, "config_name", None),
        "num_records": {name: corpus.num_records for name, corpus in corpora.items()},
    }


def _open_folder(folder: Path, description: dict[str, Any], *, resume: bool) -> None:
    record = folder / RECORD_NAME
    if folder.exists() and any(folder.iterdir()):
        if not resume:
            raise FileExistsError(f"folder {str(folder)!r} is not empty: expected a free name, or resume=True")
        if not record.is_file():
            raise ValueError(f"folder {str(folder)!r} has no {RECORD_NAME}: it is no run that can be resumed")
        _check_same_run(read_json(record), description)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(record, description)


def _check_same_run(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to resume with other settings: the schedule and the order of windows would not be those of the run."""
    for part in ("model", "tokenizer", "settings", "data"):
        before, after = _normalise(old[part]), _normalise(new[part])
        names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
        if changed := [name for name in names if name not in _FREE_TO_CHANGE]:
            raise ValueError(
                f"the run to resume had other {part}: {changed[0]} was {before.get(changed[0])!r}, "
                f"got {after.get(changed[0])!r}"
            )


def _normalise(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def _is_finished(checkpoint: Path, max_seconds: float | None) -> bool:
    state = read_json(checkpoint / "trainer_state.json")
    stopwatch = state["stateful_callbacks"].get(Stopwatch.__name__, {"attributes": {"seconds": 0.0}})
    is_spent = max_seconds is not None and stopwatch["attributes"]["seconds"] >= max_seconds
    return bool(is_spent or state["global_step"] >= state["max_steps"])


def _is_evaluated(trainer: Trainer) -> bool:
    last = trainer.state.global_step
    return any(_IS_VALIDATION & point.keys() and point["step"] == last for point in trainer.state.log_history)
