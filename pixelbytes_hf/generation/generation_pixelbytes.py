"""Generation: `generate()` for rows of cells, with layouts and exact contexts.

Knows prompts, grammars and how a distribution becomes a token; the model is reached through `forward` and `step`
alone. `generate()` of transformers prepares everything (settings, logits processors, stopping criteria); only its
loop is ours.

Shapes: B batch (times `num_return_sequences`), L prompt rows, n new tokens, N cells, V vocabulary, C predicted cells.

Source: `generate`, pixelbytes/model.py:109 of fabienfrfr/PixelBytes@7646d6a. There the predictive objective overwrote
the prompt, and the autoregressive one drew all cells of the next row; the latter is `context="model"` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    MaxLengthCriteria,
    StoppingCriteriaList,
)
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.streamers import BaseStreamer
from transformers.generation.utils import GenerateDecoderOnlyOutput

from ..mixers.mixer_properties import is_recurrent
from ..pretrained.transformers_versions import STATE_NAME, take_state
from ..tokens.contexts import ContextRule, context_rule
from ..tokens.grid import Segment
from ..tokens.places import Mask
from ..tokens.vocabulary import IGNORE_INDEX, Vocabulary
from .canvas import Canvas, ContextSource, Grammar, Prompt
from .grammar import FreeGrammar, LayoutGrammar
from .infilling import fill_layouts, infill
from .layout import Layout, LayoutLike, as_layout
from .sampling import Records, Sampler
from .segment_grammar import LegalIds

NOT_SUPPORTED = (
    "inputs_embeds",
    "custom_generate",
    "assistant_model",
    "guidance_scale",
    "stop_strings",
    "synced_gpus",
)


@dataclass
class PixelBytesGenerateOutput(GenerateDecoderOnlyOutput):
    """What `generate(return_dict_in_generate=True)` returns, beside what transformers' own output holds.

    Args:
        contexts: The rows read, prompt first, and that of the token after the last: with `labels`, (B, L + n + 1, N),
            and ``contexts[:, k]`` is what ``sequences[:, k]`` was predicted from; without, (B, L + n, N), and it is
            what ``sequences[:, k + 1]`` was predicted from.
    """

    contexts: Tensor | None = None


@dataclass(frozen=True)
class Plan:
    """What `generate` was asked for beyond transformers' own arguments.

    Args:
        layouts: One for each prompt, or None.
        legal_ids: Masks over the vocabulary.
        rule: Which cells a row holds.
        context: Where the context of a generated token comes from.
        generator: Source of randomness; None is torch's global one.
        streamer: Where tokens go as they come.
    """

    layouts: Sequence[Layout] | None
    legal_ids: LegalIds
    rule: ContextRule
    context: ContextSource
    generator: torch.Generator | None
    streamer: BaseStreamer | None

    def grammars(self, prompts: Sequence[Sequence[int]]) -> list[Grammar]:
        """Return a grammar for every sequence to generate, at the position after its prompt."""
        if self.layouts is None:
            return [FreeGrammar(self.legal_ids, ids, rule=self.rule) for ids in prompts]
        repeats = len(prompts) // len(self.layouts)
        return [
            LayoutGrammar(self.layouts[n // repeats], self.legal_ids, ids, rule=self.rule)
            for n, ids in enumerate(prompts)
        ]


class PixelBytesGenerationMixin(GenerationMixin):
    """`generate()` for models that read rows of cells."""

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
            inputs: Context rows of the prompts, (B, L, N), as `input_ids` too; None begins a record.
            generation_config: transformers' settings; `kwargs` win over it.
            layout: What to generate, see `layout.as_layout`; or a sequence of `Layout`, one for each prompt. Every
                output then ends by itself, unless a stopping criterion ends it, and decodes. `max_new_tokens` is by
                default what the layout can need, and a smaller one makes the layout end in time. Objectives that
                decode in parallel need it, and draw all tokens together: an extent that it leaves open takes its
                bound. With ``masked``, `num_steps`, `order` and `progress` are those of `ParallelSampling`;
                ``diffusion`` goes the published way from noise.
            context: ``exact`` computes the context of a new token from the tokens before it. ``model`` reads the row
                that the model predicts, as the paper; it needs an objective that predicts all cells.
            vocabulary: The tables; by default the tokenizer's, or the preset of the model's size.
            labels: The prompts' tokens, (B, L), as the tokenizer gives them: the first new token follows the last of
                them. Without labels it is the one at the last row, which then is its context.
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
            tokens those that its rows have read. A `PixelBytesGenerateOutput` with ``return_dict_in_generate=True``.

        Raises:
            ValueError: If inputs do not fit, a setting is not supported, the prompt cannot be continued as the layout
                asks, or `max_new_tokens` is less than the layout needs.
        """
        if self.objective.decoding == "parallel":
            choice = _generator_of(generator, seed, self.device)
            tables = _vocabulary_of(vocabulary, tokenizer, self.config)
            if context != "exact" or streamer is not None:
                raise ValueError(
                    f"context must be 'exact' and streamer None with the objective {self.objective.name!r}, which "
                    f"draws all tokens together, got {context!r} and {type(streamer).__name__}"
                )
            has_rows = _one_of(inputs, kwargs.pop("input_ids", None)) is not None
            prompt = has_rows, labels, attention_mask
            return self._fill_layouts(layout, prompt, tables, choice, generation_config, kwargs)
        if (state := take_state(kwargs.pop("past_key_values", None), kwargs.pop("cache", None))) is not None:
            kwargs[STATE_NAME] = state
        self._refuse(context, kwargs)
        prompt = Prompt.of(_one_of(inputs, kwargs.pop("input_ids", None)), labels, attention_mask, self.config)
        tables = _vocabulary_of(vocabulary, tokenizer, self.config)
        layouts = _layouts_of(layout, len(prompt.rows), tables)
        rule, legal_ids = context_rule(self.config.context_size), LegalIds(tables, self.device)
        plan = Plan(layouts, legal_ids, rule, context, _generator_of(generator, seed, self.device), streamer)
        if layouts is not None and prompt.labels is not None:
            for known, wanted in zip(prompt.known_ids(self.config), layouts, strict=True):
                _check_open(known, wanted, legal_ids.vocabulary)
        lengths = (
            _setting(n, generation_config, self.generation_config, kwargs) for n in ("max_new_tokens", "max_length")
        )
        if layouts is not None and all(length is None for length in lengths):
            grammars = plan.grammars(prompt.known_ids(self.config))
            kwargs["max_new_tokens"] = max(g.most for g in grammars if isinstance(g, LayoutGrammar))
        samples = _setting("do_sample", generation_config, self.generation_config, kwargs)
        if samples and _setting("top_k", generation_config, self.generation_config, kwargs) is None:
            # transformers' own default of 50 would cut into a vocabulary this small
            kwargs["top_k"] = 0
        return super().generate(
            prompt.rows.to(self.device),
            generation_config,
            labels=None if prompt.labels is None else prompt.labels.to(self.device),
            attention_mask=prompt.mask.to(self.device),
            custom_generate=partial(_generate_tokens, plan=plan),
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
        """Return records with hidden tokens drawn, all others as they were; for objectives that decode in parallel.

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
        tables = _vocabulary_of(vocabulary, tokenizer, self.config)
        options["generator"] = _generator_of(generator, seed, self.device)
        was_training = self.training
        self.eval()
        try:
            return infill(self, records, masks, tables, **options)
        finally:
            self.train(was_training)

    def _fill_layouts(
        self,
        layout: LayoutLike | Sequence[Layout] | None,
        prompt: tuple[bool, Tensor | None, Tensor | None],
        vocabulary: Vocabulary,
        generator: torch.Generator | None,
        generation_config: GenerationConfig | None,
        kwargs: dict[str, Any],
    ) -> Tensor:
        """Draw all tokens of layouts of known extents, in a few passes; see `generate`."""
        has_rows, labels, attention_mask = prompt
        if layout is None or (has_rows and labels is None):
            raise ValueError(
                f"the objective {self.objective.name!r} needs layout, and prompts as labels: tokens, not contexts"
            )
        options = {name: kwargs.pop(name) for name in self.objective.decoding_settings if name in kwargs}
        samples, temperature = (
            _setting(name, generation_config, self.generation_config, kwargs) for name in ("do_sample", "temperature")
        )
        given = {name for name, value in kwargs.items() if value is not None}
        if unknown := sorted(given - {"do_sample", "temperature"}):
            raise ValueError(
                f"generate() does not support {', '.join(unknown)} with the objective {self.objective.name!r}"
            )
        options["temperature"] = (1.0 if temperature is None else temperature) if samples else 0.0
        labels = torch.empty(1, 0, dtype=torch.int64) if labels is None else labels.cpu()
        is_real = labels != IGNORE_INDEX if attention_mask is None else attention_mask.cpu() != 0
        prompts = [row[real].tolist() for row, real in zip(labels, is_real, strict=True)]
        streams = fill_layouts(
            self, _layouts_of(layout, len(prompts), vocabulary), prompts, vocabulary, generator=generator, **options
        )
        left = labels.shape[1]
        num_new = max(len(stream) - len(prompt) for stream, prompt in zip(streams, prompts, strict=True))
        tokens = torch.full((len(streams), left + num_new), vocabulary.pad_id)
        for row, (prompt, stream) in enumerate(zip(prompts, streams, strict=True)):
            start = left - len(prompt)
            tokens[row, start : start + len(stream)] = torch.from_numpy(stream.astype("int64"))
        return tokens.to(self.device)

    def _refuse(self, context: str, kwargs: dict[str, Any]) -> None:
        for name in NOT_SUPPORTED:
            value = kwargs.pop(name, None)
            if value is not None and value is not False:
                raise ValueError(f"generate() does not support {name}")
        if context not in get_args(ContextSource):
            raise ValueError(f"context must be one of {get_args(ContextSource)}, got {context!r}")
        if context == "model" and self.config.newest_cell != self.config.context_size - 1:
            raise ValueError(
                f"context='model' needs rows whose last cell is the token read just before, got rows of "
                f"{self.config.context_size} cells"
            )
        if context == "model" and self.objective.predicted_cells != self.config.context_size:
            raise ValueError(
                f"context='model' needs an objective that predicts {self.config.context_size} cells, got "
                f"{self.objective.name!r}, which predicts {self.objective.predicted_cells}"
            )
        if self.objective.windows == "last token":
            if STATE_NAME in kwargs:
                raise ValueError(
                    f"past_key_values must be None with the objective {self.objective.name!r}, which reads its window "
                    "anew"
                )
        elif self.config.sees_future:
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


def _generate_tokens(
    model: Any,
    input_ids: Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    plan: Plan,
    **model_kwargs: Any,
) -> PixelBytesGenerateOutput | Tensor:
    """Run the loop that `generate` prepared; the arguments are those of `GenerationMixin._sample`."""
    mask = model_kwargs.get("attention_mask")
    mask = torch.ones_like(input_ids[..., 0]) if mask is None else mask
    prompt = Prompt(input_ids, model_kwargs.get("labels"), mask)
    grammars = plan.grammars(prompt.known_ids(model.config))
    budget = generation_config.max_length - input_ids.shape[1]
    canvas = Canvas(prompt, grammars, context=plan.context, budget=budget, config=model.config)
    sampler = Sampler(logits_processor, generation_config.do_sample, plan.generator)
    criteria = StoppingCriteriaList([c for c in stopping_criteria if not isinstance(c, MaxLengthCriteria)])
    reader = RowReader(model, canvas, model_kwargs.get(STATE_NAME), generation_config)
    records = Records(generation_config)
    if plan.streamer is not None:
        plan.streamer.put(canvas.tokens[:, int(prompt.labels is None) :].cpu())
    while canvas.budget and not all(canvas.finished):
        logits = _predicted(model, reader.read(records), plan.context)
        records.keep("logits", logits)
        scores = sampler.scores(logits, canvas)
        records.keep("scores", scores)
        tokens = canvas.append(sampler.draw(scores))
        if plan.streamer is not None:
            plan.streamer.put(tokens.clone().cpu())
        if criteria:
            stopped = criteria(canvas.tokens, tuple(records["scores"]) if "scores" in records else None)
            canvas.finished = [a or b for a, b in zip(canvas.finished, stopped.tolist(), strict=True)]
    if plan.streamer is not None:
        plan.streamer.end()
    tokens = canvas.tokens.clone()  # the buffer may be much longer
    if not generation_config.return_dict_in_generate:
        return tokens
    kept = {name: tuple(values) for name, values in records.items()} | {STATE_NAME: reader.cache}
    return PixelBytesGenerateOutput(tokens, contexts=canvas.rows.clone(), **kept)


class RowReader:
    """Feeds the model what it has not read yet: the prompt first, then one row at a time; all rows without a cache.

    With an objective that reads a window for every token, its last `window_length` rows are read anew each time.

    Args:
        model: The model.
        canvas: The sequences.
        cache: State to start from, or None to keep none.
        settings: Whether hidden states are wanted.
    """

    def __init__(self, model: Any, canvas: Canvas, cache: Any, settings: GenerationConfig) -> None:
        """See the class."""
        self._model, self._canvas, self.cache = model, canvas, cache
        self._num_read = 0 if cache is None else cache.get_seq_length()
        if self._num_read >= canvas.num_rows:
            raise ValueError(
                f"past_key_values must have read fewer rows than the prompt's {canvas.num_rows}, got {self._num_read}"
            )
        self._needs_forward = bool(settings.output_hidden_states)
        self._window_length = model.config.window_length if model.objective.windows == "last token" else None

    def read(self, records: Records) -> Tensor:
        """Return the logits of the last row, (B, V) or (B, N, V)."""
        canvas, start = self._canvas, self._num_read
        if self.cache is not None:
            self._num_read = canvas.num_rows
            # a recurrent state has left the padding behind; anything else needs the mask at every step
            has_no_padding = canvas.mask is None or is_recurrent(self._model.config.mixer_config)
            if start and canvas.num_rows == start + 1 and has_no_padding and not self._needs_forward:
                return self._model.step(canvas.last_row, self.cache)
        mask = canvas.mask
        if self._window_length is not None:
            start = max(canvas.num_rows - self._window_length, 0)
            mask = None if mask is None else mask[:, start:]
        outputs = self._model(
            input_ids=canvas.rows[:, start:],
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            output_hidden_states=self._needs_forward or None,
        )
        records.keep("hidden_states", outputs.hidden_states)
        return outputs.logits[:, -1]


def _predicted(model: Any, logits: Tensor, context: ContextSource) -> Tensor:
    """Return the distributions to draw from, (B, C, V) float32, in a tensor of their own."""
    if model.objective.predicted_cells == 1:
        logits = logits[:, None]
    elif context == "exact":
        logits = model.objective.new_token_logits(logits[:, None])
    return logits.to(torch.float32, copy=True)


def _one_of(inputs: Tensor | None, input_ids: Tensor | None) -> Tensor | None:
    if inputs is not None and input_ids is not None:
        raise ValueError("inputs and input_ids are the same thing: expected one, got both")
    return inputs if input_ids is None else input_ids


def _layouts_of(
    layout: LayoutLike | Sequence[Layout] | None, num_prompts: int, vocabulary: Vocabulary
) -> list[Layout] | None:
    if layout is None:
        return None
    if isinstance(layout, list | tuple) and layout and all(isinstance(each, Layout) for each in layout):
        if len(layout) != num_prompts:
            raise ValueError(f"layout must be one, or one for each of {num_prompts} prompts, got {len(layout)}")
        layouts = list(layout)
    else:
        layouts = [as_layout(layout)] * num_prompts
    if not vocabulary.levels and any(segment.modality == "audio" for each in layouts for segment in each.segments):
        raise ValueError("layout holds audio, for which the vocabulary has no levels: expected text and images only")
    return layouts


def _vocabulary_of(vocabulary: Vocabulary | None, tokenizer: Any, config: Any) -> Vocabulary:
    if vocabulary is None and tokenizer is not None:
        vocabulary = tokenizer.tables
    if vocabulary is None:
        presets = [Vocabulary.from_preset(name) for name in ("paper", "full", "first")]
        vocabulary = next((tables for tables in presets if tables.size == config.vocab_size), None)
        if vocabulary is None:
            raise ValueError(f"no preset has {config.vocab_size} ids: pass vocabulary= or tokenizer=")
    config.check_vocabulary(vocabulary)
    return vocabulary


def _check_open(known: Sequence[int], layout: Layout, vocabulary: Vocabulary) -> None:
    if known and known[-1] != vocabulary.segment_end_id and not layout.segments[0].continues:
        raise ValueError(
            f"the prompt ends inside a segment, with id {known[-1]} ({vocabulary.tokens[known[-1]]}): expected a "
            "layout whose first segment continues it, got one that begins another"
        )


def _generator_of(generator: torch.Generator | None, seed: int | None, device: torch.device) -> torch.Generator | None:
    if seed is None:
        return generator
    if generator is not None:
        raise ValueError("generator and seed are two sources of randomness: expected one, got both")
    return torch.Generator(device).manual_seed(seed)


def _setting(
    name: str, given: GenerationConfig | None, model_default: GenerationConfig, kwargs: dict[str, Any]
) -> Any:
    """Return a setting as it was given, by the nearest that gave it; None if it is left to transformers' default."""
    values = (kwargs.get(name), getattr(given, name, None), getattr(model_default, name, None))
    return next((value for value in values if value is not None), None)
