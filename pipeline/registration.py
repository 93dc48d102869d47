"""A depth camera's pixels in the colour image, fitted to joints that are known in both.

NTU RGB+D records no calibration, but its skeletons give each joint in both images and in metres. A joint's place in the
colour image is nearly an affine function of its place in the depth image; the cameras stand 52 mm apart, so 1/Z adds a
parallax. Legend: N joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.registration import RegistrationModel
from .skeleton import COLUMNS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TRACKED = 2
RANSAC_PX = 20.0
"""Coarse bound: the parallax of people 1.5 to 5 m away spans 26 px."""
INLIER_PX = 3.0
"""No joint that is closer to a fit than this counts as wrong."""
MOST_SIGMAS = 4.0
LEAST_SPREAD_PER_M = 0.005
"""Standard deviation of 1/Z below which the parallax cannot be told from a shift: 45 mm at 3 m."""
LEAST_JOINTS = 8
_Z, _DEPTH, _COLOR, _STATE = COLUMNS.index("z"), COLUMNS.index("depth_x"), COLUMNS.index("color_x"), -1


@dataclass(frozen=True)
class Fit:
    """matrix (3, 3) and parallax (2,) [px m] from nominal depth to nominal colour pixels; who fitted, and how well.

    inliers: (N,) the joints that it is fitted to. errors: (N,) px of the colour image.
    """

    model: RegistrationModel
    matrix: Floats
    parallax: Floats
    inliers: Bools
    errors: Floats


def tracked_joints(joints: npt.NDArray[np.float32]) -> Floats:
    """Rows (N, 8) of all joints (…, 8) that the sensor tracked, rather than guessed."""
    rows = joints.reshape(-1, len(COLUMNS)).astype(np.float64)
    usable = (rows[:, _STATE] == TRACKED) & np.isfinite(rows).all(axis=1) & (rows[:, _Z] > 0)
    kept: Floats = rows[usable]
    return kept


def fit_joints(rows: Floats, model: RegistrationModel) -> Fit | None:
    """Robust fit to rows (N, 8): RANSAC, then least squares on the joints that agree, until the same ones do.

    The same rows give the same fit. None where they do not determine one.
    """
    if len(rows) < LEAST_JOINTS:
        return None
    start = _ransac(rows, model)
    if start is None:
        return None
    inliers = start
    for _ in range(20):
        if inliers.sum() < LEAST_JOINTS:
            return None
        matrix, parallax = _least_squares(rows[inliers], model)
        errors = np.linalg.norm(project_joints(rows, matrix, parallax) - rows[:, _COLOR : _COLOR + 2], axis=1)
        limit = max(INLIER_PX, MOST_SIGMAS * 1.4826 * float(np.median(errors[inliers])))
        agreeing = errors <= limit
        if (agreeing == inliers).all():
            break
        inliers = agreeing
    fitted: RegistrationModel = "affine" if model == "affine+depth" and not parallax.any() else model
    return Fit(fitted, matrix, parallax, inliers, errors)


def project_joints(rows: Floats, matrix: Floats, parallax: Floats) -> Floats:
    """Where rows (N, 8) come to lie in the colour image (N, 2), from their place in the depth image and their Z."""
    return apply(matrix, rows[:, _DEPTH : _DEPTH + 2]) + parallax / rows[:, _Z : _Z + 1]


def apply(matrix: Floats, points: Floats) -> Floats:
    """Homogeneous map of points (…, 2)."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    result: Floats = mapped[..., :2] / mapped[..., 2:]
    return result


def scale_at(matrix: Floats, point: Floats) -> float:
    """Length that a unit step at a point (2,) becomes, as a geometric mean over directions."""
    return float(np.sqrt(abs(np.linalg.det(jacobian(matrix, point)))))


def jacobian(matrix: Floats, point: Floats) -> Floats:
    """Derivative (2, 2) of the homogeneous map at a point (2,)."""
    x, y, w = matrix @ np.array([*point, 1.0])
    result: Floats = (matrix[:2, :2] - np.outer((x / w, y / w), matrix[2, :2])) / w
    return result


def _ransac(rows: Floats, model: RegistrationModel) -> Bools | None:
    """Joints near the best of many minimal fits; OpenCV draws them from a generator that starts anew in each call."""
    depth, color = (np.ascontiguousarray(rows[:, first : first + 2]) for first in (_DEPTH, _COLOR))
    if model == "homography":
        matrix, mask = cv2.findHomography(depth, color, cv2.RANSAC, RANSAC_PX)
    else:
        matrix, mask = cv2.estimateAffine2D(depth, color, method=cv2.RANSAC, ransacReprojThreshold=RANSAC_PX)
    return None if matrix is None else np.asarray(mask[:, 0] > 0)


def _least_squares(rows: Floats, model: RegistrationModel) -> tuple[Floats, Floats]:
    depth, color = (np.ascontiguousarray(rows[:, first : first + 2]) for first in (_DEPTH, _COLOR))
    inverse_z = 1 / rows[:, _Z]
    if model == "homography":
        matrix, _ = cv2.findHomography(depth, color, 0)
        return np.asarray(matrix, dtype=np.float64), np.zeros(2)
    columns = [depth, np.ones((len(rows), 1))]
    with_depth = model == "affine+depth" and inverse_z.std() >= LEAST_SPREAD_PER_M
    if with_depth:
        columns.append(inverse_z[:, None])
    solution, *_ = np.linalg.lstsq(np.concatenate(columns, axis=1), color, rcond=None)
    matrix = np.concatenate([solution[:3].T, [[0.0, 0.0, 1.0]]])
    return matrix, solution[3] if with_depth else np.zeros(2)
