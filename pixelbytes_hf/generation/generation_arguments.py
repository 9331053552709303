"""The arguments of `generate()` and `infill()`: which of several that mean the same counts, and what is refused."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import torch

from ..tokens.vocabulary import Vocabulary
from .canvas import ContextSource
from .layout import Layout, LayoutLike, as_layout
from .segment_grammar import missing_ids


def choose_one(**given: Any) -> Any:
    """Return the one of two arguments that is there, or None.

    Raises:
        ValueError: If both are.

    Example:
        >>> choose_one(inputs=None, input_ids=3)
        3
    """
    known = [value for value in given.values() if value is not None]
    if len(known) > 1:
        raise ValueError(f"expected one of {' and '.join(given)}, which mean the same, got both")
    return known[0] if known else None


def choose_generator(generator: torch.Generator | None, seed: int | None, device: Any) -> torch.Generator | None:
    """Return the source of randomness that was given, or one made from a seed; None is torch's global one."""
    # numpy's integers are integers
    made = None if seed is None else torch.Generator(device).manual_seed(operator.index(seed))
    return choose_one(generator=generator, seed=made)


def choose_layouts(
    layout: LayoutLike | Sequence[Layout] | None, num_prompts: int, vocabulary: Vocabulary
) -> list[Layout] | None:
    """Return a layout for each prompt, or None without any.

    Raises:
        ValueError: If there is not one for each prompt, or one holds what the vocabulary cannot write.
    """
    if layout is None:
        return None
    if isinstance(layout, list | tuple) and layout and all(isinstance(each, Layout) for each in layout):
        layouts = list(layout)
    else:
        layouts = [as_layout(layout)] * num_prompts
    if len(layouts) != num_prompts:
        raise ValueError(f"layout must be one, or one for each of {num_prompts} prompts, got {len(layouts)}")
    for segment in (segment for each in layouts for segment in each.segments):
        if missing := missing_ids(segment, vocabulary):
            raise ValueError(f"layout holds {segment.modality}, for which the vocabulary has no ids of {missing}")
    return layouts


def choose_vocabulary(vocabulary: Vocabulary | None, tokenizer: Any, config: Any) -> Vocabulary:
    """Return the tables given, the tokenizer's, or those of the preset that has the model's size.

    Raises:
        ValueError: If there are none, or they are not the model's.
    """
    if vocabulary is None:
        presets = [Vocabulary.from_preset(name) for name in ("paper", "full", "first")]
        of_size = (tables for tables in presets if tables.size == config.vocab_size)
        vocabulary = next(of_size, None) if tokenizer is None else tokenizer.tables
    if vocabulary is None:
        raise ValueError(f"no preset has {config.vocab_size} ids: pass vocabulary= or tokenizer=")
    config.check_vocabulary(vocabulary)
    return vocabulary


def choose_setting(name: str, *sources: Any) -> Any:
    """Return a setting of the first source that has it, a mapping or a configuration; None if none has."""
    values = (source.get(name) if isinstance(source, Mapping) else getattr(source, name, None) for source in sources)
    return next((value for value in values if value is not None), None)


def check_context(context: str, objective: Any, config: Any) -> None:
    """Make sure that contexts of new tokens can come from there; raises ValueError."""
    if context not in get_args(ContextSource):
        raise ValueError(f"context must be one of {get_args(ContextSource)}, got {context!r}")
    if context == "model" and config.newest_cell != config.context_size - 1:
        raise ValueError(
            "context='model' needs rows whose last cell is the token read just before, got rows of "
            f"{config.context_size} cells"
        )
    if context == "model" and objective.predicted_cells != config.context_size:
        raise ValueError(
            f"context must be 'exact' with an objective that predicts {objective.predicted_cells} of "
            f"{config.context_size} cells: 'model' needs an objective that predicts {config.context_size} cells, got "
            f"{objective.name!r}"
        )


def check_open(known: Sequence[int], layout: Layout, vocabulary: Vocabulary) -> None:
    """Refuse a layout that begins another segment where the prompt has not ended its last; raises ValueError."""
    if known and known[-1] != vocabulary.segment_end_id and not layout.segments[0].continues:
        raise ValueError(
            f"the prompt ends inside a segment, with id {known[-1]} ({vocabulary.tokens[known[-1]]}): expected a "
            "layout whose first segment continues it, got one that begins another"
        )
