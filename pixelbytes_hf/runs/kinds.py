"""Kinds of systems: a row for each says where the package keeps what trains, scores and shows it.

A preset names its kind, a checkpoint tells it by the ``model_type`` in its ``config.json``. A row holds paths of
import, ``room.module:name``, so that a kind is loaded when a verb is used on it, and rooms go on importing one way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ..pretrained.json_files import read_object

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a kind of system is for every verb.

    Args:
        name: As presets name it.
        model_type: Of its checkpoints' ``config.json``.
        settings: Path of the class of its training's settings, an `OptimisationConfig`.
        recipe: Path of its `Recipe`, which builds model and data of a training.
        verbs: Path of the function behind each verb: ``evaluate``, ``generate``, ``compare``, ``push``, ``demo``,
            ``space`` and ``list``; `cli.verbs` says with what they are called.
        refusals: Why a verb is not for it.
    """

    name: str
    model_type: str
    settings: str
    recipe: str
    verbs: Mapping[str, str]
    refusals: Mapping[str, str] = field(default_factory=dict)

    def verb(self, name: str) -> Any:
        """Return the function behind a verb.

        Raises:
            ValueError: If the verb is not for systems of this kind.
        """
        if name not in self.verbs:
            reason = self.refusals.get(name, f"expected one of {sorted(self.verbs)}")
            raise ValueError(f"{name!r} is not for a run of the kind {self.name!r}: {reason}")
        return find_object(self.verbs[name])


_CODEC_VERBS = {
    "evaluate": "cli.codecs:evaluate_codec_run",
    "generate": "cli.codecs:write_reconstructions",
    "list": "cli.codecs:describe_codec_preset",
}
_CODEC_REFUSALS = {
    "compare": "codecs are compared by their `pixelbytes evaluate`",
    "push": "a codec is pushed from Python, by `push_to_hub` of the codec",
    "demo": "a codec draws nothing by itself; `pixelbytes generate` shows what it keeps",
    "space": "a codec draws nothing by itself; `pixelbytes generate` shows what it keeps",
}
_ROWS = (
    Kind(
        name="sequence",
        model_type="pixelbytes",
        settings="training.settings:TrainingConfig",
        recipe="training.sequence.recipe:SequenceRecipe",
        verbs={
            "evaluate": "cli.evaluate:evaluate_sequence",
            "generate": "cli.generate:generate_record",
            "compare": "compare.compare:compare_sequences",
            "push": "publishing.push:assemble_sequence",
            "demo": "demo.page:open_sequence_page",
            "space": "demo.space:write_sequence_space",
            "list": "cli.preset_list:describe_preset",
        },
    ),
    Kind(
        name="video codec",
        model_type="pixelbytes_video_codec",
        settings="training.codecs.settings:CodecTrainingConfig",
        recipe="training.codecs.recipe:VideoCodecRecipe",
        verbs=_CODEC_VERBS,
        refusals=_CODEC_REFUSALS,
    ),
    Kind(
        name="audio codec",
        model_type="pixelbytes_audio_codec",
        settings="training.codecs.settings:CodecTrainingConfig",
        recipe="training.codecs.recipe:AudioCodecRecipe",
        verbs=_CODEC_VERBS,
        refusals=_CODEC_REFUSALS,
    ),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ROWS}
SEQUENCE = "sequence"  # also what runs are whose configuration names no other kind


def find_kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        ValueError: If there is none.

    Example:
        >>> find_kind("sequence").model_type
        'pixelbytes'
    """
    if name not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {name!r}")
    return KINDS[name]


def kind_of_run(folder: str | Path) -> Kind:
    """Return the kind of a run, a sequence model where its configuration is absent or names no kind of ours."""
    path = Path(folder) / "config.json"
    model_type = read_object(path).get("model_type") if path.is_file() else None
    return next((kind for kind in KINDS.values() if kind.model_type == model_type), KINDS[SEQUENCE])


def find_object(path: str) -> Any:
    """Return what a path of import, ``room.module:name``, stands for.

    Example:
        >>> find_object("runs.kinds:SEQUENCE")
        'sequence'
    """
    module, name = path.split(":")
    return getattr(import_module(f"{_PACKAGE}.{module}"), name)
