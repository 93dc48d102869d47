"""The figure is mirror-symmetric, and wears what it should."""

import numpy as np
from motionpipe.pipeline.body_shape import HAIR, MATERIALS, body_shape
from motionpipe.pipeline.capsule_figure import ARMS, HEAD, LEGS, PARTS, build_figure

FIGURE = build_figure(body_shape(0, 1))


def test_every_part_has_a_capsule_and_every_material_is_worn() -> None:
    assert set(FIGURE.part.tolist()) == set(range(len(PARTS)))
    assert set(FIGURE.material.tolist()) == set(range(len(MATERIALS)))
    assert set(FIGURE.part[FIGURE.material == HAIR].tolist()) == {HEAD}


def test_left_and_right_limbs_are_alike() -> None:
    for left, right in (ARMS, LEGS):
        for part in range(3):
            one, other = FIGURE.part == left + part, FIGURE.part == right + part
            np.testing.assert_array_equal(FIGURE.end[one], FIGURE.end[other])
            np.testing.assert_array_equal(FIGURE.radius[one], FIGURE.radius[other])


def test_joints_are_those_of_kinect_v2() -> None:
    assert FIGURE.joint.shape == (25, 3)
    assert FIGURE.joint_part[3] == HEAD
    assert [FIGURE.joint_part[j] for j in (4, 8)] == list(ARMS)  # shoulders
    assert [FIGURE.joint_part[j] for j in (12, 16)] == list(LEGS)  # hips
