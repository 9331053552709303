"""Recipe of learned codecs: clips of one medium of a corpus of ids."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, TrainerCallback, TrainingArguments

from ...codecs.configuration_codecs import PixelBytesAudioCodecConfig, PixelBytesVideoCodecConfig
from ...codecs.modeling_audio_codec import PixelBytesAudioCodec
from ...codecs.modeling_video_codec import PixelBytesVideoCodec
from ...data.clips import ClipCollator, ClipDataset
from ...data.corpus import TokenCorpus
from ...data.tokenize_dataset import rows_with_media
from ...objectives.objective import Likelihood
from ...tokens.modalities import TRAITS
from ..recipe import Corpora, Examples, Recipe
from .trainer import CodecTrainer


class CodecRecipe(Recipe):
    """See `Recipe`; a subclass says which codec."""

    config_class: Any
    model_class: Any

    @property
    def training_arguments(self) -> dict[str, Any]:
        """Cells seen are counted, padding too: no mask of transformers' name says which are."""
        return {"include_num_input_tokens_seen": "all"}

    def read(self, data: Any, *, progress: bool) -> dict[str, TokenCorpus]:
        """Return the corpora, as `Recipe.read`; rows without the codec's medium are left out, and counted."""
        splits = dict(data) if isinstance(data, Mapping) else {"train": data}
        used = {name: splits.get(name) for name in ("train", "validation")}
        found = {name: rows_with_media(rows, self.tokenizer) for name, rows in used.items() if rows is not None}
        return super().read({**splits, **found}, progress=progress)

    def make_model(self, corpora: Corpora) -> Any:
        """Return a new codec of the data's vocabulary, or that of `start_from`.

        Raises:
            ValueError: If the codec to start from is of another vocabulary or medium.
        """
        if self.start_from is None:
            return self.model_class(self.config_class(vocabulary=self.tokenizer.tables, **self.plan.model))
        codec = AutoModel.from_pretrained(self.start_from, dtype=torch.float32)
        if not isinstance(codec, self.model_class):
            raise ValueError(f"start_from must be a {self.model_class.__name__}, got a {type(codec).__name__}")
        if codec.tables != self.tokenizer.tables:
            raise ValueError(f"start_from must be of the data's vocabulary, got {str(self.start_from)!r} of another")
        return codec

    def make_examples(self, model: Any, corpora: Corpora) -> Examples:
        """Return clips of the codec's medium; those of validation are whole."""
        settings, held_out = self.plan.training, corpora.get("validation")
        if settings.mirror and not TRAITS[model.medium].can_mirror:
            raise ValueError(
                f"mirror must be False of a codec of {model.medium}, which has no left and right, got True"
            )
        draws = {"length": settings.clip_length, "mirror": settings.mirror, "seed": settings.seed}
        train = ClipDataset(corpora["train"], model.medium, **draws)
        self.check_clips(model, train)
        return Examples(train, None if held_out is None else ClipDataset(held_out, model.medium))

    def check_clips(self, model: Any, clips: ClipDataset) -> None:
        """Refuse clips that the codec cannot read; raises ValueError."""

    def fill(self, model: Any) -> int:
        """Return the cell that fills up clips in a batch."""
        raise NotImplementedError

    def likelihood(self, model: Any) -> Likelihood:
        """Return that the bits of the curves, of cells under their codes, are a part of a code in two parts."""
        return "residual"

    def make_trainer(
        self, model: Any, args: TrainingArguments, examples: Examples, *, callbacks: list[TrainerCallback]
    ) -> CodecTrainer:
        """Return the Trainer."""
        return CodecTrainer(
            model,
            args,
            settings=self.plan.training,
            data_collator=ClipCollator(self.fill(model), model.main_input_name),
            train_dataset=examples.train,
            eval_dataset=examples.validation,
            callbacks=callbacks,
        )


class VideoCodecRecipe(CodecRecipe):
    """Recipe of picture codecs."""

    config_class, model_class = PixelBytesVideoCodecConfig, PixelBytesVideoCodec

    def fill(self, model: PixelBytesVideoCodec) -> int:
        """Return the background."""
        return int(model.config.background)


class AudioCodecRecipe(CodecRecipe):
    """Recipe of sound codecs."""

    config_class, model_class = PixelBytesAudioCodecConfig, PixelBytesAudioCodec

    def fill(self, model: PixelBytesAudioCodec) -> int:
        """Return the level nearest to silence."""
        return int(np.abs(model.amplitudes).argmin())

    def check_clips(self, model: PixelBytesAudioCodec, clips: ClipDataset) -> None:
        """Refuse sounds of another number of channels; raises ValueError."""
        channels, found = model.config.num_channels, clips.num_columns
        if found != {channels}:
            raise ValueError(f"sounds must have num_channels={channels}, got sounds of {sorted(found)} channels")
