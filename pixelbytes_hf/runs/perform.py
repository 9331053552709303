"""Tasks with a run: from the media that a task is given to what it asks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..data.posed import make_prefix, read_posed
from ..data.tasks import find_task
from ..generation.layout import Layout, LayoutLike, as_layout
from ..tokens.contexts import context_rule
from ..tokens.grid import Segment, flatten
from ..tokens.modalities import TRAITS
from ..tokens.parsing import parse
from ..tokens.record import DecodedRecord
from .run_folder import Run


def perform_task(
    run: Run,
    task: str,
    *,
    text: str | None = None,
    image: Any = None,
    audio: Any = None,
    layout: LayoutLike | None = None,
    **options: Any,
) -> DecodedRecord:
    """Return what a task asks and, of other media, what it is given; frames of one picture are put together.

    Args:
        run: The run.
        task: Its name.
        text: What the task is given, as the next two; other media must be absent.
        image: A picture, as of the tokenizer. Where the task gives some of its frames, or all with a hole, these are
            taken; where it gives a crop, the picture is the crop.
        audio: A sound, as of the tokenizer.
        layout: Of a whole record, by default that of a training record: what is asked is laid out as its part.
        options: Settings of `generate`.

    Raises:
        ValueError: If the task is unknown, or the media are not those that it is given, or not what the run reads.
    """
    wanted, whole = find_task(task), run.layout if layout is None else as_layout(layout)
    tables = run.tokenizer.tables
    media: dict[str, Any] = {"text": text, "image": image, "audio": audio}
    found = {name: value for name, value in media.items() if value is not None}
    given = wanted.give(run.tokenizer.encode_record(**found)[0] if found else [], tables)
    _refuse_media(given, whole)
    asked = wanted.layout(whole, given)
    tokens = _generate(run, make_prefix(wanted, given, asked.segments, tables), asked, **options)
    made = read_posed(parse(tokens, tables).segments, tables)
    joined = wanted.join(made.given, made.asked)
    shown = [each for each in made.given if each.modality not in {segment.modality for segment in joined}]
    return run.tokenizer.decode_modalities(flatten([*shown, *joined])[0])


def _refuse_media(given: Sequence[Segment], whole: Layout) -> None:
    """Make sure that media are given where the run reads media, not codes; raises ValueError."""
    read = {TRAITS[segment.modality].medium: segment.modality for segment in whole.segments}
    for segment in given:
        if (expected := read.get(segment.modality, segment.modality)) != segment.modality:
            raise ValueError(f"what is given must be {expected}, which the run reads, got {segment.modality}")


def _generate(run: Run, prefix: Sequence[Segment], layout: Layout, **options: Any) -> Any:
    """Return the stream of a prefix and of what is generated after it, (L,)."""
    (ids, shapes), config = flatten(prefix), run.model.config
    rows = context_rule(config.context_size).gather(ids, shapes, 0, len(ids), pad_id=config.pad_token_id)
    inputs, labels = (torch.from_numpy(array.astype(np.int64))[None] for array in (rows, ids))
    tokens = run.model.generate(inputs, labels=labels, layout=layout, tokenizer=run.tokenizer, **options)
    return tokens[0].cpu().numpy()
