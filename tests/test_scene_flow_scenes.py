"""Accuracy of scene flow on exact scenes, beside optical flow (DIS, TV-L1) lifted to metres by depth.

Images are 8-bit and depth has a Kinect's noise (1.5 mm at 3 m, whole millimetres) unless a test says otherwise. Every
error is a mean in millimetres over pixels that both frames show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from motionpipe.models.rgbd_pair import RGBDPair
from motionpipe.models.scene_flow import scene_flow
from motionpipe.pipeline.kinect_rig import view_of
from motionpipe.pipeline.lift_optical_flow import lift_optical_flow
from motionpipe.pipeline.perform_action import PerformanceSpec, performance, posed
from motionpipe.pipeline.posed_camera import capsules_in
from motionpipe.pipeline.ray_cast import cast_image
from motionpipe.pipeline.render_images import colour_image, depth_image
from motionpipe.pipeline.scene_truth import scene_flow as true_flow
from motionpipe.pipeline.traced_scenes import (
    Body,
    Plane,
    Sphere,
    TracedPair,
    Vector,
    camera_of,
    kinect_noise,
    trace_pair,
)
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection
from numpy.typing import NDArray

PUBLISHED = FlowSection()
SMALL, QVGA = camera_of(160, 120), camera_of(320, 240)
NOISE_MM = 1.5
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def wall(translation: Vector = (0, 0, 0), z: float = 2.0) -> Body:
    return Body(Plane((0, 0, 1), z), translation)


def slope(translation: Vector = (0, 0, 0), rotation: Vector = (0, 0, 0)) -> Body:
    return Body(Plane((0.4, 0.25, 1), 2.0), translation, rotation)


def ball(translation: Vector = (0, 0, 0), rotation: Vector = (0, 0, 0)) -> Body:
    centre = (0.05, 0.0, 1.5)
    return Body(Sphere(centre, 0.35), translation, rotation, pivot=centre, texture=1)


def measured(pair: TracedPair) -> TracedPair:
    """The pair as a sensor has it."""
    depth1, depth2 = (kinect_noise(depth, NOISE_MM, seed) for seed, depth in enumerate((pair.depth1, pair.depth2)))
    return replace(pair, depth1=depth1, depth2=depth2)


def by_solver(pair: TracedPair, camera: Camera, config: FlowSection = PUBLISHED) -> tuple[Floats, Bools]:
    """Motion (3, H, W) and where it is valid."""
    images = (pair.intensity1, pair.depth1, pair.intensity2, pair.depth2)
    flow = scene_flow(RGBDPair(*(torch.from_numpy(image).float()[None] for image in images)), camera, config)
    return flow.motion[0].numpy(), flow.valid[0].numpy()


def by_dis(pair: TracedPair, camera: Camera) -> tuple[Floats, Bools]:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    return lifted(dis.calc(pair.intensity1, pair.intensity2, None), pair, camera)


def by_tv_l1(pair: TracedPair, camera: Camera) -> tuple[Floats, Bools]:
    tv_l1 = cv2.optflow.DualTVL1OpticalFlow_create()
    return lifted(tv_l1.calc(pair.intensity1, pair.intensity2, None), pair, camera)


def lifted(optical: Floats, pair: TracedPair, camera: Camera) -> tuple[Floats, Bools]:
    return lift_optical_flow(optical.transpose(2, 0, 1), pair.depth1, pair.depth2, camera)


def error_mm(motion: Floats, pair: TracedPair) -> Floats:
    return np.linalg.norm(motion.transpose(1, 2, 0) - pair.motion, axis=-1) * 1e3


def mean_mm(pair: TracedPair, where: Bools, *estimates: tuple[Floats, Bools]) -> list[float]:
    """Mean error of each estimate over the same pixels: seen in both frames and valid in all estimates."""
    common = np.logical_and.reduce([where & pair.seen, *(valid for _, valid in estimates)])
    assert common.any()
    return [float(error_mm(motion, pair)[common].mean()) for motion, _ in estimates]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_optical_flow_of_planes_follows_the_formulas() -> None:
    """u = f d / Z where it shifts by d; u = -x w / (Z + w) around the principal point where it recedes by w."""
    camera = Camera(140.0, 120.0, 70.0, 65.0, 150, 118)
    inner = slice(6, -6), slice(6, -6)
    x, y = np.arange(150) - camera.cx, np.arange(118)[:, None] - camera.cy
    for right, down, away in ((0.04, 0, 0), (0, -0.04, 0), (0, 0, 0.06), (0, 0, -0.06)):
        pair = trace_pair(camera, [wall((right, down, away))])
        images = (pair.intensity1, pair.depth1, pair.intensity2, pair.depth2)
        flow = scene_flow(RGBDPair(*(torch.from_numpy(image).float()[None] for image in images)), camera, PUBLISHED)
        u, v = flow.optical[0].numpy()
        after = 2.0 + away
        assert np.abs(u - (camera.fx * right - x * away) / after)[inner].mean() < 0.06
        assert np.abs(v - (camera.fy * down - y * away) / after)[inner].mean() < 0.06
        np.testing.assert_allclose(flow.motion[0, 2].numpy()[inner], away, atol=1e-3)


@pytest.mark.parametrize(
    ("body", "bound_mm", "times_better"),
    [
        (wall((0.03, 0, 0)), 0.6, 1.9),
        (wall((0, 0.03, 0)), 0.6, 2.0),
        (wall((0.10, 0, 0)), 0.6, 2.0),
        (wall((0, 0, -0.05)), 0.6, 2.0),
        (wall((0, 0, 0.05)), 0.7, 2.0),
        (wall((0, 0, 0.10)), 0.9, 2.0),
        (slope((0.02, -0.015, 0.03), (0.02, -0.03, 0.04)), 0.9, 1.7),
        (slope(rotation=(0.0, 0.0, 0.06)), 0.9, 1.8),
    ],
    ids=["right", "down", "far", "near", "away", "recede", "turn-and-shift", "turn"],
)
def test_one_textured_plane(body: Body, bound_mm: float, times_better: float) -> None:
    """The easiest scene for optical flow: no depth jump, much texture. What is left to gain is the noise of depth."""
    pair = measured(trace_pair(QVGA, [body]))
    ours, dis = mean_mm(pair, pair.seen, by_solver(pair, QVGA), by_dis(pair, QVGA))
    assert ours < bound_mm
    assert ours * times_better < dis


@pytest.mark.parametrize(
    ("moving", "bound_mm", "times_better"),
    [
        (ball((0.03, 0, 0)), 1.0, 10),
        (ball((0.03, 0, -0.04)), 1.5, 7),
        (ball((0.08, 0.02, -0.08)), 7, 3),
        (ball(rotation=(0.05, 0.1, 0)), 4.5, 2.2),
    ],
    ids=["across", "nearer", "far", "turn"],
)
def test_ball_before_a_wall(moving: Body, bound_mm: float, times_better: float) -> None:
    pair = measured(trace_pair(QVGA, [wall(z=2.5), moving]))
    ours, dis = mean_mm(pair, pair.body == 1, by_solver(pair, QVGA), by_dis(pair, QVGA))
    assert ours < bound_mm
    assert ours * times_better < dis


def test_more_warps_help_large_motion() -> None:
    """The published single warp a level ends before a motion of 11 px has converged."""
    pair = measured(trace_pair(SMALL, [wall(z=2.5), ball((0.08, 0.02, -0.08))]))
    one, three = (by_solver(pair, SMALL, FlowSection(warps=n)) for n in (1, 3))
    published, warped = mean_mm(pair, pair.body == 1, one, three)
    assert warped < 0.5 * published


@pytest.mark.parametrize("translation", [(0.03, 0, 0), (0.03, 0, -0.04)])
def test_motion_does_not_bleed_across_the_depth_jump(translation: Vector) -> None:
    """The still wall 1 to 5 px outside the silhouette, where lifted optical flow puts the ball's motion."""
    pair = measured(trace_pair(SMALL, [wall(z=2.5), ball(translation)]))
    on_ball = (pair.body == 1).astype(np.uint8)
    band = (cv2.dilate(on_ball, np.ones((11, 11), np.uint8)) > 0) & (on_ball == 0)
    edge = (on_ball > 0) & (cv2.erode(on_ball, np.ones((11, 11), np.uint8)) == 0)
    estimates = by_solver(pair, SMALL), by_dis(pair, SMALL), by_tv_l1(pair, SMALL)
    ours, dis, tv_l1 = mean_mm(pair, band, *estimates)
    assert ours < 2
    assert dis > 8 * ours
    assert tv_l1 > 2.5 * ours
    ours, dis, tv_l1 = mean_mm(pair, edge, *estimates)
    assert ours < 2.5
    assert min(dis, tv_l1) > 8 * ours


