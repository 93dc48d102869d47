"""Linear residuals of a level as Triton kernels: slopes of the second frame, then the terms of `primal_dual_triton`.

The counterpart of `surface_gradients` and of the linearisation in `scene_flow`.
"""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from ..schemas.camera import Camera
from .pixel_tiles import kernel, launch, pixels, place, store_three
from .primal_dual_triton import TERM_PLANES
from .warping_triton import bilinear_taps, sample, sample_depth


def frame_slopes(intensity: Tensor, depth: Tensor, camera: Camera) -> Tensor:
    """I_x, I_y, Z_x, Z_y of (B, H, W) images, a pixel: (B, 4, H, W)."""
    slopes = depth.new_empty((depth.shape[0], 4, *depth.shape[1:]))
    launch(slopes_of_frame, depth, intensity, depth, slopes, camera.fx, camera.fy, camera.cx, camera.cy)
    return slopes


def linearise(
    pair: tuple[Tensor, Tensor, Tensor, Tensor], slopes2: Tensor, state: Tensor, camera: Camera, mu_0: float
) -> Tensor:
    """Terms (B, 10, H, W) around the u, v of a state; pair: intensity1, depth1, intensity2, depth2, each (B, H, W)."""
    depth1 = pair[1]
    terms = depth1.new_empty((depth1.shape[0], TERM_PLANES, *depth1.shape[1:]))
    intrinsics = camera.fx, camera.fy, camera.cx, camera.cy
    launch(terms_of_pair, depth1, *pair, slopes2, state, terms, mu_0, *intrinsics)
    return terms


@kernel
def slopes_of_frame(
    intensity: tl.tensor,
    depth: tl.tensor,
    slopes: tl.tensor,
    fx: tl.tensor,
    fy: tl.tensor,
    cx: tl.tensor,
    cy: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Mean of forward and backward difference, weighted by closeness on the surface; depth slopes 0 where Z is 0."""
    item, y, x = pixels(height, width, rows, columns)
    size = height * width
    intensity, depth = intensity + item * size, depth + item * size
    at, inside = place(y, x, height, width)
    grey, z = tl.load(intensity + at, inside, 0.0), tl.load(depth + at, inside, 0.0)
    grey_x, z_x = _slope(intensity, depth, grey, z, y, x, 0, 1, (x - cx) / fx, 1 / fx, height, width)
    grey_y, z_y = _slope(intensity, depth, grey, z, y, x, 1, 0, (y - cy) / fy, 1 / fy, height, width)
    out = slopes + item * 4 * size + at
    store_three(out, size, inside, (grey_x, grey_y, tl.where(z > 0, z_x, 0.0)))
    tl.store(out + 3 * size, tl.where(z > 0, z_y, 0.0), inside)


@kernel
def _slope(
    intensity: tl.tensor,
    depth: tl.tensor,
    grey: tl.tensor,
    z: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    down: tl.constexpr,
    across: tl.constexpr,
    ray: tl.tensor,
    ray_step: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
) -> tl.tensor:
    """Slopes of intensity and depth along one axis; `ray` is X / Z or Y / Z, which grows by `ray_step` a pixel."""
    at_next, has_next = place(y + down, x + across, height, width)
    at_last, has_last = place(y - down, x - across, height, width)
    z_next, z_last = tl.load(depth + at_next, has_next, 0.0), tl.load(depth + at_last, has_last, 0.0)
    grey_next, grey_last = tl.load(intensity + at_next, has_next, 0.0), tl.load(intensity + at_last, has_last, 0.0)
    r_next = surface_weight(z, z_next, ray, ray + ray_step, has_next)
    r_last = surface_weight(z_last, z, ray - ray_step, ray, has_last)
    total = tl.maximum(r_next + r_last, 1e-12)
    grey_slope = (r_next * (grey_next - grey) + r_last * (grey - grey_last)) / total
    return grey_slope, (r_next * (z_next - z) + r_last * (z - z_last)) / total


@kernel
def surface_weight(
    z: tl.tensor, z_next: tl.tensor, ray: tl.tensor, ray_next: tl.tensor, exists: tl.tensor
) -> tl.tensor:
    """2 / distance of two neighbours on the surface; 1 where they coincide (both invalid), 0 where one is missing."""
    lateral, deep = z_next * ray_next - z * ray, z_next - z
    squared = lateral * lateral + deep * deep
    weight = tl.where(squared > 0, 2 * tl.rsqrt(tl.maximum(squared, 1e-20)), 1.0)
    return tl.where(exists, weight, 0.0)


@kernel
def terms_of_pair(
    intensity1: tl.tensor,
    depth1: tl.tensor,
    intensity2: tl.tensor,
    depth2: tl.tensor,
    slopes2: tl.tensor,
    state: tl.tensor,
    terms: tl.tensor,
    mu_0: tl.tensor,
    fx: tl.tensor,
    fy: tl.tensor,
    cx: tl.tensor,
    cy: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Residuals as linear functions of the total flow, the weights of the first frame's surface, and Z_t."""
    item, y, x = pixels(height, width, rows, columns)
    size = height * width
    at, inside = place(y, x, height, width)
    flow, slopes2, depth1 = state + item * 10 * size + at, slopes2 + item * 4 * size, depth1 + item * size
    u, v = tl.load(flow, inside, 0.0), tl.load(flow + size, inside, 0.0)
    offsets, weights, nearest, _ = bilinear_taps(u, v, y, x, height, width)

    intensity_x = sample(slopes2, offsets, weights, inside)
    intensity_y = sample(slopes2 + size, offsets, weights, inside)
    depth_x = sample(slopes2 + 2 * size, offsets, weights, inside)
    depth_y = sample(slopes2 + 3 * size, offsets, weights, inside)
    z = tl.load(depth1 + at, inside, 0.0)
    warped = sample_depth(depth2 + item * size, offsets, weights, nearest, inside)
    intensity_t = sample(intensity2 + item * size, offsets, weights, inside)
    intensity_t -= tl.load(intensity1 + item * size + at, inside, 0.0)
    depth_t = tl.where(warped > 0, warped - z, 0.0)
    mu = mu_0 / (1 + 1000 * (depth_x * depth_x + depth_y * depth_y + depth_t * depth_t))

    at_right, has_right = place(y, x + 1, height, width)
    at_below, has_below = place(y + 1, x, height, width)
    z_right, z_below = tl.load(depth1 + at_right, has_right, 0.0), tl.load(depth1 + at_below, has_below, 0.0)
    r_right = surface_weight(z, z_right, (x - cx) / fx, (x + 1 - cx) / fx, has_right)
    r_below = surface_weight(z, z_below, (y - cy) / fy, (y + 1 - cy) / fy, has_below)

    out = terms + item * 10 * size + at
    store_three(out, size, inside, (intensity_x, intensity_y, intensity_t - (intensity_x * u + intensity_y * v)))
    store_three(out + 3 * size, size, inside, (depth_x, depth_y, depth_t - (depth_x * u + depth_y * v)))
    store_three(out + 6 * size, size, inside, (mu, r_right, r_below))
    tl.store(out + 9 * size, depth_t, inside)
