"""Settings of a codec's training."""

from dataclasses import dataclass

from ..settings import OptimisationConfig


@dataclass(frozen=True, kw_only=True)
class CodecTrainingConfig(OptimisationConfig):
    """Settings of a codec's training, beside those of `OptimisationConfig`.

    Args:
        clip_length: Frames of a picture or samples of a sound that a step reads at most, drawn anew in every epoch;
            None leaves them whole.
        mirror: Whether sprites are turned left to right in half of the visits.
    """

    clip_length: int | None = None
    mirror: bool = False

    def _rules(self) -> list[tuple[str, bool, str]]:
        is_allowed = self.clip_length is None or self.clip_length > 0
        return [*super()._rules(), ("clip_length", is_allowed, "positive or None")]
