"""transformers' text-generation pipeline for models that read contexts: the prompt is counted in positions, not cells.

The pipeline cuts as many tokens off what was generated as its input has entries in the last axis. Of ids (B, L) those
are the prompt's positions; of contexts (B, L, N) they are the cells, so that a part of the prompt would appear twice.
"""

from typing import Any

from transformers import TextGenerationPipeline
from transformers.pipelines import PIPELINE_REGISTRY


class ContextTextGenerationPipeline(TextGenerationPipeline):
    """transformers' own pipeline, but for inputs that are contexts."""

    def postprocess(self, model_outputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return the generated text; arguments as of `TextGenerationPipeline.postprocess`."""
        input_ids = model_outputs["input_ids"]
        if input_ids is not None and input_ids.ndim == 3:
            model_outputs = {**model_outputs, "input_ids": input_ids[..., -1]}
        return super().postprocess(model_outputs, *args, **kwargs)


PIPELINE_REGISTRY.supported_tasks["text-generation"]["impl"] = ContextTextGenerationPipeline
