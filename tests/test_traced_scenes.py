"""The exact scenes agree with themselves: what a point looks like and how far it is, in both frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from motionpipe.pipeline.lift_optical_flow import sample_depth
from motionpipe.pipeline.traced_scenes import Body, Plane, Sphere, TracedPair, camera_of, kinect_noise, trace_pair

CAMERA = camera_of(160, 120)
WALL = Body(Plane((0.0, 0.0, 1.0), 2.5))
BALL = Sphere((0.05, 0.0, 1.5), 0.35)


def after(pair: TracedPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column, row and depth in frame 2 of what the pixels of frame 1 show."""
    rows, columns = np.indices(pair.depth1.shape)
    x = (columns - CAMERA.cx) * pair.depth1 / CAMERA.fx + pair.motion[..., 0]
    y = (rows - CAMERA.cy) * pair.depth1 / CAMERA.fy + pair.motion[..., 1]
    z = pair.depth1 + pair.motion[..., 2]
    return CAMERA.fx * x / z + CAMERA.cx, CAMERA.fy * y / z + CAMERA.cy, z


@pytest.mark.parametrize(
    "bodies",
    [
        [Body(Plane((0.4, 0.25, 1.0), 2.0), (0.03, -0.02, 0.05), (0.05, -0.03, 0.04))],
        [WALL, Body(BALL, (0.03, 0.01, -0.05), (0.1, 0.05, 0.2), BALL.centre, texture=1)],
    ],
)
def test_points_keep_their_looks_and_are_where_the_flow_says(bodies: list[Body]) -> None:
    pair = trace_pair(CAMERA, bodies)
    u, v, z = (part.astype(np.float32) for part in after(pair))
    one_body = [pair.seen & (pair.body == index) for index in range(len(bodies))]  # silhouettes are not interpolated
    inner = sum(cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) for mask in one_body) > 0
    assert inner.mean() > 0.5
    assert np.abs(sample_depth(pair.depth2, u, v) - z)[inner].max() < 2e-3
    looks = cv2.remap(pair.intensity2.astype(np.float32), u, v, cv2.INTER_CUBIC)
    assert np.abs(looks - pair.intensity1)[inner].mean() < 1.5
    unmoved = np.abs(pair.intensity2.astype(float) - pair.intensity1)
    assert unmoved[inner & pair.motion.any(axis=-1)].mean() > 5


def test_a_turning_plane_follows_the_formula() -> None:
    angle = 0.06
    pair = trace_pair(CAMERA, [Body(Plane((0.0, 0.0, 1.0), 2.0), rotation=(0.0, 0.0, angle))])
    rows, columns = np.indices(pair.depth1.shape)
    x, y = (columns - CAMERA.cx) * 2 / CAMERA.fx, (rows - CAMERA.cy) * 2 / CAMERA.fy
    c, s = np.cos(angle), np.sin(angle)
    np.testing.assert_allclose(pair.motion[..., 0], c * x - s * y - x, atol=1e-6)
    np.testing.assert_allclose(pair.motion[..., 1], s * x + c * y - y, atol=1e-6)
    np.testing.assert_allclose(pair.depth2[pair.depth2 > 0], 2.0, atol=1e-6)


def test_what_the_ball_will_cover_and_what_leaves_is_not_seen() -> None:
    pair = trace_pair(CAMERA, [WALL, Body(BALL, (0.2, 0.0, 0.0))])
    covered = (pair.body == 0) & ~pair.seen
    assert covered.any()
    assert np.nonzero(covered)[1].min() > CAMERA.cx  # to the right of the ball only
    u, *_ = after(trace_pair(CAMERA, [Body(Plane((0.0, 0.0, 1.0), 2.0), (0.1, 0.0, 0.0))]))
    leaves = trace_pair(CAMERA, [Body(Plane((0.0, 0.0, 1.0), 2.0), (0.1, 0.0, 0.0))])
    np.testing.assert_array_equal(leaves.seen, u <= 159)


def test_where_no_body_is_there_is_nothing() -> None:
    pair = trace_pair(CAMERA, [Body(BALL)])
    assert (pair.body == -1).any()
    assert not pair.depth1[pair.body == -1].any()
    assert not pair.seen[pair.body == -1].any()
    assert not kinect_noise(pair.depth1, 1.5, 0)[pair.body == -1].any()


def test_noise_has_the_deviation_that_is_asked_for_and_whole_millimetres() -> None:
    depth = np.full((200, 300), 1.5, np.float32)
    noisy = kinect_noise(depth, 8.0, 0)
    assert np.std(noisy - depth) == pytest.approx(2e-3, rel=0.03)  # a quarter of that at 3 m
    np.testing.assert_allclose(noisy * 1000, np.rint(noisy * 1000), atol=1e-3)
