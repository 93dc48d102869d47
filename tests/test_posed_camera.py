"""Points to pixels, pixels to rays, and cameras that look where they are told to."""

import numpy as np
from motionpipe.pipeline.posed_camera import PosedCamera, look_at, project, rays_of, to_camera
from motionpipe.schemas.camera import Camera

CAMERA = Camera(200.0, 190.0, 80.0, 60.0, width=161, height=121)


def test_rays_are_projected_to_their_pixels() -> None:
    pixel = np.array([0, 160, 161, 161 * 121 - 1])
    np.testing.assert_allclose(project(CAMERA, 2.5 * rays_of(CAMERA, pixel)), [[0, 0], [160, 0], [0, 1], [160, 120]])


def test_look_at_is_mirrored_and_keeps_the_target_in_the_middle() -> None:
    target = np.array([0.1, 0.9, 0.2])
    rotation, centre = look_at(target, 3.0, 1.7, -0.7)
    camera = PosedCamera(CAMERA, rotation, centre)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), -1.0)
    np.testing.assert_allclose(project(CAMERA, to_camera(camera, target)), [80.0, 60.0], atol=1e-9)
    above = project(CAMERA, to_camera(camera, target + np.array([0.0, 0.1, 0.0])))
    assert above[1] < 60.0
