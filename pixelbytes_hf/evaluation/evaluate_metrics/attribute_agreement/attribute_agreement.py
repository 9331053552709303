"""How often a sprite and a cry show what their sentence says, as a metric of `evaluate`.

Load it with
``evaluate.load(str(files("pixelbytes_hf.evaluation") / "evaluate_metrics" / "attribute_agreement"))``;
no network is needed. One import per line, as `evaluate` reads them with a regular expression.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from dataset_builder.agreement import attribute_agreement


class AttributeAgreement(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
    """For every attribute, the fraction of records whose sprite or cry shows what the sentence says.

    The attributes are those of the embedded corpus' creatures: colour, size, shape and pose of sprites, element and
    pitch of cries. In [0, 1], higher is better. What is missing or cannot be told counts as disagreement. Compare with
    real records (the ceiling) and with shuffled sentences (the floor).
    """

    def _info(self) -> evaluate.MetricInfo:
        frames = datasets.Value("uint8")
        for _axis in "THWC":
            frames = datasets.Sequence(frames)
        sound = datasets.Sequence(datasets.Sequence(datasets.Value("float32")))
        media = {"frames": frames, "sound": sound, "sampling_rate": datasets.Value("int64")}
        about, inputs = inspect.getdoc(type(self)), inspect.getdoc(self._compute)
        features = datasets.Features({"predictions": media, "references": datasets.Value("string")})
        return evaluate.MetricInfo(description=about, citation="", inputs_description=inputs, features=features)

    def add(self, *, prediction: Any = None, reference: str | None = None, **kwargs: Any) -> None:
        """Add a record."""
        super().add(prediction=_plain(prediction), reference=reference, **kwargs)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add records."""
        plain = None if predictions is None else [_plain(media) for media in predictions]
        super().add_batch(predictions=plain, references=references, **kwargs)

    def _compute(self, predictions: Sequence[Any], references: Sequence[str]) -> dict[str, float]:
        """Return the fraction of every attribute that frames or sounds were given for.

        Args:
            predictions: of each record a dictionary of `frames` (T, H, W, 3) in 0..255, `sound` (C, N) and
                `sampling_rate` in Hz; None where there is none.
            references: the sentences.

        Returns:
            colour, size, shape, pose, element, pitch: fractions, of those that frames or sounds were given for.
        """
        frames = [_array(media["frames"], np.uint8) for media in predictions]
        sounds = [_array(media["sound"], np.float32) for media in predictions]
        rates = [media["sampling_rate"] for media in predictions]
        for index, (sound, rate) in enumerate(zip(sounds, rates, strict=True)):
            if sound is not None and rate is None:
                raise ValueError(f"record {index} has a sound: expected its sampling_rate too, got None")
        has_frames, has_sounds = (any(item is not None for item in items) for items in (frames, sounds))
        return attribute_agreement(
            list(references),
            frames if has_frames or not has_sounds else None,
            sounds if has_sounds or not has_frames else None,
            [rate or 0 for rate in rates],  # of those without a sound, whose rate nobody reads
        )


def _plain(media: Any) -> dict[str, Any]:
    """Return lists in place of arrays: those of several axes are not written after a record that has none."""
    names = ["frames", "sampling_rate", "sound"]
    if not isinstance(media, dict) or sorted(media) != names:
        got = sorted(media) if isinstance(media, dict) else type(media).__name__
        raise TypeError(f"a prediction must be a dictionary of {names}, None where there is none, got {got}")
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in media.items()}


def _array(values: Any, dtype: type[np.generic]) -> Any:
    return None if values is None else np.asarray(values, dtype)
