"""Where the pixels of frame 1 have gone in frame 2, compiled: residuals around a flow, and its lift to metres.

What `warping` does, and what `scene_flow_reference` makes of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_EDGE_PX = np.float32(1e-3)


class Place(NamedTuple):
    """Where a pixel has gone: the columns and rows of its four taps, and how far it lies beyond the upper left one."""

    left: int
    right: int
    top: int
    low: int
    x_part: np.float32
    y_part: np.float32


@compiled
def residuals(optical: Floats, frame1: Floats, frame2: Floats, gradients: Floats) -> Floats:
    """Slopes and offsets of both residuals at flow `optical` (2, H, W): I_x, I_y, I_t, Z_x, Z_y, Z_t, (6, H, W).

    Frames (2, H, W): intensity and depth. gradients (4, H, W): dI/dx, dI/dy, dZ/dx, dZ/dy of frame 2. Z_t is 0 where
    Z_2 is unknown.
    """
    height, width = frame1.shape[1:]
    out = np.empty((6, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            column, row = np.float32(x) + optical[0, y, x], np.float32(y) + optical[1, y, x]
            place = _place(column, row, height, width)
            for axis in range(2):
                out[axis, y, x] = _sample(gradients[axis], place)
                out[3 + axis, y, x] = _sample(gradients[2 + axis], place)
            out[2, y, x] = _sample(frame2[0], place) - frame1[0, y, x]
            depth = _sample_depth(frame2[1], place)
            out[5, y, x] = depth - frame1[1, y, x] if depth > _ZERO else _ZERO
    return out


@compiled
def lift(
    flow: Floats, depth1: Floats, depth2: Floats, rays_x: Floats, rays_y: Floats, focals: Floats
) -> tuple[Floats, Bools]:
    """Flow (3, H, W) -> motion (3, H, W) in metres, 0 where depth1 is 0, and where it is valid (H, W).

    rays_x (W,), rays_y (H,): X / Z, Y / Z of columns and rows. focals: fx, fy.
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
                inside = -_EDGE_PX <= column <= np.float32(width - 1) + _EDGE_PX
                inside = inside and -_EDGE_PX <= row <= np.float32(height - 1) + _EDGE_PX
                valid[y, x] = inside and _sample_depth(depth2, _place(column, row, height, width)) > _ZERO
    return motion, valid


@compiled
def _place(column: np.float32, row: np.float32, height: int, width: int) -> Place:
    """The place clamped to the image."""
    column = min(max(column, _ZERO), np.float32(width - 1))
    row = min(max(row, _ZERO), np.float32(height - 1))
    left, top = int(column), int(row)
    x_part, y_part = column - np.float32(left), row - np.float32(top)
    return Place(left, min(left + 1, width - 1), top, min(top + 1, height - 1), x_part, y_part)


@compiled
def _sample(image: Floats, place: Place) -> np.float32:
    """Bilinear."""
    upper, lower, right = image[place.top], image[place.low], place.x_part
    above: np.float32 = upper[place.left] * (_ONE - right) + upper[place.right] * right
    below: np.float32 = lower[place.left] * (_ONE - right) + lower[place.right] * right
    return above * (_ONE - place.y_part) + below * place.y_part


@compiled
def _sample_depth(depth: Floats, place: Place) -> np.float32:
    """Bilinear, but the nearest pixel where one of the four taps is 0 (invalid)."""
    upper, lower = depth[place.top], depth[place.low]
    if min(upper[place.left], upper[place.right], lower[place.left], lower[place.right]) > _ZERO:
        return _sample(depth, place)
    row = upper if place.y_part < _HALF else lower
    nearest: np.float32 = row[place.left if place.x_part < _HALF else place.right]
    return nearest
