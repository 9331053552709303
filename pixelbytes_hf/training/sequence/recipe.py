"""Recipe of sequence models: windows of a corpus of ids, with any mixer and any objective."""

from typing import Any

from transformers import TrainerCallback, TrainingArguments

from ...models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ...objectives.objective import Likelihood
from ..builders import build_model, continue_model
from ..recipe import Corpora, Examples, Recipe
from .trainer import PixelBytesTrainer
from .training_windows import make_validation_windows, make_windows


class SequenceRecipe(Recipe):
    """See `Recipe`."""

    def make_model(self, corpora: Corpora) -> aPxBySequenceModel:
        """Return a new model, or that of `start_from`."""
        if self.start_from is None:
            return build_model(self.plan, self.tokenizer.tables, corpora["train"])
        return continue_model(self.start_from, self.plan, self.tokenizer.tables)

    def make_examples(self, model: aPxBySequenceModel, corpora: Corpora) -> Examples:
        """Return the windows that settings and objective describe."""
        reads = self.plan.training, type(model.objective), model.config
        held_out = corpora.get("validation")
        validation = None if held_out is None else make_validation_windows(held_out, *reads)
        return Examples(make_windows(corpora["train"], *reads), validation)

    def likelihood(self, model: aPxBySequenceModel) -> Likelihood:
        """Return what the bits of the model's logits are."""
        return model.likelihood

    def make_trainer(
        self, model: Any, args: TrainingArguments, examples: Examples, *, callbacks: list[TrainerCallback]
    ) -> PixelBytesTrainer:
        """Return the Trainer."""
        return PixelBytesTrainer(
            model,
            args,
            settings=self.plan.training,
            vocabulary=self.tokenizer.tables,
            train_dataset=examples.train,
            eval_dataset=examples.validation,
            callbacks=callbacks,
        )
