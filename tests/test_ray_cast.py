"""Depth of capsules against formulas."""

import numpy as np
from motionpipe.pipeline.capsule_figure import Capsules, Floats
from motionpipe.pipeline.ray_cast import Hits, cast_image, covered_box, nearest_depth
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


def at(hits: Hits, camera: Camera, column: int, row: int) -> int:
    (index,) = np.flatnonzero(hits.pixel == row * camera.width + column)
    return int(index)


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


def test_the_covered_box_holds_the_figure_of_all_frames() -> None:
    left = cast_image(CAMERA, one_capsule(np.array([-0.3, 0, 2.0]), np.array([-0.3, 0.1, 2.0])))
    low = cast_image(CAMERA, one_capsule(np.array([0, 0.2, 2.0]), np.array([0, 0.9, 2.0])))
    rows, columns = covered_box(CAMERA, [left, low], margin=2)
    column = np.concatenate([hits.pixel for hits in (left, low)]) % CAMERA.width
    assert columns == slice(column.min() - 2, column.max() + 3)
    assert rows.stop == CAMERA.height  # the margin ends with the image
