"""A shallow convolutional pyramid: features of an image at 1/2, 1/4, ... of its size.

Shapes: N images, H x W pixels; level l = 1, 2, ... has H / 2^l x W / 2^l pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

LEAK = 0.1
"""Slope of the leaky rectifiers below 0, as in PWC-Net (Sun et al., CVPR 2018)."""


class FeaturePyramid(nn.Module):
    """`convolutions` 3x3 convolutions a level, the first with stride 2; `widths` are the channels of the levels."""

    def __init__(self, widths: Sequence[int], convolutions: int, input_channels: int = 3) -> None:
        super().__init__()
        before = (input_channels, *widths[:-1])
        self.levels = nn.ModuleList(
            _level(channels, width, convolutions) for channels, width in zip(before, widths, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> features of all levels, the finest first."""
        features: list[Tensor] = []
        for level in self.levels:
            images = level(images)
            features.append(images)
        return features


def _level(channels: int, width: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(convolutions):
        first = number == 0
        layers += [nn.Conv2d(channels if first else width, width, 3, 2 if first else 1, 1), nn.LeakyReLU(LEAK, True)]
    return nn.Sequential(*layers)
