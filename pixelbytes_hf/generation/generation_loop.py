"""The loop of `generate()` for objectives that decode one token after another, in place of transformers' own.

Shapes: B batch (times `num_return_sequences`), L prompt positions, n new tokens, N cells, V vocabulary, C predicted
cells.

Source: `generate`, pixelbytes/model.py:109 of fabienfrfr/PixelBytes@7646d6a. There the predictive objective overwrote
the prompt, and the autoregressive one drew all cells of the next context; the latter is `context="model"` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, MaxLengthCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer
from transformers.generation.utils import GenerateDecoderOnlyOutput

from ..mixers.mixer_properties import is_recurrent, joins_prefix
from ..pretrained.sequence_model import SteppingModel
from ..pretrained.transformers_versions import STATE_NAME
from ..tokens.contexts import ContextRule
from .canvas import Canvas, ContextSource, Grammar, Prompt
from .grammar import FreeGrammar, LayoutGrammar
from .layout import Layout
from .sampling import Records, Sampler
from .segment_grammar import LegalIds


@dataclass
class PixelBytesGenerateOutput(GenerateDecoderOnlyOutput):
    """What `generate(return_dict_in_generate=True)` returns, beside what transformers' own output holds.

    Args:
        contexts: The contexts read, prompt first, and that of the token after the last: with `labels`, (B, L + n + 1,
            N), and ``contexts[:, k]`` is what ``sequences[:, k]`` was predicted from; without, (B, L + n, N), and it
            is what ``sequences[:, k + 1]`` was predicted from.
    """

    contexts: Tensor | None = None


@dataclass(frozen=True)
class Plan:
    """What `generate` was asked for beyond transformers' own arguments.

    Args:
        layouts: One for each prompt, or None.
        legal_ids: Masks over the vocabulary.
        rule: Which cells a context holds.
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
        # transformers repeats each prompt `num_return_sequences` times, side by side
        repeats = len(prompts) // len(self.layouts)
        layouts = [layout for layout in self.layouts for _ in range(repeats)]
        return [
            LayoutGrammar(layout, self.legal_ids, ids, rule=self.rule)
            for layout, ids in zip(layouts, prompts, strict=True)
        ]


def generate_tokens(
    model: SteppingModel,
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
    num_cells = model.objective.predicted_cells if plan.context == "model" else 1
    sampler = Sampler(logits_processor, generation_config.do_sample, plan.generator, num_cells)
    criteria = StoppingCriteriaList([c for c in stopping_criteria if not isinstance(c, MaxLengthCriteria)])
    reader = ContextReader(model, canvas, model_kwargs.get(STATE_NAME), generation_config)
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


class ContextReader:
    """Feeds the model what it has not read yet: the prompt first, then one context at a time; all without a cache.

    With an objective that reads a window for every token, its last `window_length` contexts are read anew each time.

    Args:
        model: The model.
        canvas: The sequences.
        cache: State to start from, or None to keep none.
        settings: Whether hidden states are wanted.
    """

    def __init__(self, model: SteppingModel, canvas: Canvas, cache: Any, settings: GenerationConfig) -> None:
        """See the class."""
        self._model, self._canvas, self.cache = model, canvas, cache
        self._num_read = 0 if cache is None else cache.get_seq_length()
        if self._num_read >= canvas.num_rows:
            raise ValueError(
                f"past_key_values must have read fewer rows than the prompt's {canvas.num_rows}, got {self._num_read}"
            )
        # what is known beforehand is the prefix of a mixer that lets one see itself both ways
        self._num_known = canvas.num_rows - 1 if joins_prefix(model.config.mixer_config) else 0
        self._needs_forward = bool(settings.output_hidden_states)
        self._window_length = model.config.window_length if model.objective.windows == "last token" else None

    def read(self, records: Records) -> Tensor:
        """Return the logits of the last context, (B, V) or (B, N, V)."""
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
        keywords = {} if start or not self._num_known else {"prefix_mask": self._prefix_mask()}
        outputs = self._model(
            input_ids=canvas.rows[:, start:],
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            output_hidden_states=self._needs_forward or None,
            **keywords,
        )
        records.keep("hidden_states", outputs.hidden_states)
        return outputs.logits[:, -1]

    def _prefix_mask(self) -> Tensor:
        """Return which contexts are those of tokens that the prompt holds, (B, number of contexts)."""
        is_known = torch.zeros_like(self._canvas.rows[..., 0])
        is_known[:, : self._num_known] = 1
        return is_known if self._canvas.mask is None else is_known * self._canvas.mask


def _predicted(model: SteppingModel, logits: Tensor, context: ContextSource) -> Tensor:
    """Return the distributions to draw from, (B, C, V) float32, in a tensor of their own."""
    if model.objective.predicted_cells == 1:
        logits = logits[:, None]
    elif context == "exact":
        logits = model.objective.new_token_logits(logits[:, None])
    return logits.to(torch.float32, copy=True)
