"""Configurations of the learned codecs.

They hold the tables of the vocabulary whose ids the codec reads, so that a checkpoint alone says what its pixels and
amplitudes are.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from transformers import AutoConfig

from ..pretrained.exported_code import writes_code
from ..pretrained.remote_code import is_copy
from ..pretrained.setting_checks import StrictConfig, check_number, check_size, refuse_unknown
from ..tokens.vocabulary import Vocabulary
from .codec_code import CODEC_CLASSES, write_codec_code
from .geometry import Stride, total_stride
from .quantisers.quantisers import find_quantiser

WHITE = (255, 255, 255)


class PixelBytesCodecConfig(StrictConfig):
    """What both codecs need.

    Args:
        vocabulary: Tables of the ids that the codec reads, as of `Vocabulary.to_dict`; by default the ``full`` ones.
        widths: Channels of every stage, from the finest resolution to that of the codes.
        num_blocks: Residual blocks of every stage, a number each; by default none at the finest resolution, where they
            cost most, and one elsewhere.
        num_groups: Groups of the norms; it divides every width.
        quantiser: Name of one of `QUANTISERS`.
        quantiser_settings: Settings of that quantiser; those not given are its defaults.
        entropy_weight: Weight of the entropy terms in the loss, at the end of the annealing.
        entropy_boost: How many times that weight training begins with.
        entropy_anneal_steps: Training steps in which the weight falls, linearly, to `entropy_weight`.
        commitment_weight: Weight of the commitment in the loss.

    Raises:
        ValueError: If a value leaves its range, values contradict each other, or a keyword is unknown.
    """

    vocabulary: Any = None
    widths: Any = None
    strides: Any = None
    num_blocks: Any = None
    num_groups: int = 8
    quantiser: str = "lfq"
    quantiser_settings: Any = None
    entropy_weight: float | int = 0.1
    entropy_boost: float | int = 3.0
    entropy_anneal_steps: int = 2000
    commitment_weight: float | int = 0.25

    allows_residual: ClassVar[bool]

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what is not given and refuse contradictions."""
        refuse_unknown(type(self).__name__, kwargs)
        if self.vocabulary is None:
            self.vocabulary = Vocabulary.from_preset("full").to_dict()
        elif isinstance(self.vocabulary, Vocabulary):
            self.vocabulary = self.vocabulary.to_dict()
        if any(self.tables.codes):
            raise ValueError(f"vocabulary must be of media, without codes, got one with {self.tables.codes}")
        self._check_stages()
        self._check_quantiser()
        for name in ("entropy_weight", "entropy_boost", "commitment_weight"):
            check_number(name, getattr(self, name))
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        check_size("entropy_anneal_steps", self.entropy_anneal_steps, 0)
        super().__post_init__(**kwargs)

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Write ``config.json``, and the code that loads the codec where this package is not installed.

        A codec's own `save_pretrained` calls it; arguments as of `PreTrainedConfig.save_pretrained`.
        """
        vars(self).pop("auto_map", None)
        if writes_code():
            self.auto_map = dict(CODEC_CLASSES[self.model_type])
            write_codec_code(save_directory)
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    @property
    def tables(self) -> Vocabulary:
        """The vocabulary whose ids the codec reads."""
        return Vocabulary.from_dict(self.vocabulary)

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each level of a position."""
        return find_quantiser(self.quantiser).sizes_of(self.quantiser_settings)

    def _check_quantiser(self) -> None:
        kind = find_quantiser(self.quantiser)
        if kind.is_residual and not self.allows_residual:
            raise ValueError(
                f"quantiser must give one code a position, since a picture's grid has room for one, got "
                f"{self.quantiser!r}"
            )
        if not isinstance(self.quantiser_settings, Mapping | None):
            raise ValueError(f"quantiser_settings must be a dictionary or None, got {self.quantiser_settings!r:.100}")
        self.quantiser_settings = kind.complete(self.quantiser_settings or {})

    def _check_stages(self) -> None:
        check_size("num_groups", self.num_groups, 1)
        if not isinstance(self.widths, list | tuple) or not isinstance(self.strides, list | tuple):
            raise ValueError(f"widths and strides must be lists, got {self.widths!r} and {self.strides!r}")
        self.widths, self.strides = list(self.widths), [self.check_stride(stride) for stride in self.strides]
        if len(self.widths) != len(self.strides) + 1:
            raise ValueError(
                f"widths must be one more than strides, which lie between them, got {len(self.widths)} and "
                f"{len(self.strides)}"
            )
        if self.num_blocks is None:
            self.num_blocks = [0] + [1] * len(self.strides)
        if not isinstance(self.num_blocks, list | tuple) or len(self.num_blocks) != len(self.widths):
            raise ValueError(f"num_blocks must be a list of {len(self.widths)}, one a stage, got {self.num_blocks!r}")
        self.num_blocks = list(self.num_blocks)
        for count in self.num_blocks:
            check_size("num_blocks", count, 0)
        for width in self.widths:
            check_size("widths", width, 1)
            if width % self.num_groups:
                raise ValueError(f"widths must be multiples of num_groups = {self.num_groups}, got {width}")

    def check_stride(self, stride: Any) -> Any:
        """Return the stride between two stages as config.json holds it; raises ValueError if it is malformed."""
        raise NotImplementedError


