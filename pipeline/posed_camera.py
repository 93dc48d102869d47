"""A pinhole camera that stands in the world: points to camera axes, from there to pixels, and pixels to rays.

Camera axes as in images: x right, y down, z away; metres. A ray through a pixel has direction (x, y, 1), so that its
parameter is the depth itself. Kinect images are mirrored, hence world-to-camera rotations have determinant -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from .capsule_figure import Capsules

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PosedCamera:
    """Intrinsics, and where the camera stands and looks."""

    intrinsics: Camera
    rotation: Floats  # (3, 3) world to camera
    centre: Floats  # (3,) m, world


def look_at(target: Floats, distance: float, height: float, azimuth: float) -> tuple[Floats, Floats]:
    """A level camera that looks at a point from a horizontal distance: rotation (3, 3) and centre (3,).

    azimuth (rad): 0 looks along z, negative stands to the left (smaller x). All lengths in metres.
    """
    centre = np.array([target[0] + distance * np.sin(azimuth), height, target[2] - distance * np.cos(azimuth)])
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.array([np.cos(azimuth), 0.0, np.sin(azimuth)])
    down = np.array([0.0, -1.0, 0.0]) + forward * forward[1]
    return np.stack([right, down / np.linalg.norm(down), forward]), centre


def to_camera(camera: PosedCamera, points: Floats) -> Floats:
    """World points (..., 3) to camera axes."""
    turned: Floats = (points - camera.centre) @ camera.rotation.T
    return turned


def project(camera: Camera, points: Floats) -> Floats:
    """Points (..., 3) in camera axes to pixels (..., 2): column, row."""
    column = camera.fx * points[..., 0] / points[..., 2] + camera.cx
    row = camera.fy * points[..., 1] / points[..., 2] + camera.cy
    return np.stack([column, row], axis=-1)


def rays_of(camera: Camera, pixel: Ints) -> Floats:
    """Directions (N, 3) with z = 1 through flat pixel indices (N,)."""
    row, column = np.divmod(pixel, camera.width)
    rays = np.ones((len(pixel), 3))
    rays[:, 0] = (column - camera.cx) / camera.fx
    rays[:, 1] = (row - camera.cy) / camera.fy
    return rays


def capsules_in(camera: PosedCamera, capsules: Capsules) -> Capsules:
    """The same capsules with ends and part motions in camera axes."""
    return Capsules(
        start=to_camera(camera, capsules.start),
        end=to_camera(camera, capsules.end),
        radius=capsules.radius,
        part=capsules.part,
        material=capsules.material,
        rotation=camera.rotation @ capsules.rotation,
        origin=to_camera(camera, capsules.origin),
    )
