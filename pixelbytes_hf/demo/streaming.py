"""Stream a generation: the tokens of a request while a thread of the model's makes them.

Each request has its own thread, cache and source of randomness; the run is shared and only read.
"""

import time
from collections.abc import Generator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from ..generation.layout import Layout
from ..runs.run_folder import Run
from ..tokens.grid import LEVEL, PIXEL, Ids
from .inputs import VisitorError

TICK_SECONDS = 1 / 30  # between two steps shown, so that a quick model can be watched too
LAG_SECONDS = 2.0  # steps older than this are not shown one by one
LEVELS_PER_STEP = 16
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What a visitor gives, and what is to be generated.

    Args:
        given: Media to begin from, by modality, as the tokenizer takes them.
        layout: What to generate; a picture that continues the one given comes first.
        rows_kept: Rows of a given picture's first frame that are used where the layout continues it.
        temperature: Of the draws; 0 takes the likeliest token.
        seed: Of the draws.
    """

    given: dict[str, Any] = field(default_factory=dict)
    layout: Layout
    rows_kept: int | None = None
    temperature: float = 0.4
    seed: int = 0


def stream_tokens(
    run: Run, request: GenerationRequest, executor: Executor, *, tick_seconds: float = TICK_SECONDS
) -> Generator[Ids, None, None]:
    """Yield the stream so far: the prompt, then more after every letter, every row of pixels, every few samples.

    The last one yielded is the whole stream. Closing the iterator stops a model that goes token by token; of one that
    draws all tokens together, nothing comes between the prompt and the whole, and closing waits for nothing.

    Args:
        run: Shared by all.
        request: What to generate.
        executor: Whose thread the model runs in.
        tick_seconds: Least time between two yields; 0 yields as fast as tokens come.

    Raises:
        VisitorError: If a picture cannot be continued as is asked.
    """
    prompt = _encode_prompt(run, request)
    ids = prompt["labels"][0].tolist() if prompt else []
    kinds, tokens = run.tokenizer.tables.kind_of_id, _TokenQueue()
    future = executor.submit(_generate, run, request, prompt, tokens)
    future.add_done_callback(lambda _: tokens.queue.put(None))
    try:
        yield np.array(ids, np.int64)
        for made_at, token_id in iter(tokens.queue.get, None):
            ids.append(token_id)
            is_amid_step = kinds[token_id] == PIXEL or (kinds[token_id] == LEVEL and len(ids) % LEVELS_PER_STEP)
            began = time.monotonic()
            if not is_amid_step and began - made_at < LAG_SECONDS:
                yield np.array(ids, np.int64)
                time.sleep(max(0.0, began + tick_seconds - time.monotonic()))
    finally:
        tokens.stop.set()
    yield future.result()


def _encode_prompt(run: Run, request: GenerationRequest) -> dict[str, Any]:
    """Return the inputs of `generate`; none to begin a record from nothing."""
    if not request.given:
        return {}
    keep = None if request.rows_kept is None else _count_kept(run, request.given, request.rows_kept)
    media: dict[str, Any] = {name: [value] for name, value in request.given.items()}
    return dict(run.tokenizer(**media, truncation=keep is not None, max_length=keep, return_tensors="pt"))


def _count_kept(run: Run, given: dict[str, Any], rows_kept: int) -> int:
    """Return how many tokens of the prompt come before the first row that the model shall draw."""
    *before, last = run.tokenizer.encode_record(**given)[0]
    if last.modality != "image":
        raise VisitorError(
            "a sprite that is to be finished must come last: give no cry, the model reads it afterwards"
        )
    _, height, width = last.ids.shape
    if not 1 <= rows_kept < height:
        raise VisitorError(f"the sprite has {height} rows: keep at least one and not all of them")
    return sum(segment.ids.size for segment in before) + rows_kept * int(width)


def _generate(run: Run, request: GenerationRequest, prompt: dict[str, Any], tokens: "_TokenQueue") -> Ids:
    is_streamed = run.model.objective.decoding != "parallel"
    options: dict[str, Any] = {"do_sample": request.temperature > 0, "temperature": request.temperature or None}
    if is_streamed:
        options["stopping_criteria"] = StoppingCriteriaList([tokens])
    options |= {"layout": request.layout, "tokenizer": run.tokenizer, "seed": request.seed}
    [stream] = run.model.generate(**prompt, **options)
    # of a record begun from nothing, the loop that goes token by token returns the empty row that it began from
    return np.asarray(stream[int(is_streamed and not prompt) :].cpu(), np.int64)


class _TokenQueue(StoppingCriteria):
    """Takes every new token with the time it was made at; ends a generation that nobody watches any more."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[tuple[float, int] | None] = SimpleQueue()
        self.stop = Event()

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Take the newest of the tokens, (1, L); return whether to stop, (1,)."""
        self.queue.put((time.monotonic(), int(input_ids[0, -1])))
        return torch.full((1,), self.stop.is_set(), device=input_ids.device)