class PixelBytesVideoCodecConfig(PixelBytesCodecConfig):
    """Settings of the picture codec; arguments beside those of `PixelBytesCodecConfig`.

    Args:
        strides: Between the stages, along (frame, row, column).
        foreground_weight: Weight in the loss of a pixel that is not background, where background weighs 1.
        background: Pixel that fills up sizes which the strides do not divide, and which is no foreground, counted from
            the first pixel of the vocabulary; by default the transparent one, or else the colour nearest to white.
    """

    model_type: ClassVar[str] = "pixelbytes_video_codec"
    allows_residual: ClassVar[bool] = False

    foreground_weight: float | int = 1.0
    background: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what is not given and refuse contradictions."""
        self.widths = [32, 64] if self.widths is None else self.widths
        self.strides = [[2, 2, 2]] if self.strides is None else self.strides
        super().__post_init__(**kwargs)
        check_number("foreground_weight", self.foreground_weight)
        if not self.foreground_weight > 0:
            raise ValueError(f"foreground_weight must be above 0, got {self.foreground_weight}")
        if self.background is None:
            self.background = find_background(self.tables)
        check_size("background", self.background, 0)
        if self.background >= self.num_pixels:
            raise ValueError(f"background must be in 0..{self.num_pixels - 1}, got {self.background}")

    @property
    def num_pixels(self) -> int:
        """Number of different pixels, P."""
        return len(self.tables.pixel_ids)

    @property
    def total_stride(self) -> Stride:
        """Pixels of a code along (frame, row, column)."""
        return total_stride(self.strides)

    def check_stride(self, stride: Any) -> list[int]:
        """Return a stride as three integers; raises ValueError if it is malformed."""
        if not isinstance(stride, list | tuple) or len(stride) != 3:
            raise ValueError(f"strides must be triples (frame, row, column), got {stride!r}")
        for step in stride:
            check_size("strides", step, 1)
        return list(stride)


class PixelBytesAudioCodecConfig(PixelBytesCodecConfig):
    """Settings of the sound codec; arguments beside those of `PixelBytesCodecConfig`.

    Args:
        strides: Between the stages, in samples.
        num_channels: Channels of a sound, C; they are encoded together.
    """

    model_type: ClassVar[str] = "pixelbytes_audio_codec"
    allows_residual: ClassVar[bool] = True

    quantiser: str = "rvq"
    num_channels: int = 2

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what is not given and refuse contradictions."""
        self.widths = [32, 64] if self.widths is None else self.widths
        self.strides = [16] if self.strides is None else self.strides
        super().__post_init__(**kwargs)
        check_size("num_channels", self.num_channels, 1)
        if not self.tables.levels:
            raise ValueError("vocabulary must have levels to encode sound, got one without any")

    @property
    def frame_length(self) -> int:
        """Samples of a code."""
        return int(np.prod(self.strides))

    def check_stride(self, stride: Any) -> int:
        """Return a stride; raises ValueError if it is malformed."""
        check_size("strides", stride, 1)
        return int(stride)


def find_background(vocabulary: Vocabulary) -> int:
    """Return the pixel, counted from the first, that stands for nothing: transparent, or the colour nearest to white.

    Example:
        >>> find_background(Vocabulary.from_preset("full")), find_background(Vocabulary.from_preset("paper"))
        (0, 1)
    """
    if vocabulary.has_transparent:
        return 0
    return int(((np.array(vocabulary.colours) - WHITE) ** 2).sum(axis=1).argmin())


for _config in () if is_copy(__name__) else (PixelBytesVideoCodecConfig, PixelBytesAudioCodecConfig):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
