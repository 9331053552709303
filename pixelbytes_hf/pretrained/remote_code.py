"""Whether this code is the installed package or a checkpoint's own copy of it, which transformers loaded.

A checkpoint on the Hub carries the files that load it (`exported_code`); transformers imports them under a name of
their own. Such a copy must not answer for other checkpoints, whose copies may differ, so it registers no class of a
model.
"""

from transformers.utils.hub import TRANSFORMERS_DYNAMIC_MODULE_NAME


def is_copy(module_name: str) -> bool:
    """Return whether a module is a checkpoint's copy.

    Args:
        module_name: Its ``__name__``.

    Example:
        >>> is_copy("pixelbytes_hf.mixers.mixer_lstm"), is_copy("transformers_modules.user.x.mixer_lstm")
        (False, True)
    """
    return module_name.startswith(f"{TRANSFORMERS_DYNAMIC_MODULE_NAME}.")
