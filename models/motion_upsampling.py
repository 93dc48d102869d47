"""From LR to HR motion maps: the context guided motion upsampling layer (Tian et al. 2020, 3.2), and interpolation.

Shapes: N frames, C feature channels, h x w LR pixels, s scale, k and k̂ sides of the LR and HR filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .filter_head import FilterHead
from .pixel_adaptive import Padding, identity_filter, synthesise

if TYPE_CHECKING:
    from ..schemas.cgm_net import CgmNetSection


class ContextGuidedUpsampling(nn.Module):
    """CGMUL: a 3x3 convolution of context, motion and their similarity gives s·s filters for each LR pixel.

    The filters are predicted as differences from the identity, and start as it.
    """

    identity: Tensor

    def __init__(self, config: CgmNetSection) -> None:
        super().__init__()
        self._scale, self._padding = config.scale, config.padding
        channels, taps = 4 * config.motion_channels + 1, config.scale**2 * config.taps_hr
        self.head = FilterHead(nn.Conv2d(channels, taps, 3, padding=1))
        self.register_buffer("identity", identity_filter(config.kernel_hr).view(-1, 1, 1), persistent=False)

    def forward(self, context: Tensor, motion: Tensor, maps_lr: Tensor) -> Tensor:
        """F_context and F_motion (N, C, h, w) and M_LR (N, k², h, w) to M_HR (N, k̂², s·h, s·w)."""
        similar = similarity(context, motion, maps_lr, self._padding)
        features = torch.cat((context, motion, similar, similar * context, similar * motion), dim=1)
        return shuffle(self.head(features), self._scale) + self.identity


class InterpolatedUpsampling(nn.Module):
    """The paper's peers of CGMUL: every channel of the map is interpolated; filters are dilated by s when used."""

    def __init__(self, scale: int, mode: Literal["nearest", "bilinear"]) -> None:
        super().__init__()
        self._scale, self._mode = scale, mode

    def forward(self, maps_lr: Tensor) -> Tensor:
        """M_LR (N, k², h, w) to (N, k², s·h, s·w)."""
        return F.interpolate(maps_lr, scale_factor=self._scale, mode=self._mode)


def similarity(context: Tensor, motion: Tensor, maps_lr: Tensor, padding: Padding = "replicate") -> Tensor:
    """S (N, 1, h, w), equation 2: the mean over channels of motion times the context that the motion map moves."""
    moved = synthesise(context, maps_lr, padding)
    return (motion * moved).mean(dim=1, keepdim=True)


def shuffle(channels: Tensor, scale: int) -> Tensor:
    """Equation 5: (N, s·s·K, h, w) to (N, K, s·h, s·w); channel K·s·(y mod s) + K·(x mod s) + c goes to c at (x, y).

    torch's pixel_shuffle has c slowest instead.
    """
    split = torch.unflatten(channels, 1, (scale, scale, -1))  # (N, y mod s, x mod s, K, h, w)
    return split.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
