"""Surface weights and image gradients of one frame, compiled: what `surface_gradients` does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_LEAST = np.float32(1e-20)
_LEAST_WEIGHT = np.float32(1e-12)


@compiled
def surface_weights(depth: Floats, rays_x: Floats, rays_y: Floats) -> Floats:
    """r_x, r_y of depth (H, W) in metres: (2, H, W), in 1/metre; 0 in the last column (r_x) and row (r_y).

    rays_x (W,) and rays_y (H,): X / Z of each column, Y / Z of each row.
    """
    height, width = depth.shape
    weights = np.zeros((2, height, width), np.float32)
    for y in range(height):
        here, out = depth[y], weights[0, y]
        for x in range(width - 1):
            out[x] = _inverse_distance(here[x + 1] * rays_x[x + 1] - here[x] * rays_x[x], here[x + 1] - here[x])
    for y in range(height - 1):
        here, below, out = depth[y], depth[y + 1], weights[1, y]
        ray, ray_below = rays_y[y], rays_y[y + 1]
        for x in range(width):
            out[x] = _inverse_distance(below[x] * ray_below - here[x] * ray, below[x] - here[x])
    return weights


@compiled
def image_gradient(image: Floats, weights: Floats) -> Floats:
    """(H, W) -> (2, H, W) d/dx, d/dy a pixel: mean of forward and backward difference, weighted by r (2, H, W)."""
    height, width = image.shape
    gradient = np.empty((2, height, width), np.float32)
    for y in range(height):
        row, weight, out = image[y], weights[0, y], gradient[0, y]
        out[0] = row[1] - row[0]
        for x in range(1, width - 1):
            out[x] = _weighted_slope(row[x - 1], row[x], row[x + 1], weight[x - 1], weight[x])
        out[width - 1] = row[width - 1] - row[width - 2]
    for y in range(height):
        # beyond the border the weight is 0: which pixel stands in for the missing one does not matter
        above, row, below = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        weight_above, weight, out = weights[1, y - 1], weights[1, y], gradient[1, y]
        for x in range(width):
            out[x] = _weighted_slope(above[x], row[x], below[x], weight_above[x], weight[x])
    return gradient


@compiled
def _inverse_distance(lateral_m: np.float32, depth_m: np.float32) -> np.float32:
    squared = lateral_m * lateral_m + depth_m * depth_m
    inverse = _TWO / np.sqrt(max(squared, _LEAST))
    return inverse if squared > _ZERO else _ONE


@compiled
def _weighted_slope(
    before: np.float32, here: np.float32, after: np.float32, weight_before: np.float32, weight: np.float32
) -> np.float32:
    total = weight_before + weight
    return ((after - here) * weight + (here - before) * weight_before) / max(total, _LEAST_WEIGHT)
