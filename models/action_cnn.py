"""The light-weight action CNN of CGM-Net: motion maps to scores of classes (Tian et al. 2020, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .resnet import initialise


class ActionCnn(nn.Module):
    """Six 3x3x3 convolutions with stride 2, the first in space alone, a global mean, dropout and a linear layer."""

    def __init__(self, taps: int, widths: Sequence[int], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (before, width) in enumerate(zip((taps, *widths[:-1]), widths, strict=True)):
            stride = (1, 2, 2) if index == 0 else (2, 2, 2)
            layers.append(nn.Conv3d(before, width, 3, stride, padding=1, bias=False))
            layers += [nn.BatchNorm3d(width), nn.ReLU(inplace=True)]
        self.convs = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[-1], classes)
        initialise(self)

    def forward(self, maps: Tensor) -> Tensor:
        """Motion maps (B, taps, T, h, w) to scores (B, classes)."""
        scores: Tensor = self.fc(self.dropout(self.convs(maps).flatten(2).mean(dim=2)))
        return scores
