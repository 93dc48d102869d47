import numpy as np
from motionpipe.pipeline.depth_step import depth_step_mm


def test_the_step_is_the_usual_gap_between_depths():
    rng = np.random.default_rng(0)
    near = (1000 + 5 * rng.integers(0, 20, (10, 10))).astype(np.uint16)
    far = (4000 + 40 * rng.integers(0, 20, (60, 60))).astype(np.uint16)
    far[:5] = 0
    assert depth_step_mm([near]) == 5
    assert depth_step_mm([near, far]) == 40  # most pixels are far


def test_images_of_one_depth_say_nothing():
    assert depth_step_mm([np.zeros((4, 4), np.uint16), np.full((4, 4), 900, np.uint16)]) is None
    assert depth_step_mm([]) is None
