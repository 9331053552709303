"""Sizes of clips and of their grids of codes: what the strides make of a size, and the padding in between.

Along time, 1 + r m frames become 1 + m latents: the first frame alone is the first latent, so that a picture is a clip
of one frame. Along rows and columns, n s cells become n. Other sizes are padded up to the next such size.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Stride = tuple[int, int, int]


class ClipSize(NamedTuple):
    """Extent of a clip, or of its grid of codes: T, H, W."""

    frames: int
    rows: int
    columns: int


def total_stride(strides: Sequence[Sequence[int]]) -> Stride:
    """Return the product of the strides of all stages along (frame, row, column)."""
    product = torch.tensor([[1, 1, 1], *strides]).prod(dim=0)
    return tuple(product.tolist())


def code_size(size: Sequence[int], stride: Stride) -> ClipSize:
    """Return the size of a clip's grid of codes.

    Args:
        size: T, H, W of the clip.
        stride: In all, along each axis.

    Raises:
        ValueError: If an axis is empty.

    Example:
        >>> code_size((5, 24, 24), (2, 4, 4)), code_size((1, 7, 7), (2, 4, 4))
        (ClipSize(frames=3, rows=6, columns=6), ClipSize(frames=1, rows=2, columns=2))
    """
    if min(size) < 1:
        raise ValueError(f"a clip must have frames, rows and columns, got {tuple(size)}")
    frames, rows, columns = size
    return ClipSize(1 + ceil((frames - 1) / stride[0]), ceil(rows / stride[1]), ceil(columns / stride[2]))


def padded_size(codes: Sequence[int], stride: Stride) -> ClipSize:
    """Return the largest size of a clip with a grid of codes: the size that needs no padding.

    Example:
        >>> padded_size((3, 6, 6), (2, 4, 4))
        ClipSize(frames=5, rows=24, columns=24)
    """
    return ClipSize(1 + (codes[0] - 1) * stride[0], codes[1] * stride[1], codes[2] * stride[2])


def check_crop(size: Sequence[int], codes: Sequence[int], stride: Stride) -> ClipSize:
    """Return the size of a clip as one, after checking that a grid of codes is that of such a clip.

    Raises:
        ValueError: If it is not.
    """
    if len(size) != 3 or code_size(size, stride) != tuple(codes):
        raise ValueError(
            f"size must be that of a clip whose codes have the shape {tuple(codes)}, up to "
            f"{tuple(padded_size(codes, stride))} with strides {stride}, got {tuple(size)}"
        )
    return ClipSize(*size)


def pad_clip(pixels: Tensor, stride: Stride, background: int) -> Tensor:
    """Return clips (B, T, H, W) padded to sizes that the strides divide.

    Rows and columns get background below and to the right. Frames repeat the last one: nothing that was not there
    appears, and the causal codec reads it after all that counts.
    """
    size = ClipSize(*pixels.shape[1:])
    wanted = padded_size(code_size(size, stride), stride)
    below, right = wanted.rows - size.rows, wanted.columns - size.columns
    if below or right:
        pixels = F.pad(pixels, (0, right, 0, below), value=background)
    if later := wanted.frames - size.frames:
        pixels = torch.cat([pixels, pixels[:, -1:].expand(-1, later, -1, -1)], dim=1)
    return pixels


def code_mask(mask: Tensor, stride: Stride) -> Tensor:
    """Return which codes (B, T', H', W') stand for at least one pixel that counts, bool.

    Args:
        mask: (B, T, H, W), zero at pixels that do not count.
        stride: In all, along each axis.

    Example:
        >>> code_mask(torch.tensor([1, 1, 1, 0, 0]).view(1, 5, 1, 1), (2, 1, 1)).flatten().tolist()
        [True, True, False]
    """
    size = ClipSize(*mask.shape[1:])
    wanted = padded_size(code_size(size, stride), stride)
    later = (stride[0] - 1, wanted.frames - size.frames)  # the first frame alone is the first code
    extra = (0, wanted.columns - size.columns, 0, wanted.rows - size.rows, *later)
    return F.max_pool3d(F.pad((mask != 0).float(), extra), stride) > 0


def crop_clip(grid: Tensor, size: ClipSize) -> Tensor:
    """Return (B, T, H, W, ...) without what lies beyond `size`."""
    return grid[:, : size.frames, : size.rows, : size.columns]
