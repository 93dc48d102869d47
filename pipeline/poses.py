"""Poses of a figure: few numbers, blended linearly, and the rigid motion of each part that they stand for.

Legend: T frames, P rigid parts. Sides are ordered (left, right); the axes are those of `capsule_figure`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .body_shape import BodyShape
from .capsule_figure import ABDOMEN, ARMS, CHEST, HEAD, LEFT, LEGS, PARTS, PELVIS, RIGHT, Point

Floats = npt.NDArray[np.float64]

HANGING = ((0.10, -0.96, -0.05), (0.10, -0.96, -0.05))


@dataclass(frozen=True)
class Pose:
    """A pose, or a motion if every array has a leading T. Lateral coordinates count outward, for both sides alike."""

    root: Floats  # (..., 3) shift of the pelvis: right, up, back; leg lengths
    bend: Floats  # (..., 3) forward pitch of pelvis, abdomen and chest, each relative to the one below; rad
    twist: Floats  # (...,) rotation of the chest about its long axis; rad
    nod: Floats  # (...,) forward pitch of the head; rad
    hands: Floats  # (..., 2, 3) wrist from shoulder: outward, up, back; arm lengths
    feet: Floats  # (..., 2, 3) ankle from where it stands: outward, up, back; leg lengths


def stance(
    root: Point = (0, 0, 0),
    bend: Point = (0, 0, 0),
    twist: float = 0.0,
    nod: float = 0.0,
    hands: tuple[Point, Point] = HANGING,
    feet: tuple[Point, Point] = ((0, 0, 0), (0, 0, 0)),
) -> Pose:
    """A key pose; what is not named is as in standing."""
    return Pose(*(np.asarray(v, dtype=np.float64) for v in (root, bend, twist, nod, hands, feet)))


def between(a: Pose, b: Pose, u: Floats) -> Pose:
    """Blend two poses, key poses or motions, linearly in their parameters; u (T,) is 0 at a and 1 at b."""

    def mix(name: str, event_ndim: int) -> Floats:
        p: Floats = getattr(a, name)
        q: Floats = getattr(b, name)
        return p + (q - p) * u.reshape(-1, *(1,) * event_ndim)

    return Pose(mix("root", 1), mix("bend", 1), mix("twist", 0), mix("nod", 0), mix("hands", 2), mix("feet", 2))


def forward_kinematics(shape: BodyShape, pose: Pose) -> tuple[Floats, Floats]:
    """Pose parameters to the rigid motion of each part: rotation (T, P, 3, 3), origin (T, P, 3), heading 0."""
    num_frames = len(pose.root)
    rotation = np.empty((num_frames, len(PARTS), 3, 3))
    origin = np.empty((num_frames, len(PARTS), 3))
    _pose_trunk(shape, pose, rotation, origin)
    for side in (LEFT, RIGHT):
        _pose_arm(shape, pose, side, rotation, origin)
        _pose_leg(shape, pose, side, rotation, origin)
    return rotation, origin


def _pose_trunk(shape: BodyShape, pose: Pose, rotation: Floats, origin: Floats) -> None:
    pitch = np.cumsum(pose.bend, axis=1)
    rotation[:, PELVIS] = _rotation_x(pitch[:, 0])
    rotation[:, ABDOMEN] = _rotation_x(pitch[:, 1])
    rotation[:, CHEST] = _rotation_x(pitch[:, 2]) @ rotation_y(pose.twist)
    rotation[:, HEAD] = _rotation_x(0.55 * pitch[:, 2] + pose.nod)  # the eyes stay more level than the chest
    # Knees a little bent, so that small sways stay within reach of the legs.
    rest = np.array([0.0, shape.ankle + 0.985 * shape.leg, 0.0])
    origin[:, PELVIS] = rest + shape.leg * pose.root
    origin[:, ABDOMEN] = origin[:, PELVIS]
    origin[:, CHEST] = origin[:, ABDOMEN] + shape.abdomen * rotation[:, ABDOMEN, :, 1]
    origin[:, HEAD] = origin[:, CHEST] + shape.chest * rotation[:, CHEST, :, 1]


def _pose_arm(shape: BodyShape, pose: Pose, side: int, rotation: Floats, origin: Floats) -> None:
    out, first = _outward(side), ARMS[side]
    socket = np.array([out * shape.shoulder, 0.90 * shape.chest, 0.0])
    shoulder = origin[:, CHEST] + rotation[:, CHEST] @ socket
    wrist = shoulder + shape.arm * pose.hands[:, side] * np.array([out, 1.0, 1.0])
    hinge = np.array([-0.85, 0.0, 0.50 * out])  # elbows point back, down and a little out
    bones, points = two_bones(shoulder, wrist, shape.upper_arm, shape.arm - shape.upper_arm, hinge)
    rotation[:, first : first + 2], origin[:, first : first + 3] = bones, points
    rotation[:, first + 2] = bones[:, 1]


def _pose_leg(shape: BodyShape, pose: Pose, side: int, rotation: Floats, origin: Floats) -> None:
    out, first = _outward(side), LEGS[side]
    hip = origin[:, PELVIS] + rotation[:, PELVIS] @ np.array([out * shape.hip, 0.0, 0.0])
    stand = np.array([1.15 * out * shape.hip, shape.ankle, 0.0])
    ankle = stand + shape.leg * pose.feet[:, side] * np.array([out, 1.0, 1.0])
    bones, points = two_bones(hip, ankle, shape.thigh, shape.leg - shape.thigh, np.array([1.0, 0.0, 0.0]))
    rotation[:, first : first + 2], origin[:, first : first + 3] = bones, points
    # A lifted foot points its toes down, by less than would put them through the floor.
    lift = np.maximum(points[:, 2, 1] - shape.ankle, 0.0)
    rotation[:, first + 2] = _rotation_x(np.arcsin(np.clip(0.8 * lift / (0.1 * shape.height), 0.0, 0.4)))


def _outward(side: int) -> float:
    return 1.0 if side == RIGHT else -1.0


def two_bones(root: Floats, target: Floats, upper: float, lower: float, hinge: Floats) -> tuple[Floats, Floats]:
    """Place a two-bone limb so that its end reaches the target, or points at it where it is too far.

    root, target: (T, 3); hinge: (3,) axis of the middle joint, made perpendicular to the limb; the joint bends
    towards hinge × (direction to the target). Returns the rotations (T, 2, 3, 3) of the bones, y along the bone and x
    the hinge, and the points (T, 3, 3) root, middle, end.
    """
    reach = target - root
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    direction = reach / length
    length = np.clip(length, 1.05 * abs(upper - lower) + 0.2 * lower, 0.999 * (upper + lower))
    axis = _unit(hinge - direction * (direction @ hinge)[:, None])
    along = (upper**2 - lower**2 + length**2) / (2.0 * length)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    middle = root + along * direction + aside * np.cross(axis, direction)
    end = root + length * direction
    bones = np.stack([_bone_frame(root, middle, axis), _bone_frame(middle, end, axis)], axis=1)
    return bones, np.stack([root, middle, end], axis=1)


def _bone_frame(start: Floats, end: Floats, axis: Floats) -> Floats:
    along = _unit(end - start)
    return np.stack([axis, along, np.cross(axis, along)], axis=-1)


def _unit(v: Floats) -> Floats:
    unit: Floats = v / np.linalg.norm(v, axis=-1, keepdims=True)
    return unit


def _rotation_x(pitch: Floats) -> Floats:
    """Rotations that tilt y (up) forward, to -z, by pitch (rad)."""
    c, s, zero, one = np.cos(pitch), np.sin(pitch), np.zeros_like(pitch), np.ones_like(pitch)
    rows = [[one, zero, zero], [zero, c, s], [zero, -s, c]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_y(yaw: Floats) -> Floats:
    """Rotations about the upward axis that turn -z (forward) to -x by yaw (rad)."""
    c, s, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    rows = [[c, zero, s], [zero, one, zero], [-s, zero, c]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
