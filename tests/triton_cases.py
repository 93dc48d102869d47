"""What the Triton kernels must do; run by test_scene_flow_triton.py in a process of its own.

On a CUDA device, or with TRITON_INTERPRET=1, which has to be set before triton is imported, on the CPU.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from motionpipe.models import pixel_tiles, scene_flow_triton
from motionpipe.models.linearise_triton import frame_slopes, linearise
from motionpipe.models.pixel_tiles import Tile
from motionpipe.models.primal_dual import DataTerms, Duals, solve_level
from motionpipe.models.primal_dual_triton import solve_level as solve_level_triton
from motionpipe.models.rgbd_pair import RGBDPair, SceneFlow
from motionpipe.models.rgbd_pyramid import halve_depth, halve_intensity, upsample
from motionpipe.models.rgbd_pyramid_triton import halve_frame, upsample_state
from motionpipe.models.scene_flow_reference import reference_scene_flow as scene_flow
from motionpipe.models.surface_gradients import image_gradient, surface_weights
from motionpipe.models.warping import Warp
from motionpipe.models.weighted_median import median_weights, weighted_median_3x3
from motionpipe.models.weighted_median_triton import filter_flow
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection
from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
BATCH, HEIGHT, WIDTH = 3, 40, 53
CAMERA = Camera(50.0, 44.0, 25.0, 21.0, WIDTH, HEIGHT)


def camera_of(height: int, width: int) -> Camera:
    return Camera(0.82 * width, 0.8 * width, 0.48 * width, 0.52 * height, width, height)


def frame(camera: Camera, ball_x: float, ball_z: float) -> tuple[Tensor, Tensor]:
    """Intensity and depth (H, W) of a textured ball before a tilted wall; the ball's texture moves with it."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    ray_x, ray_y = (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy
    square = ray_x**2 + ray_y**2 + 1
    along = ray_x * ball_x + ball_z
    inside = along**2 - square * (ball_x**2 + ball_z**2 - 0.35**2)
    hit = inside > 0
    depth = np.where(hit, (along - np.sqrt(np.maximum(inside, 0))) / square, 2.5 / (1 + 0.2 * ray_x + 0.1 * ray_y))
    px, py = ray_x * depth - hit * ball_x, ray_y * depth
    intensity = 128 + 40 * np.sin(9 * px + 4 * py) + 35 * np.sin(11 * py - 5 * px + 1) + 30 * np.sin(21 * px + 13 * py)
    return torch.from_numpy(intensity).float(), torch.from_numpy(depth).float()


def moving_ball(camera: Camera, batch: int = BATCH) -> RGBDPair:
    """A ball that moves differently in each pair, with holes in all depth."""
    frames = [[*frame(camera, 0.05, 1.5), *frame(camera, 0.07 - 0.015 * i, 1.5 - 0.03 * i)] for i in range(batch)]
    images = [torch.stack(image) for image in zip(*frames, strict=True)]
    generator = np.random.default_rng(0)
    for depth in (images[1], images[3]):
        for item in depth:
            for row, column in generator.integers(0, item.shape, (8, 2)):
                item[row : row + 4, column : column + 5] = 0
    return RGBDPair(*(image.to(DEVICE) for image in images))


def images_of(pair: RGBDPair) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return pair.intensity1, pair.depth1, pair.intensity2, pair.depth2


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def random_state() -> Tensor:
    return torch.cat([2 * random(BATCH, 3, HEIGHT, WIDTH), random(BATCH, 7, HEIGHT, WIDTH, seed=1) / 2], dim=1)


def random_terms(depth: Tensor) -> Tensor:
    """Terms of the sizes that real ones have, on the surface of `depth`."""
    scales = torch.tensor([8, 8, 4, 0.02, 0.02, 0.03, 25, 1, 1, 0.1], device=DEVICE)[:, None, None]
    terms = random(BATCH, 10, HEIGHT, WIDTH, seed=2) * scales
    terms[:, 6].abs_()
    terms[:, 7:9] = surface_weights(depth, CAMERA)
    return terms


