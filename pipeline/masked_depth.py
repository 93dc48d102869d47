"""What a Kinect makes of exact depth: noise, lost pixels, millimetres, and the mask of NTU's masked maps.

Legend: (H, W) depth image.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .depth_codec import DepthFrame
from .kinect_rig import View
from .ntu import DEPTH_CAMERA
from .ray_cast import Hits, covered_box
from .render_images import depth_image

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def masked_depth(view: View, hits: Hits, noise_mm: float, dropout: bool, rng: np.random.Generator) -> DepthFrame:
    """Depth (H, W) in mm, kept where NTU's masked maps keep it: a box around the body, in the range of its depth.

    So the floor at the feet stays and the wall goes, as in the real ones. noise_mm: standard deviation at 3 m; dropout:
    lose pixels on silhouettes and floor.
    """
    depth = depth_image(hits, view.depth_room)
    masked = np.zeros(depth.shape, dtype=np.uint16)
    camera = view.depth.intrinsics
    box = covered_box(camera, [hits], margin=round(12 * camera.width / DEPTH_CAMERA.width))
    near = depth[box]
    keep = (near > hits.depth.min() - 0.15) & (near < hits.depth.max() + 0.15)
    noise = 1e-3 * noise_mm * (near / 3.0) ** 2 * rng.standard_normal(near.shape)
    if dropout:
        keep &= ~_lost(near, view.depth_room.floor[box] & (near >= view.depth_room.depth[box]), rng)
    masked[box] = np.where(keep, np.rint(1000.0 * (near + noise)), 0)
    return masked


def _lost(depth: Floats, floor: Bools, rng: np.random.Generator) -> Bools:
    """Half of the pixels at jumps of the depth, and 2 in 5 on the floor."""
    kernel = np.ones((3, 3), dtype=np.uint8)
    jump = cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > 0.10
    chance = np.maximum(np.where(jump, 0.5, 0.0), np.where(floor, 0.4, 0.0))
    return rng.random(depth.shape) < chance
