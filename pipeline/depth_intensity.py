"""A brightness for depth frames, from registered RGB or without it: what brightness constancy is asked of.

Depth itself is a poor brightness, for it changes when a surface comes nearer. The shading of the surface under a fixed
light does not change with translation; only rotation alters it.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera

Float = npt.NDArray[np.float32]

_LIGHT = np.array([0.5, 0.5, 0.7], dtype=np.float32) / np.sqrt(np.float32(0.99))
_AMBIENT = 0.5
_CLOSING = np.ones((3, 3), dtype=np.uint8)


def shading(depth: Float, camera: Camera) -> Float:
    """Grey values 0..255 of depth (T, H, W) in metres, lit obliquely from behind the camera; 0 where invalid.

    Half of the light is ambient, so the silhouette stands out too. Depth is averaged over 3x3 valid pixels first.
    """
    return np.stack([_shade(frame, camera) for frame in depth])


def silhouette(depth: Float) -> Float:
    """255 where depth (T, H, W) is valid, else 0: the outline of masked bodies, whatever the steps of their depth."""
    return np.where(depth > 0, 255, 0).astype(np.float32)


def depth_as_grey(depth: Float, low_m: float, high_m: float) -> Float:
    """Grey values of depth (T, H, W) in metres: low_m is 0, high_m is 255; 0 where invalid."""
    grey = np.clip((depth - low_m) / max(high_m - low_m, 1e-3), 0, 1) * 255
    return np.where(depth > 0, grey, 0).astype(np.float32)


def rgb_as_grey(rgb: npt.NDArray[np.uint8], depth: Float) -> Float:
    """Grey values of RGB (T, H, W, 3), 127.5..255 where registered depth (T, H, W) is valid and 0 elsewhere.

    So the silhouette stands out as it does in `shading`; a body's colours alone may be those of the wall behind it.
    Holes that a 3x3 closing covers keep their colour: they flicker from frame to frame, and black they would look like
    motion.
    """
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb]).astype(np.float32)
    closed = np.stack([cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _CLOSING) for mask in (depth > 0).astype(np.uint8)])
    return np.where(closed > 0, _AMBIENT * 255 + (1 - _AMBIENT) * grey, 0).astype(np.float32)


def _shade(depth: Float, camera: Camera) -> Float:
    valid = (depth > 0).astype(np.float32)
    weight = cv2.blur(valid, (3, 3), borderType=cv2.BORDER_CONSTANT)
    smooth = cv2.blur(depth * valid, (3, 3), borderType=cv2.BORDER_CONSTANT) / np.maximum(weight, 1e-6) * valid
    rows, cols = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(np.float32)
    points = np.stack([(cols - camera.cx) * smooth / camera.fx, (rows - camera.cy) * smooth / camera.fy, smooth], -1)
    along_x, along_y = np.zeros_like(points), np.zeros_like(points)
    along_x[:, 1:-1] = points[:, 2:] - points[:, :-2]
    along_y[1:-1] = points[2:] - points[:-2]
    normals = np.cross(along_x, along_y)
    cosine = np.abs(normals @ _LIGHT) / np.maximum(np.linalg.norm(normals, axis=-1), 1e-9)
    grey = (_AMBIENT + (1 - _AMBIENT) * cosine) * 255 * valid
    return np.asarray(grey, dtype=np.float32)
