"""The LR motion decoder of CGM-Net: a clip's features to motion features and LR motion maps (Tian et al. 2020, 3.3).

Shapes: B clips, T frames, H x W pixels, s scale, k side of the filters in LR maps, C motion channels.
"""

from __future__ import annotations

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

    The maps are predicted as differences from the identity filter, and start as it.
    """

    identity: Tensor

    def __init__(self, channels: int, config: CgmNetSection) -> None:
        super().__init__()
        self._scale = config.scale
        widths = (channels, *config.decoder_widths)
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(before, width, 3, padding=1, bias=False), nn.BatchNorm3d(width), nn.ReLU(inplace=True)
            )
            for before, width in pairwise(widths)
        )
        self.motion = nn.Conv3d(widths[-1], config.motion_channels, 3, padding=1)
        self.head = FilterHead(nn.Conv3d(config.motion_channels, config.taps_lr, 1))
        kernel = round(config.taps_lr**0.5)
        self.register_buffer("identity", identity_filter(kernel).view(-1, 1, 1, 1), persistent=False)

    def forward(self, features: Tensor, clip_size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """From (B, channels, t, h, w) to F_motion (B, C, T, H/s, W/s) and M_LR (B, k², T, H/s, W/s).

        clip_size: T, H, W of the clip; another one than in training will do.
        """
        x = features
        sizes = target_sizes(features.shape[2], clip_size, self._scale)
        for conv, size in zip(self.convs, sizes, strict=True):
            x = conv(x if tuple(x.shape[2:]) == size else F.interpolate(x, size, mode="trilinear"))
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
