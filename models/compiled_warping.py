"""Where the pixels of frame 1 have gone in frame 2, compiled: residuals around a flow, and its lift to metres.

What `warping` does, and what `scene_flow_reference` makes of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Taps = tuple[int, int, np.float32, np.float32]
RESIDUALS = 6
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@compiled
def residuals(optical: Floats, frame1: Floats, frame2: Floats, gradients: Floats) -> Floats:
    """Slopes and offsets of both residuals at flow `optical` (2, H, W): I_x, I_y, I_t, Z_x, Z_y, Z_t, (6, H, W).

    Frames (2, H, W): intensity and depth. gradients (4, H, W): dI/dx, dI/dy, dZ/dx, dZ/dy of frame 2. Z_t is 0 where
    Z_2 is unknown.
    """
    height, width = frame1.shape[1:]
    out = np.empty((RESIDUALS, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            left, top, x_part, y_part = _place(np.float32(x) + optical[0, y, x], np.float32(y) + optical[1, y, x], frame2)
            right, low = min(left + 1, width - 1), min(top + 1, height - 1)
            a, b = (_ONE - y_part) * (_ONE - x_part), (_ONE - y_part) * x_part
            c, d = y_part * (_ONE - x_part), y_part * x_part
            for k in range(2):
                g = gradients[k]
                out[k, y, x] = a * g[top, left] + b * g[top, right] + c * g[low, left] + d * g[low, right]
                g = gradients[2 + k]
                out[3 + k, y, x] = a * g[top, left] + b * g[top, right] + c * g[low, left] + d * g[low, right]
            g = frame2[0]
            warped = a * g[top, left] + b * g[top, right] + c * g[low, left] + d * g[low, right]
            out[2, y, x] = warped - frame1[0, y, x]
            warped = _depth_at(frame2[1], left, top, x_part, y_part)
            out[5, y, x] = warped - frame1[1, y, x] if warped > _ZERO else _ZERO
    return out


@compiled
def lift(
    flow: Floats, depth1: Floats, frame2: Floats, rays_x: Floats, rays_y: Floats, focals: Floats
) -> tuple[Floats, Bools]:
    """Flow (3, H, W) -> motion (3, H, W) in metres, 0 where depth1 is 0, and where it is valid (H, W).

    frame2 (2, H, W): intensity and depth. rays_x (W,), rays_y (H,): X / Z, Y / Z of columns and rows. focals: fx, fy.
    """
    height, width = depth1.shape
    motion, valid = np.zeros((3, height, width), np.float32), np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            if depth1[y, x] > _ZERO:
                u, v, w = flow[0, y, x], flow[1, y, x], flow[2, y, x]
                after = depth1[y, x] + w
                motion[0, y, x] = u * after / focals[0] + rays_x[x] * w
                motion[1, y, x] = v * after / focals[1] + rays_y[y] * w
                motion[2, y, x] = w
                column, row = np.float32(x) + u, np.float32(y) + v
                inside = _ZERO <= column <= np.float32(width - 1) and _ZERO <= row <= np.float32(height - 1)
                left, top, x_part, y_part = _place(column, row, frame2)
                valid[y, x] = inside and _depth_at(frame2[1], left, top, x_part, y_part) > _ZERO
    return motion, valid


@compiled
def _place(column: np.float32, row: np.float32, images: Floats) -> Taps:
    """Upper left tap of a place that is clamped to the image, and how far it lies beyond that tap."""
    column = min(max(column, _ZERO), np.float32(images.shape[2] - 1))
    row = min(max(row, _ZERO), np.float32(images.shape[1] - 1))
    left, top = np.int32(column), np.int32(row)
    return left, top, column - np.float32(left), row - np.float32(top)


@compiled
def _depth_at(depth: Floats, left: int, top: int, x_part: np.float32, y_part: np.float32) -> np.float32:
    """Bilinear, but the nearest pixel where one of the four taps is 0 (invalid)."""
    right, low = min(left + 1, depth.shape[1] - 1), min(top + 1, depth.shape[0] - 1)
    a, b, c, d = depth[top, left], depth[top, right], depth[low, left], depth[low, right]
    if min(min(a, b), min(c, d)) > _ZERO:
        upper, lower = a * (_ONE - x_part) + b * x_part, c * (_ONE - x_part) + d * x_part
        return upper * (_ONE - y_part) + lower * y_part
    if y_part < _HALF:
        return a if x_part < _HALF else b
    return c if x_part < _HALF else d
