"""Scene flow on the processor: the solver of `scene_flow_reference` with compiled, fused stages.

Same algorithm, another order of sums: flow differs from the reference's by rounding. One thread solves a pair from
first to last, and a pixel's arithmetic does not depend on its place in memory: the same bits in any batch, on any
number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..schemas.camera import Camera
from ..schemas.flow_section import FlowSection
from .compiled_median import limit_and_filter
from .compiled_primal_dual import solve_level, wave_for
from .compiled_pyramid import halve_depth, halve_intensity, upsample
from .compiled_surface import image_gradient, surface_weights
from .compiled_warping import lift, residuals
from .rgbd_pair import RGBDPair, SceneFlow
from .rgbd_pyramid import halved_camera, num_levels
from .scene_flow_reference import MIN_ITERATIONS

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Level:
    """What a level's linearisations share. Frames (2, H, W): intensity and depth; gradients (4, H, W) of frame 2."""

    frame1: Floats
    frame2: Floats
    gradients: Floats
    weights: Floats

    @classmethod
    def of(cls, frame1: Floats, frame2: Floats, camera: Camera) -> _Level:
        rays = _rays(camera)
        weights2 = surface_weights(frame2[1], *rays)
        gradients = np.concatenate([image_gradient(image, weights2) for image in frame2])
        gradients[2:] *= frame2[1] > 0
        return cls(frame1, frame2, gradients, surface_weights(frame1[1], *rays))


def scene_flow_compiled(pair: RGBDPair, camera: Camera, config: FlowSection) -> SceneFlow:
    """Scene flow of each pair of a batch on the CPU; as many pairs at once as torch has threads."""
    batch, height, width = pair.depth1.shape
    images = np.empty((batch, 4, height, width), np.float32)
    # NumPy copies, not torch: torch's threads would spin on the cores that the pairs are solved on
    for k, image in enumerate((pair.intensity1, pair.depth1, pair.intensity2, pair.depth2)):
        images[:, k] = image.detach().numpy()
    threads = min(torch.get_num_threads(), batch)
    if threads == 1:
        solved = [_solve_pair(frames, camera, config) for frames in images]
    else:
        with ThreadPoolExecutor(threads) as pool:
            solved = list(pool.map(lambda frames: _solve_pair(frames, camera, config), images))
    motion, optical, valid = (torch.from_numpy(np.stack(parts)) for parts in zip(*solved, strict=True))
    return SceneFlow(motion, optical, valid)


def _solve_pair(frames: Floats, camera: Camera, config: FlowSection) -> tuple[Floats, Floats, Bools]:
    """Motion (3, H, W), optical flow (2, H, W), valid (H, W) of frames (4, H, W): intensity, depth of 1, then of 2."""
    height, width = frames.shape[1:]
    strengths = np.array([config.lambda_i, config.lambda_d, config.mu], np.float32)
    levels = _pyramid(frames, camera, num_levels(height, width, config.coarsest_rows))
    coarsest = levels[-1].weights.shape[1:]
    flow, duals = np.zeros((3, *coarsest), np.float32), np.zeros((7, *coarsest), np.float32)
    for above_finest, level in reversed(list(enumerate(levels))):
        if level is not levels[-1]:
            flow, duals = (upsample(field, *level.weights.shape[1:]) for field in (flow, duals))
            flow[:2] *= 2
        iterations = max(MIN_ITERATIONS, config.iterations - config.iterations_less * above_finest)
        wave = wave_for(level.weights.shape[2])
        for _ in range(config.warps):
            terms = residuals(flow[:2], level.frame1, level.frame2, level.gradients)
            solved, duals = solve_level(flow, duals, terms, level.weights, strengths, iterations, wave)
            flow = limit_and_filter(flow, solved, level.frame1[1], terms[5])
    focals = np.array([camera.fx, camera.fy], np.float32)
    motion, valid = lift(flow, frames[1], frames[3], *_rays(camera), focals)
    return motion, flow[:2], valid


def _pyramid(frames: Floats, camera: Camera, count: int) -> list[_Level]:
    levels = [_Level.of(frames[:2], frames[2:], camera)]
    while len(levels) < count:
        halved = [np.stack([halve_intensity(i), halve_depth(z)]) for i, z in (levels[-1].frame1, levels[-1].frame2)]
        camera = halved_camera(camera)
        levels.append(_Level.of(halved[0], halved[1], camera))
    return levels


def _rays(camera: Camera) -> tuple[Floats, Floats]:
    """X / Z of each column, Y / Z of each row."""
    columns, rows = np.arange(camera.width), np.arange(camera.height)
    return ((columns - camera.cx) / camera.fx).astype(np.float32), ((rows - camera.cy) / camera.fy).astype(np.float32)
