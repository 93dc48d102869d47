"""Step sizes over a run: warm-up, then falls at milestones, half a cosine, or an even decay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ..schemas.training import LoopSection


def rate_factor(config: LoopSection, progress: float) -> float:
    """Part of the full step size at `progress` (fraction of the run): warm-up, then the schedule."""
    if progress < config.warmup:
        # never 0, so that the first step counts
        return max(progress / config.warmup, 1e-3)
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (progress - config.warmup) / (1 - config.warmup)))
    if config.schedule == "exponential":
        return float(config.last_rate ** ((progress - config.warmup) / (1 - config.warmup)))
    return float(0.1 ** sum(progress >= milestone for milestone in config.milestones))


def set_learning_rates(
    optimiser: torch.optim.Optimizer, factors: Mapping[str, float], config: LoopSection, progress: float
) -> None:
    """Step sizes of all groups: their own, times the factor of their part of the network, times the schedule."""
    for group in optimiser.param_groups:
        group["lr"] = group["full_rate"] * factors.get(group["part"], 1.0) * rate_factor(config, progress)
