"""A mixer of one's own, in a file of one's own: register it, name it in `mixer_config`, train.

    python examples/own_mixer.py --dataset outputs/quickstart/pixelbytes-mini --out outputs/own-mixer

A mixer reads vectors (B, L, D) and returns vectors of that shape. This one keeps moving averages: each channel forgets
at a speed of its own, h[n] = a h[n-1] + (1 - a) x[n], and a gated layer reads both x and h. It is not good; it is
short. What the package asks of a mixer:

- a configuration with a `model_type`, `hidden_size` and `num_hidden_layers`, that says whether it `sees_future`;
- `layer_types`, if its memory is a state: one name per layer, ``linear_attention`` for a state of any shape. Then
  padding, batches of unequal length and generation step by step are the package's affair (`recurrent`);
- a `PixelBytesMixer` that says in `read` how its layers read, and go on from a state.
"""

import argparse
from pathlib import Path
from typing import Any, ClassVar

import torch
from datasets import load_dataset
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig
from transformers import initialization as init

from pixelbytes_hf import train
from pixelbytes_hf.mixers.mixer_base import PixelBytesMixer


class MovingAverageConfig(PreTrainedConfig):
    """Settings of a stack of moving averages.

    Args:
        hidden_size: Width of the vectors that come in and go out.
        num_hidden_layers: Number of layers.
    """

    model_type: ClassVar[str] = "moving_average"
    sees_future: ClassVar[bool] = False

    hidden_size: int = 64
    num_hidden_layers: int = 2

    @property
    def layer_types(self) -> list[str]:
        """Kind of state each layer keeps, from which transformers builds a cache."""
        return ["linear_attention"] * self.num_hidden_layers


class MovingAverageLayer(nn.Module):
    """One moving average per channel and a gated layer upon it.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        """Make the weights."""
        super().__init__()
        self.speed = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(2 * width, 2 * width)

    def forward(self, vectors: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors (B, L, D) and the state (B, D) after the last of them."""
        inputs, keep = self.norm(vectors), self.speed.sigmoid()
        averages = []
        for each in inputs.unbind(1):
            state = keep * state + (1 - keep) * each
            averages.append(state)
        value, gate = self.mix(torch.cat([inputs, torch.stack(averages, 1)], -1)).chunk(2, -1)
        return vectors + value.tanh() * gate.sigmoid(), state


class MovingAverageModel(PixelBytesMixer):
    """A stack of `MovingAverageLayer` over `inputs_embeds`.

    Args:
        config: Sizes.
    """

    config_class = MovingAverageConfig

    def __init__(self, config: MovingAverageConfig) -> None:
        """Make the layers."""
        super().__init__(config)
        self.layers = nn.ModuleList(MovingAverageLayer(config.hidden_size) for _ in range(config.num_hidden_layers))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, MovingAverageLayer):
            # from averages over two positions to averages over a thousand
            init.copy_(module.speed, torch.linspace(0, 7, len(module.speed)))

    def read(self, vectors: Tensor, cache: Any, lengths: Tensor | None = None) -> list[Tensor]:
        """Read sequences of vectors; see `PixelBytesMixer.read`."""
        between = [vectors]
        for index, layer in enumerate(self.layers):
            state = None if cache is None else cache.layers[index].recurrent_states[0]
            vectors, state = layer(vectors, vectors.new_zeros(vectors[:, 0].shape) if state is None else state)
            if cache is not None:
                cache.update_recurrent_state(state, index)
            between.append(vectors)
        return between


AutoConfig.register(MovingAverageConfig.model_type, MovingAverageConfig, exist_ok=True)
AutoModel.register(MovingAverageConfig, MovingAverageModel, exist_ok=True)


def train_with_it(data: Any, out: Path, **settings: Any) -> Path:
    """Train the preset ``mini`` with moving averages in the place of its LSTM."""
    mixer = {"model_type": MovingAverageConfig.model_type, "hidden_size": 96, "num_hidden_layers": 3}
    plain = {
        "initialisation": "default",
        "memory_horizon": None,
        "prefix_windows": 0,
        "window_length": 256,
        "stride": 256,
    }
    return train(data, "mini", out, model={"mixer_config": mixer}, **{**plain, **settings})


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="folder or Hub name of a corpus")
    parser.add_argument("--out", required=True, help="run folder to make")
    parser.add_argument("--max-steps", type=int, default=100, help="optimiser steps (default: %(default)s)")
    options = parser.parse_args()
    print(train_with_it(load_dataset(options.dataset), Path(options.out), max_steps=options.max_steps))


if __name__ == "__main__":
    main()
