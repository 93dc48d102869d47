"""Flow as a classifier sees it: consecutive flows stacked as channels, clipped and scaled.

Source: Simonyan and Zisserman, NeurIPS 2014 (stacks); Wang et al., ECCV 2016 (TSN: clipping and scale). Shapes: N
snippets, L flows each, H x W pixels.
"""

from __future__ import annotations

from torch import Tensor

FLOW_STD = 0.226
"""What TSN divides flow by once its range ± clip is mapped to a width of 1."""


def stack_flow(flow: Tensor, length: int, clip: float) -> Tensor:
    """Flow (N L, 2, H, W) in pixels -> (N, 2 L, H, W): channels u, v of the first pair, u, v of the next, …

    Clipped to ± `clip` px and divided by 2 · clip · 0.226, so that flow at the limit is 2.2.
    """
    scaled = flow.clamp(-clip, clip) / (2 * clip * FLOW_STD)
    return scaled.view(-1, length * 2, *flow.shape[2:])
