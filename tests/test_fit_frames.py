import numpy as np
from motionpipe.pipeline.fit_frames import resize_frames

RNG = np.random.default_rng(0)


def test_colours_are_resized_by_area_and_depths_are_picked():
    rgb = RNG.integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(resize_frames(rgb, 6, 8), rgb.reshape(2, 6, 2, 8, 2, 3).mean(axis=(2, 4)), atol=0.51)
    depth = RNG.integers(0, 9000, (2, 12, 15), dtype=np.uint16)
    np.testing.assert_array_equal(resize_frames(depth, 4, 5), depth[:, 1::3, 1::3])
    assert resize_frames(depth, 12, 15) is depth
