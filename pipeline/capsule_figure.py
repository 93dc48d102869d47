"""A body as capsules and joints on rigid parts.

World axes: x right, y up, z away from the middle camera; metres; the floor is y = 0. The figure faces -z at heading 0.
As in Kinect recordings, whose images are mirrored, its left side lies at smaller x when it faces the camera.

Legend: P rigid parts, C capsules, J = 25 Kinect v2 joints. Sides are ordered (left, right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .body_shape import HAIR, SHIRT, SHOES, SKIN, SLEEVE, TROUSERS, BodyShape

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Point = tuple[float, float, float]
CapsuleRow = tuple[int, Point, Point, float, int]

PARTS = (
    *("pelvis", "abdomen", "chest", "head"),
    *("upper_arm_l", "forearm_l", "hand_l", "upper_arm_r", "forearm_r", "hand_r"),
    *("thigh_l", "shank_l", "foot_l", "thigh_r", "shank_r", "foot_r"),
)
LEFT, RIGHT = 0, 1
PELVIS, ABDOMEN, CHEST, HEAD = range(4)
ARMS = (4, 7)  # first part of each arm: upper arm, forearm, hand
LEGS = (10, 13)  # first part of each leg: thigh, shank, foot


@dataclass(frozen=True)
class Figure:
    """A body cut into capsules and joints, each fixed to a rigid part and given in that part's axes (metres)."""

    part: Ints  # (C,) rigid part of each capsule
    start: Floats  # (C, 3)
    end: Floats  # (C, 3)
    radius: Floats  # (C,)
    material: Ints  # (C,) index into MATERIALS
    joint_part: Ints  # (J,)
    joint: Floats  # (J, 3)


@dataclass(frozen=True)
class Capsules:
    """Capsules at one moment, in the world: what a camera sees (metres)."""

    start: Floats  # (C, 3)
    end: Floats  # (C, 3)
    radius: Floats  # (C,)
    part: Ints  # (C,) rigid part that carries the capsule
    material: Ints  # (C,)
    rotation: Floats  # (P, 3, 3)
    origin: Floats  # (P, 3)


def build_figure(shape: BodyShape) -> Figure:
    """Cut a body into capsules and place the 25 Kinect joints on its parts."""
    rows = [*_trunk_capsules(shape), *_limb_capsules(shape)]
    part, start, end, radius, material = zip(*rows, strict=True)
    joints = _joints(shape)
    return Figure(
        part=np.array(part),
        start=np.array(start, dtype=np.float64),
        end=np.array(end, dtype=np.float64),
        radius=np.array(radius),
        material=np.array(material),
        joint_part=np.array([j[0] for j in joints]),
        joint=np.array([j[1] for j in joints], dtype=np.float64),
    )


def _trunk_capsules(s: BodyShape) -> list[CapsuleRow]:
    h, g = s.height, s.height * s.girth
    rib = 0.55 * s.shoulder
    return [
        (PELVIS, (-s.hip, 0, 0), (s.hip, 0, 0), 0.058 * g, TROUSERS),
        (ABDOMEN, (-0.5 * s.hip, 0.35 * s.abdomen, 0), (-0.3 * s.hip, s.abdomen, 0), 0.060 * g, SHIRT),
        (ABDOMEN, (0.5 * s.hip, 0.35 * s.abdomen, 0), (0.3 * s.hip, s.abdomen, 0), 0.060 * g, SHIRT),
        (CHEST, (-0.8 * rib, 0.15 * s.chest, 0), (-rib, 0.75 * s.chest, 0), 0.058 * g, SHIRT),
        (CHEST, (0.8 * rib, 0.15 * s.chest, 0), (rib, 0.75 * s.chest, 0), 0.058 * g, SHIRT),
        (CHEST, (-0.85 * s.shoulder, 0.93 * s.chest, 0), (0.85 * s.shoulder, 0.93 * s.chest, 0), 0.036 * g, SHIRT),
        (HEAD, (0, 0, 0), (0, 0.06 * h, 0), 0.031 * h, SKIN),
        (HEAD, (0, 0.088 * h, -0.012 * h), (0, 0.128 * h, -0.006 * h), 0.048 * h, SKIN),
        (HEAD, (0, 0.112 * h, 0.010 * h), (0, 0.138 * h, 0.006 * h), 0.050 * h, HAIR),
    ]


def _limb_capsules(s: BodyShape) -> list[CapsuleRow]:
    h, g = s.height, s.height * s.girth
    forearm, shank, sole = s.arm - s.upper_arm, s.leg - s.thigh, 0.020 * h - s.ankle
    rows: list[CapsuleRow] = []
    for arm, leg in zip(ARMS, LEGS, strict=True):
        rows += [
            (arm, (0, 0, 0), (0, s.upper_arm, 0), 0.028 * g, SHIRT),
            (arm + 1, (0, 0, 0), (0, forearm, 0), 0.022 * g, SLEEVE),
            (arm + 2, (0, 0.02 * h, 0), (0, s.hand - 0.02 * h, 0), 0.021 * h, SKIN),
            (leg, (0, 0, 0), (0, s.thigh, 0), 0.043 * g, TROUSERS),
            (leg + 1, (0, 0, 0), (0, shank, 0), 0.030 * g, TROUSERS),
            (leg + 2, (0, sole, 0.022 * h), (0, sole, -0.100 * h), 0.020 * h, SHOES),
        ]
    return rows


def _joints(s: BodyShape) -> list[tuple[int, Point]]:
    """The 25 Kinect v2 joints in NTU order, as (part, point)."""
    h = s.height
    trunk: list[tuple[int, Point]] = [
        (PELVIS, (0, 0, 0)),
        (CHEST, (0, 0, 0)),
        (HEAD, (0, 0.035 * h, 0)),
        (HEAD, (0, 0.115 * h, 0)),
    ]
    arms: list[tuple[int, Point]] = []
    legs: list[tuple[int, Point]] = []
    for arm, leg in zip(ARMS, LEGS, strict=True):
        arms += [(arm, (0, 0, 0)), (arm + 1, (0, 0, 0)), (arm + 2, (0, 0, 0)), (arm + 2, (0, 0.5 * s.hand, 0))]
        legs += [(leg, (0, 0, 0)), (leg + 1, (0, 0, 0)), (leg + 2, (0, 0, 0))]
        legs += [(leg + 2, (0, -0.5 * s.ankle, -0.09 * h))]
    tips: list[tuple[int, Point]] = [(CHEST, (0, s.chest, 0))]
    for arm in ARMS:
        tips += [(arm + 2, (0, s.hand, 0)), (arm + 2, (0.02 * h, 0.6 * s.hand, 0))]
    return trunk + arms + legs + tips
