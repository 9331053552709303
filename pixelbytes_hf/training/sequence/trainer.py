"""Trainer of sequence models: windows in, matched figures of every kind of token out.

Shapes: B windows, L positions, V vocabulary, K kinds of tokens.
"""

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import TrainerCallback, TrainingArguments

from ...data.batches import WindowCollator
from ...models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ...tokens.vocabulary import Vocabulary
from ..settings import TrainingConfig
from ..trainer import SettingsTrainer
from .validation import sum_kinds, summarise_kinds


class PixelBytesTrainer(SettingsTrainer):
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

    shown_figures: ClassVar[tuple[str, ...]] = ("eval_bits", "eval_hidden_bits")

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
        prefix = "hidden_" if model.likelihood == "none" else ""
        self.kind_of_id = torch.from_numpy(vocabulary.kind_of_id).long()
        super().__init__(
            model,
            args,
            settings=settings,
            data_collator=WindowCollator(vocabulary.pad_id),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            compute_metrics=partial(summarise_kinds, prefix=prefix, num_draws=getattr(eval_dataset, "num_draws", 1)),
            callbacks=callbacks,
        )

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
