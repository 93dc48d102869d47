"""Limbs reach their targets, and blends are linear."""

import numpy as np
from motionpipe.pipeline.poses import between, stance, two_bones


def test_two_bones_reach_the_target_and_bend_towards_the_pole() -> None:
    root, target = np.zeros((1, 3)), np.array([[0.1, -0.5, 0.0]])
    bones, points = two_bones(root, target, 0.4, 0.3, np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(points[:, 2], target, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=1), axis=-1), [[0.4, 0.3]])
    assert points[0, 1, 2] < -0.05  # a knee: forward is -z
    np.testing.assert_allclose(bones[0].transpose(0, 2, 1) @ bones[0], np.stack([np.eye(3)] * 2), atol=1e-12)


def test_a_target_out_of_reach_is_pointed_at() -> None:
    _, points = two_bones(np.zeros((1, 3)), np.array([[0.0, -9.0, 0.0]]), 0.4, 0.3, np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(points[0, 2], [0.0, -0.999 * 0.7, 0.0])


def test_a_blend_goes_from_one_pose_to_the_other() -> None:
    half = between(stance(), stance(root=(0, -0.4, 0.2), nod=1.0), np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(half.root, [[0.0, 0.0, 0.0], [0.0, -0.2, 0.1], [0.0, -0.4, 0.2]])
    np.testing.assert_allclose(half.nod, [0, 0.5, 1])
    assert half.hands.shape == (3, 2, 3)
