"""The reconstruction loss of CGM-Net (Tian et al. 2020, equation 6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6


def charbonnier(predicted: Tensor, truth: Tensor, follows: Tensor) -> Tensor:
    """The mean of ρ(x) = √(x² + ε²) over all differences, ε = 1e-6: nearly their absolute mean, and smooth at 0.

    predicted, truth (B, T, C, H, W). follows: bool (B, T), the frames that count; 0 where there is none.
    """
    errors = torch.sqrt((predicted - truth).square() + EPSILON**2).flatten(2).mean(dim=2)
    return (errors * follows).sum() / follows.sum().clamp(min=1)


def area_downsample(frames: Tensor, scale: int) -> Tensor:
    """Means over scale x scale pixels: (B, T, 3, S, S) to (B, T, 3, S / scale, S / scale)."""
    return torch.unflatten(F.avg_pool2d(frames.flatten(0, 1), scale), 0, frames.shape[:2])