def test_smoothness_without_depth_bleeds() -> None:
    """What keeps the wall still is the surface: with depth that has no jump the same images bleed."""
    pair = trace_pair(SMALL, [wall(z=2.5), ball((0.03, 0, 0))])
    on_ball = (pair.body == 1).astype(np.uint8)
    band = (cv2.dilate(on_ball, np.ones((11, 11), np.uint8)) > 0) & (on_ball == 0) & pair.seen
    flat = replace(pair, depth1=np.full_like(pair.depth1, 2.5), depth2=np.full_like(pair.depth2, 2.5))
    with_jump, without = (error_mm(by_solver(p, SMALL)[0], pair)[band].mean() for p in (pair, flat))
    assert without > 2 * with_jump


def test_depth_holes_do_not_spoil_what_is_around_them() -> None:
    pair = measured(trace_pair(SMALL, [wall(z=2.5), ball((0.03, 0, -0.04))]))
    whole, _ = by_solver(pair, SMALL)
    generator, depths = np.random.default_rng(3), []
    for depth in (pair.depth1.copy(), pair.depth2.copy()):
        for row, column in generator.integers(0, (114, 154), (60, 2)):
            depth[row : row + 5, column : column + 5] = 0
        depths.append(depth)
    torn = replace(pair, depth1=depths[0], depth2=depths[1])
    motion, valid = by_solver(torn, SMALL)
    assert 0.05 < (torn.depth1 == 0).mean() < 0.2
    assert not motion[:, torn.depth1 == 0].any()
    assert not valid[torn.depth1 == 0].any()
    around = valid & pair.seen
    assert error_mm(motion, pair)[around].mean() < 2.5 * error_mm(whole, pair)[around].mean()
    ours, dis = mean_mm(torn, pair.body == 1, (motion, valid), by_dis(torn, SMALL))
    assert ours * 5 < dis


