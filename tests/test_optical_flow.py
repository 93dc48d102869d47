import cv2
import numpy as np
import pytest
from motionpipe.pipeline.optical_flow import dis_flow


def shifted_texture(dx, dy, frames=3, height=80, width=96):
    """Frames of a smooth random texture that moves (dx, dy) px right and down a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (300, 300), interpolation=cv2.INTER_CUBIC)
    return np.stack(
        [texture[100 - i * dy : 100 - i * dy + height, 100 - i * dx : 100 - i * dx + width] for i in range(frames)]
    )


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, 3), (-3, -2), (0, 0)])
def test_a_shift_is_recovered_in_pixels_right_and_down(dx, dy):
    flow = dis_flow(*shifted_texture(dx, dy, frames=2))
    assert flow.shape == (2, 80, 96)
    assert flow.dtype == np.float32
    inside = flow[:, 10:-10, 10:-10]
    error = np.linalg.norm(inside - np.array([dx, dy])[:, None, None], axis=0)
    assert error.mean() < 0.1


def test_a_pair_does_not_depend_on_those_before_it():
    frames = shifted_texture(2, 1, frames=4)
    before = dis_flow(frames[2], frames[3])
    dis_flow(frames[0], frames[1])
    np.testing.assert_array_equal(dis_flow(frames[2], frames[3]), before)
