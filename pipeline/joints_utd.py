"""Joints of UTD-MHAD: `d_skel` of a MATLAB file, 20 joints of the first Kinect in metres, (20, 3, frames)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from .kinect_v1 import JOINTS
from .mat_arrays import read_mat_array
from .skeleton import COLUMNS


def read_utd_joints(path: Path) -> npt.NDArray[np.float32]:
    """Joints float32 (T, 1, 20, 8) in the order of COLUMNS; image positions and tracking, which it lacks, are NaN."""
    skeleton = read_mat_array(path, ("d_skel",), (JOINTS, 3, None))
    if skeleton.ndim == 2:
        skeleton = skeleton[:, :, None]
    joints = np.full((skeleton.shape[2], 1, JOINTS, len(COLUMNS)), np.nan, dtype=np.float32)
    joints[:, 0, :, :3] = skeleton.transpose(2, 0, 1)
    return joints
