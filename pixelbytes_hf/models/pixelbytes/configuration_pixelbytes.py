"""The model's configuration; those of its mixers are in `configuration_mixers`.

The paper's three formats of ``config.json`` are read too (`legacy_checkpoint`), and that of its first approach
(`legacy_first`).
"""

import os
from typing import Any, ClassVar, Literal

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.utils import cached_file, logging

from ...mixers.backbone_settings import check_mixer
from ...mixers.configuration_mixers import MIXER_CONFIGS, PixelBytesLSTMConfig, build_mixer_config
from ...mixers.mixer_properties import input_width, output_width, sees_future
from ...objectives.objectives import OBJECTIVES, find_objective
from ...pretrained.exported_code import writes_code
from ...pretrained.remote_code import is_copy
from ...pretrained.setting_checks import StrictConfig, check_dropout, check_number, check_size, refuse_unknown
from ...pretrained.transformers_versions import check_version
from ...tokens.checks import check_choice
from ...tokens.contexts import CONTEXT_RULES, WINDOW_SIZE
from ...tokens.vocabulary import Vocabulary
from .family_code import MODEL_CLASSES, write_family_code
from .legacy_checkpoint import convert_legacy_settings, is_legacy, measure_legacy_weights
from .legacy_first import convert_first_settings, is_first

logger = logging.get_logger(__name__)

EmbeddingName = Literal["concat", "conv", "noconv", "center"]
OWN_CELL_CONTEXT_SIZE = 7  # the six cells and the position's own

_DOWNLOAD_KEYWORDS = ("cache_dir", "force_download", "proxies", "local_files_only", "token", "revision", "subfolder")


