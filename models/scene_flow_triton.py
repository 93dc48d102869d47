"""Scene flow of RGB-D frame pairs on a GPU: the solver of `scene_flow` in Triton kernels, a few launches a level.

Time goes to `primal_dual_triton.iterate`; its docstring counts the bytes. Nothing is read back, so the host runs ahead.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from ..schemas.camera import Camera
from ..schemas.flow_section import FlowSection
from .linearise_triton import frame_slopes, linearise
from .pixel_tiles import kernel, launch, load_three, pixels, place, store_three
from .primal_dual_triton import STATE_PLANES, solve_level
from .rgbd_pair import RGBDPair, SceneFlow
from .rgbd_pyramid import halved_camera, num_levels
from .rgbd_pyramid_triton import halve_frame, upsample_state
from .scene_flow_reference import MAX_INCREMENT_PX, MIN_ITERATIONS
from .warping_triton import bilinear_taps, sample_depth
from .weighted_median_triton import filter_flow

PIXELS_AT_ONCE = 2**24
"""Pixels of a chunk of pairs: about 4 GB of working memory, and enough to fill any GPU."""
PAIRS_AT_ONCE = 4096
"""CUDA bounds a grid's third axis, planes of a chunk, by 65,535."""

Images = tuple[Tensor, Tensor, Tensor, Tensor]
"""intensity1, depth1, intensity2, depth2, each (B, H, W), contiguous."""


@torch.inference_mode()
def scene_flow_triton(pair: RGBDPair, camera: Camera, config: FlowSection) -> SceneFlow:
    """`scene_flow` for a pair on a CUDA device (on the CPU under Triton's interpreter): the same to rounding.

    The same bits in any batch. Raises ValueError where `camera` is for another size.
    """
    batch, height, width = pair.depth1.shape
    if (camera.width, camera.height) != (width, height):
        raise ValueError(f"camera is for {camera.width}x{camera.height}, frames are {width}x{height}")
    images = (pair.intensity1, pair.depth1, pair.intensity2, pair.depth2)
    motion, optical = images[0].new_empty((batch, 3, height, width)), images[0].new_empty((batch, 2, height, width))
    valid = torch.empty((batch, height, width), dtype=torch.bool, device=motion.device)
    at_once = max(1, min(PIXELS_AT_ONCE // (height * width), PAIRS_AT_ONCE))
    for start in range(0, batch, at_once):
        chunk = slice(start, start + at_once)
        intensity1, depth1, intensity2, depth2 = (image[chunk].contiguous() for image in images)
        state = _solve((intensity1, depth1, intensity2, depth2), camera, config)
        optical[chunk] = state[:, :2]
        outputs = motion[chunk], valid[chunk].view(torch.uint8)
        launch(lift, depth1, state, depth1, depth2, *outputs, camera.fx, camera.fy, camera.cx, camera.cy)
    return SceneFlow(motion, optical, valid)


def _solve(images: Images, camera: Camera, config: FlowSection) -> Tensor:
    """State of the finest level, whose first three planes are the flow."""
    levels = _pyramid(images, camera, num_levels(camera.height, camera.width, config.coarsest_rows))
    coarsest = levels[-1][1]
    state = images[0].new_zeros((len(images[0]), STATE_PLANES, coarsest.height, coarsest.width))
    for above_finest, (level, level_camera) in reversed(list(enumerate(levels))):
        if level_camera is not coarsest:
            state = upsample_state(state, level_camera.height, level_camera.width)
        iterations = max(MIN_ITERATIONS, config.iterations - config.iterations_less * above_finest)
        slopes2 = frame_slopes(level[2], level[3], level_camera)
        for _ in range(config.warps):
            terms = linearise(level, slopes2, state, level_camera, config.mu)
            lambdas = config.lambda_i, config.lambda_d
            limited, state = solve_level(state, terms, lambdas, iterations, MAX_INCREMENT_PX)
            filter_flow(limited, level[1], terms, state)
    return state


def _pyramid(images: Images, camera: Camera, count: int) -> list[tuple[Images, Camera]]:
    levels = [(images, camera)]
    while len(levels) < count:
        intensity1, depth1, intensity2, depth2 = levels[-1][0]
        halved = *halve_frame(intensity1, depth1), *halve_frame(intensity2, depth2)
        levels.append((halved, halved_camera(levels[-1][1])))
    return levels


@kernel
def lift(
    state: tl.tensor,
    depth1: tl.tensor,
    depth2: tl.tensor,
    motion: tl.tensor,
    valid: tl.tensor,
    fx: tl.tensor,
    fy: tl.tensor,
    cx: tl.tensor,
    cy: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Flow to metres, the difference of the two back-projected points, and where both frames have depth."""
    item, y, x = pixels(height, width, rows, columns)
    size = height * width
    at, inside = place(y, x, height, width)
    u, v, w = load_three(state + item * 10 * size + at, size, inside)
    z = tl.load(depth1 + item * size + at, inside, 0.0)
    measured = z > 0
    right = (u * (z + w) + (x - cx) * w) / fx
    down = (v * (z + w) + (y - cy) * w) / fy
    out = motion + item * 3 * size + at
    store_three(
        out, size, inside, (tl.where(measured, right, 0.0), tl.where(measured, down, 0.0), tl.where(measured, w, 0.0))
    )
    offsets, weights, nearest, unclamped = bilinear_taps(u, v, y, x, height, width)
    warped = sample_depth(depth2 + item * size, offsets, weights, nearest, inside)
    tl.store(valid + item * size + at, (measured & unclamped & (warped > 0)).to(tl.uint8), inside)
