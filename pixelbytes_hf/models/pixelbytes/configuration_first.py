"""The ``model_type`` that the first approach's checkpoints carry, so that transformers' Auto classes know them.

Reading such a file gives a `PixelBytesConfig`; nothing is ever saved under this name.
"""

from typing import Any, ClassVar

from transformers import AutoConfig

from ...pretrained.remote_code import is_copy
from .configuration_pixelbytes import PixelBytesConfig
from .legacy_first import FIRST_MODEL_TYPE, convert_first_settings, is_first


class PixelBytesFirstConfig(PixelBytesConfig):
    """Reader of the first approach's ``config.json``; arguments as of `PixelBytesConfig`."""

    model_type: ClassVar[str] = FIRST_MODEL_TYPE

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Return the `PixelBytesConfig` that a config of the first approach stands for.

        Args:
            config_dict: Contents of its ``config.json``.
            kwargs: As of `PreTrainedConfig.from_dict`.
        """
        settings = convert_first_settings(config_dict) if is_first(config_dict) else config_dict
        return PixelBytesConfig.from_dict(settings, **kwargs)


if not is_copy(__name__):
    AutoConfig.register(FIRST_MODEL_TYPE, PixelBytesFirstConfig, exist_ok=True)
