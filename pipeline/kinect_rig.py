"""The three Kinects that film a performance: each a depth and a colour camera, and the empty room that they see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..schemas.camera import Camera
from .ntu import COLOR_SIZE, DEPTH_CAMERA
from .posed_camera import PosedCamera, look_at
from .room import Background, room

COLOUR_CAMERA = Camera(1057.0, 1057.0, 957.0, 540.0, *COLOR_SIZE)
"""Kinect v2 colour intrinsics; joint pairs of real recordings give 1056 to 1062 px."""
BASELINE = 0.052  # m, the colour camera stands this far to the left of the depth camera
AZIMUTH = {1: 0.0, 2: -45.0, 3: 45.0}  # degrees; NTU's camera 1 stands between the other two
SETUPS = {1: (1.70, 3.0), 2: (1.40, 3.2), 3: (1.15, 2.9)}  # height and distance of the cameras, m
TARGET_HEIGHT = 0.95  # m, what the cameras look at


@dataclass(frozen=True)
class View:
    """The two cameras of one Kinect and the empty room as they see it."""

    depth: PosedCamera
    colour: PosedCamera
    depth_room: Background
    colour_room: Background


def cameras_of(
    setup: int, camera: int, depth_size: tuple[int, int], rgb_size: tuple[int, int]
) -> tuple[PosedCamera, PosedCamera]:
    """The depth and the colour camera of one Kinect, for image sizes (width, height).

    They have parallel axes, a small baseline and different fields of view.
    """
    height, distance = SETUPS[setup]
    rotation, centre = look_at(np.array([0.0, TARGET_HEIGHT, 0.0]), distance, height, np.deg2rad(AZIMUTH[camera]))
    depth = PosedCamera(DEPTH_CAMERA.resized(*depth_size), rotation, centre)
    colour = PosedCamera(COLOUR_CAMERA.resized(*rgb_size), rotation, centre - BASELINE * rotation[0])
    return depth, colour


@lru_cache(maxsize=6)
def view_of(setup: int, camera: int, depth_size: tuple[int, int], rgb_size: tuple[int, int], seed: int) -> View:
    """Cameras and empty rooms, which are the same in every recording of a (setup, camera)."""
    depth, colour = cameras_of(setup, camera, depth_size, rgb_size)
    texture_seed = 1000 * seed + setup
    return View(depth, colour, room(depth, texture_seed), room(colour, texture_seed))
