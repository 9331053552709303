"""What the two codecs share: the loss, loading, and the digest that says which codec made a code.

Shapes: B batch, ... positions of the grid of codes, Q codes of a position.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from ..pretrained.whole_weights import WholeWeightsModel
from .configuration_codecs import PixelBytesCodecConfig
from .quantisers.quantiser import Quantised
from .quantisers.quantisers import find_quantiser
from .segment_codec import SegmentCodec

# what a configuration file holds beside the codec's own settings
_NOT_OF_THE_CODEC = ("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version")


@dataclass
class CodecOutput(ModelOutput):
    """What a forward pass returns.

    Args:
        loss: What training lowers: the reconstruction and the weighted terms of the quantiser. It may be negative.
        logits: Of every cell over its possible values.
        codes: Of the codec's grid.
        reconstruction: Mean cross entropy of the input in nats, weighted as the configuration says.
        sample_entropy: See `QuantiserLosses`.
        batch_entropy: See `QuantiserLosses`.
        commitment: See `QuantiserLosses`.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    codes: Tensor | None = None
    reconstruction: Tensor | None = None
    sample_entropy: Tensor | None = None
    batch_entropy: Tensor | None = None
    commitment: Tensor | None = None


def check_cells(name: str, cells: Tensor, count: int) -> None:
    """Make sure that cells, counted from the first of their kind, are of so many; raises ValueError."""
    low, high = int(cells.min()), int(cells.max())
    if not 0 <= low <= high < count:
        raise ValueError(f"{name} must be in 0..{count - 1}, got {low}..{high}")


class PixelBytesCodec(SegmentCodec, WholeWeightsModel):
    """Quantiser, loss, loading and digest of a codec; a subclass brings encoder and decoder.

    Args:
        config: Settings.
    """

    config_class = PixelBytesCodecConfig
    base_model_prefix = "codec"

    def __init__(self, config: PixelBytesCodecConfig) -> None:
        """Make the quantiser; the subclass calls `post_init`."""
        super().__init__(config)
        self.tables = config.tables
        self.quantiser = find_quantiser(config.quantiser)(config.quantiser_settings)
        # the optimiser's steps so far, which the entropy's weight follows and the trainer sets: saved, so that a
        # resumed run goes on with it
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None, *args: Any, **kwargs: Any) -> Any:
        """Load a codec; arguments as of `PreTrainedModel.from_pretrained`.

        Raises:
            ValueError: If a weight is missing, has another shape than the configuration says, or is not finite.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        (loaded[0] if isinstance(loaded, tuple) else loaded).check_finite()
        return loaded

    def check_finite(self) -> None:
        """Make sure that every weight is a number; raises ValueError that names the first that is not."""
        for name, weight in self.state_dict().items():
            if weight.is_floating_point() and not weight.isfinite().all():
                raise ValueError(
                    f"the weights of the codec {self.name_or_path!r} must be finite, got NaN or infinity in {name}"
                )

    @property
    def digest(self) -> str:
        """SHA-256 of settings and weights in hex, without the count of steps: equal where codes mean the same."""
        settings = {name: value for name, value in self.config.to_dict().items() if name not in _NOT_OF_THE_CODEC}
        total = sha256(json.dumps(settings, sort_keys=True).encode())
        for name, weight in sorted(self.state_dict().items()):
            if name == "num_steps":
                continue
            data = weight.detach().cpu().contiguous()
            total.update(f"{name} {data.dtype} {tuple(data.shape)}".encode())
            total.update(data.reshape(-1).view(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    @property
    def entropy_weight(self) -> float:
        """Weight of the entropy terms at this step: boosted at first, then lowered linearly, then constant."""
        config = self.config
        passed = min(1.0, int(self.num_steps) / config.entropy_anneal_steps) if config.entropy_anneal_steps else 1.0
        return float(config.entropy_weight * (config.entropy_boost + (1 - config.entropy_boost) * passed))

    def _output(self, reconstruction: Tensor, logits: Tensor, quantised: Quantised, codes: Tensor) -> CodecOutput:
        """Return the output of a forward pass."""
        losses = quantised.losses
        entropy = losses.sample_entropy - losses.batch_entropy
        loss = reconstruction + self.entropy_weight * entropy + self.config.commitment_weight * losses.commitment
        return CodecOutput(loss, logits, codes, reconstruction, *losses)

    def _init_weights(self, module: nn.Module) -> None:
        # as torch itself does; transformers sees to it that loaded weights are left alone
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
