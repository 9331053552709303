"""Making media while somebody watches: what a visitor wishes for, and the tokens of it as they come.

Knows runs, prompts and streams of tokens; knows nothing about pages. Each wish has its own thread, cache and source of
randomness; the run is shared and only read.
"""

import time
from collections.abc import Generator, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from queue import Queue
from threading import Event
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from ..generation.layout import Audio, Image, Layout, Text
from ..runs.run_folder import Run
from ..tokens.grid import Ids, flatten
from ..tokens.vocabulary import KINDS, Vocabulary

MEDIA = ("text", "image", "audio")
TICK_SECONDS = 1 / 30  # between two steps shown, so that a quick model can be watched too
LAG_SECONDS = 2.0  # what is shown is at most about this much behind what is there
LEVELS_PER_STEP = 16
SEED_LIMIT = 2**31


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a visitor gives, and what is to be made of it.

    Args:
        text: A sentence to begin from.
        image: Frames to begin from, (T, H, W, 3 | 4) uint8.
        audio: A sound to begin from, as the tokenizer takes it.
        make: Media to generate, of `MEDIA`.
        rows_kept: Rows of the first frame that are used; the model goes on from there. None uses the whole picture.
        num_frames: Frames of a generated picture; None is as in training.
        most_samples: Bound of a generated sound whose length is free; None is as in training.
        most_letters: Bound of a generated text; None is as in training.
        temperature: Of the draws; 0 takes the likeliest token.
        seed: Of the draws.
    """

    text: str | None = None
    image: NDArray[np.uint8] | None = None
    audio: dict[str, Any] | None = None
    make: tuple[str, ...] = ()
    rows_kept: int | None = None
    num_frames: int | None = None
    most_samples: int | None = None
    most_letters: int | None = None
    temperature: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 5:
            raise ValueError(f"temperature must be in 0..5, got {self.temperature}")
        if not 0 <= self.seed < SEED_LIMIT:
            raise ValueError(f"seed must be in 0..{SEED_LIMIT - 1}, got {self.seed}")
        if unknown := set(self.make) - set(MEDIA):
            raise ValueError(f"make must name media of {MEDIA}, got {sorted(unknown)}")
        if not self.make:
            raise ValueError("nothing to make: choose at least one of sentence, sprite and cry")
        if self.rows_kept is not None and self.image is None:
            raise ValueError("rows_kept must be None without a picture to begin from")

    @property
    def given(self) -> dict[str, Any]:
        """The media to begin from."""
        media = {name: getattr(self, name) for name in MEDIA}
        return {name: value for name, value in media.items() if value is not None}


@dataclass(frozen=True)
class Plan:
    """A wish as `generate` takes it.

    Args:
        prompt: Inputs of the model; empty to begin a record from nothing.
        given: The prompt's tokens, (L,).
        layout: What follows them.
    """

    prompt: dict[str, Any]
    given: Ids
    layout: Layout


def draws_at_once(run: Run) -> bool:
    """Return whether a run draws all tokens together, so that there is nothing to watch until all are there."""
    return bool(run.model.objective.decoding == "parallel")


def plan(run: Run, wish: Wish) -> Plan:
    """Return a wish as `generate` takes it.

    Raises:
        ValueError: If the run was not trained on a medium, a medium is to be given and made, or a picture is to be
            finished by a model that draws all tokens together.
    """
    known = {segment.modality for segment in run.layout.segments}
    if unknown := (set(wish.make) | set(wish.given)) - known:
        raise ValueError(f"the run makes {sorted(known)} only, got {sorted(unknown)}")
    is_continued = wish.rows_kept is not None
    if is_continued and draws_at_once(run):
        raise ValueError(
            "this model draws whole sprites at once and cannot finish one: untick “Let the model finish it”"
        )
    both = set(wish.make) & set(wish.given)
    if both - ({"image"} if is_continued else set()):
        raise ValueError(f"{sorted(both)} cannot be given and made: expected one of the two")
    if not wish.given:
        return Plan({}, np.zeros(0, np.int64), Layout(_segments(run.layout, wish)))
    ids = flatten(run.tokenizer.encode_record(**wish.given)[0])[0]
    keep, segments = None, _segments(run.layout, wish)
    if is_continued:
        keep = _tokens_kept(run, wish)
        picture = run.layout_from(keep, **wish.given).segments[:1]
        segments = _segments(Layout(picture + tuple(s for s in segments if s.modality != "image")), wish)
    media: dict[str, Any] = {name: [value] for name, value in wish.given.items()}
    prompt = run.tokenizer(
        **media,
        truncation=keep is not None,
        max_length=keep,
        return_tensors="pt",
    )
    return Plan(dict(prompt), ids[:keep], Layout(segments))


def _segments(layout: Layout, wish: Wish) -> tuple[Any, ...]:
    """Return what is to be made: of a medium that a layout names twice, the first."""
    media = [segment.modality for segment in layout.segments]
    return tuple(
        _as_wished(segment, wish)
        for place, segment in enumerate(layout.segments)
        if segment.modality in wish.make and media.index(segment.modality) == place
    )


def _as_wished(segment: Any, wish: Wish) -> Any:
    if isinstance(segment, Image) and wish.num_frames:
        return replace(segment, frames=wish.num_frames)
    if isinstance(segment, Audio) and wish.most_samples and segment.samples is None:
        return replace(segment, max_samples=min(wish.most_samples, segment.max_samples or wish.most_samples))
    if isinstance(segment, Text) and wish.most_letters:
        return replace(segment, max_length=min(wish.most_letters, segment.max_length))
    return segment


def _tokens_kept(run: Run, wish: Wish) -> int:
    """Return how many tokens of the prompt come before the first row that the model shall draw."""
    if "image" not in wish.make:
        raise ValueError("a picture that is to be finished must be made: choose the sprite too")
    segments, _ = run.tokenizer.encode_record(**wish.given)
    at = next(n for n, segment in enumerate(segments) if segment.modality == "image")
    height, width = segments[at].ids.shape[1:]
    if not 1 <= (wish.rows_kept or 0) < height:
        raise ValueError(f"rows_kept must be in 1..{height - 1}, the picture's rows but one, got {wish.rows_kept}")
    if at < len(segments) - 1:
        raise ValueError("a picture that is to be finished must be the last of what is given: the cry comes after it")
    return sum(segment.ids.size for segment in segments[:at]) + (wish.rows_kept or 0) * int(width)


def watch(
    run: Run, wish: Wish, executor: Executor, *, tick_seconds: float = TICK_SECONDS
) -> Generator[Ids, None, None]:
    """Yield the stream so far: the prompt, then more after every letter, every row of pixels, every few samples.

    The last one yielded is the whole stream. Closing the iterator stops a model that goes token by token; of one that
    draws all tokens together, nothing comes between the prompt and the whole, and closing waits for nothing.

    Args:
        run: Shared by all.
        wish: What to make.
        executor: Whose thread the model runs in.
        tick_seconds: Least time between two yields; 0 yields as fast as tokens come.

    Raises:
        ValueError: If the run cannot make what is wished for.
    """
    what = plan(run, wish)
    tokens, stop = _Steps(run.tokenizer.tables), Event()
    future = executor.submit(_generate, run, wish, what, tokens, stop)
    future.add_done_callback(lambda _: tokens.close())
    ids = what.given.tolist()
    try:
        yield np.array(ids, np.int64)
        for step in _paced(tokens, tick_seconds):
            ids += step
            yield np.array(ids, np.int64)
    finally:
        stop.set()
    yield future.result()


def _generate(run: Run, wish: Wish, what: Plan, steps: "_Steps", stop: Event) -> Ids:
    options: dict[str, Any] = {"do_sample": wish.temperature > 0}
    if wish.temperature > 0:
        options |= {"temperature": wish.temperature, "seed": wish.seed}
    is_streamed = not draws_at_once(run)
    if is_streamed:
        options |= {"streamer": steps, "stopping_criteria": StoppingCriteriaList([_Stop(stop)])}
    rows = run.model.generate(**what.prompt, layout=what.layout, tokenizer=run.tokenizer, **options)
    # of a record begun from nothing, the loop that goes token by token returns the empty row that it began from
    first_new = what.prompt["labels"].shape[1] if what.prompt else int(is_streamed)
    return np.concatenate([what.given.astype(np.int64), rows[0, first_new:].cpu().numpy()])


class _Stop(StoppingCriteria):
    """Ends a generation that nobody watches any more."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Return whether each sequence shall end, (B,)."""
        return torch.full((len(input_ids),), self._event.is_set(), device=input_ids.device)


