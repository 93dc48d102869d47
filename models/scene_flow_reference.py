"""Dense scene flow of RGB-D frame pairs, coarse to fine (PD-Flow), in plain torch: what faster paths are held to.

Source: Jaimez, Souiai, Gonzalez-Jimenez, Cremers, "A primal-dual framework for real-time dense RGB-D scene flow",
ICRA 2015; the constants are those of the published program. Differences from that program: the exact lift to metres,
a median that is not biased low and leaves invalid pixels out, grids of any size. On its own sample the result differs
by 4.6 % of the mean motion (1.7 % with its median).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..schemas.camera import Camera
from ..schemas.flow_section import FlowSection
from .primal_dual import DataTerms, Duals, solve_level
from .rgbd_pair import RGBDPair, SceneFlow
from .rgbd_pyramid import halve_depth, halve_intensity, halved_camera, num_levels, upsample
from .surface_gradients import image_gradient, surface_weights
from .warping import Warp
from .weighted_median import median_weights, weighted_median_3x3

MIN_ITERATIONS = 10
MAX_INCREMENT_PX = 1.0


@dataclass(frozen=True)
class _Level:
    pair: tuple[Tensor, Tensor, Tensor, Tensor]
    camera: Camera


@torch.inference_mode()
def reference_scene_flow(pair: RGBDPair, camera: Camera, config: FlowSection) -> SceneFlow:
    """Scene flow of each pair of the batch by itself; the same bits in any batch, for one device kind.

    The number of levels follows from the frame size and `config.coarsest_rows`.
    """
    batch, height, width = pair.depth1.shape
    levels = _pyramid(pair, camera, num_levels(height, width, config.coarsest_rows))
    coarsest = levels[-1].camera.height, levels[-1].camera.width
    flow = pair.depth1.new_zeros((batch, 3, *coarsest))
    duals = Duals(flow.new_zeros((batch, 2, 3, *coarsest)), flow.new_zeros((batch, *coarsest)))
    for above_finest, level in reversed(list(enumerate(levels))):
        if level is not levels[-1]:
            flow, duals = _to_finer(flow, duals, level.camera)
        iterations = max(MIN_ITERATIONS, config.iterations - config.iterations_less * above_finest)
        for _ in range(config.warps):
            flow, duals = _refine(level, flow, duals, config, iterations)
    return _lift(pair, camera, flow)


def _pyramid(pair: RGBDPair, camera: Camera, count: int) -> list[_Level]:
    levels = [_Level((pair.intensity1, pair.depth1, pair.intensity2, pair.depth2), camera)]
    while len(levels) < count:
        intensity1, depth1, intensity2, depth2 = levels[-1].pair
        halved = halve_intensity(intensity1), halve_depth(depth1), halve_intensity(intensity2), halve_depth(depth2)
        levels.append(_Level(halved, halved_camera(levels[-1].camera)))
    return levels


def _to_finer(flow: Tensor, duals: Duals, camera: Camera) -> tuple[Tensor, Duals]:
    size = camera.height, camera.width
    flow = upsample(flow, *size)
    flow[:, :2] *= 2
    return flow, Duals(upsample(duals.smoothness, *size), upsample(duals.depth, *size))


def _refine(level: _Level, flow: Tensor, duals: Duals, config: FlowSection, iterations: int) -> tuple[Tensor, Duals]:
    """One linearisation around `flow`: solve, limit the step to a pixel, and filter."""
    _, depth1, _, _ = level.pair
    terms, depth_change = _linearise(level, flow[:, :2], config.mu)
    lambdas = flow.new_tensor([config.lambda_i, config.lambda_i, config.lambda_d])[:, None, None]
    smoothness = surface_weights(depth1, level.camera)[:, :, None] * lambdas
    solved, duals = solve_level(flow, duals, terms, smoothness, iterations)
    increment = (solved[:, :2] - flow[:, :2]).clamp_(-MAX_INCREMENT_PX, MAX_INCREMENT_PX)
    valid = depth1[:, None] > 0
    limited = torch.cat([flow[:, :2] + increment, solved[:, 2:] * valid], dim=1)
    median = weighted_median_3x3(limited, median_weights(depth1, depth_change))
    return torch.where(valid, median, limited), duals


def _linearise(level: _Level, optical: Tensor, mu_0: float) -> tuple[DataTerms, Tensor]:
    """Brightness and geometry residuals around `optical` (B, 2, H, W); also Z_t (B, H, W), 0 where Z_2 is unknown.

    Where Z_2 is unknown the depth term draws w towards 0; where Z_1 is, Z_t is large and mu next to nothing.
    """
    intensity1, depth1, intensity2, depth2 = level.pair
    weights = surface_weights(depth2, level.camera)
    depth_gradient = image_gradient(depth2, weights) * (depth2 > 0)[:, None]
    warp = Warp.of(optical)
    slopes = warp.bilinear(torch.cat([image_gradient(intensity2, weights), depth_gradient], dim=1))
    intensity_slope, depth_slope = slopes[:, :2], slopes[:, 2:]
    intensity_change = warp.bilinear(intensity2[:, None])[:, 0] - intensity1
    warped_depth = warp.depth(depth2)
    depth_change = (warped_depth - depth1) * (warped_depth > 0)
    terms = DataTerms(
        intensity_slope=intensity_slope,
        intensity_offset=intensity_change - (intensity_slope * optical).sum(dim=1),
        depth_slope=torch.cat([depth_slope, torch.full_like(depth_slope[:, :1], -1)], dim=1),
        depth_offset=depth_change - (depth_slope * optical).sum(dim=1),
        mu=mu_0 / (1 + 1000 * (depth_slope.square().sum(dim=1) + depth_change.square())),
    )
    return terms, depth_change


def _lift(pair: RGBDPair, camera: Camera, flow: Tensor) -> SceneFlow:
    """Flow of the finest level -> metres: the difference of the two back-projected points.

    The published formula leaves out u * w / f; on a plane that moves 50 mm right and 100 mm away at 2 m that alone is
    2.4 mm (mean error 3.1 mm instead of 0.6 mm).
    """
    height, width = pair.depth1.shape[1:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) - camera.cx
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] - camera.cy
    u, v, w = flow.unbind(dim=1)
    depth_after = pair.depth1 + w
    right, down = (u * depth_after + x * w) / camera.fx, (v * depth_after + y * w) / camera.fy
    measured = pair.depth1 > 0
    warp = Warp.of(flow[:, :2])
    valid = measured & warp.inside & (warp.depth(pair.depth2) > 0)
    motion = torch.stack([right, down, w], dim=1) * measured[:, None]
    return SceneFlow(motion, flow[:, :2].clone(), valid)
