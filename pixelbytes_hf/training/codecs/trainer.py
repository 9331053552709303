"""Trainer of codecs: clips in, the figures of what is decoded again out.

Shapes: B clips, S sums.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EvalPrediction, TrainerCallback, TrainingArguments

from ...codecs.codec import PixelBytesCodec
from ...codecs.codec_scores import scorer_of
from ..trainer import SettingsTrainer


class StepCounter(TrainerCallback):
    """Tells a codec the optimiser's steps so far, which the weight of its entropy follows.

    A codec that is trained further goes on from the steps that it had.

    Args:
        codec: That is trained.
    """

    def __init__(self, codec: PixelBytesCodec) -> None:
        """Keep the codec."""
        self.codec, self.before = codec, 0

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Find the steps of earlier runs: those of a checkpoint count this run's too."""
        self.before = int(self.codec.num_steps) - state.global_step

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the step, before a checkpoint is written."""
        self.codec.num_steps.fill_(self.before + state.global_step)


class CodecTrainer(SettingsTrainer):
    """Trainer of a `PixelBytesCodec` on clips; arguments as of `SettingsTrainer`.

    Validation gives the figures of `codec_scores`, each clip read at its own size, so that they depend on no batch.
    """

    shown_figures: ClassVar[tuple[str, ...]] = ("eval_accuracy", "eval_residual_bits")

    def __init__(self, model: Any, *args: Any, **options: Any) -> None:
        """Choose the figures of the codec's medium."""
        self.scorer = scorer_of(model)
        super().__init__(model, *args, compute_metrics=self._summarise, **options)
        self.add_callback(StepCounter(model))

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return the codec's loss; the sizes of clips are for validation."""
        inputs.pop("sizes")
        return super().compute_loss(model, inputs, *args, **kwargs)

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> tuple[None, tuple[Tensor, Tensor], Tensor]:
        """Return no loss, the sums of every clip (B, S) and counts of its codes, and a placeholder (B,)."""
        inputs = self._prepare_inputs(inputs)
        cells, sizes = inputs[self.model.main_input_name], inputs["sizes"]
        order, scores = [], []
        for size in dict.fromkeys(map(tuple, sizes.tolist())):
            rows, clips = _of_size(cells, sizes, size)
            order.append(rows)
            scores.append(self.scorer.score(self.model, clips))
        back = torch.cat(order).argsort()
        sums, counts = (torch.cat(part)[back] for part in zip(*scores, strict=True))
        return None, (sums, counts), sums.new_zeros(len(sums))

    def _summarise(self, prediction: EvalPrediction) -> dict[str, float]:
        sums, counts = prediction.predictions
        return self.scorer.summarise(self.model, np.asarray(sums, np.float64).sum(0), np.asarray(counts).sum(0))


def _of_size(cells: Tensor, sizes: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the places of the clips of a size in a batch, and the clips without padding."""
    rows = (sizes == torch.tensor(size, device=sizes.device)).all(1).nonzero()[:, 0]
    return rows, cells[(rows, *map(slice, size))]
