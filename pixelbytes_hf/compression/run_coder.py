"""What a trained run expects of every pixel, handed to the count coder as one more opinion.

The run reads the picture in its own colours, pixel after pixel, in one way for writing and for reading: the loop of
`generate()`, in which this module stands as a logits processor. Its probabilities become whole numbers, one for each
colour of the picture; colours that it cannot tell apart share one.

Shapes: V vocabulary, K colours.
"""

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import LogitsProcessor, LogitsProcessorList

from ..generation.layout import Image, Layout
from ..runs.run_folder import Run
from ..tokens.pixel_codec import decode_pixels, encode_pixels
from .counts.pixel_model import PixelModel, code_pixels
from .counts.streams import SPOILT
from .helped_formats import DIGEST_BYTES

UNIT = 1 << 20  # of expectations


@dataclass(frozen=True)
class RunCoder:
    """A run that foretells pixels.

    Attributes:
        run: Of an objective that decodes one token after another.

    Raises:
        ValueError: If it draws all tokens together, or knows no pixels.
    """

    run: Run
    what = "run"

    def __post_init__(self) -> None:
        objective = self.run.model.objective
        if objective.decoding != "sequential" or self.run.model.config.sees_future:
            raise ValueError(f"the run must foretell one token after another, got the objective {objective.name!r}")
        if not len(self.run.tokenizer.tables.pixel_ids):
            raise ValueError("the run must know pixels, got a vocabulary without them")

    @classmethod
    def load(cls, folder: Any) -> "RunCoder":
        """Return the run of a folder."""
        return cls(Run.load(folder))

    def digest(self) -> bytes:
        """Return what tells this run from others: of its palette and its weights.

        Its configuration has no part in it, which a newer package may write otherwise; that another one computes other
        probabilities the check value of a file says.
        """
        digest = hashlib.sha256(repr(self.run.tokenizer.tables.colours).encode())
        for name, weight in sorted(self.run.model.state_dict().items()):
            digest.update(name.encode() + weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.digest()[:DIGEST_BYTES]

    def colours(self) -> NDArray[np.uint8]:
        """Return the colours that the run knows, RGBA (n, 4)."""
        tables = self.run.tokenizer.tables
        colours = decode_pixels(np.array(tables.pixel_ids, tables.id_dtype), tables)
        opaque = np.full((len(colours), 4 - colours.shape[1]), 255, np.uint8)
        return np.concatenate([colours, opaque], 1)

    def code(self, model: PixelModel, colours: NDArray[np.uint8], shape: tuple[int, ...], end: Any) -> int:
        """Code all pixels of a picture, and return a check value of what the run expected.

        Args:
            model: Hinted; of the picture.
            colours: By first use, (K, 4).
            shape: T, H, W.
            end: `BitWriter` or `BitReader`.

        Raises:
            ValueError: If what was read cannot be.
        """
        tables = self.run.tokenizer.tables
        ids = encode_pixels(colours[None, None], tables)[0, 0].astype(np.int64)
        layout = Layout((Image(frames=shape[0], height=shape[1], width=shape[2]),))
        with _one_thread(), tqdm(total=int(np.prod(shape)), unit=" pixels", leave=False) as bar:
            asked = _AskedForPixels(model, ids, end, bar, set(tables.pixel_ids))
            processors = LogitsProcessorList([asked])
            self.run.model.generate(
                layout=layout, tokenizer=self.run.tokenizer, logits_processor=processors, do_sample=False
            )
        if asked.at != int(np.prod(shape)):
            raise ValueError(f"the run foretold {asked.at:,} pixels of {int(np.prod(shape)):,}")
        return asked.check


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: sums of several come in no fixed order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _AskedForPixels(LogitsProcessor):
    """Codes a pixel at each step that draws one, and lets its id be drawn.

    Attributes:
        at: Pixels coded.
        check: CRC-32 of what was expected of them.
    """

    def __init__(self, model: PixelModel, ids: NDArray[np.int64], end: Any, bar: Any, pixel_ids: set[int]) -> None:
        self._model, self._ids, self._end, self._bar = model, torch.from_numpy(ids), end, bar
        self._first, self._last = min(pixel_ids), max(pixel_ids)
        self.at = self.check = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores of which only the pixel's own id is possible."""
        pixels = scores[0, self._first : self._last + 1]
        if not bool((pixels > -torch.inf).any()):
            return scores  # the end of a row or a frame
        chances = scores[0].double().softmax(-1)[self._ids]
        hints = ((chances * UNIT).round().long() + 1).numpy()
        for index, hint in enumerate(hints.tolist()):
            self._model.hints[index] = hint
        self.check = zlib.crc32(hints.astype("<u4").tobytes(), self.check)
        if not code_pixels(self._model, self._end.coder, self.at, self.at + 1):
            raise ValueError(SPOILT)
        self._end.flush()
        chosen = int(self._ids[self._model.image[self.at]])
        self.at += 1
        self._bar.update()
        forced = torch.full_like(scores, -torch.inf)
        forced[0, chosen] = 0.0
        return forced