@pytest.fixture(scope="module")
def pair() -> RGBDPair:
    return moving_ball(CAMERA)


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (2, 2), (5, 3)])
def test_halve_frame(size: tuple[int, int]) -> None:
    pair = moving_ball(camera_of(*size))
    intensity, depth = halve_frame(pair.intensity1, pair.depth1)
    torch.testing.assert_close(intensity, halve_intensity(pair.intensity1))
    torch.testing.assert_close(depth, halve_depth(pair.depth1))


def test_upsample_state() -> None:
    coarse = random(2, 10, 20, 27)
    expected = upsample(coarse, 40, 53)
    expected[:, :2] *= 2
    torch.testing.assert_close(upsample_state(coarse, 40, 53), expected)


def test_frame_slopes(pair: RGBDPair) -> None:
    weights = surface_weights(pair.depth2, CAMERA)
    expected = [image_gradient(pair.intensity2, weights), image_gradient(pair.depth2, weights)]
    expected[1] *= (pair.depth2 > 0)[:, None]
    slopes = frame_slopes(pair.intensity2, pair.depth2, CAMERA)
    torch.testing.assert_close(slopes, torch.cat(expected, dim=1), rtol=1e-4, atol=1e-4)


def test_linearise(pair: RGBDPair) -> None:
    state = random_state()
    slopes2 = random(BATCH, 4, HEIGHT, WIDTH, seed=3)
    terms = linearise(images_of(pair), slopes2, state, CAMERA, 75.0)

    warp = Warp.of(state[:, :2])
    slopes, warped = warp.bilinear(slopes2), warp.depth(pair.depth2)
    intensity_t = warp.bilinear(pair.intensity2[:, None])[:, 0] - pair.intensity1
    depth_t = (warped - pair.depth1) * (warped > 0)
    expected = [
        slopes[:, :2],
        (intensity_t - (slopes[:, :2] * state[:, :2]).sum(dim=1))[:, None],
        slopes[:, 2:],
        (depth_t - (slopes[:, 2:] * state[:, :2]).sum(dim=1))[:, None],
        (75 / (1 + 1000 * (slopes[:, 2:].square().sum(dim=1) + depth_t.square())))[:, None],
        surface_weights(pair.depth1, CAMERA),
        depth_t[:, None],
    ]
    torch.testing.assert_close(terms, torch.cat(expected, dim=1), rtol=1e-4, atol=1e-4)


