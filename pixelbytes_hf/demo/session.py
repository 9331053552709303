"""What the demo page does when it is used, without the page: each visit's input in, what to show out.

Knows a run and a visitor's input; knows nothing about gradio. Nothing here remembers a visitor: what a later click
needs is returned as ``record`` and handed in again.
"""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import numpy as np

from ..runs.run_folder import CRY_NAME, LARGE_NAME, SPRITE_NAME, Run, write_media
from ..tokens.grid import Ids
from .inputs import (
    Brought,
    drawing_frames,
    layout_of,
    read_cry,
    read_drawing,
    read_picture,
    read_sentence,
)
from .partial_records import locate_pixel, pixel_probabilities
from .streaming import MEDIA, SEED_LIMIT, Wish, watch
from .views import MEDIUM_NAMES, palette_view, scene, status, trouble

AT_ONCE = 2  # wishes that the model works on together; the others wait for its thread
NUM_EXAMPLES = 4
DREAM_TEMPERATURE = 0.6
MOST_LETTERS = 96  # of a sentence dreamt up
FILES = {"player": CRY_NAME, "sprite": SPRITE_NAME, "large": LARGE_NAME, "cry": CRY_NAME}  # by part of the page
Shown = dict[str, Any]


class Studio:
    """A run with what visitors may do with it.

    Args:
        run: Shared by all visitors, and only read.
    """

    def __init__(self, run: Run) -> None:
        """See the class."""
        self.run, self.executor = run, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="demo")
        trained = [segment.modality for segment in run.layout.segments]
        self.order = tuple(dict.fromkeys(trained))
        self.media = tuple(name for name in MEDIA if name in trained)

    def examples(self) -> list[str]:
        """Return some sentences of the model's own, none if it writes none; always the same."""
        if "text" not in self.media:
            return []
        return list(dict.fromkeys(self.dream(seed) for seed in range(NUM_EXAMPLES)))

    def dream(self, seed: int | None = None) -> str:
        """Return a sentence that the model writes from nothing."""
        seed = _seed() if seed is None else seed
        wish = Wish(make=("text",), most_letters=MOST_LETTERS, temperature=DREAM_TEMPERATURE, seed=seed)
        *_, ids = watch(self.run, wish, self.executor, tick_seconds=0)
        return self.run.tokenizer.decode_modalities(ids).text or ""

    def bring_picture(self, path: str) -> Shown:
        """Return a picture file as a drawing, or what is wrong with it."""
        try:
            drawing, note = read_picture(path, self.run)
        except ValueError as error:
            return {"picture_note": trouble(str(error))}
        return {"drawing": drawing.to_json(), "picture_note": status(note)}

    def bring_cry(self, path: str | None) -> Shown:
        """Return what the model will hear of a sound file, or what is wrong with it."""
        if path is None:
            return {"cry_note": ""}
        try:
            return {"cry_note": status(read_cry(path, self.run).note)}
        except ValueError as error:
            return {"cry_note": trouble(str(error))}

    def make(
        self,
        *,
        begin: list[str],
        make: list[str],
        text: str = "",
        drawing: str = "",
        cry: str | None = None,
        finishes: bool = False,
        rows_kept: float = 0,
        num_frames: float | None = None,
        seconds: float | None = None,
        temperature: float = 0.4,
        seed: float | None = None,
        stop: Event | None = None,
    ) -> Iterator[Shown]:
        """Yield what to show while the wish comes true; a wish that cannot is answered in words.

        Args:
            begin: Media to begin from, of `MEDIA`; what was entered for others is left alone.
            make: Media to make.
            text: The sentence.
            drawing: The sprite, as the editor sends it.
            cry: Path of a sound file.
            finishes: Whether the model shall go on with the sprite.
            rows_kept: From which row on.
            num_frames: Of the sprite; None is as in training.
            seconds: Bound of a cry whose length is free; None is as in training.
            temperature: Of the draws.
            seed: Of the draws; None rolls one.
            stop: Ends it when set.
        """
        seed = _seed() if seed is None else int(seed)
        try:
            given = self._read(begin, text, drawing, cry)
            is_finished = finishes and "image" in given
            wish = Wish(
                **{name: brought.value for name, brought in given.items()},
                make=tuple(name for name in MEDIA if name in make or (name == "image" and is_finished)),
                rows_kept=int(rows_kept) if is_finished else None,
                num_frames=None if num_frames is None else int(num_frames),
                most_samples=self._samples_of(seconds),
                temperature=float(temperature),
                seed=seed,
            )
            notes = [brought.note for brought in given.values() if brought.note]
            yield from self._show(wish, notes, stop or Event())
        except ValueError as error:
            yield {"status": trouble(_sentence(str(error)))}

    def _samples_of(self, seconds: float | None) -> int | None:
        rate = self.run.tokenizer.level_rate_hz
        return None if seconds is None or rate is None else max(1, round(seconds * rate))

    def _read(self, begin: list[str], text: str, drawing: str, cry: str | None) -> dict[str, Brought]:
        """Return the media to begin from as the model reads them."""
        given = {}
        if "text" in begin:
            given["text"] = read_sentence(text, self.run)
        if "image" in begin:
            sprite = read_drawing(drawing, self.run)
            if not sprite.is_touched:
                raise ValueError("the sprite is empty: draw one, upload one, or choose something else to begin with")
            given["image"] = Brought(drawing_frames(sprite, self.run), "")
        if "audio" in begin:
            if cry is None:
                raise ValueError("there is no cry: upload or record one, or choose something else to begin with")
            given["audio"] = read_cry(cry, self.run)
        return given

    def _show(self, wish: Wish, notes: list[str], stop: Event) -> Iterator[Shown]:
        began, num_frames = time.monotonic(), self._num_frames(wish)
        shown: Shown = {"status": status("Reading"), "record": None, "odds": "", "seed": wish.seed}
        shown |= dict.fromkeys(FILES)
        ids: Ids = np.zeros(0, np.int64)
        num_given = 0
        with closing(watch(self.run, wish, self.executor)) as streams:
            for number, ids in enumerate(streams):
                num_given = num_given if number else len(ids)
                stopped = stop.is_set()
                view = scene(self.run, ids, num_frames=num_frames, busy=not stopped, stopped=stopped)
                if stopped:
                    yield {"stage": view, "status": status("Stopped.")}
                    return
                yield shown | {"stage": view, "status": status(self._progress(ids, num_given, num_frames))}
                shown = {}
        record = self.run.tokenizer.decode_modalities(ids)
        took = f"{len(ids) - num_given} tokens in {time.monotonic() - began:.1f} s, seed {wish.seed}"
        with TemporaryDirectory() as folder:
            paths = {path.name: str(path) for path in write_media(record, folder)}
            yield {
                "stage": scene(self.run, ids, num_frames=num_frames, busy=False),
                "status": status(". ".join([f"Done: {took}", *notes, *self._warning(wish)]) + "."),
                "record": {"ids": ids.tolist(), "temperature": wish.temperature, "num_given": num_given},
                **{part: paths.get(name) for part, name in FILES.items()},
            }

    def _num_frames(self, wish: Wish) -> int | None:
        layout = layout_of(self.run, "image")
        if wish.image is not None and wish.rows_kept is None:
            return len(wish.image)
        return wish.num_frames or (layout.frames if layout is not None else None)

    def _progress(self, ids: Ids, num_given: int, num_frames: int | None) -> str:
        """Return what the model is doing, judged by its last token that is no mark."""
        tables = self.run.tokenizer.tables
        new = ids[num_given:]
        if not len(new):
            return "Thinking …"
        if new[-1] in tables.level_ids:
            return "Singing the cry …"
        if not np.isin(new, tables.pixel_ids).any():
            return "Writing the sentence …"
        first = int(np.isin(ids, tables.pixel_ids).argmax())
        frame = int((ids[first:] == tables.segment_end_id).sum()) + 1
        return f"Drawing frame {min(frame, num_frames or 1)} of {num_frames} …"

    def _warning(self, wish: Wish) -> list[str]:
        """Say so where a wish goes against the order in which the model was trained."""
        order = [name for name in self.order if name in wish.given or name in wish.make]
        num_given = len(wish.given)
        if set(order[:num_given]) == set(wish.given) and self.order[0] in order:
            return []
        path = " → ".join(MEDIUM_NAMES[name].lower() for name in self.order)
        return [f"This model was trained on {path}, in this order; beginning elsewhere it has to guess"]

    def look(self, record: dict[str, Any] | None, *, frame: int, row: int, column: int) -> Shown:
        """Return what the model thought of a pixel."""
        if record is None:
            return {"odds": trouble("This creature was not finished, so there is nothing to look up.")}
        tables, ids = self.run.tokenizer.tables, np.array(record["ids"], np.int64)
        try:
            position = locate_pixel(ids, tables, frame=frame, row=row, column=column)
            odds = pixel_probabilities(self.run, ids, position, temperature=record["temperature"])
        except ValueError as error:
            return {"odds": trouble(_sentence(str(error)))}
        where = f"Frame {frame + 1}, row {row + 1}, column {column + 1}"
        where += ", all else given" * (self.run.model.objective.decoding == "parallel")
        drawn = int(ids[position]) - tables.pixel_ids.start
        return {"odds": palette_view(self.run, odds, drawn, where=where, given=position < record["num_given"])}


def _seed() -> int:
    return secrets.randbelow(SEED_LIMIT)


def _sentence(message: str) -> str:
    """Return a message as a sentence."""
    return message[:1].upper() + message[1:] + ("" if message.endswith((".", "!", "?")) else ".")
