"""transformers' Trainer for windows, with matched bits as its validation.

Shapes: B windows, L positions, V vocabulary, K kinds of tokens.
"""

import os
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from ..data.batches import WindowCollator, WindowSampler
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..tokens.vocabulary import Vocabulary
from .callbacks import EpochSetter, Stopwatch
from .optimisers import MuonAdamW, muon_groups
from .schedules import learning_rate_factor
from .settings import TrainingConfig
from .validation import sum_kinds, summarise_kinds


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
        train_dataset: Dataset[Any] | None = None,
        eval_dataset: Dataset[Any] | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        """Set the Trainer up for windows."""
        if args.dataloader_persistent_workers:
            raise ValueError("dataloader_persistent_workers must be False, so that set_epoch reaches the windows")
        self.settings, prefix = settings, "hidden_" if model.likelihood == "none" else ""
        self.kind_of_id = torch.from_numpy(vocabulary.kind_of_id).long()
        self.stopwatch = Stopwatch(settings.max_seconds)
        super().__init__(
            model=model,
            args=args,
            data_collator=WindowCollator(vocabulary.pad_id),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            compute_metrics=partial(summarise_kinds, prefix=prefix, num_draws=getattr(eval_dataset, "num_draws", 1)),
            callbacks=[self.stopwatch, *(callbacks or [])],
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the seconds of training steps so far, in earlier sessions of the run too."""
        super().log({**logs, "seconds": self.stopwatch.seconds}, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> WindowSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.settings.batch_size * self.args.world_size
        sampler = WindowSampler(dataset, self.settings.seed, batch_size=batch_size)
        self.add_callback(EpochSetter(sampler))
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

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
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
