"""Encoder and decoder of the picture codec: stages of residual blocks with a change of resolution in between.

Stage i works with `widths[i]` channels; `strides[i]` lie between it and stage i + 1. The decoder mirrors the encoder.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .causal_convolutions import CausalConv3d, Downsampling, FrameNorm, ResidualBlock, Upsampling

KERNEL = (3, 3, 3)


class VideoEncoder(nn.Sequential):
    """Embedded clips (B, widths[0], T, H, W) to vectors (B, K, T', H', W').

    Args:
        widths: Channels of every stage.
        strides: Between the stages.
        num_blocks: Residual blocks of every stage.
        num_groups: Groups of the norms.
        width: K.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[Sequence[int]],
        num_blocks: Sequence[int],
        num_groups: int,
        width: int,
    ) -> None:
        """See the class."""
        layers: list[nn.Module] = [CausalConv3d(widths[0], widths[0], KERNEL)]
        for (wide, next_wide), stride, count in zip(pairwise(widths), strides, num_blocks[:-1], strict=True):
            layers += [ResidualBlock(wide, num_groups) for _ in range(count)]
            layers.append(Downsampling(wide, next_wide, tuple(stride)))
        layers += [ResidualBlock(widths[-1], num_groups) for _ in range(num_blocks[-1])]
        super().__init__(*layers, OutputLayer(widths[-1], width, num_groups))


class VideoDecoder(nn.Sequential):
    """Vectors (B, K, T', H', W') to logits (B, P, T, H, W); arguments as of `VideoEncoder`, and P."""

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[Sequence[int]],
        num_blocks: Sequence[int],
        num_groups: int,
        width: int,
        num_pixels: int,
    ) -> None:
        """See the class."""
        layers: list[nn.Module] = [CausalConv3d(width, widths[-1], KERNEL)]
        layers += [ResidualBlock(widths[-1], num_groups) for _ in range(num_blocks[-1])]
        steps = zip(pairwise(widths[::-1]), strides[::-1], num_blocks[-2::-1], strict=True)
        for (wide, next_wide), stride, count in steps:
            layers.append(Upsampling(wide, next_wide, tuple(stride)))
            layers += [ResidualBlock(next_wide, num_groups) for _ in range(count)]
        super().__init__(*layers, OutputLayer(widths[0], num_pixels, num_groups))


class OutputLayer(nn.Module):
    """A norm and a projection of every cell."""

    def __init__(self, channels: int, width: int, num_groups: int) -> None:
        """See the class."""
        super().__init__()
        self.norm = FrameNorm(num_groups, channels)
        self.projection = CausalConv3d(channels, width, (1, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """Project (B, C, T, H, W)."""
        return self.projection(F.silu(self.norm(clip)))
