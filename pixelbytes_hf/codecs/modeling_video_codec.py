"""The picture codec: clips of palette ids to grids of codes and back, causal in time (MAGVIT-v2's tokenizer).

Ids are embedded, encoded by causal 3-D convolutions, quantised, and decoded to a distribution over the palette at
every pixel: reconstruction is categorical, so that codes and the cross entropy of the pixels under them are a lossless
code in two parts. A picture is a clip of one frame.

Shapes: B batch; T frames, H rows, W columns of pixels; T', H', W' of codes; P different pixels; K width of a vector.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import can_return_tuple

from ..pretrained.remote_code import is_copy
from .codec import CodecOutput, PixelBytesCodec, check_cells
from .configuration_codecs import PixelBytesVideoCodecConfig
from .geometry import ClipSize, check_crop, code_mask, crop_clip, pad_clip, padded_size
from .segment_codec import evaluating
from .video_layers import VideoDecoder, VideoEncoder


class PixelBytesVideoCodec(PixelBytesCodec):
    """Encoder, quantiser and decoder of pictures and animations.

    Args:
        config: Settings.

    Example:
        >>> codec = PixelBytesVideoCodec(PixelBytesVideoCodecConfig(widths=[8, 8], strides=[[2, 2, 2]])).eval()
        >>> codes = codec.encode_batch(torch.zeros(1, 5, 12, 12, dtype=torch.int64))
        >>> codes.shape, codec.decode_batch(codes).shape
        (torch.Size([1, 3, 6, 6]), torch.Size([1, 5, 12, 12]))
    """

    config_class = PixelBytesVideoCodecConfig
    main_input_name = "pixels"
    medium, code_medium = "image", "image_code"

    def __init__(self, config: PixelBytesVideoCodecConfig) -> None:
        """Make the weights."""
        super().__init__(config)
        layers = config.widths, config.strides, config.num_blocks, config.num_groups, self.quantiser.width
        self.embedding = nn.Embedding(config.num_pixels, config.widths[0])
        self.encoder = VideoEncoder(*layers)
        self.decoder = VideoDecoder(*layers, config.num_pixels)
        self.post_init()

    @can_return_tuple
    def forward(self, pixels: Tensor, mask: Tensor | None = None) -> CodecOutput:
        """Encode and decode clips.

        Args:
            pixels: (B, T, H, W) integers, counted from the first pixel of the vocabulary.
            mask: (B, T, H, W), zero at pixels that do not count, where a batch is padded to one size. Codes of such
                pixels alone enter no term of the loss; convolutions and the norms of frames still see them.

        Returns:
            The loss, logits (B, T, H, W, P), codes (B, T', H', W') with -1 at those of padding, and the terms of the
            loss.

        Raises:
            ValueError: If the shape does not fit, or a pixel is outside of the vocabulary.
        """
        kept = None if mask is None else code_mask(mask, self.config.total_stride)
        quantised = self.quantiser(self._encode(pixels), kept)
        logits = self._decode(quantised.vectors, ClipSize(*pixels.shape[1:]))
        reconstruction = self._reconstruction_loss(logits, pixels, mask)
        return self._output(reconstruction, logits, quantised, quantised.codes[..., 0])

    @property
    def codes(self) -> dict[str, int]:
        """How many codes there are, as `Vocabulary.with_codes` takes them."""
        return {"image": self.quantiser.code_sizes[0]}

    def encode_batch(self, pixels: Tensor) -> Tensor:
        """Return the codes (B, T', H', W') int64 of clips (B, T, H, W); errors as of `forward`."""
        with evaluating(self):
            return self.quantiser.encode(self._encode(pixels))[..., 0]

    def logits_of_batch(self, codes: Tensor, size: tuple[int, int, int] | None = None) -> Tensor:
        """Return the logits (B, T, H, W, P) of the pixels that codes stand for.

        Args:
            codes: (B, T', H', W').
            size: T, H, W of the clips that were encoded; by default the largest size with so many codes.

        Raises:
            ValueError: If a code is outside of the codec's range, or `size` has another number of codes.
        """
        if codes.ndim != 4 or not codes.numel():
            raise ValueError(f"codes must be non-empty (B, T', H', W'), got shape {tuple(codes.shape)}")
        stride, grid = self.config.total_stride, codes.shape[1:]
        crop = padded_size(grid, stride) if size is None else check_crop(size, grid, stride)
        with evaluating(self):
            return self._decode(self.quantiser.decode(codes[..., None]).to(self.dtype), crop)

    def decode_batch(self, codes: Tensor, size: tuple[int, int, int] | None = None) -> Tensor:
        """Return the likeliest pixels (B, T, H, W) int64 of codes; arguments and errors as of `logits_of_batch`."""
        return self.logits_of_batch(codes, size).max(dim=-1).indices  # the same as argmax, in a third of its time

    def log_probs_of_batch(self, pixels: Tensor, codes: Tensor) -> Tensor:
        """Return the log-probability of every pixel given codes, in nats, (B, T, H, W) float32.

        Its negative sum, over log 2, is the second part of a two-part code in bits.

        Args:
            pixels: (B, T, H, W).
            codes: (B, T', H', W'), as a rule the pixels' own.
        """
        logits = self.logits_of_batch(codes, tuple(pixels.shape[1:]))
        return logits.float().log_softmax(dim=-1).gather(-1, pixels.long()[..., None])[..., 0]

    def _encode(self, pixels: Tensor) -> Tensor:
        """Return vectors (B, T', H', W', K)."""
        if pixels.ndim != 4 or not pixels.numel() or pixels.is_floating_point():
            raise ValueError(
                f"pixels must be non-empty (B, T, H, W) integers, got {pixels.dtype} of shape {tuple(pixels.shape)}"
            )
        check_cells("pixels", pixels, self.config.num_pixels)
        padded = pad_clip(pixels.long(), self.config.total_stride, self.config.background)
        return self.encoder(self.embedding(padded).movedim(-1, 1)).movedim(1, -1)

    def _decode(self, vectors: Tensor, size: ClipSize) -> Tensor:
        """Return the logits (B, T, H, W, P) of vectors (B, T', H', W', K)."""
        return crop_clip(self.decoder(vectors.movedim(-1, 1)).movedim(1, -1), size)

    def _reconstruction_loss(self, logits: Tensor, pixels: Tensor, mask: Tensor | None) -> Tensor:
        """Return the weighted mean of the cross entropy over the pixels that count."""
        losses = F.cross_entropy(logits.flatten(0, -2).float(), pixels.long().flatten(), reduction="none")
        weights = torch.where(pixels == self.config.background, 1.0, float(self.config.foreground_weight))
        weights = (weights if mask is None else weights * mask).flatten()
        return (losses * weights).sum() / weights.sum()


if not is_copy(__name__):
    AutoModel.register(PixelBytesVideoCodecConfig, PixelBytesVideoCodec, exist_ok=True)
