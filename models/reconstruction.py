"""The reconstruction loss of CGM-Net (Tian et al. 2020, equation 6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6


def charbonnier(predicted: Tensor, truth: Tensor) -> Tensor:
    """The mean of ρ(x) = √(x² + ε²) over all differences, ε = 1e-6: nearly their absolute mean, and smooth at 0."""
    return torch.sqrt((predicted - truth).square() + EPSILON**2).mean()


def area_downsample(frames: Tensor, scale: int) -> Tensor:
    """Means over scale x scale pixels: (B, T, 3, S, S) to (B, T, 3, S / scale, S / scale)."""
    return torch.unflatten(F.avg_pool2d(frames.flatten(0, 1), scale), 0, frames.shape[:2])
