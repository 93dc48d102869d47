"""Optical flow of registered RGB-D frames to scene flow in metres, by the depth at both ends.

The plain way to scene flow that a joint estimate has to beat.

Legend: (H, W) image.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera

Float = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def lift_optical_flow(optical: Float, depth1: Float, depth2: Float, camera: Camera) -> tuple[Float, Bools]:
    """Back-project both ends of flow (2, H, W), right and down in pixels, and subtract: (3, H, W) metres.

    depth1, depth2: (H, W) metres, 0 = invalid. Also returns where the flow is known: depth is valid at both ends. It is
    0 elsewhere.
    """
    rows, cols = np.indices(depth1.shape, dtype=np.float32)
    u, v = cols + optical[0], rows + optical[1]
    after = sample_depth(depth2, u, v)
    known = (depth1 > 0) & (after > 0)
    x = (u - camera.cx) * after - (cols - camera.cx) * depth1
    y = (v - camera.cy) * after - (rows - camera.cy) * depth1
    motion = np.stack([x / camera.fx, y / camera.fy, after - depth1])
    return np.where(known, motion, 0).astype(np.float32), known


def sample_depth(depth: Float, u: Float, v: Float) -> Float:
    """Depth (H, W) at columns u and rows v: bilinear, the nearest pixel where one of the four has none, 0 outside."""
    options = {"borderMode": cv2.BORDER_REPLICATE}
    places = np.asarray(u, dtype=np.float32), np.asarray(v, dtype=np.float32)
    linear = cv2.remap(depth, *places, cv2.INTER_LINEAR, **options)
    nearest = cv2.remap(depth, *places, cv2.INTER_NEAREST, **options)
    # a pixel counts as whole where the four around it are valid
    whole = cv2.remap((depth > 0).astype(np.float32), *places, cv2.INTER_LINEAR, **options) > 1 - 1e-3
    inside = (u >= 0) & (u <= depth.shape[1] - 1) & (v >= 0) & (v <= depth.shape[0] - 1)
    return np.where(inside, np.where(whole, linear, nearest), 0).astype(np.float32)
