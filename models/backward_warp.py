"""Images and features of the second frame, drawn back onto the first along the flow, with gradients to both.

`warping.py` holds the same taps for solvers, which need no gradients.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def backward_warp(second: Tensor, flow: Tensor) -> Tensor:
    """second(x + flow(x)), bilinear, with border pixels beyond the image: (N, C, H, W).

    second: (N, C, H, W); flow: (N, 2, H, W), u right and v down in pixels. In float32 at least, since coordinates of
    eight bits would be wrong by up to a third of a pixel across a frame.
    """
    (height, width), (x, y) = flow.shape[2:], _places(flow)
    # grid_sample's -1 and 1 are the centres of the outermost pixels
    grid = torch.stack((2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1), dim=-1)
    return F.grid_sample(second.to(grid.dtype), grid, padding_mode="border", align_corners=True)


def stays_inside(flow: Tensor) -> Tensor:
    """Whether x + flow(x) lies in the image, of each pixel x: bool (N, H, W) of flow (N, 2, H, W) in pixels."""
    (height, width), (x, y) = flow.shape[2:], _places(flow)
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def enlarge_flow(flow: Tensor, factor: int) -> Tensor:
    """Flow (N, 2, h, w) in pixels of its own size at `factor` times that size, bilinear, in pixels of the new one."""
    return factor * F.interpolate(flow, scale_factor=factor, mode="bilinear", align_corners=False)


def _places(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Column and row (N, H, W) that each pixel goes to, in pixels."""
    height, width = flow.shape[2:]
    x = flow[:, 0] + torch.arange(width, dtype=flow.dtype, device=flow.device)
    y = flow[:, 1] + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    return x, y