class _Steps(BaseStreamer):
    """Hands tokens from the thread that makes them to the one that shows them, in steps worth showing.

    Args:
        tables: Which tell letters, marks and levels apart.
    """

    def __init__(self, tables: Vocabulary) -> None:
        """See the class."""
        self._kinds = [KINDS[kind] for kind in tables.kind_of_id]
        self._queue: Queue[list[int] | None] = Queue()
        self._step: list[int] = []
        self._has_prompt = False

    def put(self, value: Tensor) -> None:
        """Take the prompt, (1, L), which is left out, or the next token, (1,)."""
        if not self._has_prompt:
            self._has_prompt = True
            return
        token_id = int(value[0])
        self._step.append(token_id)
        kind = self._kinds[token_id]
        if kind in ("text", "row_end", "segment_end") or (kind == "level" and len(self._step) >= LEVELS_PER_STEP):
            self._queue.put(self._step)
            self._step = []

    def end(self) -> None:
        """Do nothing: the stream ends with the thread, also where that ends with an error."""

    def close(self) -> None:
        """Tell that nothing more comes."""
        if self._step:
            self._queue.put(self._step)
        self._queue.put(None)

    def get(self) -> list[int] | None:
        """Wait for the next step; None after the last."""
        return self._queue.get()

    @property
    def num_waiting(self) -> int:
        """Steps that `get` returns at once."""
        return self._queue.qsize()


def _paced(steps: _Steps, tick_seconds: float) -> Iterator[list[int]]:
    """Yield tokens no faster than they can be seen; several steps at once where many wait."""
    while (tokens := steps.get()) is not None:
        began, tokens = time.monotonic(), list(tokens)
        for _ in range(int(steps.num_waiting * tick_seconds / LAG_SECONDS)):
            tokens += steps.get() or ()
        yield tokens
        time.sleep(max(0.0, tick_seconds - (time.monotonic() - began)))
