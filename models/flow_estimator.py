"""One level's estimate of motion: densely connected convolutions, as in PWC-Net (Sun et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .feature_pyramid import LEAK


class FlowEstimator(nn.Module):
    """Each 3x3 convolution sees the input and what all before it made; the last makes (u, v)."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        for width in widths:
            self.convolutions.append(nn.Conv2d(channels, width, 3, padding=1))
            channels += width
        self.motion = nn.Conv2d(channels, 2, 3, padding=1)
        self.activation = nn.LeakyReLU(LEAK, inplace=True)

    def forward(self, seen: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, 2, H, W), in pixels of this level."""
        for convolution in self.convolutions:
            seen = torch.cat((seen, self.activation(convolution(seen))), dim=1)
        motion: Tensor = self.motion(seen)
        return motion
