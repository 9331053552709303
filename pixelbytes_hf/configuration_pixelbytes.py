"""Configurations: the model's, and that of its LSTM mixer.

Knows names, sizes and which of them contradict each other; knows no tensors. The paper's three formats of
``config.json`` are read too (`legacy_checkpoint`).
"""

from typing import Any, ClassVar, Literal, get_args

from transformers import AutoConfig, GenerationConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.utils import cached_file, logging

from .legacy_checkpoint import convert_legacy_settings, is_legacy, measure_legacy_weights
from .vocabulary import Vocabulary

logger = logging.get_logger(__name__)

EmbeddingName = Literal["concat"]
ObjectiveName = Literal["predictive", "autoregressive"]

# what transformers itself hands to a configuration, beside the fields
_LIBRARY_KEYWORDS = frozenset(
    [
        "_attn_implementation",
        "_commit_hash",
        "_name_or_path",
        "attn_implementation",
        "auto_map",
        "experts_implementation",
        "model_type",
        "name_or_path",
        "num_labels",
        "output_attentions",
        "per_layer_config",
        "quantization_config",
        "torch_dtype",
        "transformers_weights",
    ]
)
_DOWNLOAD_KEYWORDS = ("cache_dir", "force_download", "proxies", "local_files_only", "token", "revision", "subfolder")


class PixelBytesLSTMConfig(PreTrainedConfig):
    """Settings of the LSTM mixer; the defaults are the paper's.

    Args:
        input_size: Width of the vectors that come in.
        hidden_size: Width of the state of one direction.
        num_hidden_layers: Number of layers.
        bidirectional: Whether a second LSTM reads from the end; its output is concatenated.
        dropout: Probability of dropping an output between two layers, in [0, 1).
        use_cache: Whether a forward pass in evaluation mode returns its state.

    Raises:
        ValueError: If a size is not positive, `dropout` leaves its range, or a keyword is unknown.
    """

    model_type: ClassVar[str] = "pixelbytes_lstm"
    attribute_map: ClassVar[dict[str, str]] = {"num_layers": "num_hidden_layers"}

    input_size: int = 126
    hidden_size: int = 512
    num_hidden_layers: int = 2
    bidirectional: bool = False
    dropout: float | int = 0.0
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the sizes."""
        if "num_layers" in kwargs:
            self.num_hidden_layers = kwargs.pop("num_layers")
        _refuse_unknown(type(self).__name__, kwargs)
        for name in ("input_size", "hidden_size", "num_hidden_layers"):
            _check_size(name, getattr(self, name), 1)
        _check_number("dropout", self.dropout)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        super().__post_init__(**kwargs)

    @property
    def output_size(self) -> int:
        """Width of the vectors that go out."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["pixelbytes_lstm_state"] * self.num_hidden_layers

    def validate_layer_type(self) -> None:
        """Accept a kind of state that transformers does not list."""


