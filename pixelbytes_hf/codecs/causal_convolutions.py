"""Convolutions over clips in which no frame sees a later one: the layers of the picture codec.

Every convolution is padded along time on the left only, and norms look at one frame at a time: a group norm over all
frames, as public re-implementations have it, would carry the future into the first latent.

Shapes: B batch, C channels, T frames, H rows, W columns.

Source: the causal 3-D CNN of MAGVIT-v2, arXiv 2310.05737; written anew.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .geometry import Stride


class CausalConv3d(nn.Conv3d):
    """A 3-D convolution whose output at a frame depends on that frame and those before.

    Under a stride r, 1 + r m frames become 1 + m; under a stride s, n s rows or columns become n.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel_size: Along (frame, row, column); along rows and columns odd.
        stride: Along (frame, row, column).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Stride, stride: Stride = (1, 1, 1)) -> None:
        """See the class."""
        _, rows, columns = kernel_size
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=(0, rows // 2, columns // 2))

    def forward(self, clip: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        if earlier := self.kernel_size[0] - 1:
            clip = F.pad(clip, (0, 0, 0, 0, earlier, 0))
        return super().forward(clip)


class FrameNorm(nn.GroupNorm):
    """Group normalisation of every frame by itself."""

    def forward(self, clip: Tensor) -> Tensor:
        """Normalise (B, C, T, H, W)."""
        frames = super().forward(clip.transpose(1, 2).flatten(0, 1))
        return frames.unflatten(0, (clip.shape[0], clip.shape[2])).transpose(1, 2)


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut.

    Args:
        channels: C.
        num_groups: Groups of the norm.
    """

    def __init__(self, channels: int, num_groups: int) -> None:
        """See the class."""
        super().__init__()
        self.norm1, self.norm2 = (FrameNorm(num_groups, channels) for _ in range(2))
        self.conv1, self.conv2 = (CausalConv3d(channels, channels, (3, 3, 3)) for _ in range(2))

    def forward(self, clip: Tensor) -> Tensor:
        """Transform (B, C, T, H, W)."""
        hidden = self.conv1(F.silu(self.norm1(clip)))
        return clip + self.conv2(F.silu(self.norm2(hidden)))


class Downsampling(CausalConv3d):
    """A strided convolution whose kernel reaches over the stride along every axis."""

    def __init__(self, in_channels: int, out_channels: int, stride: Stride) -> None:
        """See the class."""
        frame, row, column = stride
        kernel = (frame + 1 if frame > 1 else 1, *(2 * (step // 2) + 1 for step in (row, column)))
        super().__init__(in_channels, out_channels, kernel, stride)


class Upsampling(nn.Module):
    """The inverse in shape of `Downsampling`: channels become frames, rows and columns (depth to space).

    Every latent becomes r frames; the first r - 1 are dropped, since the first latent is one frame.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Stride) -> None:
        """See the class."""
        super().__init__()
        self.stride = stride
        frame, row, column = stride
        self.conv = CausalConv3d(in_channels, out_channels * frame * row * column, (1, 3, 3))

    def forward(self, clip: Tensor) -> Tensor:
        """Turn (B, C, 1 + m, H, W) into (B, C', 1 + r m, s H, s' W)."""
        frame, row, column = self.stride
        parts = self.conv(clip).unflatten(1, (-1, frame, row, column))
        # (B, C', r, s, s', T, H, W): each axis of the stride comes behind the axis that it enlarges
        ordered = parts.permute(0, 1, 5, 2, 6, 3, 7, 4)
        return ordered.flatten(6, 7).flatten(4, 5).flatten(2, 3)[:, :, frame - 1 :]
