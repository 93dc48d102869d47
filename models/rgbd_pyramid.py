"""Image pyramids of RGB-D frames, and the way back up for flow and dual variables.

A level holds every second pixel of the finer one, ceil(n / 2) of n, its centre on the finer pixel 2i. Any size can be
halved like that, so nothing is padded; for n = k * 2^levels + 1 the grid is symmetric under mirroring.
Source: Jaimez et al., ICRA 2015, "A primal-dual framework for real-time dense RGB-D scene flow", coarse-to-fine scheme.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..schemas.camera import Camera

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
SAME_SURFACE_M = 0.1


def num_levels(height: int, width: int, coarsest: int) -> int:
    """Levels of a pyramid whose last level keeps at least `coarsest` rows and columns (5 for 240 x 320 and 15)."""
    levels = 1
    while min(height, width) > coarsest and min(_half(height), _half(width)) >= coarsest:
        height, width, levels = _half(height), _half(width), levels + 1
    return levels


def halved_camera(camera: Camera) -> Camera:
    """Intrinsics of the next coarser level, whose pixel i lies on pixel 2i of this one."""
    size = _half(camera.width), _half(camera.height)
    return Camera(camera.fx / 2, camera.fy / 2, camera.cx / 2, camera.cy / 2, *size)


def halve_intensity(image: Tensor) -> Tensor:
    """Every second pixel of a 5x5 Gaussian over taps in the image: (B, H, W) -> (B, ceil(H/2), ceil(W/2))."""
    blurred = _blur(image) / _blur(torch.ones_like(image[:1]))
    return blurred[..., ::2, ::2].contiguous()


def halve_depth(depth: Tensor) -> Tensor:
    """Every second pixel of a Gaussian that stays on one surface; (B, H, W) metres -> (B, ceil(H/2), ceil(W/2)).

    A tap z weighs kernel * (0.1 m - |z - centre|), and nothing beyond 0.1 m or where z = 0 (invalid): depth jumps are
    not blurred. The result is 0 where the centre is invalid.
    """
    height, width = _half(depth.shape[-2]), _half(depth.shape[-1])
    centre = depth[..., ::2, ::2]
    padded = F.pad(depth, (2, 3, 2, 3))
    total, weighted = torch.zeros_like(centre), torch.zeros_like(centre)
    for row, row_weight in enumerate(BINOMIAL):
        for column, column_weight in enumerate(BINOMIAL):
            tap = padded[..., row : row + 2 * height : 2, column : column + 2 * width : 2]
            closeness = (SAME_SURFACE_M - (tap - centre).abs()).clamp_(min=0)
            weight = closeness * (tap > 0) * (row_weight * column_weight)
            total += weight
            weighted += weight * tap
    return torch.where(total > 0, weighted / total.clamp(min=1e-12), 0.0)


def upsample(coarse: Tensor, height: int, width: int) -> Tensor:
    """(..., ceil(height/2), ceil(width/2)) -> (..., height, width): zeros between, then the Gaussian, normalised.

    Values are kept as they are; flow in pixels has to be doubled by the caller.
    """
    spread = coarse.new_zeros((*coarse.shape[:-2], height, width))
    spread[..., ::2, ::2] = coarse
    present = coarse.new_zeros((height, width))
    present[::2, ::2] = 1
    return _blur(spread) / _blur(present)


def _half(size: int) -> int:
    return (size + 1) // 2


def _blur(image: Tensor) -> Tensor:
    """Separable 5x5 Gaussian of (..., H, W), zeros outside. Sums of slices: the same bits in any batch."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (2, 2, 2, 2))
    rows = sum(weight * padded[..., i : i + height, :] for i, weight in enumerate(BINOMIAL))
    assert isinstance(rows, Tensor)
    blurred = sum(weight * rows[..., i : i + width] for i, weight in enumerate(BINOMIAL))
    assert isinstance(blurred, Tensor)
    return blurred
