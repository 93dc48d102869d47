"""The compiled solver beside the reference, stage by stage and as a whole, and its bits in any batch and wave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from motionpipe.models import compiled_pyramid, compiled_surface
from motionpipe.models.compiled_median import limit_and_filter
from motionpipe.models.compiled_primal_dual import solve_level, wave_for
from motionpipe.models.compiled_warping import residuals
from motionpipe.models.primal_dual import DataTerms, Duals
from motionpipe.models.primal_dual import solve_level as reference_solve_level
from motionpipe.models.rgbd_pair import RGBDPair, SceneFlow
from motionpipe.models.rgbd_pyramid import halve_depth, halve_intensity, upsample
from motionpipe.models.scene_flow import scene_flow
from motionpipe.models.scene_flow_reference import reference_scene_flow
from motionpipe.models.surface_gradients import image_gradient, surface_weights
from motionpipe.models.warping import Warp
from motionpipe.models.weighted_median import median_weights, weighted_median_3x3
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
SIZES = [(2, 2), (3, 7), (5, 64), (20, 65), (31, 129), (33, 200)]  # around whole segments of 64 and 128 pixels


def camera_of(height: int, width: int) -> Camera:
    return Camera(0.9 * width, 1.1 * width, 0.45 * width, 0.6 * height, width, height)


def frames(height: int, width: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Intensity, and depth of a tilted surface with a jump, noise and holes."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    intensity = 128 + 50 * np.sin(20 * x + 9 * y) + 40 * np.sin(17 * y - 11 * x) + generator.normal(0, 3, x.shape)
    depth = 2 + 0.4 * x - 0.3 * y + 0.5 * (x > 0.5) + generator.normal(0, 0.002, x.shape)
    depth[generator.random(x.shape) < 0.05] = 0
    return intensity.astype(np.float32), depth.astype(np.float32)


def moving_pair(height: int, width: int, seeds: tuple[int, ...] = (0,)) -> RGBDPair:
    """Frames that move by a pixel or two and come nearer, one pair a seed."""
    images: list[list[Floats]] = [[], [], [], []]
    for seed in seeds:
        intensity, depth = frames(height + 4, width + 4, seed)
        cuts = intensity[2:-2, 2:-2], depth[2:-2, 2:-2], intensity[1:-3, :-4], depth[1:-3, :-4]
        for stack, image in zip(images, cuts, strict=True):
            stack.append(image)
    tensors = [torch.from_numpy(np.stack(stack)).clamp(0, 255) for stack in images]
    return RGBDPair(tensors[0], tensors[1], tensors[2], (tensors[3] - 0.03 * (seeds[0] + 1)).clamp(min=0))


def item(pair: RGBDPair, index: int) -> RGBDPair:
    return RGBDPair(*(image[index : index + 1] for image in vars(pair).values()))


def rays(camera: Camera) -> tuple[Floats, Floats]:
    columns, rows = np.arange(camera.width), np.arange(camera.height)
    return ((columns - camera.cx) / camera.fx).astype(np.float32), ((rows - camera.cy) / camera.fy).astype(np.float32)


def noise(*shape: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def batched(array: Floats) -> Tensor:
    return torch.from_numpy(array)[None]


def assert_alike(result: Floats, expected: Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(result, expected[0].numpy(), rtol=rtol, atol=atol)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As a stage runs it; leaves torch's number of threads as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES)
def test_pyramid(size: tuple[int, int]) -> None:
    intensity, depth = frames(*size)
    assert_alike(compiled_pyramid.halve_intensity(intensity), halve_intensity(batched(intensity)))
    assert_alike(compiled_pyramid.halve_depth(depth), halve_depth(batched(depth)))
    coarse = noise(3, (size[0] + 1) // 2, (size[1] + 1) // 2)
    assert_alike(compiled_pyramid.upsample(coarse, *size), upsample(batched(coarse), *size))


@pytest.mark.parametrize("size", SIZES)
def test_surface_weights_and_gradients(size: tuple[int, int]) -> None:
    intensity, depth = frames(*size)
    weights = compiled_surface.surface_weights(depth, *rays(camera_of(*size)))
    assert_alike(weights, surface_weights(batched(depth), camera_of(*size)), rtol=1e-3)
    gradient = compiled_surface.image_gradient(intensity, weights)
    assert_alike(gradient, image_gradient(batched(intensity), batched(weights)), atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_residuals(size: tuple[int, int]) -> None:
    first, second, gradients = np.stack(frames(*size)), np.stack(frames(*size, seed=3)), noise(4, *size)
    optical = 3 * noise(2, *size)
    result = residuals(optical, first, second, gradients)
    warp = Warp.of(batched(optical))
    slopes, warped = warp.bilinear(batched(gradients)), warp.depth(batched(second[1]))
    assert_alike(result[:2], slopes[:, :2], atol=1e-4)
    assert_alike(result[3:5], slopes[:, 2:], atol=1e-4)
    assert_alike(result[2], warp.bilinear(batched(second[:1]))[:, 0] - batched(first[0]), atol=1e-3)
    assert_alike(result[5], (warped - batched(first[1])) * (warped > 0), atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_limited_step_and_median(size: tuple[int, int]) -> None:
    _, depth = frames(*size)
    before, solved, change = noise(3, *size), noise(3, *size, seed=2), noise(*size, seed=4)
    solved[:, : size[0] // 2] = np.round(solved[:, : size[0] // 2])  # ties
    step = np.clip(solved[:2] - before[:2], -1, 1)
    limited = batched(np.concatenate([before[:2] + step, solved[2:] * (depth > 0)]))
    weights = median_weights(batched(depth), batched(change))
    expected = torch.where(batched(depth)[:, None] > 0, weighted_median_3x3(limited, weights), limited)
    assert_alike(limit_and_filter(before, solved, depth, change), expected, atol=1e-4)


def level(height: int, width: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Flow, duals, terms and surface weights to start from."""
    _, depth = frames(height, width)
    duals, terms = 0.3 * noise(7, height, width), noise(6, height, width, seed=5)
    terms *= np.array([8, 8, 4, 0.02, 0.02, 0.02], np.float32)[:, None, None]
    weights = compiled_surface.surface_weights(depth, *rays(camera_of(height, width)))
    return noise(3, height, width), duals, terms, weights


