"""Scene flow of capsules against formulas, and its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motionpipe.pipeline.capsule_figure import Capsules, Floats
from motionpipe.pipeline.perform_action import PerformanceSpec, performance, posed
from motionpipe.pipeline.posed_camera import PosedCamera, capsules_in, look_at, project
from motionpipe.pipeline.ray_cast import cast_image
from motionpipe.pipeline.scene_truth import Truth, load_truth, save_truth, scene_flow, truth_frame, truth_of
from motionpipe.schemas.camera import Camera

CAMERA = Camera(200.0, 200.0, 80.0, 60.0, width=161, height=121)


def one_capsule(start: Floats, end: Floats, radius: float = 0.1) -> Capsules:
    return Capsules(
        start=np.array([start]),
        end=np.array([end]),
        radius=np.array([radius]),
        part=np.array([0]),
        material=np.array([0]),
        rotation=np.eye(3)[None],
        origin=np.zeros((1, 3)),
    )


def moved(capsules: Capsules, rotation: Floats, shift: Floats) -> Capsules:
    """The capsules after the rigid motion x -> rotation @ x + shift of every part."""
    return replace(
        capsules,
        start=capsules.start @ rotation.T + shift,
        end=capsules.end @ rotation.T + shift,
        rotation=rotation @ capsules.rotation,
        origin=capsules.origin @ rotation.T + shift,
    )


def turn_about_z(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def test_flow_of_a_translating_capsule_is_the_translation() -> None:
    now = one_capsule(np.array([0, -0.2, 2.0]), np.array([0, 0.2, 2.0]))
    shift = np.array([0.03, -0.02, 0.1])
    flow, valid = scene_flow(CAMERA, cast_image(CAMERA, now), now, moved(now, np.eye(3), shift))
    np.testing.assert_allclose(flow, np.broadcast_to(shift, flow.shape), atol=1e-12)
    assert valid.mean() > 0.95


def test_flow_of_a_rotating_limb_is_its_rigid_motion() -> None:
    now = one_capsule(np.array([0.0, 0.0, 2.0]), np.array([0.3, 0.0, 2.1]))
    turn = turn_about_z(0.2)
    hits = cast_image(CAMERA, now)
    flow, _ = scene_flow(CAMERA, hits, now, moved(now, turn, np.zeros(3)))
    np.testing.assert_allclose(flow, hits.point @ turn.T - hits.point, atol=1e-12)


def test_points_that_turn_away_or_get_covered_or_leave_are_invalid() -> None:
    now = one_capsule(np.array([0, -0.2, 2.0]), np.array([0, 0.2, 2.0]))
    hits = cast_image(CAMERA, now)
    half_turn = np.diag([-1.0, 1.0, -1.0])
    _, turned = scene_flow(CAMERA, hits, now, moved(now, half_turn, np.array([0.0, 0.0, 4.0])))
    assert not turned.any()
    _, left = scene_flow(CAMERA, hits, now, moved(now, np.eye(3), np.array([3.0, 0.0, 0.0])))
    assert not left.any()
    cover = one_capsule(np.array([0, -0.5, 1.0]), np.array([0, 0.5, 1.0]), 0.3)
    names = ("start", "end", "radius", "part", "material")
    both = replace(now, **{n: np.concatenate([getattr(now, n), getattr(cover, n)]) for n in names})
    assert not scene_flow(CAMERA, hits, now, both)[1].any()


def test_advected_depth_is_the_depth_of_the_second_frame() -> None:
    rotation, centre = look_at(np.array([0.0, 0.95, 0.0]), 3.0, 1.7, 0.3)
    lens = Camera(730.0, 730.0, 512.0, 424.0, width=1024, height=848)
    camera = PosedCamera(lens, rotation, centre)
    acted = performance(PerformanceSpec(seed=0, performer=2, action=6, replication=1, num_frames=10, fps=10.0))
    now, then = (capsules_in(camera, posed(acted, t)) for t in (4, 5))
    hits, later = cast_image(lens, now), cast_image(lens, then)
    flow, valid = scene_flow(lens, hits, now, then)
    assert np.abs(flow).max() > 0.05
    assert valid.mean() > 0.85
    depth = np.full((lens.height, lens.width), np.nan)
    depth.reshape(-1)[later.pixel] = later.depth
    arrived = hits.point[valid] + flow[valid]
    column, row = project(lens, arrived).T
    c0, r0 = np.floor(column).astype(int), np.floor(row).astype(int)
    corners = np.stack([depth[r0 + i, c0 + j] for i in (0, 1) for j in (0, 1)])
    # Bilinear depth means something only inside one smooth surface.
    flat = np.ptp(corners, axis=0) < 0.008
    wc, wr = column - c0, row - r0
    weights = np.stack([(1 - wr) * (1 - wc), (1 - wr) * wc, wr * (1 - wc), wr * wc])
    error = np.abs((weights * corners).sum(0) - arrived[:, 2])[flat]
    assert flat.mean() > 0.6
    assert np.quantile(error, 0.99) < 1e-3
    assert error.max() < 6e-3


def three_moments() -> Truth:
    """A capsule that moves 2 cm to the right and 1 cm away from frame to frame."""
    start = one_capsule(np.array([0, -0.2, 2.0]), np.array([0, 0.2, 2.0]))
    seen = [moved(start, np.eye(3), t * np.array([0.02, 0.0, 0.01])) for t in range(3)]
    return truth_of(CAMERA, [cast_image(CAMERA, capsules) for capsules in seen], seen, stride=2, fps=10.0)


def test_truth_of_frames_is_cropped_to_the_figure_and_comes_back_whole() -> None:
    truth = three_moments()
    assert truth.flow.shape[0] == 1
    assert truth.flow.shape[2] < 40
    flow, valid = truth_frame(truth, 0)
    assert flow.shape == (121, 161, 3)
    np.testing.assert_allclose(flow[60, 80], [0.04, 0.0, 0.02], atol=2e-5)
    assert valid[60, 80]
    assert not flow[0].any()
    assert not valid[0].any()
    assert valid.sum() == truth.valid.sum()


def test_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    truth = three_moments()
    (tmp_path / "truth").mkdir()
    save_truth(tmp_path / "truth" / "one.npz", truth)
    again = load_truth(tmp_path, "one")
    np.testing.assert_array_equal(again.flow, truth.flow)
    np.testing.assert_array_equal(again.valid, truth.valid)
    assert (again.crop, again.intrinsics, again.stride, again.fps) == (truth.crop, CAMERA, 2, 10.0)
    assert again.depth_size == (161, 121)


def test_a_crop_outside_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie in 161x121"):
        replace(three_moments(), crop=(150, 0))
