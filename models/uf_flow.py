"""The flow network of UF-TSN: from coarse to fine, each level adds what the ones above could not see.

    frames ─► pyramid ─► q1, q2 of level l           U_l = up(U_l+1) + estimate(costs, q1, up(U_l+1))
                          └► q2 warped by up(U_l+1) ─► cost volume with q1

Source: UF-TSN, ICASSP 2021; the sizes are those that give its 5.7 M parameters (DECISIONS.md). Estimators of the
levels share no weights. The finest flow lies at 1/4 of the frame's size, or at 1/2.
Shapes: N pairs of frames, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backward_warp import backward_warp, enlarge_flow
from .cost_volume import cost_volume
from .feature_pyramid import LEAK, FeaturePyramid
from .flow_estimator import FlowEstimator

if TYPE_CHECKING:
    from ..schemas.uf_tsn import UfTsnSection


class UfFlow(nn.Module):
    """Flow of pairs of frames, in [0, 1].

    `finest`, `coarsest`: frame pixels in a pixel of the finest and of the coarsest level of flow.
    """

    def __init__(self, config: UfTsnSection) -> None:
        super().__init__()
        self.config = config
        self.finest, self.coarsest = config.finest, config.coarsest
        self._first = config.finest.bit_length() - 2  # of the pyramid, whose level 0 is at 1/2
        widths = config.pyramid_widths[: config.coarsest.bit_length() - 1]
        self.pyramid = FeaturePyramid(widths, config.pyramid_convolutions)
        matched = [(2 * config.radius + 1) ** 2 if config.cost_volume else width for width in widths]
        self.estimators = nn.ModuleList(
            FlowEstimator(matched[level] + widths[level] + (2 if level + 1 < len(widths) else 0), config.flow_widths)
            for level in range(self._first, len(widths))
        )
        _initialise(self)

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Flow from `first` to `second` (N, 3, H, W) of each level, the finest first.

        (N, 2, H / finest, W / finest), then half of that size and so on, each in pixels of its own size. H and W are
        multiples of `coarsest`.
        """
        return self.between(*(self.encode(frames) for frames in (first, second)))

    def encode(self, frames: Tensor) -> list[Tensor]:
        """Features of frames (N, 3, H, W) at the levels that flow is estimated on, the finest first."""
        features: list[Tensor] = self.pyramid(2 * frames - 1)
        return features[self._first :]

    def between(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Flow of all levels from features to features, as `forward` gives it."""
        flow: Tensor | None = None
        flows = []
        for estimator, here, there in zip(reversed(self.estimators), reversed(first), reversed(second), strict=True):
            moved = there
            if flow is not None:
                flow = enlarge_flow(flow, 2)
                moved = backward_warp(there, flow)
            seen = [self._match(here, moved), here] + ([] if flow is None else [flow])
            # flow adds up over levels: it stays in float32 in mixed precision
            added = estimator(torch.cat(seen, dim=1)).float()
            flow = added if flow is None else flow + added
            flows.append(flow)
        return flows[::-1]

    def along(self, frames: Tensor) -> list[Tensor]:
        """Flow from each frame of (N, T, 3, H, W) to the next, as `forward` gives it, of N (T - 1) pairs.

        Features of a frame are computed once, though it is the second of one pair and the first of the next.
        """
        features = [level.view(*frames.shape[:2], *level.shape[1:]) for level in self.encode(frames.flatten(0, 1))]
        return self.between([f[:, :-1].flatten(0, 1) for f in features], [f[:, 1:].flatten(0, 1) for f in features])

    def _match(self, here: Tensor, there: Tensor) -> Tensor:
        """What says where a place has gone: the cost volume, in float32, or the other frame's features themselves."""
        if not self.config.cost_volume:
            return there
        here, there = here.float(), there.float()
        if self.config.normalise_costs:
            here, there = F.group_norm(here, 1), F.group_norm(there, 1)
        return F.leaky_relu(cost_volume(here, there, self.config.radius), LEAK)

    def flow(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow (N, 2, H, W) in pixels of frames (N, 3, H, W) in [0, 1] of any size."""
        height, width = first.shape[2:]
        beyond = (0, -width % self.coarsest, 0, -height % self.coarsest)
        if any(beyond):
            first, second = (F.pad(frames, beyond, mode="replicate") for frames in (first, second))
        return enlarge_flow(self(first, second)[0], self.finest)[:, :, :height, :width]


def _initialise(net: nn.Module) -> None:
    """He's initialisation; flow begins near 0, or the first warps would tear the features apart."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=LEAK, nonlinearity="leaky_relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
            if name.endswith("motion"):
                module.weight.data.mul_(0.01)
