"""Depth edges drawn over registered RGB: where the registration is right they lie on the body's outline."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .depth_codec import DepthFrame

Picture = npt.NDArray[np.uint8]
EDGE_COLOUR = (255, 0, 200)
JUMP_MM = 100.0


def depth_edges(depth: DepthFrame) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) with valid depth on the near side of a jump, or beside pixels without depth."""
    metres = np.where(depth > 0, depth, 65_535).astype(np.float32)
    farthest = cv2.dilate(metres, np.ones((3, 3), dtype=np.uint8))
    return np.asarray((depth > 0) & (farthest - metres > JUMP_MM), dtype=np.bool_)


def registration_overlay(rgb: Picture, depth: DepthFrame, zoom: int = 2) -> Picture:
    """RGB (H, W, 3), `zoom` times enlarged, with the edges of the depth (H, W) of the same size as thin lines.

    ValueError where the two have different sizes, as RGB that is not registered has.
    """
    height, width = depth.shape
    if rgb.shape != (height, width, 3):
        raise ValueError(f"RGB is {rgb.shape}, depth {depth.shape}: they do not share a frame")
    size = (zoom * width, zoom * height)
    picture = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    large = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    picture[depth_edges(np.asarray(large, dtype=np.uint16))] = EDGE_COLOUR
    return picture
