"""Two cameras a Kinect, three Kinects, and the figure in the middle of their images."""

import numpy as np
import pytest
from motionpipe.pipeline.actions import ACTIONS
from motionpipe.pipeline.kinect_rig import BASELINE, cameras_of
from motionpipe.pipeline.perform_action import PerformanceSpec, performance
from motionpipe.pipeline.posed_camera import project, to_camera


def test_intrinsics_follow_the_image_sizes_and_keep_pixel_centres() -> None:
    depth, colour = cameras_of(1, 1, (256, 212), (480, 270))
    assert (depth.intrinsics.fx, depth.intrinsics.cx) == (182.7405, (257.346 + 0.5) / 2 - 0.5)
    assert (colour.intrinsics.fx, colour.intrinsics.width) == (1057.0 / 4, 480)


def test_the_colour_camera_stands_beside_the_depth_camera() -> None:
    depth, colour = cameras_of(2, 3, (512, 424), (480, 270))
    np.testing.assert_allclose(to_camera(depth, colour.centre), [-BASELINE, 0.0, 0.0], atol=1e-12)
    np.testing.assert_array_equal(depth.rotation, colour.rotation)


@pytest.mark.parametrize("camera", [1, 2, 3])
def test_everybody_stays_in_both_images(camera: int) -> None:
    acted = [
        performance(PerformanceSpec(0, performer, action, replication, num_frames=12, fps=6.0))
        for action in ACTIONS
        for performer, replication in ((1, 1), (2, 2), (3, 1))
    ]
    joints = np.stack([one.joints for one in acted])
    for setup in (1, 2, 3):
        for eye in cameras_of(setup, camera, (512, 424), (480, 270)):
            pixels = project(eye.intrinsics, to_camera(eye, joints))
            assert (pixels > 4).all()
            assert (pixels < [eye.intrinsics.width - 5, eye.intrinsics.height - 5]).all()
