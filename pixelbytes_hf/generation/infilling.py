"""In-filling with a masked model: hidden tokens of records whose shapes are known are drawn in a few passes.

Knows records, which of their tokens are hidden, and which ids a place can hold: the shapes say where texts, pixels,
levels and end marks stand, so end marks are never drawn. In each step every hidden token is drawn from the model's
distribution given what is visible, and those it is surest of stay (or any, with ``order="random"``). How many are
still hidden after step k of S follows ``cos(pi / 2 * k / S)``: few tokens stay at first, many at last. With as many
steps as hidden tokens and a random order, this samples from the distribution whose bound is trained.

Shapes: B records, L positions of the longest, V vocabulary.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..objectives.objective_diffusion import generate_as_published
from ..tokens.contexts import context_rule
from ..tokens.grid import (
    LEVEL,
    PIXEL,
    ROW_END,
    SEGMENT_END,
    TEXT,
    Ids,
    Segment,
    Shape,
    audio_segment,
    flatten,
    image_segment,
    parse,
    text_segment,
)
from ..tokens.vocabulary import KINDS, Vocabulary
from .layout import Audio, Image, Layout, SegmentLayout

Order = Literal["confidence", "random"]
Mask = NDArray[np.bool_]
DEFAULT_NUM_STEPS = 12
_KIND_OF_MODALITY = {"text": TEXT, "image": PIXEL, "audio": LEVEL}


class Places(NamedTuple):
    """What the shapes of a record tell about its positions.

    Attributes:
        kinds: Index into `KINDS` of the id at each position, (L,).
        segments: Which segment each belongs to, (L,).
        frames: Frame or sample within the segment, (L,).
        rows: Row within the frame, (L,).
        columns: Column or channel within the row, (L,).
    """

    kinds: NDArray[np.int64]
    segments: NDArray[np.int64]
    frames: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def is_mark(self) -> Mask:
        """Whether an end mark stands at each position, (L,)."""
        return (self.kinds == ROW_END) | (self.kinds == SEGMENT_END)


def locate_places(shapes: Sequence[Shape]) -> Places:
    """Return what the shapes of a record tell about its positions.

    Raises:
        ValueError: If there is no shape.

    Example:
        >>> [KINDS[kind] for kind in locate_places([Shape("image", 1, 2, 2)]).kinds]
        ['pixel', 'row_end', 'pixel', 'segment_end']
    """
    if not shapes:
        raise ValueError("shapes must not be empty: a record has at least one segment")
    columns = []
    for number, shape in enumerate(shapes):
        frame, row, column = np.indices(shape[1:]).reshape(3, -1)
        kind = np.full(shape.size, _KIND_OF_MODALITY[shape.modality])
        is_last_column = column == shape.columns - 1
        if shape.modality == "audio":
            kind[frame == shape.frames - 1] = ROW_END
            kind[-1] = SEGMENT_END
        elif shape.modality == "image":
            kind[is_last_column] = ROW_END
            kind[is_last_column & (row == shape.rows - 1)] = SEGMENT_END
        else:
            kind[-1] = SEGMENT_END
        columns.append((kind, np.full(shape.size, number), frame, row, column))
    return Places(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def hide(
    shapes: Sequence[Shape],
    *,
    segment: int | None = None,
    frames: slice = slice(None),
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> Mask:
    """Return the mask of a region of a record, (L,) bool, end marks not included.

    Args:
        shapes: Of the record's segments.
        segment: Which segment, counted from 0; None is all of them.
        frames: Which frames, or samples of a sound.
        rows: Which rows of an image.
        columns: Which columns of an image, channels of a sound, or bytes of a text.

    Raises:
        ValueError: If there is no such segment, or nothing lies in the region.

    Example:
        >>> hide([Shape("image", 1, 2, 3)], rows=slice(1, 2)).tolist()
        [False, False, False, True, True, False]
    """
    if segment is not None and not 0 <= segment < len(shapes):
        raise ValueError(f"segment must be in 0..{len(shapes) - 1}, got {segment}")
    places = locate_places(shapes)
    chosen = ~places.is_mark
    if segment is not None:
        chosen &= places.segments == segment
    for number, shape in enumerate(shapes):
        here = places.segments == number
        width = shape.columns - (shape.modality != "audio")  # negative slices count from the last token, not the mark
        depth = shape.frames - (shape.modality == "audio")
        for values, part, size in (
            (places.frames, frames, depth),
            (places.rows, rows, shape.rows),
            (places.columns, columns, width),
        ):
            chosen &= ~here | np.isin(values, np.arange(size)[part])
    if not chosen.any():
        raise ValueError(f"no token of shapes {tuple(shapes)} lies in the region: expected at least one")
    return chosen


def hide_half(shapes: Sequence[Shape], segment: int, side: Literal["upper", "lower", "left", "right"]) -> Mask:
    """Return the mask of a half of every frame of an image; of odd sizes, the smaller half.

    Raises:
        ValueError: If the segment is no image, or the side has no such name.
    """
    _check_modality(shapes, segment, "image")
    half_height, half_width = shapes[segment].rows // 2, (shapes[segment].columns - 1) // 2
    regions: dict[str, dict[str, slice]] = {
        "upper": {"rows": slice(half_height)},
        "lower": {"rows": slice(shapes[segment].rows - half_height, None)},
        "left": {"columns": slice(half_width)},
        "right": {"columns": slice(shapes[segment].columns - 1 - half_width, None)},
    }
    if side not in regions:
        raise ValueError(f"side must be one of {sorted(regions)}, got {side!r}")
    return hide(shapes, segment=segment, **regions[side])


def hide_frame(shapes: Sequence[Shape], segment: int, frame: int) -> Mask:
    """Return the mask of one frame of an image, counted from 0.

    Raises:
        ValueError: If the segment is no image, or has no such frame.
    """
    _check_modality(shapes, segment, "image")
    return hide(shapes, segment=segment, frames=slice(frame, frame + 1))


def hide_channel(shapes: Sequence[Shape], segment: int, channel: int) -> Mask:
    """Return the mask of one channel of a sound, counted from 0; of a control system, 1 is the state.

    Raises:
        ValueError: If the segment is no sound, or has no such channel.
    """
    _check_modality(shapes, segment, "audio")
    return hide(shapes, segment=segment, columns=slice(channel, channel + 1))


def hide_span(shapes: Sequence[Shape], segment: int, start: int, stop: int) -> Mask:
    """Return the mask of bytes `start`..`stop` of a text.

    Raises:
        ValueError: If the segment is no text, or the span holds no byte.
    """
    _check_modality(shapes, segment, "text")
    return hide(shapes, segment=segment, columns=slice(start, stop))


def hide_random(shapes: Sequence[Shape], share: float, seed: int) -> Mask:
    """Return the mask of a random share of the tokens, end marks not included.

    Raises:
        ValueError: If `share` is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    places = np.flatnonzero(hide(shapes))
    mask = np.zeros(sum(shape.size for shape in shapes), np.bool_)
    mask[np.random.default_rng(seed).permutation(places)[: math.ceil(share * len(places))]] = True
    return mask


