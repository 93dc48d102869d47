"""One vector of a clip's hidden maps: their mean over time and over the cells of a coarse grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pool_clip(hidden_BTDss: Tensor, grid: int) -> Tensor:
    """Vectors (B, D · grid²) of hidden maps (B, T, D, s, s); ValueError where the grid is finer than the maps."""
    side = hidden_BTDss.shape[-1]
    if grid > side:
        raise ValueError(f"pool_grid {grid} is finer than the {side}x{side} code")
    return F.adaptive_avg_pool2d(hidden_BTDss.mean(dim=1), grid).flatten(1)