class PixelBytesConfig(StrictConfig):
    """Settings that a checkpoint needs; the defaults are the paper's predictive model.

    Args:
        vocab_size: Number of ids, V.
        context_size: Cells in a row of `input_ids`, N; which they are says the rule of `contexts` of that size.
        embedding_dim: Width of an embedded row; in ``concat`` a cell gets ``embedding_dim // context_size`` of it.
        embedding: How the cells become one vector: side by side (``concat``), as the first approach's square window
            with or without convolution (``conv``, ``noconv``), or the token read just before alone (``center``).
        head_bias: Whether the head has a bias.
        window_length: Rows that the objective ``last`` reads at most for one token.
        objective: What is predicted and how the loss is formed.
        copy_loss_weight: Weight in [0, 1] of the cells that repeat tokens already read, in the loss of the
            autoregressive objective: 1 is the paper's mean over all cells, 0 counts the new token only.
        z_loss_weight: Weight of the squared logarithm of the softmax's normaliser in the loss of the predictive
            objective, at least 0; Chameleon's is 1e-5.
        num_diffusion_steps: Times of the paper's ``diffusion`` objective, T.
        weight_by_time: Whether the ``masked`` objective weights losses by 1 / t, so that it is a bound of the
            likelihood; evaluation weights in any case.
        dropout: Probability in [0, 1) of dropping a unit of what the head reads, while training; a mixer may have
            dropout of its own.
        allow_future: Whether a causal objective may sit on a mixer that sees the future. Then the loss is not
            comparable and generation refuses; legacy checkpoints of that kind set it.
        vocabulary_digest: `Vocabulary.digest` of the tables the ids belong to, or None where it is not known, as in
            the paper's checkpoints.
        pad_token_id: Id of padding and of a cell outside the grid.
        row_end_id: Id that ends a row.
        segment_end_id: Id that ends a frame or a segment; not an end-of-sequence id, because it ends frames too.
        use_cache: Whether a forward pass in evaluation mode returns its state.
        mixer_config: Settings of the mixer: a configuration, a dict that becomes one, or None for the LSTM; its
            ``model_type`` names the mixer. A dict needs no widths: the mixer then is as wide as an embedded row.
            Where its ``hidden_size`` (the LSTM's ``input_size``) is another, embedded rows are projected to it.

    Raises:
        ValueError: If a value leaves its range, values contradict each other, or a keyword is unknown.
    """

    model_type: ClassVar[str] = "pixelbytes"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "mixer_config": SubConfigSpec(AutoConfig, model_type="pixelbytes_lstm")
    }

    vocab_size: int = 151
    context_size: int = 6
    embedding_dim: int = 128
    embedding: str = "concat"
    head_bias: bool = True
    window_length: int = 256
    objective: str = "predictive"
    copy_loss_weight: float | int = 1.0
    z_loss_weight: float | int = 0.0
    dropout: float | int = 0.0
    num_diffusion_steps: int = 5
    weight_by_time: bool = True
    allow_future: bool = False
    vocabulary_digest: str | None = None
    pad_token_id: int | None = 0
    row_end_id: int = 1
    segment_end_id: int = 2
    use_cache: bool = True
    tie_word_embeddings: bool = False
    mixer_config: Any = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in the mixer's input width and refuse contradictions."""
        if "pxby_dim" in kwargs:
            kwargs = self._read_legacy_keywords(kwargs)
        refuse_unknown(type(self).__name__, kwargs)
        self._check_fields()
        if not isinstance(self.mixer_config, PreTrainedConfig):
            if not isinstance(self.mixer_config, dict | None):
                raise ValueError(
                    f"mixer_config must be a configuration, a dict or None, got {self.mixer_config!r:.100}"
                )
            settings = {"model_type": PixelBytesLSTMConfig.model_type, **(self.mixer_config or {})}
            self.mixer_config = build_mixer_config(settings, self.context_width)
        super().__post_init__(**kwargs)
        self._check_mixer()

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings of a checkpoint; of a legacy one, with the sizes that its weights have."""
        download = {key: kwargs[key] for key in _DOWNLOAD_KEYWORDS if kwargs.get(key) is not None}
        settings, unused = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        if is_first(settings):
            return convert_first_settings(settings), unused
        if is_legacy(settings):
            weights = cached_file(
                pretrained_model_name_or_path,
                "model.safetensors",
                _raise_exceptions_for_missing_entries=False,
                **download,
            )
            settings = convert_legacy_settings(measure_legacy_weights(settings, weights) if weights else settings)
            if settings["allow_future"] and settings["objective"] in OBJECTIVES:
                logger.warning(
                    "%s is bidirectional: its causal objective reads the tokens it predicts, so that its loss is not "
                    "comparable and it cannot generate",
                    pretrained_model_name_or_path,
                )
        return settings, unused

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Write ``config.json``, and the code that loads the model where this package is not installed.

        A model's own `save_pretrained` calls it; arguments as of `PreTrainedConfig.save_pretrained`.
        """
        vars(self).pop("auto_map", None)
        if writes_code():
            self.auto_map = dict(MODEL_CLASSES)
            write_family_code(save_directory)
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    @property
    def mask_token_id(self) -> int | None:
        """Input id of a masked token, one past the vocabulary; None where the objective masks none."""
        return self.vocab_size if OBJECTIVES[self.objective].has_mask_id else None

    @property
    def num_input_ids(self) -> int:
        """Rows of the embedding: the vocabulary, and the mask."""
        return self.vocab_size + (self.mask_token_id is not None)

    @property
    def cell_width(self) -> int:
        """Width of one embedded cell."""
        if self.embedding == "concat":
            return self.embedding_dim // self.context_size
        if self.embedding == "center":
            return self.embedding_dim
        return max(self.context_size, self.embedding_dim // self.context_size)

    @property
    def context_width(self) -> int:
        """Width of an embedded row: what the mixer reads."""
        return self.cell_width * self.context_size if self.embedding == "concat" else self.embedding_dim

    @property
    def newest_cell(self) -> int:
        """Index of the cell that holds the token read just before; the last one where no rule says otherwise."""
        rule = CONTEXT_RULES.get(self.context_size)
        return self.context_size - 1 if rule is None else rule.newest_cell

    @property
    def hidden_size(self) -> int:
        """Width of what the mixer gives and the head reads."""
        return output_width(self.mixer_config)

    @property
    def needs_projection(self) -> bool:
        """Whether an embedded row is projected to the width that the mixer reads."""
        return input_width(self.mixer_config) != self.context_width

    @property
    def sees_future(self) -> bool:
        """Whether the mixer's outputs depend on positions that follow."""
        return sees_future(self.mixer_config)

    @property
    def reads_targets(self) -> bool:
        """Whether the model reads the tokens it predicts, so that its loss is comparable with no other."""
        return self.sees_future and not OBJECTIVES[self.objective].allows_future

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers of the mixer."""
        return self.mixer_config.num_hidden_layers

    def _read_legacy_keywords(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """Set the fields that the original's keywords stand for, and return the other keywords."""
        settings = {"vocab_size": self.vocab_size, "num_diffusion_steps": self.num_diffusion_steps, **keywords}
        if not {"AR", "auto_regressive", "diffusion"} & keywords.keys():
            settings["objective"] = self.objective
        settings = convert_legacy_settings(settings)
        for name in type(self).__dataclass_fields__.keys() & settings.keys():
            setattr(self, name, settings.pop(name))
        return settings

    def _check_fields(self) -> None:
        least_width = self.context_size if self.embedding == "concat" else 1
        sizes = {"vocab_size": 3, "context_size": 1, "window_length": 1, "embedding_dim": least_width}
        for name, least in sizes.items():
            check_size(name, getattr(self, name), least)
        check_choice("embedding", self.embedding, EmbeddingName)
        find_objective(self.objective)
        if self.embedding in ("conv", "noconv") and self.context_size != WINDOW_SIZE:
            raise ValueError(
                f"context_size must be {WINDOW_SIZE}, a 3x3 window, with the embedding {self.embedding!r}, got "
                f"{self.context_size}"
            )
        self._check_objective()
        check_number("copy_loss_weight", self.copy_loss_weight)
        check_dropout(self.dropout)
        if not 0 <= self.copy_loss_weight <= 1:
            raise ValueError(f"copy_loss_weight must be in [0, 1], got {self.copy_loss_weight}")
        check_number("z_loss_weight", self.z_loss_weight)
        if self.z_loss_weight < 0 or (self.z_loss_weight and not OBJECTIVES[self.objective].has_z_loss):
            havers = [name for name, kind in OBJECTIVES.items() if kind.has_z_loss]
            raise ValueError(
                f"z_loss_weight must be at least 0, and 0 with objectives other than {havers}, got "
                f"{self.z_loss_weight} with {self.objective!r}"
            )
        for name in ("pad_token_id", "row_end_id", "segment_end_id"):
            check_size(name, getattr(self, name), 0)
            if getattr(self, name) >= self.vocab_size:
                raise ValueError(f"{name} must be in 0..{self.vocab_size - 1}, got {getattr(self, name)}")

    def _check_objective(self) -> None:
        check_size("num_diffusion_steps", self.num_diffusion_steps, 1)
        objective = OBJECTIVES[self.objective]
        if (self.context_size == OWN_CELL_CONTEXT_SIZE) != objective.reads_own_cell:
            readers = [name for name, kind in OBJECTIVES.items() if kind.reads_own_cell]
            raise ValueError(
                f"context_size must be {OWN_CELL_CONTEXT_SIZE} with the objectives {readers} and with no other: the "
                f"last cell is the position's own token, got {self.context_size} with {self.objective!r}"
            )
        objective.check_config(self)

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Make sure that these are the tables the model was made for.

        Args:
            vocabulary: For example a tokenizer's.

        Raises:
            ValueError: If they are not.
        """
        pairs = {
            "size": (vocabulary.size, self.vocab_size),
            "pad id": (vocabulary.pad_id, self.pad_token_id),
            "row end id": (vocabulary.row_end_id, self.row_end_id),
            "segment end id": (vocabulary.segment_end_id, self.segment_end_id),
            "digest": (vocabulary.digest, self.vocabulary_digest or vocabulary.digest),
        }
        for name, (ours, theirs) in pairs.items():
            if ours != theirs:
                raise ValueError(
                    f"the vocabulary's {name} is {ours}, the model's {theirs}: expected the same vocabulary"
                )

    def _check_mixer(self) -> None:
        mixer = self.mixer_config
        check_mixer(mixer)
        if self.reads_targets and not self.allow_future:
            raise ValueError(
                f"mixer_config must not see the future, bidirectional or otherwise, with the causal objective "
                f"{self.objective!r}: {mixer.model_type!r} would read the tokens it predicts (allow_future=True "
                "overrides)"
            )
        if self.reads_targets:
            logger.warning_once(
                "the mixer %r sees the future, so that the objective %r reads the tokens it predicts: its loss is "
                "comparable with no other, and it cannot generate",
                mixer.model_type,
                self.objective,
            )


# here, because it is what loads first: a checkpoint's own copy may meet a version that came after it
check_version()
# the mixers' in any case: the configuration finds them by their model type
for _config in MIXER_CONFIGS if is_copy(__name__) else (*MIXER_CONFIGS, PixelBytesConfig):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