def _check_modality(shapes: Sequence[Shape], segment: int, modality: str) -> None:
    if not 0 <= segment < len(shapes) or shapes[segment].modality != modality:
        known = [shape.modality for shape in shapes]
        raise ValueError(f"segment must be the index of a segment of modality {modality!r} in {known}, got {segment}")


class Sampling(NamedTuple):
    """How hidden tokens are drawn.

    Attributes:
        num_steps: Passes of the model.
        order: Which tokens stay first: those the model is surest of, or any.
        temperature: Logits are divided by it; 0 takes the likeliest id.
        generator: Source of randomness; None is torch's global one.
    """

    num_steps: int = DEFAULT_NUM_STEPS
    order: Order = "confidence"
    temperature: float = 1.0
    generator: torch.Generator | None = None

    def check(self) -> None:
        """Refuse values out of range.

        Raises:
            ValueError: If there is one.
        """
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")
        if self.order not in get_args(Order):
            raise ValueError(f"order must be one of {get_args(Order)}, got {self.order!r}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")

    def draw(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return an id for every hidden token, (M,), and a rank by which they stay, (M,).

        Args:
            logits: (M, V), -inf where an id is not legal.
        """
        scores = (logits / (self.temperature or 1.0)).log_softmax(-1)
        if self.temperature:
            ids = torch.multinomial(scores.exp(), 1, generator=self.generator)
        else:
            ids = scores.argmax(-1, keepdim=True)
        if self.order == "random":
            device = None if self.generator is None else self.generator.device
            return ids[:, 0], torch.rand(len(ids), generator=self.generator, device=device)
        return ids[:, 0], scores.gather(1, ids)[:, 0]


@torch.no_grad()
def infill(
    model: Any,
    records: Sequence[Iterable[Segment]],
    masks: Sequence[Mask],
    vocabulary: Vocabulary,
    *,
    num_steps: int = DEFAULT_NUM_STEPS,
    order: Order = "confidence",
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> list[list[Segment]]:
    """Return records with the hidden tokens drawn; all others are as they were.

    Args:
        model: With the ``masked`` objective, in evaluation mode.
        records: Segments of each record; what stands at hidden places is not looked at.
        masks: Of each record, (L,) bool: what to draw, for example from `hide`. Hidden end marks follow the shapes.
        vocabulary: The tables.
        num_steps: Passes of the model.
        order: Which tokens stay first: those the model is surest of, or any.
        temperature: Logits are divided by it; 0 takes the likeliest id.
        generator: Source of randomness; None is torch's global one.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the model has another objective, or an argument leaves its range or does not fit the records.
    """
    if model.objective.name != "masked":
        raise ValueError(f"model must have the objective 'masked', got {model.objective.name!r}")
    sampling = Sampling(num_steps, order, temperature, generator)
    sampling.check()
    if len(records) != len(masks) or not records:
        raise ValueError(f"masks must be one for each of at least one record, got {len(masks)} for {len(records)}")
    model.config.check_vocabulary(vocabulary)
    drafts = [
        Draft(*flatten(record), mask, vocabulary, model.config) for record, mask in zip(records, masks, strict=True)
    ]
    kinds = torch.arange(len(KINDS))[:, None]
    legal_ids = (torch.from_numpy(vocabulary.kind_of_id).long() == kinds).to(model.device)  # (K, V)
    steps: Iterable[int] = range(1, num_steps + 1)
    if progress:
        from tqdm.auto import tqdm

        steps = tqdm(steps, desc="infill", unit="step")
    for step in steps:
        share = math.cos(math.pi / 2 * step / num_steps)
        if active := [draft for draft in drafts if draft.hidden.any()]:
            _fill_step(model, active, share, legal_ids, sampling)
    return [draft.segments() for draft in drafts]


class Draft:
    """A record on its way: its ids, masks at hidden places.

    Args:
        ids: The raster stream.
        shapes: Its segments' shapes.
        mask: What to draw, (L,) bool.
        vocabulary: The tables.
        config: The model's.

    Raises:
        ValueError: If the mask does not fit the record.
    """

    def __init__(self, ids: Ids, shapes: tuple[Shape, ...], mask: Mask, vocabulary: Vocabulary, config: Any) -> None:
        """Hide what is to be drawn; hidden end marks are known and set at once."""
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != ids.shape:
            raise ValueError(f"a mask must be bool of shape {ids.shape}, got {mask.dtype} of shape {mask.shape}")
        places = locate_places(shapes)
        self.shapes, self.config, self.dtype = shapes, config, ids.dtype
        marks = np.where(places.kinds == SEGMENT_END, vocabulary.segment_end_id, vocabulary.row_end_id)
        self.hidden = mask & ~places.is_mark
        self.num_hidden = int(self.hidden.sum())
        self.ids = np.where(mask & places.is_mark, marks, ids).astype(np.int64)
        self.ids[self.hidden] = config.mask_token_id
        self.kinds = places.kinds

    def rows(self) -> Ids:
        """Return the contexts of what is visible, (L, N)."""
        rule = context_rule(self.config.context_size)
        return rule.gather(self.ids, self.shapes, 0, len(self.ids), pad_id=self.config.pad_token_id)

    def keep(self, drawn: NDArray[Any], ranks: NDArray[Any], num_left: int) -> None:
        """Make the ids of highest rank visible, so that `num_left` tokens are still hidden.

        Args:
            drawn: An id for every hidden token, in raster order.
            ranks: Of each.
            num_left: Less than there are hidden tokens.
        """
        chosen = np.argsort(-ranks, kind="stable")[: len(ranks) - num_left]
        places = np.flatnonzero(self.hidden)[chosen]
        self.ids[places] = drawn[chosen]
        self.hidden[places] = False

    def segments(self) -> list[Segment]:
        """Return the record."""
        found, start = [], 0
        for shape in self.shapes:
            grid = self.ids[start : start + shape.size].astype(self.dtype).reshape(shape[1:])
            found.append(Segment(shape.modality, grid))
            start += shape.size
        return found


def _fill_step(model: Any, drafts: Sequence[Draft], share: float, legal_ids: Tensor, sampling: Sampling) -> None:
    """Draw all hidden tokens and keep so many that `share` of those hidden at first are still hidden."""
    size = len(drafts), max(len(draft.ids) for draft in drafts)
    rows = np.full((*size, model.config.context_size), model.config.pad_token_id, np.int64)
    is_real, is_hidden, kinds = np.zeros(size, np.int64), np.zeros(size, np.bool_), np.zeros(size, np.int64)
    for row, draft in enumerate(drafts):
        length = len(draft.ids)
        rows[row, :length], is_real[row, :length] = draft.rows(), 1
        is_hidden[row, :length], kinds[row, :length] = draft.hidden, draft.kinds
    mask = None if is_real.all() else torch.from_numpy(is_real).to(model.device)
    logits = model(input_ids=torch.from_numpy(rows).to(model.device), attention_mask=mask, use_cache=False).logits
    legal = legal_ids[torch.from_numpy(kinds[is_hidden]).to(model.device)]
    hidden = logits[torch.from_numpy(is_hidden).to(model.device)].float().masked_fill(~legal, -torch.inf)
    drawn, ranks = (value.cpu().numpy() for value in sampling.draw(hidden))
    first = 0
    for draft in drafts:
        num_hidden = int(draft.hidden.sum())
        part = slice(first, first + num_hidden)
        # at least one stays in every step; cos(pi / 2) is not quite zero, but the floor of its share is
        draft.keep(drawn[part], ranks[part], min(math.floor(draft.num_hidden * share), num_hidden - 1))
        first += num_hidden


def fill_layouts(
    model: Any,
    layouts: Sequence[Layout],
    prompts: Sequence[Sequence[int]],
    vocabulary: Vocabulary,
    **options: Any,
) -> list[Ids]:
    """Return the streams of prompts, each followed by the segments of its layout, drawn together.

    Args:
        model: With the ``masked`` objective.
        layouts: One for each prompt. An extent that a layout leaves open takes its bound, a text its `max_length`.
        prompts: Streams of whole segments; an empty one begins a record.
        vocabulary: The tables.
        options: Of `infill`.

    Raises:
        ValueError: If a segment continues the prompt, or a prompt is not well formed.
    """
    blanks = [_blank_record(*pair, vocabulary) for pair in zip(layouts, prompts, strict=True)]
    records, masks = zip(*blanks, strict=True)
    return [flatten(record)[0] for record in infill(model, records, masks, vocabulary, **options)]


@torch.no_grad()
def fill_layouts_as_published(
    model: Any,
    layouts: Sequence[Layout],
    prompts: Sequence[Sequence[int]],
    vocabulary: Vocabulary,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[Ids]:
    """Return what `fill_layouts` does, for the paper's ``diffusion``: all rows that hold new tokens, from noise.

    The rows are drawn by `generate_as_published`. Their cells need not agree, so the tokens are read from a last
    pass over them, each from the cell in which it was just read, among the ids that its place can hold.

    Args:
        model: With the ``diffusion`` objective.
        layouts: As of `fill_layouts`.
        prompts: As of `fill_layouts`.
        vocabulary: The tables.
        temperature: Logits are divided by it; 0 takes the largest.
        generator: Source of randomness.
    """
    sampling, streams = Sampling(1, "confidence", temperature, generator), []
    for layout, prompt in zip(layouts, prompts, strict=True):
        record, mask = _blank_record(layout, prompt, vocabulary)
        ids, shapes = flatten(record)
        places = locate_places(shapes)
        hidden = np.flatnonzero(mask & ~places.is_mark)
        rule = context_rule(model.config.context_size)
        rows = rule.gather(ids, shapes, 0, len(ids), pad_id=vocabulary.pad_id).astype(np.int64)
        # a token that is no mark is never its segment's last: the next row shows it as just read
        context = torch.from_numpy(rows)[None].to(model.device)
        drawn = generate_as_published(
            model, context, (hidden + 1).tolist(), temperature=temperature, generator=generator
        )
        logits = model(input_ids=drawn, use_cache=False).logits[0, torch.from_numpy(hidden + 1), rule.newest_cell]
        legal = torch.from_numpy(vocabulary.kind_of_id[None] == places.kinds[hidden, None]).to(logits.device)
        ids = ids.astype(np.int64)
        ids[hidden] = sampling.draw(logits.float().masked_fill(~legal, -torch.inf))[0].cpu().numpy()
        streams.append(ids)
    return streams


def _blank_record(layout: Layout, prompt: Sequence[int], vocabulary: Vocabulary) -> tuple[list[Segment], Mask]:
    """Return the prompt's segments and those of the layout, and which tokens are to be drawn."""
    parsed = parse(np.asarray(prompt, np.int64), vocabulary)
    if parsed.problems:
        raise ValueError(f"a prompt must consist of whole segments, got {parsed.problems[0]}")
    blanks = [_blank_segment(segment, vocabulary) for segment in layout.segments]
    record = [*parsed.segments, *(segment for segment, _ in blanks)]
    return record, np.concatenate([np.zeros(len(prompt), np.bool_), *(mask for _, mask in blanks)])


def _blank_segment(layout: SegmentLayout, vocabulary: Vocabulary) -> tuple[Segment, Mask]:
    """Return a segment of the layout's extent and which of its tokens are to be drawn."""
    if layout.continues:
        raise ValueError(f"whole segments are drawn together: expected continues=False, got {layout}; see `infill`")
    if isinstance(layout, Audio):
        samples = layout.samples or layout.max_samples
        assert samples is not None  # a layout has one of them
        ids = np.full((samples, layout.channels), vocabulary.level_ids.start)
        for channel, given in (layout.given or {}).items():
            ids[:, channel] = given
        segment = audio_segment(ids, vocabulary)
        columns = locate_places([segment.shape]).columns
        return segment, ~np.isin(columns, [*(layout.given or {})])
    if isinstance(layout, Image):
        size = layout.frames, layout.height or layout.max_height, layout.width or layout.max_width
        segment = image_segment(np.full(size, vocabulary.pixel_ids.start), vocabulary)
    else:
        segment = text_segment(np.full(layout.max_length, vocabulary.byte_ids.start), vocabulary)
    return segment, np.ones(segment.ids.size, np.bool_)
