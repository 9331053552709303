"""Optimisers: AdamW, and Muon for the mixer's matrices beside it.

Muon replaces a matrix's averaged gradient by the nearest matrix whose singular values are all about one, so that
directions with small gradients move as far as those with large ones. Gates of an LSTM are stacked in one matrix; each
is treated as a matrix of its own.

Source: Muon as published by K. Jordan (kellerjordan.github.io/posts/muon), with its quintic coefficients; the split by
gates is ours.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

NUM_LSTM_GATES = 4
_QUINTIC, _NUM_ITERATIONS = (3.4445, -4.775, 2.0315), 5
_MOMENTUM, _EPSILON = 0.95, 1e-8  # decay rate of Muon's average, of Nesterov's kind; added to AdamW's denominator


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return matrices of the same row and column spaces whose singular values are about one, in 0.5..1.5.

    Args:
        matrices: (..., rows, columns), not all zero.

    Example:
        >>> torch.linalg.svdvals(orthogonalise(torch.diag(torch.tensor([3.0, 1.0])))).round().tolist()
        [1.0, 1.0]
    """
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    result = matrices.mT if is_tall else matrices
    result = result / result.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    linear, cubic, quintic = _QUINTIC
    # Newton-Schulz: an odd polynomial acts on the singular values alone
    for _ in range(_NUM_ITERATIONS):
        gram = result @ result.mT
        result = linear * result + (cubic * gram + quintic * gram @ gram) @ result
    return result.mT if is_tall else result


class MuonAdamW(Optimizer):
    """Muon for the groups that have ``num_blocks``, AdamW for the others; one state to save.

    Args:
        groups: Parameter groups with ``lr``; those for Muon with ``num_blocks``, the matrices stacked in a parameter.
        betas: Decay rates of AdamW's moments.
        weight_decay: Of groups that do not say.
        dtype: In which matrices are orthogonalised.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Keep the settings of every group."""
        self.dtype = dtype
        super().__init__(groups, {"betas": betas, "weight_decay": weight_decay, "num_blocks": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon_update if group["num_blocks"] else self._adamw_update
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update(parameter, group), alpha=-group["lr"])
        return loss

    def _muon_update(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        average = state.setdefault("average", torch.zeros_like(parameter))
        average.lerp_(parameter.grad, 1 - _MOMENTUM)
        ahead = parameter.grad.lerp(average, _MOMENTUM)
        blocks = ahead.unflatten(0, (group["num_blocks"], -1))
        scale = max(1.0, blocks.shape[1] / blocks.shape[2]) ** 0.5
        return orthogonalise(blocks.to(self.dtype)).to(parameter.dtype).reshape_as(parameter) * scale

    def _adamw_update(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        state, (beta_mean, beta_square) = self.state[parameter], group["betas"]
        if not state:
            state.update(step=torch.zeros(()), mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        state["mean"].lerp_(parameter.grad, 1 - beta_mean)
        state["square"].lerp_(parameter.grad.square(), 1 - beta_square)
        steps = state["step"].item()
        denominator = (state["square"] / (1 - beta_square**steps)).sqrt_().add_(_EPSILON)
        return state["mean"] / (1 - beta_mean**steps) / denominator


def muon_groups(
    model: nn.Module, *, matrix_learning_rate: float, learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return the groups of `MuonAdamW`: matrices of recurrent and linear layers between embedding and head to Muon.

    Args:
        model: Any; its embeddings, its head ``fc``, and all that is no matrix go to AdamW.
        matrix_learning_rate: Of Muon.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW's matrices.
    """
    blocks: dict[int, list[Tensor]] = {}
    plain, decayed = [], []
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    stacked = {id(p) for m in model.modules() if isinstance(m, nn.LSTM) for p in m.parameters()}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim != 2:
            plain.append(parameter)
        elif id(parameter) in embeddings or name.startswith("fc."):
            decayed.append(parameter)
        else:
            blocks.setdefault(NUM_LSTM_GATES if id(parameter) in stacked else 1, []).append(parameter)
    groups = [{"params": found, "lr": matrix_learning_rate, "num_blocks": count} for count, found in blocks.items()]
    groups.append({"params": decayed, "lr": learning_rate, "weight_decay": weight_decay})
    return [*groups, {"params": plain, "lr": learning_rate}]
