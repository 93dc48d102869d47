"""Optimisers of the training loop: Adam, and stochastic gradient descent as Srivastava et al. 2015 released it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ..schemas.errors import MotionpipeError

MOMENTUM = 0.9
MOST_CHANGE = 1e-4


class ClippedMomentum(torch.optim.Optimizer):
    """Gradient descent with momentum, in which no weight ever changes by more than `most` in a step.

    v ← clip(0.9 v + rate (g + decay w), ±most), w ← w - v: the released configurations of Srivastava et al. 2015.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], weight_decay: float, most: float = MOST_CHANGE) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": weight_decay, "most": most})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there; `closure` is not used."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.mul_(MOMENTUM).add_(weight.grad, alpha=group["lr"])
                velocity.add_(weight, alpha=group["lr"] * group["weight_decay"])
                weight.sub_(velocity.clamp_(-group["most"], group["most"]))


def make_optimiser(
    name: str,
    groups: Iterable[dict[str, Any]],
    weight_decay: float,
    adam_eps: float = 1e-8,
    capturable: bool = False,
) -> torch.optim.Optimizer:
    """The optimiser that a recipe names: "adam", or "momentum" as released.

    capturable: its steps can be recorded in a CUDA graph, with a step size that is a tensor; Adam alone can do that.
    """
    if name == "adam":
        return torch.optim.Adam(groups, eps=adam_eps, weight_decay=weight_decay, capturable=capturable)
    if capturable:
        raise MotionpipeError(f"the optimiser {name} cannot be recorded in a CUDA graph; train without --graph")
    return ClippedMomentum(groups, weight_decay)
