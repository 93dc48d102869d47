"""The LR motion decoder of CGM-Net: a clip's features to motion features and LR motion maps (Tian et al. 2020, 3.3).

Shapes: B clips, T frames, H x W pixels, s scale, k side of the filters in LR maps, C motion channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from .filter_head import FilterHead
from .pixel_adaptive import identity_filter

if TYPE_CHECKING:
    from ..schemas.cgm_net import CgmNetSection


class MotionDecoder(nn.Module):
    """Four times trilinear upsampling and a 3x3x3 convolution, one more for F_motion, 1x1x1 for the maps' k² taps.

    The maps are predicted as differences from the identity filter, and start as it. channels: of the encoder's stages.
    The decoder sees the last alone; with `lateral` stages 3, 2 and 1 are added after its first three convolutions (as
    in feature pyramids, Lin et al., CVPR 2017; not in the paper).
    """

    identity: Tensor

    def __init__(self, channels: Sequence[int], config: CgmNetSection) -> None:
        super().__init__()
        self._scale = config.scale
        widths = (channels[-1], *config.decoder_widths)
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.LeakyReLU(config.slope, inplace=True),
            )
            for before, width in pairwise(widths)
        )
        self.laterals = nn.ModuleList(
            nn.Conv3d(stage, width, 1)
            for stage, width in zip(channels[-2::-1], config.decoder_widths, strict=False)
            if config.lateral
        )
        self.motion = nn.Conv3d(widths[-1], config.motion_channels, 3, padding=1)
        self.head = FilterHead(nn.Conv3d(config.motion_channels, config.taps_lr, 1))
        kernel = round(config.taps_lr**0.5)
        self.register_buffer("identity", identity_filter(kernel).view(-1, 1, 1, 1), persistent=False)

    def forward(self, stages: Sequence[Tensor], clip_size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """From the encoder's stages (B, channels, t, h, w): F_motion (B, C, T, H/s, W/s), M_LR (B, k², T, H/s, W/s).

        clip_size: T, H, W of the clip.
        """
        x = stages[-1]
        sizes = target_sizes(x.shape[2], clip_size, self._scale)
        for number, (conv, size) in enumerate(zip(self.convs, sizes, strict=True)):
            x = conv(_resize(x, size))
            if number < len(self.laterals):
                x = x + _resize(self.laterals[number](stages[-2 - number]), size)
        motion: Tensor = self.motion(x)
        return motion, self.head(motion) + self.identity


def target_sizes(steps: int, clip_size: tuple[int, int, int], scale: int) -> list[tuple[int, int, int]]:
    """Sizes (t, h, w) after each of the four upsamplings, from features of `steps` steps and 1/32 of the sides.

    Time doubles up to T; sides up to 1 / scale, as early as doubling allows: 4, 7, 14, 28, 28 for 112 and 4. Scales 2
    and 1 begin with x2 and x4, where that costs least.
    """
    frames, height, width = clip_size
    strides = [max(scale, min(16 >> step, scale << (3 - step))) for step in range(4)]
    times = [max(steps, -(-frames // (8 >> step))) for step in range(4)]
    return [(time, -(-height // stride), -(-width // stride)) for time, stride in zip(times, strides, strict=True)]


def _resize(maps: Tensor, size: tuple[int, int, int]) -> Tensor:
    return maps if tuple(maps.shape[2:]) == size else F.interpolate(maps, size, mode="trilinear")