STRENGTHS = np.array([0.04, 0.35, 75], np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_iterations(size: tuple[int, int]) -> None:
    start, duals, terms, weights = level(*size)
    solved, solved_duals = solve_level(start, duals, terms, weights, STRENGTHS, 30, wave_for(size[1]))
    flow, slopes, change = batched(start), batched(terms[[0, 1, 3, 4]]), batched(terms[[2, 5]])
    depth_slopes = torch.cat([slopes[:, 2:], -torch.ones_like(slopes[:, :1])], dim=1)
    data = DataTerms(
        slopes[:, :2],
        change[:, 0] - (slopes[:, :2] * flow[:, :2]).sum(dim=1),
        depth_slopes,
        change[:, 1] - (slopes[:, 2:] * flow[:, :2]).sum(dim=1),
        75 / (1 + 1000 * (slopes[:, 2:].square().sum(dim=1) + change[:, 1].square())),
    )
    smoothness = batched(weights)[:, :, None] * torch.tensor([0.04, 0.04, 0.35])[:, None, None]
    before = Duals(batched(duals[:6]).unflatten(1, (2, 3)), batched(duals[6]))
    expected, expected_duals = reference_solve_level(flow, before, data, smoothness, 30)
    assert_alike(solved, expected, atol=2e-3)
    assert_alike(solved_duals[:6], expected_duals.smoothness.flatten(1, 2), atol=2e-3)
    assert_alike(solved_duals[6], expected_duals.depth, atol=2e-3)


@pytest.mark.parametrize("size", SIZES)
def test_waves_change_no_bit(size: tuple[int, int]) -> None:
    one_by_one = solve_level(*level(*size), STRENGTHS, 23, 1)
    for wave in (2, 7, 23, 40):
        for result, expected in zip(solve_level(*level(*size), STRENGTHS, 23, wave), one_by_one, strict=True):
            np.testing.assert_array_equal(result, expected)


def test_waves_fit_the_cache_and_never_vanish() -> None:
    assert wave_for(1) == wave_for(64) > wave_for(320) > wave_for(640) > 1
    assert wave_for(100_000) == 1


def difference(flow: SceneFlow, expected: SceneFlow) -> float:
    """Mean end-point difference on moving pixels, as a part of their mean motion."""
    moving = expected.motion.norm(dim=1) > 0.005
    assert moving.any()
    distance = (flow.motion - expected.motion).norm(dim=1)[moving].mean()
    return float(distance / expected.motion.norm(dim=1)[moving].mean())


@pytest.mark.parametrize(
    "config",
    [
        FlowSection(),
        FlowSection(warps=3, iterations=30),
        FlowSection(coarsest_rows=6, iterations=40, iterations_less=25),
        FlowSection(coarsest_rows=512, lambda_i=0.2, lambda_d=0.1, mu=20),
    ],
)
@pytest.mark.parametrize("size", [(61, 83), (70, 130)])
def test_flow_is_the_reference_s(size: tuple[int, int], config: FlowSection) -> None:
    pair, camera = moving_pair(*size, seeds=(0, 1)), camera_of(*size)
    flow, expected = scene_flow(pair, camera, config), reference_scene_flow(pair, camera, config)
    assert difference(flow, expected) < 1e-3
    optical = (flow.optical - expected.optical).norm(dim=1).mean()
    assert optical < 1e-3 * expected.optical.norm(dim=1).mean()
    assert (flow.valid != expected.valid).float().mean() < 1e-3


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bits_depend_on_neither_threads_nor_batch(threads: int) -> None:
    pair, camera, config = moving_pair(40, 75, seeds=(0, 1, 2, 3, 4)), camera_of(40, 75), FlowSection(iterations=30)
    alone = [scene_flow(item(pair, index), camera, config) for index in range(5)]
    torch.set_num_threads(threads)
    together = scene_flow(pair, camera, config)
    for index, single in enumerate(alone):
        assert torch.equal(single.motion[0], together.motion[index])
        assert torch.equal(single.optical[0], together.optical[index])
        assert torch.equal(single.valid[0], together.valid[index])


def test_frames_are_not_changed_and_need_not_be_contiguous() -> None:
    pair, camera, config = moving_pair(24, 32), camera_of(24, 32), FlowSection(iterations=20)
    before = [image.clone() for image in vars(pair).values()]
    flow = scene_flow(pair, camera, config)
    assert all(torch.equal(image, copy) for image, copy in zip(vars(pair).values(), before, strict=True))
    strided = RGBDPair(*(image.mT.contiguous().mT for image in vars(pair).values()))
    assert torch.equal(scene_flow(strided, camera, config).motion, flow.motion)
