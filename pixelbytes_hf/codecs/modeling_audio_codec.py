"""The sound codec: amplitude levels to residual codes and back, all channels together (after SoundStream).

Levels become the amplitudes they stand for, strided convolutions make a vector of every frame of samples, and each of
Q codes refines what those before it say. The decoder gives an amplitude per sample; with a learnt spread per channel
that is a distribution over the levels (a logistic one, as in PixelCNN++), whose cross entropy is the loss, so that a
sound too has a lossless code in two parts.

Group norms look at one position at a time, convolutions to both sides: sounds are encoded whole.

Shapes: B batch, N samples, C channels, N' frames of samples, Q codes of a frame, A levels, K width of a vector.
"""

from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import can_return_tuple

from ..pretrained.remote_code import is_copy
from .audio_layers import AudioDecoder, AudioEncoder
from .codec import CodecOutput, PixelBytesCodec, check_cells
from .configuration_codecs import PixelBytesAudioCodecConfig
from .segment_codec import evaluating

LEAST_SPREAD = 1e-4  # of an amplitude in [-1, 1]
FIRST_SPREAD = 0.1


class PixelBytesAudioCodec(PixelBytesCodec):
    """Encoder, residual quantiser and decoder of sounds.

    Args:
        config: Settings.

    Example:
        >>> config = PixelBytesAudioCodecConfig(widths=[8, 8], strides=[16], num_channels=2)
        >>> codec = PixelBytesAudioCodec(config).eval()
        >>> codes = codec.encode_batch(torch.zeros(1, 400, 2, dtype=torch.int64))
        >>> codes.shape, codec.decode_batch(codes[..., :2]).shape
        (torch.Size([1, 25, 4]), torch.Size([1, 400, 2]))
    """

    config_class = PixelBytesAudioCodecConfig
    main_input_name = "levels"
    medium, code_medium = "audio", "audio_code"

    def __init__(self, config: PixelBytesAudioCodecConfig) -> None:
        """Make the weights."""
        super().__init__(config)
        layers = config.widths, config.strides, config.num_blocks, config.num_groups, self.quantiser.width
        self.encoder = AudioEncoder(config.num_channels, *layers)
        self.decoder = AudioDecoder(config.num_channels, *layers)
        # softplus(spread) is the scale of the distribution of amplitudes around what the decoder says
        self.spread = nn.Parameter(torch.empty(config.num_channels))
        self.amplitudes = np.array(config.tables.levels, np.float32)
        self.post_init()

    @can_return_tuple
    def forward(self, levels: Tensor, mask: Tensor | None = None) -> CodecOutput:
        """Encode and decode sounds.

        Args:
            levels: (B, N, C) integers, counted from the first level of the vocabulary.
            mask: (B, N), zero at samples that do not count, where a batch is padded to one length. Codes of such
                samples alone enter no term of the loss and no codebook; convolutions still see them from beside.

        Returns:
            The loss, logits (B, N, C, A), codes (B, N', Q) with -1 where training left a level out and at those of
            padding, and the terms of the loss.

        Raises:
            ValueError: If the shape does not fit, or a level is outside of the vocabulary.
        """
        quantised = self.quantiser(self._encode(levels), None if mask is None else self._frame_mask(mask))
        logits = self._logits(self._decode(quantised.vectors, levels.shape[1]))
        losses = F.cross_entropy(logits.flatten(0, -2), levels.long().flatten(), reduction="none")
        weights = torch.ones_like(levels, dtype=losses.dtype) if mask is None else mask[..., None].expand(levels.shape)
        weights = weights.flatten().to(losses.dtype)
        return self._output((losses * weights).sum() / weights.sum(), logits, quantised, quantised.codes)

    @property
    def codes(self) -> dict[str, tuple[int, ...]]:
        """How many codes there are, as `Vocabulary.with_codes` takes them."""
        return {"audio": self.quantiser.code_sizes}

    def encode_batch(self, levels: Tensor) -> Tensor:
        """Return the codes (B, N', Q) int64 of sounds (B, N, C); errors as of `forward`."""
        with evaluating(self):
            return self.quantiser.encode(self._encode(levels))

    def amplitudes_of_batch(self, codes: Tensor, length: int | None = None) -> Tensor:
        """Return the amplitudes (B, N, C) float that codes stand for.

        Args:
            codes: (B, N', q): the first q <= Q codes of every frame.
            length: N of the sounds that were encoded; by default the longest with so many frames.

        Raises:
            ValueError: If a code is outside of the codec's range, or `length` has another number of frames.
        """
        if codes.ndim != 3 or not codes.numel():
            raise ValueError(f"codes must be non-empty (B, N', Q), got shape {tuple(codes.shape)}")
        frame, num_frames = self.config.frame_length, codes.shape[1]
        length = num_frames * frame if length is None else length
        if ceil(length / frame) != num_frames:
            raise ValueError(f"length must be that of a sound of {num_frames} frames of {frame} samples, got {length}")
        with evaluating(self):
            return self._decode(self.quantiser.decode(codes).to(self.dtype), length)

    def logits_of_batch(self, codes: Tensor, length: int | None = None) -> Tensor:
        """Return the logits (B, N, C, A) of the levels that codes stand for; arguments as of `amplitudes_of_batch`."""
        with torch.no_grad():
            return self._logits(self.amplitudes_of_batch(codes, length))

    def decode_batch(self, codes: Tensor, length: int | None = None) -> Tensor:
        """Return the nearest levels (B, N, C) int64 of codes; arguments and errors as of `amplitudes_of_batch`."""
        amplitudes = self.amplitudes_of_batch(codes, length)
        return torch.bucketize(amplitudes.float().contiguous(), self._boundaries(amplitudes.device))

    def log_probs_of_batch(self, levels: Tensor, codes: Tensor) -> Tensor:
        """Return the log-probability of every level given codes, in nats, (B, N, C) float32.

        Args:
            levels: (B, N, C).
            codes: (B, N', q), as a rule the sound's own.
        """
        logits = self.logits_of_batch(codes, levels.shape[1])
        return logits.log_softmax(dim=-1).gather(-1, levels.long()[..., None])[..., 0]

    def snr_by_level(self, levels: Tensor) -> list[float]:
        """Return the signal-to-noise ratio in dB of sounds (B, N, C) decoded from their first 1, 2, ... Q codes.

        The signal's power is that around its mean, since a constant is no sound.

        Raises:
            ValueError: If the sounds are constant, and so have no ratio.
        """
        codes = self.encode_batch(levels)
        signal = self._table(levels.device)[levels.long()]
        power = (signal - signal.mean(dim=1, keepdim=True)).square().sum()
        if not power > 0:
            raise ValueError("levels must hold a sound that is not constant: otherwise there is no ratio")
        ratios = []
        for count in range(1, codes.shape[-1] + 1):
            noise = signal - self.amplitudes_of_batch(codes[..., :count], levels.shape[1]).float()
            ratios.append(float(10 * torch.log10(power / noise.square().sum())))
        return ratios

    def _encode(self, levels: Tensor) -> Tensor:
        """Return vectors (B, N', K)."""
        channels, size = self.config.num_channels, len(self.amplitudes)
        if levels.ndim != 3 or not levels.numel() or levels.is_floating_point() or levels.shape[-1] != channels:
            raise ValueError(
                f"levels must be non-empty (B, N, {channels}) integers, got {levels.dtype} of shape "
                f"{tuple(levels.shape)}"
            )
        check_cells("levels", levels, size)
        sound = self._table(levels.device)[levels.long()].movedim(-1, 1)
        # silence, so that what the strides do not divide needs no level of its own
        sound = F.pad(sound, (0, -sound.shape[-1] % self.config.frame_length)).to(self.dtype)
        return self.encoder(sound).movedim(1, -1)

    def _frame_mask(self, mask: Tensor) -> Tensor:
        """Return which frames (B, N') hold at least one sample that counts, bool, of samples (B, N)."""
        frame = self.config.frame_length
        return F.pad(mask != 0, (0, -mask.shape[1] % frame)).unflatten(1, (-1, frame)).any(-1)

    def _decode(self, vectors: Tensor, length: int) -> Tensor:
        """Return the amplitudes (B, N, C) of vectors (B, N', K)."""
        return self.decoder(vectors.movedim(-1, 1)).movedim(1, -1)[:, :length]

    def _logits(self, amplitudes: Tensor) -> Tensor:
        """Return the log-probabilities (B, N, C, A) of levels around amplitudes: the mass between their boundaries.

        The outermost levels reach to infinity: of a distribution cut off at the ends an amplitude far beyond them
        would cost nothing, and training would put it there.
        """
        spread = F.softplus(self.spread.float()) + LEAST_SPREAD
        places = (self._boundaries(amplitudes.device) - amplitudes.float()[..., None]) / spread[:, None]
        below, above = F.logsigmoid(places), F.logsigmoid(-places)  # log mass below and above each boundary
        between = below[..., 1:] + above[..., :-1] + torch.log1p(-torch.exp(places[..., :-1] - places[..., 1:]))
        return torch.cat([below[..., :1], between, above[..., -1:]], dim=-1)

    def _boundaries(self, device: torch.device) -> Tensor:
        return torch.from_numpy((self.amplitudes[1:] + self.amplitudes[:-1]) / 2).to(device)

    def _table(self, device: torch.device) -> Tensor:
        return torch.from_numpy(self.amplitudes).to(device)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            nn.init.constant_(self.spread, float(np.log(np.expm1(FIRST_SPREAD))))


if not is_copy(__name__):
    AutoModel.register(PixelBytesAudioCodecConfig, PixelBytesAudioCodec, exist_ok=True)
