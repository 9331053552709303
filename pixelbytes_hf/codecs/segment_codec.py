"""A codec as a map from segments to segments: the ids of a medium become ids of codes, and back.

Both are grids with marks in one vocabulary, that of the medium with codes added, so that a corpus of codes is a
corpus. A codec's own vocabulary has its own codes only; one of pictures and sounds has those of two codecs, and is
given.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..tokens.grid import TRAITS, Modality, Segment, codes_of_segment, enclose_segment
from ..tokens.vocabulary import Vocabulary


class SegmentCodec:
    """Encoding, decoding and probabilities of segments, for a model that has them for batches of tensors.

    Attributes:
        medium: Modality of what is encoded.
        code_medium: Modality of the codes.
    """

    medium: ClassVar[Modality]
    code_medium: ClassVar[Modality]
    tables: Vocabulary
    encode_batch: Any
    decode_batch: Any
    logits_of_batch: Any
    log_probs_of_batch: Any
    device: torch.device

    @property
    def codes(self) -> dict[str, Any]:
        """How many codes there are, as `Vocabulary.with_codes` takes them."""
        raise NotImplementedError

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the medium, with the codec's own codes."""
        return self.tables.with_codes(**self.codes)

    def encode(self, segment: Segment, vocabulary: Vocabulary | None = None) -> Segment:
        """Return the codes of a segment, with the same axes and marks.

        Args:
            segment: Of the codec's medium.
            vocabulary: One with the codes of other codecs too; by default the codec's own.

        Returns:
            A picture's (T', H', W' + 1), a sound's (T' + 1, 1, Q).

        Raises:
            ValueError: If the segment is of another medium or empty, or the vocabulary is not the codec's.
        """
        ids = self._checked(vocabulary)
        return self._enclose(self.code_medium, self.encode_batch(self._batch(self.medium, segment, ids)), ids)

    def decode(
        self, segment: Segment, size: Sequence[int] | int | None = None, vocabulary: Vocabulary | None = None
    ) -> Segment:
        """Return the segment of the medium that codes stand for.

        Args:
            segment: Codes; of a sound also the first few levels of them.
            size: Of what was encoded, without marks: T, H, W of a picture, N samples of a sound. By default the
                largest that has so many codes: that of any size which the strides divide.
            vocabulary: As of `encode`.

        Raises:
            ValueError: If the segment is not of these codes, or `size` has another number of them.
        """
        ids = self._checked(vocabulary)
        return self._enclose(self.medium, self.decode_batch(self._batch(self.code_medium, segment, ids), size), ids)

    def logits(self, segment: Segment, vocabulary: Vocabulary | None = None) -> NDArray[np.float32]:
        """Return the logits of every cell of a segment given its codes: (T, H, W, P) or (N, C, A); as of `encode`."""
        cells = self._batch(self.medium, segment, self._checked(vocabulary))
        size = cells.shape[1:] if cells.ndim == 4 else cells.shape[1]
        logits: NDArray[np.float32] = self.logits_of_batch(self.encode_batch(cells), size)[0].float().cpu().numpy()
        return logits

    def log_probs(self, segment: Segment, vocabulary: Vocabulary | None = None) -> NDArray[np.float32]:
        """Return the log-probability of every cell of a segment given its codes, in nats; as of `encode`.

        Returns:
            (T, H, W) of a picture, (N, C) of a sound.
        """
        cells = self._batch(self.medium, segment, self._checked(vocabulary))
        log_probs: NDArray[np.float32] = self.log_probs_of_batch(cells, self.encode_batch(cells))[0].cpu().numpy()
        return log_probs

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Make sure that a vocabulary is that of the medium, with the codec's codes.

        Raises:
            ValueError: If it is not.
        """
        own = self.vocabulary
        for name in ("byte_values", "colours", "levels", "specials", "has_transparent"):
            if getattr(vocabulary, name) != getattr(own, name):
                raise ValueError(f"vocabulary must be that of the codec, got one with other {name}")
        for name, count in self.codes.items():
            if getattr(vocabulary.codes, name) != count:
                raise ValueError(
                    f"vocabulary must have the codec's codes, {name}={count}, got {getattr(vocabulary.codes, name)}"
                )

    def _checked(self, vocabulary: Vocabulary | None) -> Vocabulary:
        if vocabulary is None:
            return self.vocabulary
        self.check_vocabulary(vocabulary)
        return vocabulary

    def _batch(self, medium: Modality, segment: Segment, vocabulary: Vocabulary) -> Tensor:
        """Return the cells of a segment, counted from the first id of their kind, as a batch of one."""
        if segment.modality != medium:
            raise ValueError(f"segment must be of {medium}, got one of {segment.modality}")
        return torch.from_numpy(codes_of_segment(segment, vocabulary))[None].to(self.device)

    @staticmethod
    def _enclose(medium: Modality, batch: Tensor, vocabulary: Vocabulary) -> Segment:
        return enclose_codes(medium, batch[0].cpu().numpy(), vocabulary)


def enclose_codes(medium: Modality, cells: NDArray[np.integer[Any]], vocabulary: Vocabulary) -> Segment:
    """Return the segment of cells that count from the first id of their kind: the inverse of `codes_of_segment`.

    Args:
        medium: Modality.
        cells: (T, H, W), of a sound or its codes (T, C).
        vocabulary: The tables.
    """
    grid = cells if cells.ndim == 3 else cells[:, None]
    ranges = [vocabulary.ids_of_slot[slot].start for slot in TRAITS[medium].slots(grid.shape[2])]
    return enclose_segment(medium, grid + np.array(ranges), vocabulary)


@contextmanager
def evaluating(codec: nn.Module) -> Iterator[None]:
    """Read a codec without gradients and in evaluation mode: while training, codebooks follow what they read."""
    was_training = codec.training
    codec.train(False)
    try:
        with torch.no_grad():
            yield
    finally:
        codec.train(was_training)
