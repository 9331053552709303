"""transformers' Trainer with the optimisers, schedules and clock of our settings, for models of every kind."""

import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..data.batches import WindowSampler
from ..pretrained.full_disks import writing
from .callbacks import EpochSetter, Stopwatch
from .optimisers import MuonAdamW, muon_groups
from .schedules import learning_rate_factor
from .settings import OptimisationConfig


class SettingsTrainer(Trainer):
    """Trainer whose optimiser, schedule and sampling are those of an `OptimisationConfig`.

    Args:
        model: To train.
        args: From `make_training_arguments`.
        settings: Of the run.
        callbacks: Beside the Trainer's own.
        options: Of `Trainer`: datasets, collator, metrics.

    Attributes:
        shown_figures: Names of the figures of a validation that stand beside the progress bar.

    Raises:
        ValueError: If `args` keeps data workers alive over epochs, which would not see the epoch change.
    """

    shown_figures: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        settings: OptimisationConfig,
        callbacks: list[TrainerCallback] | None = None,
        **options: Any,
    ) -> None:
        """Set the Trainer up."""
        if args.dataloader_persistent_workers:
            raise ValueError("dataloader_persistent_workers must be False, so that set_epoch reaches the windows")
        self.settings, self.stopwatch = settings, Stopwatch(settings.max_seconds)
        self.sampler: WindowSampler | None = None
        super().__init__(model=model, args=args, callbacks=[self.stopwatch, *(callbacks or [])], **options)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the seconds of training steps so far, in earlier sessions of the run too."""
        padding = {} if self.sampler is None else self.sampler.describe()
        super().log({**logs, **padding, "seconds": self.stopwatch.seconds}, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> WindowSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.settings.batch_size * self.args.world_size
        self.sampler = WindowSampler(dataset, self.settings.seed, batch_size=batch_size)
        self.add_callback(EpochSetter(self.sampler))
        return self.sampler

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return the optimiser that the settings name.

        Raises:
            ValueError: If that is Muon, under DeepSpeed.
        """
        if self.settings.optimiser == "adamw" or self.optimizer is not None:
            return super().create_optimizer(model)
        if self.is_deepspeed_enabled:
            raise ValueError("optimiser must be 'adamw' with DeepSpeed, which makes matrices flat pieces, got 'muon'")
        names = ("matrix_learning_rate", "learning_rate", "weight_decay")
        rates = {name: getattr(self.settings, name) for name in names}
        groups = muon_groups(self.model if model is None else model, **rates)
        dtype = getattr(torch, self.settings.matrix_dtype)
        self.optimizer = MuonAdamW(groups, betas=self.settings.betas, dtype=dtype)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """Return the schedule that the settings describe."""
        if self.lr_scheduler is None:
            names = ("schedule", "warmup_steps", "hold_ratio", "final_ratio")
            options = {name: getattr(self.settings, name) for name in names}

            def factor(step: int) -> float:
                # a run that seconds limit learns only on the way how many steps it has
                num_steps = self.stopwatch.expected_steps(step, num_training_steps)
                return learning_rate_factor(step, num_steps=num_steps, **options)

            self.lr_scheduler = LambdaLR(self.optimizer if optimizer is None else optimizer, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        checkpoint = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        with writing(checkpoint, "make room there and go on with resume=True"):
            super()._save_checkpoint(*args, **kwargs)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write nothing: cards are made from measured figures elsewhere, and are not to be overwritten."""


def make_training_arguments(
    settings: OptimisationConfig, folder: str | os.PathLike[str], *, has_validation: bool = True, **options: Any
) -> TrainingArguments:
    """Return the Trainer's arguments for a run, with what a model of contexts needs.

    Args:
        settings: Of the run.
        folder: Of the checkpoints.
        has_validation: Whether there is data to validate on.
        options: Other fields of `TrainingArguments`, for example ``use_cpu`` or ``dataloader_num_workers``.
    """
    same = ("gradient_accumulation_steps", "num_train_epochs", "learning_rate", "weight_decay", "eval_steps")
    same += ("save_total_limit", "logging_steps", "seed", "bf16")
    fields: dict[str, Any] = {
        **{name: getattr(settings, name) for name in same},
        "output_dir": os.fspath(folder),
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "max_steps": settings.max_steps or -1,
        "adam_beta1": settings.betas[0],
        "adam_beta2": settings.betas[1],
        "max_grad_norm": settings.max_grad_norm or 0.0,
        "eval_strategy": ("steps" if settings.eval_steps else "epoch") if has_validation else "no",
        "save_strategy": "steps" if settings.save_steps else "epoch",
        "save_steps": settings.save_steps or 500,
        "include_num_input_tokens_seen": "non_padding",
        "logging_nan_inf_filter": False,  # a loss that is not a number is to be seen
        "report_to": list(settings.report_to) or "none",
        "remove_unused_columns": False,  # the windows' columns are all the model's
        "label_names": ["labels"],
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": not torch.accelerator.is_available(),  # else several processes without one do not find each other
    }
    return TrainingArguments(**fields | options)


def gather_model(trainer: Trainer) -> PreTrainedModel:
    """Return the model with all of its weights, on the first process at least; every process has to call this.

    Args:
        trainer: Of the run; its weights may be shards that lie on several devices (FSDP, DeepSpeed).
    """
    model: PreTrainedModel = trainer.accelerator.unwrap_model(trainer.model)
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        return model
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    whole = type(model)(model.config)
    whole.generation_config = model.generation_config  # None of a model that does not generate
    if trainer.is_world_process_zero():
        whole.load_state_dict(weights)
    return whole
