"""SlowFast networks: a slow pathway of few frames and a narrow one of all, joined by lateral convolutions.

Source: Feichtenhofer et al., ICCV 2019, with its time-strided lateral convolutions.

Shapes: B clips, T frames, a = alpha (frames in a step of the slow pathway), S side of the crop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..schemas.slow_fast import ALPHA, BETA_INVERSE
from .resnet import initialise

SLOWFAST_BLOCKS = {"slowfast-small": (1, 1, 1, 1), "slowfast50": (3, 4, 6, 3), "slowfast101": (3, 4, 23, 3)}
SLOW_TIMES, FAST_TIMES = (1, 1, 3, 3), (3, 3, 3, 3)
LATERAL_TIME = 7


class TemporalBottleneck(nn.Module):
    """Convolutions of sizes (time, 1, 1), (1, 3, 3) with the stride in space, and 1, around a shortcut."""

    def __init__(self, channels: int, inner: int, time: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv3d(channels, inner, (time, 1, 1), padding=(time // 2, 0, 0), bias=False),
            nn.BatchNorm3d(inner),
            nn.ReLU(inplace=True),
            nn.Conv3d(inner, inner, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(inner),
            nn.ReLU(inplace=True),
            nn.Conv3d(inner, 4 * inner, 1, bias=False),
            nn.BatchNorm3d(4 * inner),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * inner:
            conv = nn.Conv3d(channels, 4 * inner, 1, (1, stride, stride), bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm3d(4 * inner))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, T, S, S) -> (B, 4 · inner, T, S / stride, S / stride)."""
        return torch.relu(self.residual(x) + self.shortcut(x))


class SlowFast(nn.Module):
    """Maps of clips (B, 3, T, S, S), and scores of classes where `classes` is given.

    The maps are (B, channels, T/a, S/32, S/32): the slow pathway's 32 · width channels, then the fast one's, the a
    frames of a slow step side by side as channels, so that no order in time is lost. T a multiple of a.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        classes: int | None,
        width: int = 64,
        alpha: int = ALPHA,
        beta_inverse: int = BETA_INVERSE,
        lateral_time: int = LATERAL_TIME,
        input_channels: int = 3,
    ) -> None:
        super().__init__()
        if width % beta_inverse:
            raise ValueError(f"width {width} must be a multiple of 1 / beta = {beta_inverse}")
        fast = width // beta_inverse
        self.alpha, self.slow_channels, self.fast_channels = alpha, 32 * width, 32 * fast
        self.channels = self.slow_channels + alpha * self.fast_channels
        self.slow_stem, self.fast_stem = _stem(input_channels, width, 1), _stem(input_channels, fast, 5)
        slow_in = [width + 2 * fast, *(factor * (width + 2 * fast) for factor in (4, 8, 16))]
        fast_in = [fast, *(factor * fast for factor in (4, 8, 16))]
        self.lateral = nn.ModuleList(_lateral(channels, lateral_time, alpha) for channels in fast_in)
        self.slow_stages = nn.ModuleList(
            _stage(slow_in[i], width << i, blocks[i], SLOW_TIMES[i], 1 if i == 0 else 2) for i in range(4)
        )
        self.fast_stages = nn.ModuleList(
            _stage(fast_in[i], fast << i, blocks[i], FAST_TIMES[i], 1 if i == 0 else 2) for i in range(4)
        )
        self.fc = nn.Linear(self.slow_channels + self.fast_channels, classes) if classes else None
        initialise(self)

    def forward(self, clip_B3TSS: Tensor) -> Tensor:
        """Maps (B, channels, T/a, S/32, S/32)."""
        slow: Tensor = self.slow_stem(clip_B3TSS[:, :, :: self.alpha])
        fast: Tensor = self.fast_stem(clip_B3TSS)
        for lateral, slow_stage, fast_stage in zip(self.lateral, self.slow_stages, self.fast_stages, strict=True):
            slow = slow_stage(torch.cat((slow, lateral(fast)), dim=1))
            fast = fast_stage(fast)
        steps = torch.unflatten(fast, 2, (-1, self.alpha)).movedim(3, 2).flatten(1, 2)
        return torch.cat((slow, steps), dim=1)

    def pool(self, maps: Tensor) -> Tensor:
        """The means of both pathways over time and place: (B, slow_channels + fast_channels)."""
        means = maps.flatten(2).mean(dim=2)
        fast = torch.unflatten(means[:, self.slow_channels :], 1, (self.fast_channels, self.alpha)).mean(dim=2)
        return torch.cat((means[:, : self.slow_channels], fast), dim=1)

    def classify(self, maps: Tensor) -> Tensor:
        """Scores (B, classes) of maps. A network built without classes has none to give."""
        assert self.fc is not None
        scores: Tensor = self.fc(self.pool(maps))
        return scores


def _stem(input_channels: int, width: int, time: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(input_channels, width, (time, 7, 7), (1, 2, 2), padding=(time // 2, 3, 3), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
    )


def _lateral(channels: int, time: int, alpha: int) -> nn.Sequential:
    """From every frame of the fast pathway to the slow one's, with twice the channels."""
    conv = nn.Conv3d(channels, 2 * channels, (time, 1, 1), (alpha, 1, 1), padding=(time // 2, 0, 0), bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(2 * channels), nn.ReLU(inplace=True))


def _stage(channels: int, inner: int, blocks: int, time: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        TemporalBottleneck(channels, inner, time, stride),
        *(TemporalBottleneck(4 * inner, inner, time, 1) for _ in range(blocks - 1)),
    )
