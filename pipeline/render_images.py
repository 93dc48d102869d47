"""Images of the figure in its room: depth and colour.

Legend: N pixels hit, (H, W) image.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .body_shape import BodyShape
from .capsule_figure import Capsules
from .posed_camera import PosedCamera
from .ray_cast import Hits
from .room import Background

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

LIGHT = np.array([-0.25, 0.80, -0.55])  # from the ceiling, in front of the figure


def depth_image(hits: Hits, background: Background) -> Floats:
    """Depth (H, W) in metres of figure and room."""
    depth = background.depth.copy()
    depth.reshape(-1)[hits.pixel] = hits.depth
    return depth


def colour_image(camera: PosedCamera, hits: Hits, seen: Capsules, shape: BodyShape, background: Background) -> Bytes:
    """Colour (H, W, 3), RGB, of figure and room."""
    rgb = background.rgb.copy()
    rgb.reshape(-1, 3)[hits.pixel] = shade(camera, hits, seen, shape)
    # A lens softens the hard edges of one ray a pixel.
    return np.asarray(cv2.GaussianBlur(rgb, (3, 3), 0.6), dtype=np.uint8)


def shade(camera: PosedCamera, hits: Hits, seen: Capsules, shape: BodyShape) -> Bytes:
    """Colours (N, 3) of hit points: cloth patterns that stick to the parts, one lamp, and ambient light."""
    axis = seen.end - seen.start
    start, along = seen.start[hits.capsule], axis[hits.capsule]
    t = np.clip(np.vecdot(hits.point - start, along) / np.vecdot(along, along), 0.0, 1.0)
    normal = (hits.point - start - t[:, None] * along) / seen.radius[hits.capsule, None]
    lamp = camera.rotation @ (LIGHT / np.linalg.norm(LIGHT))
    light = 0.45 + 0.60 * np.maximum(normal @ lamp, 0.0)
    material = seen.material[hits.capsule]
    phase = np.matvec(shape.wave[material], hits.local) + shape.wave_phase[material]
    pattern = 1.0 + np.vecdot(np.sin(phase), shape.wave_gain[material])
    colour = shape.colour[material] * (255.0 * light * pattern)[:, None]
    shaded: Bytes = np.clip(colour, 0.0, 255.0).astype(np.uint8)
    return shaded
