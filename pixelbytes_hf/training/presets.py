"""Presets: named settings of a whole run; a variant is one row of `PRESETS`.

The paper's rows are in `presets_paper`, those of a comparison between architectures of one size in `presets_small`,
our own in `presets_ours`. A preset holds what the tokenizer, the model's configuration and the training are made from;
`Preset.replace` changes single values and refuses names that do not exist.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..runs.kinds import SEQUENCE, find_kind, find_object
from .codecs.presets_codecs import codec_rows
from .presets_ours import BEST, CONTROL, MINI
from .presets_paper import paper_rows
from .presets_small import small_rows
from .settings import OptimisationConfig, rename_settings

if TYPE_CHECKING:
    from ..objectives.objective import Objective

_DEFAULT_MIXER, _DEFAULT_OBJECTIVE = "pixelbytes_lstm", "predictive"  # of a configuration that names none
TokenizerClass = Literal["ActionPixelBytesTokenizer", "PixelBytesTokenizer"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything a run is made from.

    Args:
        model: Keywords of the model's configuration, but for those that the vocabulary gives.
        tokenizer: Keywords of the tokenizer.
        training: Settings of the run, of the class that its kind names; `TrainingConfig` of a sequence model.
        kind: What is trained; a name in `kinds.KINDS`.
        tokenizer_class: Name of the tokenizer's class.
        source: Where the settings stand: a table of the paper, or ``ours``.
        note: What a reader of the list has to know.
        size_limit: Parameters that its source says it stays under, or None.
    """

    model: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    training: Any
    kind: str = SEQUENCE
    tokenizer_class: TokenizerClass = "ActionPixelBytesTokenizer"
    source: str = "ours"
    note: str = ""
    size_limit: int | None = None

    def __post_init__(self) -> None:
        """Check the names of the kind and of the tokenizer's class."""
        find_kind(self.kind)
        if self.tokenizer_class not in get_args(TokenizerClass):
            raise ValueError(
                f"tokenizer_class must be one of {get_args(TokenizerClass)}, got {self.tokenizer_class!r}"
            )

    @property
    def objective(self) -> "type[Objective]":
        """The class of a sequence model's objective, whose declarations say what the run needs."""
        # the command line lists presets without torch
        from ..objectives.objectives import find_objective

        return find_objective(self.model.get("objective", _DEFAULT_OBJECTIVE))

    def replace(
        self, *, model: Mapping[str, Any] | None = None, tokenizer: Mapping[str, Any] | None = None, **training: Any
    ) -> "Preset":
        """Return the preset with single values changed; a nested mapping is merged.

        Args:
            model: Keywords of the model's configuration; ``mixer_config`` is merged into the preset's, but replaces it
                where it names another ``model_type``, of which the preset's sizes say nothing.
            tokenizer: Keywords of the tokenizer.
            training: Settings of the run.

        Raises:
            ValueError: If `training` names no setting of the preset's kind, by today's name or the one before.
        """
        training = rename_settings(training)
        fields = {item.name for item in dataclasses.fields(self.training)}
        if unknown := sorted(training.keys() - fields):
            raise ValueError(
                f"training settings of a {self.kind} have no {unknown}: expected names among {sorted(fields)}"
            )
        changed = dict(model or {})
        if "mixer_config" in changed:
            before, given = self.model.get("mixer_config", {}), changed["mixer_config"]
            kind = before.get("model_type", _DEFAULT_MIXER)
            if given.get("model_type", kind) == kind:
                changed["mixer_config"] = {**before, **given}
        return dataclasses.replace(
            self,
            model={**self.model, **changed},
            tokenizer={**self.tokenizer, **(tokenizer or {})},
            training=dataclasses.replace(self.training, **training),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the preset as JSON-able settings; the inverse of `from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Preset":
        """Return the preset that `to_dict` described; lists of its training settings become tuples."""
        items = rename_settings(settings["training"]).items()
        training: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in items}
        return _make_preset({**settings, "training": training})


def _make_preset(row: Mapping[str, Any]) -> Preset:
    settings: type[OptimisationConfig] = find_object(find_kind(row.get("kind", SEQUENCE)).settings)
    return Preset(**{**row, "training": settings(**row["training"])})


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        name: _make_preset(row)
        for name, row in {
            **paper_rows(),
            **small_rows(),
            "mini": MINI,
            "best": BEST,
            "control": CONTROL,
            **codec_rows(),
        }.items()
    }
)


def get_preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        ValueError: If there is none.

    Example:
        >>> get_preset("paper-lstm-predictive").training.window_length
        1024
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {sorted(PRESETS)}, got {name!r}")
    return PRESETS[name]