def figure_pair(frame: int) -> tuple[TracedPair, Camera]:
    """The capsule figure of the generator, waving before its wall: depth and brightness by the same camera."""
    view = view_of(1, 1, (256, 212), (256, 212), seed=0)
    acted = performance(PerformanceSpec(seed=0, performer=1, action=23, replication=1, num_frames=60, fps=30.0))
    camera, images = view.depth, []
    now, then = (capsules_in(camera, posed(acted, index)) for index in (frame, frame + 1))
    for number, seen in enumerate((now, then)):
        hits = cast_image(camera.intrinsics, seen)
        grey = cv2.cvtColor(colour_image(camera, hits, seen, acted.shape, view.depth_room), cv2.COLOR_RGB2GRAY)
        exact = depth_image(hits, view.depth_room).astype(np.float32)
        images += [np.asarray(grey, dtype=np.uint8), kinect_noise(exact, NOISE_MM, number)]
    hits = cast_image(camera.intrinsics, now)
    flow, valid = true_flow(camera.intrinsics, hits, now, then)
    motion, body = np.zeros((212, 256, 3), np.float32), np.zeros((212, 256), np.int64)
    seen_in_both = np.ones((212, 256), dtype=bool)
    motion.reshape(-1, 3)[hits.pixel], body.reshape(-1)[hits.pixel] = flow, 1
    seen_in_both.reshape(-1)[hits.pixel] = valid
    return TracedPair(*images, motion, seen_in_both, body), camera.intrinsics


def test_figure_before_its_wall() -> None:
    ours, dis, still = [], [], []
    for frame in (20, 32, 44):
        pair, camera = figure_pair(frame)
        moving = np.linalg.norm(pair.motion, axis=-1) > 0.01
        standing = np.zeros_like(pair.motion.transpose(2, 0, 1)), pair.seen
        errors = mean_mm(pair, moving, by_solver(pair, camera), by_dis(pair, camera), standing)
        for values, value in zip((ours, dis, still), errors, strict=True):
            values.append(value)
    assert 2 * np.mean(ours) < np.mean(dis)
    assert 2 * np.mean(ours) < np.mean(still)
