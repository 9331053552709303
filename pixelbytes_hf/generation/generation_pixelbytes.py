"""`generate()` and `infill()` of models that read contexts, with layouts and exact contexts.

`generate()` of transformers prepares everything (settings, logits processors, stopping criteria); only its loop is
ours (`generation_loop`). Objectives that decode in parallel draw all tokens together (`infilling`).

Shapes: B batch, L prompt positions, n new tokens, N cells.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.streamers import BaseStreamer

from ..pretrained.sequence_model import evaluation_mode
from ..pretrained.transformers_versions import STATE_NAME, take_state
from ..tokens.contexts import context_rule
from ..tokens.grid import Segment
from ..tokens.places import Mask
from ..tokens.vocabulary import Vocabulary
from .canvas import ContextSource, Prompt
from .generation_arguments import (
    check_context,
    check_open,
    choose_generator,
    choose_layouts,
    choose_one,
    choose_setting,
    choose_vocabulary,
)
from .generation_loop import PixelBytesGenerateOutput, Plan, generate_tokens
from .infilling import fill_layouts, infill
from .layout import Layout, LayoutLike
from .segment_grammar import LegalIds

REFUSED = ("inputs_embeds", "custom_generate", "assistant_model", "guidance_scale", "stop_strings", "synced_gpus")


class PixelBytesGenerationMixin(GenerationMixin):
    """`generate()` for models that read contexts."""

    _supported_generation_modes = [GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE]  # noqa: RUF012

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        *,
        layout: LayoutLike | Sequence[Layout] | None = None,
        context: ContextSource = "exact",
        vocabulary: Vocabulary | None = None,
        labels: Tensor | None = None,
        attention_mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        seed: int | None = None,
        tokenizer: Any = None,
        streamer: BaseStreamer | None = None,
        **kwargs: Any,
    ) -> PixelBytesGenerateOutput | Tensor:
        """Continue prompts.

        Args:
            inputs: Contexts of the prompts, (B, L, N), as `input_ids` too; None begins a record.
            generation_config: transformers' settings; `kwargs` win over it.
            layout: What to generate, see `layout.as_layout`; or a sequence of `Layout`, one for each prompt. Every
                output then ends by itself, unless a stopping criterion ends it, and decodes. `max_new_tokens` is by
                default what the layout can need, and a smaller one makes the layout end in time. Objectives that
                decode in parallel need it, and draw all tokens together: an extent that it leaves open takes its
                bound. With ``masked``, `num_steps`, `order` and `progress` are those of `ParallelSampling`;
                ``diffusion`` goes the published way from noise.
            context: ``exact`` computes the context of a new token from the tokens before it. ``model`` reads what the
                model predicts, as the paper; it needs an objective that predicts all cells.
            vocabulary: The tables; by default the tokenizer's, or the preset of the model's size.
            labels: The prompts' tokens, (B, L), as the tokenizer gives them: the first new token follows the last of
                them. Without labels it is the one at the last position, whose context is known.
            attention_mask: (B, L), zero at padding, on either side.
            generator: Source of randomness, in place of torch's global one.
            seed: Makes one.
            tokenizer: The tokenizer whose tables to use.
            streamer: Gets the prompt (B, L), then every step's tokens (B,).
            kwargs: Settings of `GenerationConfig` (`do_sample`, `temperature`, `top_k`, `top_p`,
                `num_return_sequences`, ...), `logits_processor`, `stopping_criteria`, `past_key_values`. `top_k` is
                off by default here.

        Returns:
            The streams (B, L + n) int64: ``[:, L:]`` are the new tokens, padding stands on the left of shorter prompts
            and on the right of sequences that ended. Without labels, the first column is padding and the prompt's
            tokens those that its contexts have read. With ``return_dict_in_generate=True`` a
            `PixelBytesGenerateOutput`.

        Raises:
            ValueError: If inputs do not fit, a setting is not supported, the prompt cannot be continued as the layout
                asks, or `max_new_tokens` is less than the layout needs.
        """
        prompt_rows = choose_one(inputs=inputs, input_ids=kwargs.pop("input_ids", None))
        tables = choose_vocabulary(vocabulary, tokenizer, self.config)
        choice = choose_generator(generator, seed, self.device)
        settings = kwargs, generation_config, self.generation_config
        if self.objective.decoding == "parallel":
            if context != "exact" or streamer is not None:
                raise ValueError(
                    f"context must be 'exact' and streamer None with the objective {self.objective.name!r}, which "
                    f"draws all tokens together, got {context!r} and {type(streamer).__name__}"
                )
            if layout is None or (prompt_rows is not None and labels is None):
                raise ValueError(
                    f"the objective {self.objective.name!r} needs layout, and prompts as labels: tokens, not contexts"
                )
            layouts = choose_layouts(layout, 1 if labels is None else len(labels), tables)
            options = self._options_of_filling(*settings)
            return fill_layouts(self, layouts, labels, attention_mask, tables, generator=choice, **options)
        if (state := take_state(kwargs.pop("past_key_values", None), kwargs.pop("cache", None))) is not None:
            kwargs[STATE_NAME] = state
        self._refuse(context, kwargs)
        prompt = Prompt.of(prompt_rows, labels, attention_mask, self.config)
        layouts = choose_layouts(layout, len(prompt.rows), tables)
        legal_ids = LegalIds(tables, self.device)
        plan = Plan(layouts, legal_ids, context_rule(self.config.context_size), context, choice, streamer)
        if layouts is not None:
            self._fit_layouts(plan, prompt, *settings)
        if choose_setting("do_sample", *settings) and choose_setting("top_k", *settings) is None:
            # transformers' own default of 50 would cut into a vocabulary this small
            kwargs["top_k"] = 0
        return super().generate(
            prompt.rows.to(self.device),
            generation_config,
            labels=None if prompt.labels is None else prompt.labels.to(self.device),
            attention_mask=prompt.mask.to(self.device),
            custom_generate=partial(generate_tokens, plan=plan),
            **kwargs,
        )

    def infill(
        self,
        records: Sequence[Sequence[Segment]],
        masks: Sequence[Mask],
        *,
        vocabulary: Vocabulary | None = None,
        tokenizer: Any = None,
        generator: torch.Generator | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> list[list[Segment]]:
        """Return records with masked tokens drawn, all others as they were; for objectives that decode in parallel.

        Args:
            records: Segments of each record.
            masks: What to draw, (L,) bool for each record; `regions.hide` and its relatives make them.
            vocabulary: The tables; by default the tokenizer's, or the preset of the model's size.
            tokenizer: The tokenizer whose tables to use.
            generator: Source of randomness, in place of torch's global one.
            seed: Makes one.
            options: `temperature`, and those of the objective's `decoding_settings`; see `infilling.infill`.

        Raises:
            ValueError: If the objective decodes one token after another, or an argument leaves its range.
        """
        options["generator"] = choose_generator(generator, seed, self.device)
        tables = choose_vocabulary(vocabulary, tokenizer, self.config)
        with evaluation_mode(self):
            return infill(self, records, masks, tables, **options)

    def _options_of_filling(self, kwargs: dict[str, Any], *defaults: Any) -> dict[str, Any]:
        """Return how an objective that decodes in parallel is to draw; other settings are refused."""
        options = {name: kwargs.pop(name) for name in self.objective.decoding_settings if name in kwargs}
        given = {name for name, value in kwargs.items() if value is not None}
        if unknown := sorted(given - {"do_sample", "temperature"}):
            raise ValueError(
                f"generate() does not support {', '.join(unknown)} with the objective {self.objective.name!r}"
            )
        samples, temperature = (choose_setting(name, kwargs, *defaults) for name in ("do_sample", "temperature"))
        return {**options, "temperature": (1.0 if temperature is None else temperature) if samples else 0.0}

    def _fit_layouts(self, plan: Plan, prompt: Prompt, kwargs: dict[str, Any], *defaults: Any) -> None:
        """Check that layouts can follow the prompts, and let them have as many tokens as they can need."""
        known = prompt.known_ids(self.config)
        if prompt.labels is not None:
            for ids, wanted in zip(known, plan.layouts, strict=True):
                check_open(ids, wanted, plan.legal_ids.vocabulary)
        if all(choose_setting(name, kwargs, *defaults) is None for name in ("max_new_tokens", "max_length")):
            kwargs["max_new_tokens"] = max(grammar.most for grammar in plan.grammars(known))

    def _refuse(self, context: str, kwargs: dict[str, Any]) -> None:
        for name in REFUSED:
            value = kwargs.pop(name, None)
            if value is not None and value is not False:
                raise ValueError(f"generate() does not support {name}")
        check_context(context, self.objective, self.config)
        reads_anew = self.objective.windows == "last token"
        if reads_anew and STATE_NAME in kwargs:
            raise ValueError(
                f"past_key_values must be None with the objective {self.objective.name!r}, which reads its window anew"
            )
        if self.config.sees_future and not reads_anew:
            raise ValueError("a bidirectional model cannot generate: it was trained to read the tokens it predicts")

    def _prepare_cache_for_generation(
        self, generation_config: GenerationConfig, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        if generation_config.cache_implementation is not None:
            raise ValueError(f"cache_implementation must be None, got {generation_config.cache_implementation!r}")
        if self.objective.windows == "last token":
            return
        if generation_config.use_cache and model_kwargs.get(STATE_NAME) is None:
            model_kwargs[STATE_NAME] = self.new_cache()
