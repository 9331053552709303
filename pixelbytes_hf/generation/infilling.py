"""In-filling: masked tokens of records whose shapes are known are drawn together, in a few passes.

The shapes say where texts, pixels, levels and separators stand, so separators are never drawn. Any objective that
decodes in parallel fills records (`objectives.parallel_decoding`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..objectives.parallel_decoding import Draft, ParallelSampling
from ..pretrained.sequence_model import SequenceModel
from ..tokens.contexts import context_rule
from ..tokens.grid import Ids, Segment, enclose_segment, flatten
from ..tokens.modalities import TRAITS
from ..tokens.parsing import parse
from ..tokens.places import Mask
from ..tokens.stacking import stack_padded
from ..tokens.vocabulary import IGNORE_INDEX, Vocabulary
from .layout import Layout, SegmentLayout


@torch.no_grad()
def infill(
    model: SequenceModel,
    records: Sequence[Iterable[Segment]],
    masks: Sequence[Mask],
    vocabulary: Vocabulary,
    **settings: Any,
) -> list[list[Segment]]:
    """Return records with the masked tokens drawn; all others are as they were.

    Args:
        model: With an objective that decodes in parallel, in evaluation mode.
        records: Segments of each record; what stands at masked places is not looked at.
        masks: Of each record, (L,) bool: what to draw, for example from `hide`. Masked separators follow the shapes.
        vocabulary: The tables.
        settings: Fields of `ParallelSampling`: `temperature`, `generator`, and those that the objective's
            `decoding_settings` name, such as `num_steps`, `order` and `progress`.

    Raises:
        ValueError: If the objective decodes one token after another, a setting is unknown or leaves its range, or the
            masks do not fit the records.
    """
    objective = model.objective
    if objective.decoding != "parallel":
        raise ValueError(f"model must have an objective that decodes in parallel, got {objective.name!r}")
    if unknown := sorted(settings.keys() - {"temperature", "generator", *objective.decoding_settings}):
        raise ValueError(f"in-filling does not support {', '.join(unknown)} with the objective {objective.name!r}")
    sampling = ParallelSampling(**settings)
    sampling.check()
    if len(records) != len(masks) or not records:
        raise ValueError(f"masks must be one for each of at least one record, got {len(masks)} for {len(records)}")
    model.config.check_vocabulary(vocabulary)
    rule = context_rule(model.config.context_size)
    drafts = [Draft(*flatten(record), mask, vocabulary, rule) for record, mask in zip(records, masks, strict=True)]
    objective.fill(model, [draft for draft in drafts if draft.num_hidden], sampling)
    return [draft.segments() for draft in drafts]


def fill_layouts(
    model: SequenceModel,
    layouts: Sequence[Layout],
    labels: Tensor | None,
    attention_mask: Tensor | None,
    vocabulary: Vocabulary,
    **options: Any,
) -> Tensor:
    """Return prompts, each followed by the segments of its layout, drawn together.

    Args:
        model: With an objective that decodes in parallel.
        layouts: One for each prompt. An extent that a layout leaves open takes its bound, a text its `max_length`.
        labels: The prompts' tokens, (B, L), whole segments; None begins a record.
        attention_mask: (B, L), zero at padding; by default where labels are `IGNORE_INDEX`.
        vocabulary: The tables.
        options: Of `infill`.

    Returns:
        (B, L + n) int64, padding on the left of shorter prompts and on the right of shorter layouts.

    Raises:
        ValueError: If a segment continues the prompt, or a prompt is not well formed.
    """
    labels = torch.empty(1, 0, dtype=torch.int64) if labels is None else labels.cpu()
    is_real = labels != IGNORE_INDEX if attention_mask is None else attention_mask.cpu() != 0
    prompts = [row[real].numpy() for row, real in zip(labels, is_real, strict=True)]
    blanks = [_blank_record(*pair, vocabulary) for pair in zip(layouts, prompts, strict=True)]
    records, masks = zip(*blanks, strict=True)
    filled = infill(model, records, masks, vocabulary, **options)
    padding = [np.full(labels.shape[1] - len(prompt), vocabulary.pad_id) for prompt in prompts]
    streams = [np.append(pad, flatten(record)[0]) for pad, record in zip(padding, filled, strict=True)]
    return torch.from_numpy(stack_padded(streams, vocabulary.pad_id)).to(model.device)


def _blank_record(layout: Layout, prompt: Ids, vocabulary: Vocabulary) -> tuple[list[Segment], Mask]:
    """Return the prompt's segments and those of the layout, and which tokens are to be drawn."""
    parsed = parse(prompt, vocabulary)
    if parsed.problems:
        raise ValueError(f"a prompt must consist of whole segments, got {parsed.problems[0]}")
    blanks = [_blank_segment(segment, vocabulary) for segment in layout.segments]
    record = [*parsed.segments, *(segment for segment, _ in blanks)]
    return record, np.concatenate([np.zeros(len(prompt), np.bool_), *(mask for _, mask in blanks)])


def _blank_segment(layout: SegmentLayout, vocabulary: Vocabulary) -> tuple[Segment, Mask]:
    """Return a segment of the layout's extent and which of its tokens are to be drawn."""
    if layout.continues:
        raise ValueError(f"whole segments are drawn together: expected continues=False, got {layout}; see `infill`")
    starts = [vocabulary.ids_of_slot[slot].start for slot in TRAITS[layout.modality].slots(layout.extent[2])]
    ids = np.broadcast_to(starts, layout.extent).copy()
    for channel, given in layout.given_columns.items():
        ids[:, 0, channel] = given
    segment = enclose_segment(layout.modality, ids, vocabulary)
    mask = np.ones(segment.ids.shape, np.bool_)
    mask[:, :, [*layout.given_columns]] = False
    return segment, mask.reshape(-1)