class PixelBytesConfig(PreTrainedConfig):
    """Settings that a checkpoint needs; the defaults are the paper's predictive model.

    Args:
        vocab_size: Number of ids, V.
        context_size: Cells in a row of `input_ids`, N; the last one is the token read just before.
        embedding_dim: Width of an embedded row; a cell gets ``embedding_dim // context_size`` of it.
        embedding: How the cells become one vector.
        objective: What is predicted and how the loss is formed.
        copy_loss_weight: Weight in [0, 1] of the cells that repeat tokens already read, in the loss of the
            autoregressive objective: 1 is the paper's mean over all cells, 0 counts the new token only.
        allow_future: Whether a causal objective may sit on a mixer that sees the future. Then the loss is not
            comparable and generation refuses; legacy checkpoints of that kind set it.
        vocabulary_digest: `Vocabulary.digest` of the tables the ids belong to, or None where it is not known, as in
            the paper's checkpoints.
        pad_token_id: Id of padding and of a cell outside the grid.
        row_end_id: Id that ends a row.
        segment_end_id: Id that ends a frame or a segment; not an end-of-sequence id, because it ends frames too.
        use_cache: Whether a forward pass in evaluation mode returns its state.
        mixer_config: Settings of the mixer: a configuration, a dict that becomes one, or None for the LSTM; its
            ``model_type`` names the mixer.

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
    objective: str = "predictive"
    copy_loss_weight: float | int = 1.0
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
        _refuse_unknown(type(self).__name__, kwargs)
        self._check_fields()
        if not isinstance(self.mixer_config, PreTrainedConfig):
            self.mixer_config = self._complete_mixer_settings(self.mixer_config)
        super().__post_init__(**kwargs)
        self._check_mixer()

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings of a checkpoint; of a legacy one, with the sizes that its weights have."""
        download = {key: kwargs[key] for key in _DOWNLOAD_KEYWORDS if kwargs.get(key) is not None}
        settings, unused = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        if is_legacy(settings):
            weights = cached_file(
                pretrained_model_name_or_path,
                "model.safetensors",
                _raise_exceptions_for_missing_entries=False,
                **download,
            )
            settings = convert_legacy_settings(measure_legacy_weights(settings, weights) if weights else settings)
            if settings["allow_future"] and settings["objective"] in get_args(ObjectiveName):
                logger.warning(
                    "%s is bidirectional: its causal objective reads the tokens it predicts, so that its loss is not "
                    "comparable and it cannot generate",
                    pretrained_model_name_or_path,
                )
        return settings, unused

    @property
    def cell_width(self) -> int:
        """Width of one embedded cell."""
        return self.embedding_dim // self.context_size

    @property
    def context_width(self) -> int:
        """Width of an embedded row: what the mixer reads."""
        return self.cell_width * self.context_size

    @property
    def hidden_size(self) -> int:
        """Width of what the mixer gives and the head reads."""
        return getattr(self.mixer_config, "output_size", None) or self.mixer_config.hidden_size

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers of the mixer."""
        return self.mixer_config.num_hidden_layers

    def _read_legacy_keywords(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """Set the fields that the original's keywords stand for, and return the other keywords."""
        settings = {"vocab_size": self.vocab_size, **keywords}
        if not {"AR", "auto_regressive", "diffusion"} & keywords.keys():
            settings["objective"] = self.objective
        settings = convert_legacy_settings(settings)
        for name in type(self).__dataclass_fields__.keys() & settings.keys():
            setattr(self, name, settings.pop(name))
        return settings

    def _complete_mixer_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        settings = {"model_type": PixelBytesLSTMConfig.model_type, **(settings or {})}
        if settings["model_type"] == PixelBytesLSTMConfig.model_type:
            settings.setdefault("input_size", self.context_width)
        return settings

    def _check_fields(self) -> None:
        for name, least in (("vocab_size", 3), ("context_size", 1), ("embedding_dim", self.context_size)):
            _check_size(name, getattr(self, name), least)
        for name, choices in (("embedding", get_args(EmbeddingName)), ("objective", get_args(ObjectiveName))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        _check_number("copy_loss_weight", self.copy_loss_weight)
        if not 0 <= self.copy_loss_weight <= 1:
            raise ValueError(f"copy_loss_weight must be in [0, 1], got {self.copy_loss_weight}")
        for name in ("pad_token_id", "row_end_id", "segment_end_id"):
            _check_size(name, getattr(self, name), 0)
            if getattr(self, name) >= self.vocab_size:
                raise ValueError(f"{name} must be in 0..{self.vocab_size - 1}, got {getattr(self, name)}")

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
        width = getattr(mixer, "input_size", mixer.hidden_size)
        if width != self.context_width:
            raise ValueError(
                f"mixer_config must read vectors of width {self.context_size} * ({self.embedding_dim} // "
                f"{self.context_size}) = {self.context_width}, got {width}"
            )
        if getattr(mixer, "bidirectional", False) and not self.allow_future:
            raise ValueError(
                f"mixer_config.bidirectional must be False with the causal objective {self.objective!r}: it would "
                "read the tokens it predicts (allow_future=True overrides)"
            )


def _check_size(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def _check_number(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, got {value!r}")


def _refuse_unknown(owner: str, keywords: dict[str, Any]) -> None:
    known = _LIBRARY_KEYWORDS | GenerationConfig._get_default_generation_params().keys()
    if unknown := sorted(keywords.keys() - known):
        raise ValueError(f"{owner} has no keyword {', '.join(map(repr, unknown))}")


AutoConfig.register(PixelBytesLSTMConfig.model_type, PixelBytesLSTMConfig, exist_ok=True)
AutoConfig.register(PixelBytesConfig.model_type, PixelBytesConfig, exist_ok=True)
