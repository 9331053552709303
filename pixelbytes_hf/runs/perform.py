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
from ..tokens.vocabulary import Vocabulary
from .run_folder import Run


def perform_task(
    run: Run,
    task: str,
    *,
    text: str | None = None,
    image: Any = None,
    audio: Any = None,
    layout: LayoutLike | None = None,
    codecs: Sequence[Any] = (),
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
        codecs: Learned codecs, each a `SegmentCodec`, where the run reads codes: what is given is cut, then encoded,
            and what is asked decoded. Codes of which none is a codec's come back as codes.
        options: Settings of `generate`.

    Raises:
        ValueError: If the task is unknown, the media are not those that it is given, or the run reads codes and there
            is no codec of them.
    """
    wanted, whole = find_task(task), run.layout if layout is None else as_layout(layout)
    tables = run.tokenizer.tables
    media: dict[str, Any] = {"text": text, "image": image, "audio": audio}
    found = {name: value for name, value in media.items() if value is not None}
    parts = wanted.give(run.tokenizer.encode_record(**found)[0] if found else [], tables)
    given = [_encode(part, whole, codecs, tables) for part in parts]
    asked = wanted.layout(whole, given)
    tokens = _generate(run, make_prefix(wanted, given, asked.segments, tables), asked, **options)
    made = read_posed(parse(tokens, tables).segments, tables)
    joined = wanted.join(made.given, made.asked)
    shown = [each for each in made.given if each.modality not in {segment.modality for segment in joined}]
    of_codes = {codec.code_medium: codec for codec in codecs}
    made_media = [
        of_codes[each.modality].decode(each, vocabulary=tables) if each.modality in of_codes else each
        for each in (*shown, *joined)
    ]
    return run.tokenizer.decode_modalities(flatten(made_media)[0])


def _encode(part: Segment, whole: Layout, codecs: Sequence[Any], vocabulary: Vocabulary) -> Segment:
    """Return a part as the run reads its medium: as it is, or as codes; raises ValueError if no codec makes them."""
    read = {TRAITS[segment.modality].medium: segment.modality for segment in whole.segments}
    expected = read.get(part.modality, part.modality)
    if expected == part.modality:
        return part
    for codec in codecs:
        if codec.code_medium == expected:
            encoded: Segment = codec.encode(part, vocabulary)
            return encoded
    raise ValueError(f"codecs must have one that makes {expected}, which the run reads, of {part.modality}, got none")


def _generate(run: Run, prefix: Sequence[Segment], layout: Layout, **options: Any) -> Any:
    """Return the stream of a prefix and of what is generated after it, (L,)."""
    (ids, shapes), config = flatten(prefix), run.model.config
    rows = context_rule(config.context_size).gather(ids, shapes, 0, len(ids), pad_id=config.pad_token_id)
    inputs, labels = (torch.from_numpy(array.astype(np.int64))[None] for array in (rows, ids))
    tokens = run.model.generate(inputs, labels=labels, layout=layout, tokenizer=run.tokenizer, **options)
    return tokens[0].cpu().numpy()
