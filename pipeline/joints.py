"""Joints of a recording, whatever file they come from, and their positions in the stored frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..schemas.recording import Recording
from .joints_msr import read_msr_action_joints, read_msr_daily_joints
from .joints_utd import read_utd_joints
from .skeleton import COLUMNS, read_ntu_skeleton


def read_joints(path: Path, screen: Path | None = None) -> npt.NDArray[np.float32]:
    """Joints float32 (T, bodies, J, 8) in the order of COLUMNS, image positions in the recording's nominal sizes.

    The file's name says which dataset it is of; `screen` holds MSR Action3D's positions in the depth image.
    """
    name = path.name.lower()
    if name.endswith(".skeleton"):
        return read_ntu_skeleton(path)
    if name.endswith(".mat"):
        return read_utd_joints(path)
    if name.endswith("_skeleton3d.txt"):
        return read_msr_action_joints(path, screen)
    return read_msr_daily_joints(path)


def stored_joints(
    joints: npt.NDArray[np.float32], recording: Recording, sizes: dict[str, tuple[int, int]]
) -> npt.NDArray[np.float32]:
    """Joints with their image positions scaled from the nominal sizes to the stored frames' (width, height)."""
    camera = recording.depth_camera
    nominal = {"depth": camera and (camera.width, camera.height), "rgb": recording.color_size}
    stored = joints.copy()
    for name, column in (("depth", COLUMNS.index("depth_x")), ("rgb", COLUMNS.index("color_x"))):
        size = nominal[name]
        if name in sizes and size is not None:
            scale = (np.array(sizes[name]) / np.array(size)).astype(np.float32)
            stored[..., column : column + 2] = (stored[..., column : column + 2] + 0.5) * scale - 0.5
    return stored