def test_primal_dual(pair: RGBDPair) -> None:
    state, terms = random_state(), random_terms(pair.depth1)
    before = state.clone()
    flow, end = solve_level_triton(state, terms, (0.04, 0.35), 10, 1.0)
    assert torch.equal(state, before)

    data = DataTerms(
        intensity_slope=terms[:, :2],
        intensity_offset=terms[:, 2],
        depth_slope=torch.cat([terms[:, 3:5], -torch.ones_like(terms[:, :1])], dim=1),
        depth_offset=terms[:, 5],
        mu=terms[:, 6],
    )
    smoothness = terms[:, 7:9, None] * torch.tensor([0.04, 0.04, 0.35], device=DEVICE)[:, None, None]
    duals = Duals(state[:, 3:9].unflatten(1, (2, 3)), state[:, 9])
    expected, expected_duals = solve_level(state[:, :3], duals, data, smoothness, 10)
    expected[:, :2] = state[:, :2] + (expected[:, :2] - state[:, :2]).clamp(-1, 1)
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(end[:, 3:9], expected_duals.smoothness.flatten(1, 2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(end[:, 9], expected_duals.depth, rtol=1e-4, atol=1e-5)


def test_tiles_do_not_show(pair: RGBDPair, monkeypatch: pytest.MonkeyPatch) -> None:
    state, terms = random_state()[:1], random_terms(pair.depth1)[:1]
    whole, _ = solve_level_triton(state, terms, (0.04, 0.35), 2, 1.0)
    monkeypatch.setattr(pixel_tiles, "TILE", Tile(16, 32, 1))
    tiled, _ = solve_level_triton(state, terms, (0.04, 0.35), 2, 1.0)
    assert torch.equal(whole, tiled)


def test_filter_flow(pair: RGBDPair) -> None:
    limited, terms, state = random(BATCH, 3, HEIGHT, WIDTH), random_terms(pair.depth1), random_state()
    limited[:, :, 5:20] = limited[:, :, 5:20].round()  # ties
    filter_flow(limited, pair.depth1, terms, state)
    valid = pair.depth1[:, None] > 0
    median = weighted_median_3x3(limited, median_weights(pair.depth1, terms[:, 9]))
    kept = limited * torch.tensor([1.0, 1.0, 0.0], device=DEVICE)[:, None, None]
    torch.testing.assert_close(state[:, :3], torch.where(valid, median, kept), rtol=1e-4, atol=1e-5)
    assert torch.equal(state[:, 3:], random_state()[:, 3:])


def assert_same_flow(flow: SceneFlow, expected: SceneFlow) -> None:
    """Mean end-point difference of at most 1e-3 of the mean motion, on pixels that move."""
    length = expected.motion.norm(dim=1)
    moving = length > 0.002
    assert moving.float().mean() > 0.05
    difference = (flow.motion.cpu() - expected.motion).norm(dim=1)
    assert difference[moving].mean() <= 1e-3 * length[moving].mean()
    assert difference[~moving].mean() <= 1e-3 * length[moving].mean()
    # at the border a flow of nearly 0 points in or out
    assert (flow.valid.cpu() != expected.valid)[:, 1:-1, 1:-1].float().mean() < 1e-3
    # a median may fall on either side of a tie
    assert ((flow.optical.cpu() - expected.optical).abs() > 0.01).float().mean() < 1e-3


def on_cpu(pair: RGBDPair) -> RGBDPair:
    return RGBDPair(*(image.cpu() for image in images_of(pair)))


WARPED_TWICE = FlowSection(iterations=10, coarsest_rows=12, warps=2, lambda_i=0.05, mu=60.0)


def test_the_whole_solver(pair: RGBDPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd sizes, holes, fx != fy, two warps, two levels; a batch that does not lie in one piece, in chunks of two."""
    monkeypatch.setattr(scene_flow_triton, "PAIRS_AT_ONCE", 2)
    spread = RGBDPair(*(image.repeat_interleave(2, dim=2)[:, :, ::2] for image in images_of(pair)))
    assert not spread.depth1.is_contiguous()
    flow = scene_flow_triton.scene_flow_triton(spread, CAMERA, WARPED_TWICE)
    assert_same_flow(flow, scene_flow(on_cpu(pair), CAMERA, WARPED_TWICE))

    alone = scene_flow_triton.scene_flow_triton(RGBDPair(*(i[1:2] for i in images_of(pair))), CAMERA, WARPED_TWICE)
    assert torch.equal(alone.motion[0], flow.motion[1])
    assert torch.equal(alone.optical[0], flow.optical[1])
    assert torch.equal(alone.valid[0], flow.valid[1])


@pytest.mark.parametrize("size", [(2, 2), (3, 17)])
def test_any_size_works(size: tuple[int, int]) -> None:
    config = FlowSection(iterations=10, coarsest_rows=4)
    pair = moving_ball(camera_of(*size), batch=1)
    flow = scene_flow_triton.scene_flow_triton(pair, camera_of(*size), config)
    expected = scene_flow(on_cpu(pair), camera_of(*size), config)
    torch.testing.assert_close(flow.motion.cpu(), expected.motion, rtol=1e-3, atol=1e-5)
    assert torch.equal(flow.valid.cpu(), expected.valid)


def test_a_camera_of_another_size_is_refused(pair: RGBDPair) -> None:
    with pytest.raises(ValueError, match="camera is for"):
        scene_flow_triton.scene_flow_triton(pair, camera_of(24, 32), FlowSection())


@pytest.mark.skipif(INTERPRETED, reason="the interpreter is too slow for the published size")
@pytest.mark.parametrize("size", [(240, 320), (106, 128), (480, 640)])
def test_published_settings(size: tuple[int, int]) -> None:
    camera = camera_of(*size)
    pair = moving_ball(camera)
    flow = scene_flow_triton.scene_flow_triton(pair, camera, FlowSection())
    assert_same_flow(flow, scene_flow(on_cpu(pair), camera, FlowSection()))
