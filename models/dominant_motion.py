"""Where motion maps say that pixels have come from: one displacement a pixel (Tian et al. 2020, figure 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from .pixel_adaptive import side_of


def dominant_motion(maps: Tensor, dilation: int = 1) -> Tensor:
    """Displacements (N, 2, H, W), right and down [px], of maps (N, k², H, W) whose taps are `dilation` pixels apart.

    The mean of the taps' displacements, weighted by what of each weight is positive: exact for a filter that
    interpolates between neighbours, while the largest tap alone would round to whole pixels. 0 where no weight is
    positive.
    """
    kernel = side_of(maps)
    offsets = dilation * (torch.arange(kernel, dtype=maps.dtype, device=maps.device) - kernel // 2)
    weights = torch.unflatten(maps.clamp(min=0), 1, (kernel, kernel))  # (N, m, n, H, W)
    total = weights.sum(dim=(1, 2))
    right = (weights.sum(dim=2) * offsets[:, None, None]).sum(dim=1)
    down = (weights.sum(dim=1) * offsets[:, None, None]).sum(dim=1)
    return torch.where(total[:, None] > 0, torch.stack((right, down), dim=1) / total[:, None], 0)
