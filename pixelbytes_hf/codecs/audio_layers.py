"""Encoder and decoder of the sound codec: strided convolutions over frames of samples, all channels together.

Shapes: B batch, D channels of a layer, N positions at its resolution.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class PositionNorm(nn.GroupNorm):
    """Group normalisation of every position by itself: a sound's codes do not depend on what is far away."""

    def forward(self, sound: Tensor) -> Tensor:
        """Normalise (B, D, N)."""
        positions = super().forward(sound.transpose(1, 2).flatten(0, 1))
        return positions.unflatten(0, (sound.shape[0], sound.shape[2])).transpose(1, 2)


class ResidualBlock1d(nn.Module):
    """Two normalised convolutions beside a shortcut.

    Args:
        channels: D.
        num_groups: Groups of the norms.
    """

    def __init__(self, channels: int, num_groups: int) -> None:
        """See the class."""
        super().__init__()
        self.norm1, self.norm2 = (PositionNorm(num_groups, channels) for _ in range(2))
        self.conv1, self.conv2 = (nn.Conv1d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, sound: Tensor) -> Tensor:
        """Transform (B, D, N)."""
        hidden = self.conv1(F.silu(self.norm1(sound)))
        return sound + self.conv2(F.silu(self.norm2(hidden)))


class AudioEncoder(nn.Sequential):
    """Sounds (B, C, N) to vectors (B, K, N').

    Args:
        num_channels: C.
        widths: Channels of every stage.
        strides: Between the stages.
        num_blocks: Residual blocks of every stage.
        num_groups: Groups of the norms.
        width: K.
    """

    def __init__(
        self,
        num_channels: int,
        widths: Sequence[int],
        strides: Sequence[int],
        num_blocks: Sequence[int],
        num_groups: int,
        width: int,
    ) -> None:
        """See the class."""
        layers: list[nn.Module] = [nn.Conv1d(num_channels, widths[0], 7, padding=3)]
        for (wide, next_wide), stride, count in zip(pairwise(widths), strides, num_blocks[:-1], strict=True):
            layers += [ResidualBlock1d(wide, num_groups) for _ in range(count)]
            layers.append(nn.Conv1d(wide, next_wide, stride, stride))
        layers += [ResidualBlock1d(widths[-1], num_groups) for _ in range(num_blocks[-1])]
        super().__init__(*layers, nn.Conv1d(widths[-1], width, 1))


class AudioDecoder(nn.Sequential):
    """Vectors (B, K, N') to sounds (B, C, N); arguments as of `AudioEncoder`."""

    def __init__(
        self,
        num_channels: int,
        widths: Sequence[int],
        strides: Sequence[int],
        num_blocks: Sequence[int],
        num_groups: int,
        width: int,
    ) -> None:
        """See the class."""
        layers: list[nn.Module] = [nn.Conv1d(width, widths[-1], 3, padding=1)]
        layers += [ResidualBlock1d(widths[-1], num_groups) for _ in range(num_blocks[-1])]
        steps = zip(pairwise(widths[::-1]), strides[::-1], num_blocks[-2::-1], strict=True)
        for (wide, next_wide), stride, count in steps:
            layers.append(nn.ConvTranspose1d(wide, next_wide, stride, stride))
            layers += [ResidualBlock1d(next_wide, num_groups) for _ in range(count)]
        super().__init__(*layers, nn.SiLU(), nn.Conv1d(widths[0], num_channels, 7, padding=3))
