"""Joints of the MSR datasets, text files of 20 joints of the first Kinect.

MSR Daily Activity, `_skeleton.txt`: frames and joints; for each frame the number of rows (0, 40 or 80: bodies), and for
each joint the rows `x y z confidence` (metres) and `u v depth confidence` (u, v in 0..1 of the depth image).
MSR Action3D, `_skeleton3D.txt` and `_skeleton.txt`: 20 rows a frame, `x y z confidence` and `u v depth confidence` with
u, v in pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError
from .kinect_v1 import DEPTH_CAMERA, JOINTS
from .skeleton import COLUMNS

Joints = npt.NDArray[np.float32]
_MOST_BODIES = 6


def read_msr_daily_joints(path: Path) -> Joints:
    """Joints float32 (T, bodies, 20, 8) in the order of COLUMNS; no colour positions (NaN)."""
    words = _words(path)
    try:
        frames = _parse_daily(words)
    except (ValueError, IndexError) as error:
        raise BadSampleError("unreadable-skeleton", f"{path} is not an MSR Daily skeleton; copy it again") from error
    joints = _unknown(len(frames), max((len(frame) for frame in frames), default=0))
    for t, frame in enumerate(frames):
        for b, rows in enumerate(frame):
            # u, v span the image's edges, pixel centres lie at integers
            pixels = rows[:, 1, :2] * (DEPTH_CAMERA.width, DEPTH_CAMERA.height) - 0.5
            _fill(joints[t, b], rows[:, 0, :3], pixels, rows[:, 0, 3])
    return joints


def _parse_daily(words: list[str]) -> list[list[npt.NDArray[np.float64]]]:
    """Of each frame the bodies, (20, 2, 4)."""
    count, joints, place, frames = int(words[0]), int(words[1]), 2, []
    if joints != JOINTS or count < 0:
        raise ValueError(f"{count} frames of {joints} joints")
    for _ in range(count):
        bodies, rest = divmod(int(words[place]), 2 * JOINTS)
        if rest or not 0 <= bodies <= _MOST_BODIES:
            raise ValueError(f"{words[place]} rows in a frame")
        size = bodies * JOINTS * 8
        values = np.array(words[place + 1 : place + 1 + size], dtype=np.float64)
        frames.append(list(values.reshape(bodies, JOINTS, 2, 4)))
        place += 1 + size
    if place != len(words):
        raise ValueError("words are left over")
    return frames


def read_msr_action_joints(path: Path, screen: Path | None) -> Joints:
    """Joints float32 (T, 1, 20, 8) in the order of COLUMNS; depth positions come from the file `screen`, else NaN.

    A frame without a body, all zeros in these files, is NaN.
    """
    world = _action_rows(path)
    joints = _unknown(len(world), 1)
    pixels = np.full((*world.shape[:2], 2), np.nan)
    if screen is not None:
        rows = _action_rows(screen)
        if len(rows) != len(world):
            raise BadSampleError(
                "unreadable-skeleton", f"{screen} has {len(rows)} frames, {path.name} {len(world)}; copy both again"
            )
        pixels = rows[:, :, :2]
    _fill(joints[:, 0], world[:, :, :3], pixels, world[:, :, 3])
    joints[(world[:, :, :3] == 0).all(axis=(1, 2))] = np.nan
    return joints


def _action_rows(path: Path) -> npt.NDArray[np.float64]:
    """The rows of a file, (T, 20, 4)."""
    words = _words(path)
    try:
        return np.array(words, dtype=np.float64).reshape(-1, JOINTS, 4)
    except ValueError as error:
        raise BadSampleError("unreadable-skeleton", f"{path} is not an MSR Action3D skeleton; copy it again") from error


def _words(path: Path) -> list[str]:
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    try:
        words = path.read_text(encoding="ascii").split()
    except UnicodeDecodeError as error:
        raise BadSampleError("unreadable-skeleton", f"{path} is no text; copy it again") from error
    if not words:
        raise BadSampleError("unreadable-skeleton", f"{path} is empty; copy it again")
    return words


def _unknown(frames: int, bodies: int) -> Joints:
    return np.full((frames, bodies, JOINTS, len(COLUMNS)), np.nan, dtype=np.float32)


def _fill(
    joints: Joints,
    xyz: npt.NDArray[np.float64],
    depth_xy: npt.NDArray[np.float64],
    tracking: npt.NDArray[np.float64],
) -> None:
    joints[..., :3] = xyz
    joints[..., COLUMNS.index("depth_x") : COLUMNS.index("depth_y") + 1] = depth_xy
    joints[..., COLUMNS.index("tracking")] = tracking
