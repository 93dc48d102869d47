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
    flow = dis_flow(shifted_texture(dx, dy), 1)
    assert flow.shape == (2, 2, 80, 96)
    assert flow.dtype == np.float32
    inside = flow[:, :, 10:-10, 10:-10]
    error = np.linalg.norm(inside - np.array([dx, dy])[:, None, None], axis=1)
    assert error.mean() < 0.1


def test_pairs_are_stride_frames_apart():
    flow = dis_flow(shifted_texture(1, -1, frames=6), 3)
    assert len(flow) == 3
    np.testing.assert_allclose(np.median(flow, axis=(2, 3)), np.tile([3, -3], (3, 1)), atol=0.1)


def test_a_pair_does_not_depend_on_those_before_it():
    frames = shifted_texture(2, 1, frames=4)
    np.testing.assert_array_equal(dis_flow(frames, 1)[2:], dis_flow(frames[2:], 1))
