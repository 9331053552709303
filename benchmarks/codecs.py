"""What the picture codec costs over its bare modules: decoding what was encoded, and a training step.

The first figure sets `decode_batch(encode_batch(pixels))` against a bare pass of the same convolutions: the same
weights one after another, with no norms, no quantiser and no checks in between. The second sets a training step of the
codec against a bare loop of the same modules and losses on ready tensors. Rounds of the two alternate and the median
of their ratios counts.

Run: ``python benchmarks/codecs.py [--threads 2] [--rounds 15] [--cpu-time] [--json FILE]``
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pixelbytes_hf import PixelBytesVideoCodec, PixelBytesVideoCodecConfig, Vocabulary
from pixelbytes_hf.codecs.causal_convolutions import CausalConv3d, Upsampling
from pixelbytes_hf.codecs.geometry import code_size

Clock = Callable[[], float]
Run = Callable[[], None]
SIZES = {"12x12, 32 clips of 4 frames": (32, 4, 12, 12), "64x64, one clip of 17 frames": (1, 17, 64, 64)}


def convolutions_of(codec: PixelBytesVideoCodec) -> list[nn.Module]:
    """Return the convolutions of encoder and decoder in their order; up-sampling moves data too, as it must."""
    inside = {id(module.conv) for module in codec.modules() if isinstance(module, Upsampling)}
    return [
        module
        for part in (codec.encoder, codec.decoder)
        for module in part.modules()
        if isinstance(module, Upsampling) or (isinstance(module, CausalConv3d) and id(module) not in inside)
    ]


def bare_pass(codec: PixelBytesVideoCodec, pixels: torch.Tensor) -> Run:
    """Return a function that runs the convolutions alone, on clips that need no padding."""
    convolutions = convolutions_of(codec)
    frames, rows, columns = codec.config.total_stride
    grid = code_size(pixels.shape[1:], (frames, rows, columns))
    whole = (1 + (grid.frames - 1) * frames, grid.rows * rows, grid.columns * columns)
    clip = torch.randn(len(pixels), codec.config.widths[0], *whole)

    def run() -> None:
        hidden = clip
        with torch.no_grad():
            for convolution in convolutions:
                hidden = convolution(hidden)

    return run


def whole_pass(codec: PixelBytesVideoCodec, pixels: torch.Tensor) -> Run:
    """Return a function that encodes and decodes."""
    size = tuple(pixels.shape[1:])
    return lambda: codec.decode_batch(codec.encode_batch(pixels), size)


def step_of(modules: nn.Module, loss_of: Callable[[], torch.Tensor]) -> Run:
    """Return a function that trains once."""
    optimiser = torch.optim.AdamW(modules.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        optimiser.zero_grad()
        loss_of().backward()
        optimiser.step()

    return run


def bare_loss(codec: PixelBytesVideoCodec, pixels: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Return a function that puts the codec's modules and the library's quantiser together by hand."""
    from vector_quantize_pytorch import LFQ

    width, temperature = codec.quantiser.width, codec.quantiser.settings["temperature"]
    library = LFQ(dim=width, codebook_size=2**width, commitment_loss_weight=1.0)
    targets = pixels.flatten()

    def loss() -> torch.Tensor:
        vectors = codec.encoder(codec.embedding(pixels).movedim(-1, 1))
        vectors = F.layer_norm(vectors.movedim(1, -1), (width,)).movedim(-1, 1)
        result, terms = library(vectors, inv_temperature=1 / temperature, return_loss_breakdown=True)
        logits = codec.decoder(result.quantized).movedim(1, -1)
        entropy = terms.per_sample_entropy - terms.batch_entropy
        return F.cross_entropy(logits.flatten(0, -2), targets) + 0.1 * entropy + 0.25 * terms.commitment

    return loss


def compare(ours: Run, bare: Run, rounds: int, clock: Clock) -> dict[str, Any]:
    """Return the seconds of both and the median of their ratios; the order alternates."""
    ours(), bare()
    times = []
    for turn in range(rounds):
        marks = []
        for run in (ours, bare) if turn % 2 else (bare, ours):
            start = clock()
            run()
            marks.append(clock() - start)
        times.append(marks if turn % 2 else marks[::-1])
    return {
        "ours_seconds": statistics.median(own for own, _ in times),
        "bare_seconds": statistics.median(other for _, other in times),
        "ratio": statistics.median(own / other for own, other in times),
        "ratios": [own / other for own, other in times],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds: for a machine that others use too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    codec = PixelBytesVideoCodec(PixelBytesVideoCodecConfig(vocabulary=Vocabulary.from_preset("paper")))
    results: dict[str, Any] = {}
    for name, shape in SIZES.items():
        pixels = torch.randint(0, codec.config.num_pixels, shape)
        runs = whole_pass(codec.eval(), pixels), bare_pass(codec, pixels)
        results[f"decode(encode), {name}"] = {**compare(*runs, options.rounds, clock), "target": 1.3}
    pixels = torch.randint(0, codec.config.num_pixels, (32, 5, 12, 12))
    codec.train()
    runs = step_of(codec, lambda: codec(pixels).loss), step_of(codec, bare_loss(codec, pixels))
    results["training step, 12x12, 32 clips of 5 frames"] = {**compare(*runs, options.rounds, clock), "target": 1.15}
    for name, row in results.items():
        times = "ours {ours_seconds:.4f} s, bare {bare_seconds:.4f} s".format(**row)
        print(f"{name}: {times}, ratio {row['ratio']:.3f} (target {row['target']:.2f})")
    if options.json:
        settings = {"threads": options.threads, "rounds": options.rounds}
        options.json.write_text(json.dumps({**settings, **results}, indent=1))


if __name__ == "__main__":
    main()
