"""What visitors of the demo page do with a run, without the page: values of the page in, values to show out.

Nothing here remembers a visitor: what a later click needs is returned as ``record`` and handed in again.
"""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, NamedTuple

from ..generation.layout import Audio, Image, Layout
from ..runs.run_folder import CRY_NAME, Run, write_media
from ..tokens.grid import MEDIA, Ids
from .inputs import ReadInput, VisitorError, layout_of, read_cry, read_drawing, read_sentence
from .limits import MAX_GENERATING
from .partial_records import find_pixel, pixel_probabilities
from .streaming import MAX_SEED, GenerationRequest, stream_tokens
from .views import MEDIUM_NAMES, colours_view, stage_view

NUM_EXAMPLES = 4
EXAMPLE_TEMPERATURE = 0.6
MAX_EXAMPLE_LENGTH = 96  # letters
Shown = dict[str, Any]  # by component of the page


class FinishedRecord(NamedTuple):
    """What looking up a pixel needs of a generated record."""

    ids: Ids
    num_given: int
    temperature: float


class Session:
    """A run with what visitors may do with it.

    Args:
        run: Shared by all visitors, and only read.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.executor = run, ThreadPoolExecutor(MAX_GENERATING, thread_name_prefix="demo")
        # in the order of training; of a medium that occurs twice, the first
        names: list[str] = [segment.modality for segment in run.layout.segments]
        self.segments = {name: layout_of(run, name) for name in names}
        self.media: list[str] = [name for name in MEDIA if name in self.segments]

    def examples(self) -> list[str]:
        """Return some sentences of the model's own, none if it writes none; always the same."""
        if "text" not in self.media:
            return []
        return list(dict.fromkeys(self.write_sentence(seed) for seed in range(NUM_EXAMPLES)))

    def write_sentence(self, seed: int | None = None) -> str:
        """Return a sentence that the model writes from nothing; without a seed another each time."""
        text = self.segments["text"]
        layout = Layout((replace(text, max_length=min(text.max_length, MAX_EXAMPLE_LENGTH)),))
        seed = secrets.randbelow(MAX_SEED) if seed is None else seed
        request = GenerationRequest(layout=layout, temperature=EXAMPLE_TEMPERATURE, seed=seed)
        *_, ids = stream_tokens(self.run, request, self.executor, tick_seconds=0)
        return self.run.tokenizer.decode_modalities(ids).text or ""

    def generate(
        self,
        *,
        begin: Sequence[str],
        make: Sequence[str],
        text: str = "",
        drawing: str = "",
        sound: str | None = None,
        continues: bool = False,
        rows_kept: int = 0,
        num_frames: int | None = None,
        seconds: float | None = None,
        temperature: float = 0.4,
        seed: int | None = None,
        new_seed: bool = False,
        stop: Event | None = None,
    ) -> Iterator[Shown]:
        """Yield what to show while a record is generated.

        Args:
            begin: Media to begin from; what was entered for others is left alone.
            make: Media to generate.
            text: The sentence.
            drawing: The sprite, as the editor sends it.
            sound: Path of a sound file.
            continues: Whether the model shall go on with the sprite.
            rows_kept: From which row on.
            num_frames: Of the sprite; None is as in training.
            seconds: Bound of a sound whose length is free; None is as in training.
            temperature: Of the draws.
            seed: Of the draws; None draws one.
            new_seed: Whether to draw another all the same.
            stop: Ends it when set.

        Raises:
            VisitorError: If what was given cannot be used.
        """
        given = self._read(begin, text, drawing, sound)
        continues = continues and "image" in given
        made = [name for name in self.segments if name in make and name not in given]
        request = GenerationRequest(
            given={name: each.value for name, each in given.items()},
            layout=self._layout(["image", *made] if continues else made, continues, num_frames, seconds),
            rows_kept=rows_kept if continues else None,
            temperature=temperature,
            seed=secrets.randbelow(MAX_SEED) if new_seed or seed is None else seed,
        )
        notes = [each.note for each in given.values() if each.note]
        yield from self._show(request, notes + self._warn_of_order([*given, *made]), stop or Event())

    def _read(self, begin: Sequence[str], text: str, drawing: str, sound: str | None) -> dict[str, ReadInput]:
        """Return the media to begin from as the model reads them."""
        given = {}
        if "text" in begin:
            given["text"] = read_sentence(text, self.run)
        if "image" in begin:
            given["image"] = ReadInput(read_drawing(drawing, self.run))
        if "audio" in begin:
            if sound is None:
                raise VisitorError("there is no cry: upload or record one, or choose something else to begin with")
            given["audio"] = read_cry(sound, self.run)
        return given

    def _layout(self, make: Sequence[str], continues: bool, num_frames: int | None, seconds: float | None) -> Layout:
        """Return what is generated, within bounds that the visitor may lower."""
        if not make:
            raise VisitorError("nothing to make: choose at least one of sentence, sprite and cry")
        segments, rate = [self.segments[name] for name in make], self.run.tokenizer.level_rate_hz
        for index, segment in enumerate(segments):
            if isinstance(segment, Image):
                segments[index] = replace(segment, frames=num_frames or segment.frames, continues=continues)
            elif isinstance(segment, Audio) and segment.max_samples and seconds and rate:
                most = max(1, round(seconds * rate))
                segments[index] = replace(segment, max_samples=min(most, segment.max_samples))
        return Layout(tuple(segments))

    def _warn_of_order(self, media: list[str]) -> list[str]:
        """Say so where a record does not follow the order in which the model was trained."""
        if media == [name for name in self.segments if name in media] and next(iter(self.segments)) in media:
            return []
        path = " → ".join(MEDIUM_NAMES[name].lower() for name in self.segments)
        return [f"This model was trained on {path}, in this order; beginning elsewhere it has to guess"]

    def _show(self, request: GenerationRequest, notes: list[str], stop: Event) -> Iterator[Shown]:
        began, num_given = time.monotonic(), 0
        num_frames = next((segment.frames for segment in request.layout.segments if isinstance(segment, Image)), 0)
        yield {"record": None, "colours": None, "player": None, "files": None, "seed": request.seed}
        with closing(stream_tokens(self.run, request, self.executor)) as streams:
            for number, ids in enumerate(streams):
                num_given = num_given if number else len(ids)
                view = stage_view(self.run, ids, num_frames=num_frames, busy=True)
                if stop.is_set():
                    yield {"stage": json.dumps(view | {"busy": False, "stopped": True}), "status": "Stopped."}
                    return
                yield {"stage": json.dumps(view), "status": _progress(view) if number else "Reading …"}
        record, tables = self.run.tokenizer.decode_modalities(ids), self.run.tokenizer.tables
        took = f"Done: {len(ids) - num_given} tokens in {time.monotonic() - began:.1f} s, seed {request.seed}"
        with TemporaryDirectory() as folder:
            files = [str(path) for path in write_media(record, folder)]
            yield {
                "stage": json.dumps(stage_view(self.run, ids, num_frames=num_frames, busy=False)),
                "status": ". ".join([took, *notes]) + ".",
                "record": FinishedRecord(ids.astype(tables.id_dtype), num_given, request.temperature),
                "player": next((path for path in files if path.endswith(CRY_NAME)), None),
                "files": files,
            }

    def look_up(self, record: FinishedRecord | None, *, frame: int, row: int, column: int) -> dict[str, Any]:
        """Return what the model thought of a pixel.

        Raises:
            VisitorError: If there is no such pixel, or the model rates none.
        """
        if record is None:
            raise VisitorError("this sprite was not finished, so there is nothing to look up")
        tables, objective = self.run.tokenizer.tables, self.run.model.objective
        if objective.likelihood == "none":
            raise VisitorError("this model draws all pixels together: it rates no single one")
        position = find_pixel(record.ids, tables, frame=frame, row=row, column=column)
        if position is None:
            raise VisitorError("the sprite has no such pixel")
        probabilities = pixel_probabilities(self.run, record.ids, position, temperature=record.temperature)
        given = ", all else given" if objective.decoding == "parallel" else ""
        where = f"Frame {frame + 1}, row {row + 1}, column {column + 1}{given}"
        view = colours_view(self.run, probabilities, int(record.ids[position]) - tables.pixel_ids.start)
        return view | {"where": where, "who": "You gave" if position < record.num_given else "The model drew"}


def _progress(stage: dict[str, Any]) -> str:
    """Return what the model is generating."""
    if stage["cry"]:
        return "Making the cry …"
    if sprite := stage["sprite"]:
        return f"Drawing frame {len(sprite['frames'])} of {sprite['expected']} …"
    return "Writing the sentence …"
