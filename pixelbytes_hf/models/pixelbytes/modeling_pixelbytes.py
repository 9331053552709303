"""The model: context embedding, mixer, head.

A context of N cells becomes a vector and a vector becomes logits; the mixer is any model of `mixers`, the targets and
the loss are the objective's.

Row n of `input_ids` is the context of position n and `logits[n]` predict the token there: nothing is shifted.

Shapes: B batch, L positions, N cells, V vocabulary, D width of the mixer's output.

Source: `aPxBySequenceModel`, pixelbytes/model.py of fabienfrfr/PixelBytes@7646d6a; same weights, same logits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from ...generation.generation_pixelbytes import PixelBytesGenerationMixin
from ...mixers.backbones import read_vectors
from ...mixers.mixer_base import initialise_as_torch
from ...mixers.mixer_properties import input_width
from ...mixers.mixers import MIXERS, build_mixer
from ...mixers.state_caches import build_cache
from ...objectives.objectives import build_objective
from ...pretrained.remote_code import is_copy
from ...pretrained.transformers_versions import STATE_NAMES, check_state, state_of, take_state
from ...pretrained.whole_weights import WholeWeightsModel
from ...tokens.vocabulary import IGNORE_INDEX
from .configuration_pixelbytes import PixelBytesConfig
from .embeddings import ProjectedWindow, build_join
from .legacy_checkpoint import LEGACY_WEIGHT_NAMES
from .legacy_first import FIRST_WEIGHT_NAMES


@dataclass
class PixelBytesOutput(CausalLMOutputWithPast):
    """What a forward pass returns.

    Args:
        loss: Mean loss over targets in nats, where labels were given.
        logits: (B, L, V), or (B, L, N, V) where every cell is predicted.
        past_key_values: State after the last position; from transformers 5.24 on, `cache`.
        hidden_states: Vectors between the mixer's layers, each (B, L, ·), where asked for.
        attentions: None.
    """


class PixelBytesPreTrainedModel(WholeWeightsModel):
    """Loading, saving and initialisation that both models share."""

    config_class = PixelBytesConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ["PixelBytesLSTMLayer"]  # noqa: RUF012, the base class declares it so
    _skip_keys_device_placement = list(STATE_NAMES)  # noqa: RUF012, the base class declares it so
    _is_stateful = True
    _supports_sdpa = True
    _supports_flash_attn = True

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None, *args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint, the paper's own included; arguments as of `PreTrainedModel.from_pretrained`.

        Raises:
            ValueError: If a weight is missing or has another shape than the configuration says.
        """
        kwargs.setdefault("key_mapping", {**LEGACY_WEIGHT_NAMES, **FIRST_WEIGHT_NAMES})
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # otherwise saving would bring the old names back, beside a configuration of ours
        model._weight_conversions = None
        return loaded

    def _init_weights(self, module: nn.Module) -> None:
        initialise_as_torch(module)
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight)
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, ProjectedWindow):
            init.uniform_(module.alpha, 0.0, 1.0)


