import cv2
import numpy as np
import pytest
from motionpipe.pipeline.flow_quality import FlowQuality, flow_quality


def texture(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def constant(u, v):
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, 48, 64)).copy()


def test_the_true_flow_leaves_less_than_none():
    first = texture()
    second = np.roll(first, (1, 3), axis=(0, 1))
    true, none = flow_quality(first, second, constant(3, 1)), flow_quality(first, second, constant(0, 0))
    assert true.l1 < 0.25 * none.l1
    assert true.census < 0.25 * none.census
    assert true.motion_px == pytest.approx(10**0.5)


def test_of_a_still_pair_l1_is_in_grey_levels():
    first = texture()
    assert flow_quality(first, first, constant(0, 0)).l1 < 1e-5
    brighter = np.clip(first.astype(int) + 10, 0, 255).astype(np.uint8)
    assert flow_quality(first, brighter, constant(0, 0)).l1 == pytest.approx(10, abs=1e-3)


def test_pairs_weigh_the_same():
    mean = FlowQuality.mean([FlowQuality(1, 2, 3), FlowQuality(3, 4, 7)])
    assert mean == FlowQuality(2, 3, 5)
