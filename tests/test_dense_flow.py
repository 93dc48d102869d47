"""Chosen pairs, both directions, and settings that change the speed alone."""

import cv2
import numpy as np
import pytest
from motionpipe.pipeline.dense_flow import dense_flow
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.clip import Clip
from motionpipe.schemas.flow_section import FlowSection

CAMERA = Camera(fx=60.0, fy=60.0, cx=39.5, cy=29.5, width=80, height=60)


@pytest.fixture(scope="module")
def clip():
    """A bumpy wall that slides 2 px to the right and 20 mm away a frame, with its texture, five frames."""
    rng = np.random.default_rng(0)
    bumps = cv2.resize(rng.normal(2000, 60, (24, 24)).astype(np.float32), (200, 200), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (200, 200), interpolation=cv2.INTER_CUBIC)
    windows = [np.s_[50:110, 60 - 2 * i : 140 - 2 * i] for i in range(5)]
    depth = np.stack([bumps[window] + 20 * i for i, window in enumerate(windows)]).astype(np.uint16)
    rgb = np.stack([texture[window] for window in windows])
    return Clip("wall", np.arange(5) * 100_000, rgb=rgb, depth=depth, depth_camera=CAMERA)


def fields(clip, config, pairs, **speed):
    """Flow (P, C, H, W) and valid (P, H, W) of the pairs."""
    flows, valids = zip(*dense_flow(clip, 1, config, pairs, **speed), strict=True)
    return np.concatenate(flows), np.concatenate(valids)


@pytest.mark.parametrize("check", [0.0, 0.05])
@pytest.mark.parametrize("method", ["pd", "dis"])
def test_a_pair_is_the_same_alone_and_among_all(clip, method, check):
    config = FlowSection(method=method, iterations=15, forward_backward=check)
    flow, valid = fields(clip, config, range(4))
    for size in (1, 2 * 80 * 60, 5 * 80 * 60):
        again = fields(clip, config, range(4), pixels_per_call=size)
        np.testing.assert_array_equal(again[0], flow)
        np.testing.assert_array_equal(again[1], valid)
    some = fields(clip, config, [3, 1])
    np.testing.assert_array_equal(some[0], flow[[3, 1]])
    np.testing.assert_array_equal(some[1], valid[[3, 1]])


@pytest.mark.parametrize("method", ["pd", "dis", "farneback"])
def test_the_check_takes_pixels_and_leaves_the_flow(clip, method):
    plain = FlowSection(method=method, iterations=40)
    checked = plain.model_copy(update={"forward_backward": 0.01})
    strict = plain.model_copy(update={"forward_backward": 1e-9, "forward_backward_slack": 1e-4})
    (flow, valid), (same, agreed), (_, few) = (fields(clip, config, [0]) for config in (plain, checked, strict))
    np.testing.assert_array_equal(flow, same)
    assert not (agreed & ~valid).any()
    assert not (few & ~agreed).any()
    assert agreed[0, 10:-10, 10:-10].mean() > 0.95
    assert few.mean() < 0.7 * agreed.mean()


def test_what_leaves_the_image_does_not_agree(clip):
    config = FlowSection(method="tv-l1", forward_backward=0.01)
    valid = fields(clip, config, [0])[1][0]
    assert not valid[10:-10, -1:].any()
    assert valid[10:-10, 10:-10].mean() > 0.95


def test_a_pair_across_a_gap_has_no_valid_pixel(clip):
    gappy = Clip(clip.key, clip.timestamps_us, rgb=clip.rgb, source_slots=np.array([0, 1, 3, 4, 5]))
    valid = fields(gappy, FlowSection(method="dis"), [2, 1, 0])[1]
    assert valid.all(axis=(1, 2)).tolist() == [True, False, True]
