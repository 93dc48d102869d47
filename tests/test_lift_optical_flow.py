"""Lifting the exact optical flow of a moving plane gives its exact motion."""

from __future__ import annotations

import numpy as np
from motionpipe.pipeline.lift_optical_flow import lift_optical_flow, sample_depth
from motionpipe.schemas.camera import Camera

CAMERA = Camera(100.0, 110.0, 11.0, 8.0, 24, 18)


def test_plane_moving_in_all_directions() -> None:
    rows, columns = np.indices((18, 24), dtype=np.float32)
    depth1, depth2 = np.full((18, 24), 2.0, np.float32), np.full((18, 24), 2.1, np.float32)
    u = (2.0 * (columns - CAMERA.cx) + 100 * 0.03) / 2.1 + CAMERA.cx - columns
    v = (2.0 * (rows - CAMERA.cy) - 110 * 0.02) / 2.1 + CAMERA.cy - rows
    motion, known = lift_optical_flow(np.stack([u, v]), depth1, depth2, CAMERA)
    assert known.any()
    assert not known.all()
    np.testing.assert_allclose(motion[:, known].T, np.broadcast_to([0.03, -0.02, 0.1], (known.sum(), 3)), atol=1e-5)
    assert not motion[:, ~known].any()


def test_depth_is_bilinear_and_nearest_beside_a_hole() -> None:
    depth = np.full((4, 5), 2.0, np.float32)
    depth[:, 3] = 3.0
    depth[:, 4] = 0.0
    u = np.array([[2.25, 3.25, 3.75, 9.0]], np.float32)
    np.testing.assert_allclose(sample_depth(depth, u, np.full_like(u, 1.0)), [[2.25, 3.0, 0.0, 0.0]])


def test_no_motion_where_depth_is_missing_at_either_end() -> None:
    depth1, depth2 = np.full((18, 24), 2.0, np.float32), np.full((18, 24), 2.0, np.float32)
    depth1[3, 4] = depth2[9, 12] = 0
    shift = np.zeros((2, 18, 24), np.float32)
    shift[0] = 2
    motion, known = lift_optical_flow(shift, depth1, depth2, CAMERA)
    assert not known[3, 4]
    assert not known[9, 10]
    assert not motion[:, 9, 10].any()
    np.testing.assert_allclose(motion[:, 9, 11], [0.04, 0, 0], atol=1e-6)
