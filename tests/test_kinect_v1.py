import numpy as np
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA


def test_the_field_of_view_of_the_sensor():
    horizontal = 2 * np.degrees(np.arctan(DEPTH_CAMERA.width / 2 / DEPTH_CAMERA.fx))
    vertical = 2 * np.degrees(np.arctan(DEPTH_CAMERA.height / 2 / DEPTH_CAMERA.fy))
    assert abs(horizontal - 58.5) < 0.5
    assert abs(vertical - 45.6) < 0.5
