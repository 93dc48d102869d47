"""A Kinect's depth: the truth plus small noise, masked around the body, with holes if asked for."""

import numpy as np
import numpy.typing as npt
import pytest
from motionpipe.pipeline.actions import ACTIONS
from motionpipe.pipeline.body_shape import body_shape
from motionpipe.pipeline.kinect_rig import view_of
from motionpipe.pipeline.masked_depth import masked_depth
from motionpipe.pipeline.perform_action import PerformanceSpec, Variation, perform, performance, posed
from motionpipe.pipeline.posed_camera import capsules_in
from motionpipe.pipeline.ray_cast import Hits, cast_image

VIEW = view_of(1, 1, (128, 106), (160, 90), seed=0)


@pytest.fixture(scope="module")
def hits() -> Hits:
    """The first frame of someone who sits down."""
    acted = performance(PerformanceSpec(seed=0, performer=1, action=8, replication=1, num_frames=5, fps=5.0))
    return cast_image(VIEW.depth.intrinsics, capsules_in(VIEW.depth, posed(acted, 0)))


def masked(hits: Hits, noise_mm: float = 0.0, dropout: bool = False) -> npt.NDArray[np.uint16]:
    return masked_depth(VIEW, hits, noise_mm, dropout, np.random.default_rng(0))


def test_depth_is_the_truth_plus_small_noise(hits: Hits) -> None:
    depth = masked(hits, noise_mm=1.5)
    error = depth.reshape(-1)[hits.pixel] - 1000 * hits.depth
    assert 0.8 < error.std() < 3.0
    assert np.abs(error).max() < 12
    off_figure = np.delete(depth.reshape(-1), hits.pixel)
    assert 0.01 < (off_figure > 0).mean() < 0.2  # some floor at the feet, no wall
    assert off_figure.max() < 1000 * hits.depth.max() + 170


def test_dropout_loses_pixels_on_silhouettes_and_floor(hits: Hits) -> None:
    full, holed = (masked(hits, dropout=dropout) > 0 for dropout in (False, True))
    assert not (holed & ~full).any()
    assert 0.5 < holed.sum() / full.sum() < 0.95


def test_a_reversed_action_shows_the_same_depth_frames_in_reverse() -> None:
    variation = Variation(hold_start=0.1, skew=-0.2, sway=(0.3, 0.2, 0.1))
    frames = []
    for action in (8, 9):
        played = perform(body_shape(0, 1), ACTIONS[action], variation, 5, 5.0)
        seen = [capsules_in(VIEW.depth, posed(played, t)) for t in range(5)]
        frames.append([masked(cast_image(VIEW.depth.intrinsics, capsules)) for capsules in seen])
    np.testing.assert_array_equal(frames[0], frames[1][::-1])
    assert not np.array_equal(frames[0], frames[1])