class PixelBytesModel(PixelBytesPreTrainedModel):
    """Context embedding and mixer.

    Args:
        config: Settings.
    """

    _input_embed_layer = "embedding"
    _keys_to_ignore_on_load_unexpected = [r"^fc\."]  # noqa: RUF012, the base class declares it so

    def __init__(self, config: PixelBytesConfig) -> None:
        """Make the weights."""
        super().__init__(config)
        padding_id = config.pad_token_id if config.embedding == "concat" else None
        self.embedding = nn.Embedding(config.num_input_ids, config.cell_width, padding_idx=padding_id)
        self.join = build_join(config)
        width = input_width(config.mixer_config)
        self.in_proj = nn.Linear(config.context_width, width) if config.needs_projection else nn.Identity()
        self.mixer = build_mixer(config.mixer_config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        cache: Cache | None = None,
        output_attentions: bool | None = None,
        labels: Tensor | None = None,
        prefix_mask: Tensor | None = None,
    ) -> BaseModelOutputWithPast:
        """Read sequences of contexts; arguments as of `aPxBySequenceModel.forward`.

        `labels` are not looked at, so that what a tokenizer returns can be passed on whole.
        """
        refuse_attentions(output_attentions)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("exactly one of input_ids and inputs_embeds must be given")
        vectors = self.embed(input_ids) if inputs_embeds is None else self._join_cells(inputs_embeds)
        state = take_state(past_key_values, cache)
        reading = attention_mask, state, use_cache, output_hidden_states, prefix_mask
        return read_vectors(self.mixer, self.in_proj(vectors), *reading)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Return the vector of every row.

        Args:
            input_ids: (B, L, N), or (B, N).

        Returns:
            (B, L, `context_width`), or (B, `context_width`).

        Raises:
            ValueError: If the last axis is not N, or an id lies outside the vocabulary.
        """
        if input_ids.ndim not in (2, 3) or input_ids.shape[-1] != self.config.context_size:
            expected = f"(B, L, {self.config.context_size})"
            raise ValueError(f"input_ids must have shape {expected}, got {tuple(input_ids.shape)}")
        try:
            cells = self.embedding(input_ids)
        except IndexError as error:
            low, high = int(input_ids.min()), int(input_ids.max())
            raise ValueError(f"input_ids must be in 0..{self.config.num_input_ids - 1}, got {low}..{high}") from error
        return self.join(cells)

    def _join_cells(self, embeds: Tensor) -> Tensor:
        """Return rows of vectors; those that have been joined already are taken as they are."""
        return self.join(embeds) if embeds.ndim == 4 else embeds

    def step(self, context: Tensor, cache: Cache) -> Tensor:
        """Read one row of every sequence and update the state, (B, N) -> (B, D)."""
        vectors = self.in_proj(self.embed(context))
        if hasattr(self.mixer, "step"):
            return self.mixer.step(vectors, cache)
        return read_vectors(self.mixer, vectors[:, None], cache=cache, use_cache=True).last_hidden_state[:, 0]


class aPxBySequenceModel(PixelBytesPreTrainedModel, PixelBytesGenerationMixin):  # noqa: N801, the name the paper gave it
    """Context embedding, mixer and head, with the loss of its objective.

    Args:
        config: Settings.

    Example:
        >>> model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=12, mixer_config={"hidden_size": 8}))
        >>> model(torch.zeros(1, 5, 6, dtype=torch.int64)).logits.shape
        torch.Size([1, 5, 151])
    """

    accepts_loss_kwargs = True

    def __init__(self, config: PixelBytesConfig) -> None:
        """Make the weights."""
        super().__init__(config)
        self.objective = build_objective(config)
        self.model = PixelBytesModel(config)
        self.fc = nn.Linear(config.hidden_size, config.vocab_size * self.objective.predicted_cells, config.head_bias)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear | None:
        """Return the head, so that libraries can spare it; None where it holds a distribution for every cell."""
        return self.fc if self.objective.predicted_cells == 1 else None

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replace the head."""
        self.fc = value

    @property
    def likelihood(self) -> str:
        """What the bits of its logits are: the objective's answer, but ``none`` of a model that reads its targets."""
        return "none" if self.config.reads_targets else self.objective.likelihood

    def new_cache(self) -> Cache:
        """Return the state before the first position."""
        return build_cache(self.config.mixer_config)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        corruption: Mapping[str, Tensor] | None = None,
        cache: Cache | None = None,
        prefix_mask: Tensor | None = None,
    ) -> PixelBytesOutput:
        """Predict the token at every position from the contexts up to it.

        Args:
            input_ids: Contexts, (B, L, N).
            attention_mask: (B, L), zero at padding, on either side; may be longer and cover earlier positions too.
            labels: Tokens, (B, L), -100 where there is no target; without them there is no loss.
            past_key_values: State to start from; it is updated in place.
            inputs_embeds: Embedded cells instead of `input_ids`, (B, L, N, width), or rows of them (B, L,
                `context_width`).
            use_cache: Whether to return the state; by default if one is given, or in evaluation mode.
            num_items_in_batch: Number of targets to divide the loss by, where the batch is part of a larger one.
            output_hidden_states: Whether to return the vectors between the mixer's layers; by default the
                configuration's `output_hidden_states`.
            output_attentions: None or False: a mixer need not have attention, so no weights are returned.
            corruption: What was drawn for an objective that corrupts its input; see `corruption`.
            cache: What transformers calls `past_key_values` from 5.24 on.
            prefix_mask: (B, L), not zero where tokens are given, at the beginning: none of them is a target, whatever
                `labels` hold, and a mixer with ``prefix_lm`` lets them see each other both ways.

        Raises:
            ValueError: If the shapes do not fit, an id lies outside the vocabulary, or labels lack `input_ids` or, of
                an objective that corrupts its input, `corruption`.
        """
        refuse_attentions(output_attentions)
        embeds = inputs_embeds
        if corruption is not None:
            if not self.objective.is_corrupted:
                raise ValueError(f"corruption must be None with the objective {self.objective.name!r}")
            if input_ids is None:
                raise ValueError("corruption must come with input_ids, whose cells it replaces")
            embeds = self.objective.corrupt(self.model.embed(input_ids), corruption)
        outputs = self.model(
            input_ids=input_ids if embeds is None else None,
            attention_mask=attention_mask,
            past_key_values=take_state(past_key_values, cache),
            inputs_embeds=embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            prefix_mask=prefix_mask,
        )
        logits = self._predict(outputs.last_hidden_state)
        loss = None
        if labels is not None:
            if input_ids is None:
                raise ValueError("labels must come with input_ids, which hold the targets of the other cells")
            if corruption is None and self.objective.is_corrupted:
                # otherwise the paper's diffusion would learn to copy
                raise ValueError(
                    f"corruption must be given with labels and the objective {self.objective.name!r}, got None: "
                    "WindowDataset(corruption=build_corruption(config)) draws it"
                )
            if prefix_mask is not None:
                labels = labels.masked_fill(prefix_mask != 0, IGNORE_INDEX)
            arguments = logits, input_ids, labels, attention_mask, num_items_in_batch
            loss = self.objective.loss(*arguments, corruption=corruption)
        predicted = PixelBytesOutput(loss, logits, state_of(outputs), outputs.hidden_states)
        check_state(predicted, state_of(outputs), type(self).__name__)
        return predicted

    def step(self, context: Tensor, cache: Cache) -> Tensor:
        """Read one row of every sequence, update the state and predict: what `forward` does, without its overhead.

        Gradients are the caller's affair: wrap the loop in `torch.inference_mode`.

        Args:
            context: (B, N) ids.
            cache: State, from `new_cache` or a forward pass; updated in place.

        Returns:
            (B, V), or (B, N, V) where every cell is predicted.
        """
        return self._predict(self.model.step(context, cache))

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *args: Any, **kwargs: Any) -> nn.Embedding:
        """Resize embedding and head, every cell's distribution alike; arguments as of `PreTrainedModel`.

        Raises:
            ValueError: If the objective has a mask id, which stands behind the vocabulary.
        """
        if new_num_tokens is not None and self.config.mask_token_id is not None:
            raise ValueError(
                f"new_num_tokens must be None with the objective {self.objective.name!r}, got {new_num_tokens}"
            )
        embedding = super().resize_token_embeddings(new_num_tokens, *args, **kwargs)
        old = self.fc
        if old.out_features != embedding.num_embeddings * self.objective.predicted_cells:
            cells = self.objective.predicted_cells
            size = old.in_features, embedding.num_embeddings * cells
            self.fc = nn.Linear(*size, bias=old.bias is not None, device=old.weight.device)
            self.fc.to(old.weight.dtype)
            kept = min(embedding.num_embeddings, old.out_features // cells)
            with torch.no_grad():
                for name in dict(old.named_parameters()):
                    source = getattr(old, name).unflatten(0, (cells, -1))
                    getattr(self.fc, name).unflatten(0, (cells, -1))[:, :kept] = source[:, :kept]
        return embedding

    def _predict(self, hidden: Tensor) -> Tensor:
        hidden = F.dropout(hidden, self.config.dropout, self.training)
        weight = self.fc.weight
        # some mixers keep a wider type than the weights; quantised weights are no type to compute in
        if isinstance(weight, Tensor) and weight.is_floating_point():
            hidden = hidden.to(weight.dtype)
        logits = self.fc(hidden)
        cells = self.objective.predicted_cells
        return logits if cells == 1 else logits.unflatten(-1, (cells, -1))


def refuse_attentions(output_attentions: bool | None) -> None:
    """Make sure that attention weights are not asked for; raises ValueError."""
    if output_attentions:
        raise ValueError("output_attentions must be None or False: a mixer need not have attention, got True")


if not is_copy(__name__):
    for _mixer in MIXERS.values():
        AutoModel.register(_mixer.config_class, _mixer, exist_ok=True)
    AutoModel.register(PixelBytesConfig, PixelBytesModel, exist_ok=True)
    AutoModelForCausalLM.register(PixelBytesConfig, aPxBySequenceModel, exist_ok=True)
