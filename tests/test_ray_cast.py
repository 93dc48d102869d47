"""Depth and scene flow of capsules against formulas."""

from dataclasses import replace

import numpy as np
from motionpipe.pipeline.capsule_figure import Capsules, Floats, PerformanceSpec, performance, posed
from motionpipe.pipeline.ray_cast import (
    Camera,
    Hits,
    capsules_in,
    cast_image,
    look_at,
    nearest_depth,
    project,
    room,
    scene_flow,
    to_camera,
)

CAMERA = Camera(161, 121, 200.0, 200.0, 80.0, 60.0, np.eye(3), np.zeros(3))


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


def at(hits: Hits, camera: Camera, column: int, row: int) -> int:
    (index,) = np.flatnonzero(hits.pixel == row * camera.width + column)
    return int(index)


def turn_about_z(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def test_depth_of_an_upright_capsule_is_that_of_its_cylinder_and_caps() -> None:
    hits = cast_image(CAMERA, one_capsule(np.array([0, -0.2, 2.0]), np.array([0, 0.2, 2.0])))
    x = (hits.pixel % CAMERA.width - CAMERA.cx) / CAMERA.fx
    y = (hits.pixel // CAMERA.width - CAMERA.cy) / CAMERA.fy
    # Cylinder: (x z)^2 + (z - 2)^2 = r^2, nearer root.
    cylinder = (2.0 - np.sqrt(4.0 - (1 + x**2) * (4.0 - 0.01))) / (1 + x**2)
    side = np.abs(y * cylinder) < 0.2
    np.testing.assert_allclose(hits.depth[side], cylinder[side], atol=1e-9)
    centre = np.stack([0 * y, np.sign(y) * 0.2, 0 * y + 2.0], axis=1)
    np.testing.assert_allclose(np.linalg.norm(hits.point - centre, axis=1)[~side], 0.1, atol=1e-9)
    assert abs(hits.depth[at(hits, CAMERA, 80, 60)] - 1.9) < 1e-9
    assert side.any()
    assert (~side).any()


def test_a_capsule_seen_end_on_is_a_sphere() -> None:
    hits = cast_image(CAMERA, one_capsule(np.array([0, 0, 2.0]), np.array([0, 0, 2.5])))
    np.testing.assert_allclose(np.linalg.norm(hits.point - [0, 0, 2.0], axis=1)[hits.depth < 2.0], 0.1, atol=1e-9)
    assert abs(hits.depth[at(hits, CAMERA, 80, 60)] - 1.9) < 1e-6


def test_no_pixel_outside_the_candidates_would_hit() -> None:
    capsules = one_capsule(np.array([-0.3, -0.1, 1.2]), np.array([0.4, 0.3, 2.2]), 0.15)
    hits = cast_image(CAMERA, capsules)
    every = np.ones((CAMERA.height, CAMERA.width, 3))
    every[..., 1], every[..., 0] = np.mgrid[: CAMERA.height, : CAMERA.width]
    every[..., :2] = (every[..., :2] - [CAMERA.cx, CAMERA.cy]) / CAMERA.fx
    # Densely sampled spheres along the axis are the reference here, because they share no code with the caster.
    rays = every.reshape(-1, 3)
    seen = np.zeros(len(rays), dtype=bool)
    for t in np.linspace(0, 1, 400):
        centre = capsules.start[0] + t * (capsules.end[0] - capsules.start[0])
        seen |= (rays @ centre) ** 2 >= (rays**2).sum(1) * (centre @ centre - 0.15**2)
    mask = np.zeros(len(rays), dtype=bool)
    mask[hits.pixel] = True
    assert (mask != seen).sum() <= 2
    np.testing.assert_allclose(nearest_depth(rays[hits.pixel], capsules), hits.depth)


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
    camera = Camera(1024, 848, 730.0, 730.0, 512.0, 424.0, rotation, centre)
    acted = performance(PerformanceSpec(seed=0, performer=2, action=6, replication=1, num_frames=10, fps=10.0))
    now, then = (capsules_in(camera, posed(acted, t)) for t in (4, 5))
    hits, later = cast_image(camera, now), cast_image(camera, then)
    flow, valid = scene_flow(camera, hits, now, then)
    assert np.abs(flow).max() > 0.05
    assert valid.mean() > 0.85
    depth = np.full((camera.height, camera.width), np.nan)
    depth.reshape(-1)[later.pixel] = later.depth
    arrived = hits.point[valid] + flow[valid]
    column, row = project(camera, arrived).T
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


def test_look_at_is_mirrored_and_keeps_the_target_in_the_middle() -> None:
    target = np.array([0.1, 0.9, 0.2])
    rotation, centre = look_at(target, 3.0, 1.7, -0.7)
    camera = replace(CAMERA, rotation=rotation, centre=centre)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), -1.0)
    np.testing.assert_allclose(project(camera, to_camera(camera, target)), [80.0, 60.0], atol=1e-9)
    above = project(camera, to_camera(camera, target + np.array([0.0, 0.1, 0.0])))
    assert above[1] < 60.0


def test_the_room_is_a_floor_and_walls() -> None:
    rotation, centre = look_at(np.array([0.0, 0.95, 0.0]), 3.0, 1.7, 0.0)
    camera = Camera(64, 48, 45.0, 45.0, 31.5, 23.5, rotation, centre)
    background = room(camera, seed=0)
    rows, columns = np.mgrid[:48, :64]
    rays = np.stack([(columns - 31.5) / 45.0, (rows - 23.5) / 45.0, np.ones((48, 64))], axis=-1)
    world = centre + (rays * background.depth[..., None]) @ rotation
    np.testing.assert_allclose(world[background.floor][:, 1], 0.0, atol=1e-9)
    walls = ~background.floor & (world[..., 1] < 2.5)
    assert np.isclose(world[walls][:, [0, 2]], [2.6, 2.3]).any(axis=1).mean() > 0.5
    assert background.rgb[background.floor].std() > 3
