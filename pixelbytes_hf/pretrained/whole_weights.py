"""Loading weights whole or not at all: none missing, none of another shape."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel


class WholeWeightsModel(PreTrainedModel):
    """A model that refuses a checkpoint whose weights are not those of its configuration.

    Args:
        config: Settings.
    """

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | Path | None, *args: Any, **kwargs: Any
    ) -> Any:
        """Load a checkpoint; arguments as of `PreTrainedModel.from_pretrained`.

        Raises:
            ValueError: If a weight is missing or has another shape than the configuration says.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        except RuntimeError as error:  # of transformers' report on shapes, which follows our refusal and names none
            raise error.__context__ or error from None

    def _move_missing_keys_from_meta_to_device(self, missing_keys: list[str], *args: Any, **kwargs: Any) -> None:
        # transformers would draw these at random; here, before it makes room for what a configuration may only claim
        if missing := sorted(set(missing_keys) - self.all_tied_weights_keys.keys()):
            shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
            raise ValueError(
                f"the weights in {self.name_or_path!r} must be those of its configuration: missing, or of another "
                f"shape, are {shown}"
            )
        super()._move_missing_keys_from_meta_to_device(missing_keys, *args, **kwargs)
