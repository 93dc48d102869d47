"""The primal-dual iterations of `primal_dual` as Triton kernels: one launch and one pass over memory an iteration.

A primal step is followed by the next dual step in the same launch. That step needs the primal variables of the right
and lower neighbour; they are computed again here rather than waited for:

          p(y-1)                              what the new duals at (y, x) depend on: the primal steps of
            |                                 o and its neighbours a, b, and for each the duals at its
    p(x-1)- o - a(x+1)     state n -> n + 1   left and upper neighbours
            |
          b(y+1)

so the extrapolated flow 2 new - old never leaves the registers. A pixel-iteration reads ten planes of state and nine of
terms and writes ten: 116 bytes if each comes from memory once, neighbours from the caches. A pair of 320x240 with the
published iterations has 9.73 million pixel-iterations, 1.13 GB; at 4.8 TB/s that is 0.235 ms, or 4,250 pairs/s. One
kernel for each half of an iteration moves 176 bytes, one for each operation about 800.

Layouts, B items of H x W pixels, float32:
    state (B, 10, H, W)   u, v, w | x and y part of the duals of u, v, w (p_xu, p_xv, p_xw, p_yu, p_yv, p_yw) | p_depth
    terms (B, 10, H, W)   intensity slope x, y, offset | depth slope x, y, offset | mu | r_x, r_y | Z_t (not read here)
Source: as `primal_dual`.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from .pixel_tiles import kernel, launch, pixels, store_three
from .primal_dual import EPSILON as REFERENCE_EPSILON

EPSILON = tl.constexpr(REFERENCE_EPSILON)
STATE_PLANES = 10
TERM_PLANES = 10
BYTES_A_PIXEL_ITERATION = 4 * (STATE_PLANES + 9 + STATE_PLANES)
"""Least traffic of `iterate`: state and terms in, state out."""


def solve_level(
    state: Tensor, terms: Tensor, lambdas: tuple[float, float], iterations: int, max_increment: float
) -> tuple[Tensor, Tensor]:
    """`iterations` primal-dual steps from `state`, which is not changed; lambdas: lambda_I, lambda_D.

    Returns the flow (B, 3, H, W), u and v at most `max_increment` px from where they were, and the state after the last
    dual step, whose first three planes are the flow before it.
    """
    here, there = torch.empty_like(state), torch.empty_like(state)
    launch(ascend, state, state, terms, here)
    for _ in range(iterations - 1):
        launch(iterate, state, here, terms, there, *lambdas)
        here, there = there, here
    flow = torch.empty_like(state[:, :3])
    launch(descend, state, state, here, terms, flow, *lambdas, max_increment)
    return flow, here


@kernel
def ascend(
    start: tl.tensor,
    terms: tl.tensor,
    end: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """The first dual step, at the flow itself."""
    item, y, x = pixels(height, width, rows, columns)
    size, planes, inside = height * width, item * 10 * height * width, (y < height) & (x < width)
    start, terms, end = start + planes, terms + planes, end + planes
    at, _, _, at_right, at_below = _offsets(y, x, height, width)
    flow, right, below = (
        _load_three(start + at, size),
        _load_three(start + at_right, size),
        _load_three(start + at_below, size),
    )
    _dual_step(start + at, terms + at, end + at, size, flow, right, below, x + 1 < width, y + 1 < height, inside)
    store_three(end + at, size, inside, flow)


@kernel
def iterate(
    start: tl.tensor,
    terms: tl.tensor,
    end: tl.tensor,
    lambda_i: tl.tensor,
    lambda_d: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """A primal step and the dual step after it."""
    item, y, x = pixels(height, width, rows, columns)
    size, planes, inside = height * width, item * 10 * height * width, (y < height) & (x < width)
    start, terms, end = start + planes, terms + planes, end + planes
    at, at_left, at_above, at_right, at_below = _offsets(y, x, height, width)
    at_right_above, at_below_left = tl.where(y > 0, at_right - width, at_right), tl.where(x > 0, at_below - 1, at_below)
    flow, ahead = _primal_step(start, terms, size, at, at_left, at_above, x > 0, y > 0, lambda_i, lambda_d)
    _, right = _primal_step(start, terms, size, at_right, at, at_right_above, x >= 0, y > 0, lambda_i, lambda_d)
    _, below = _primal_step(start, terms, size, at_below, at_below_left, at, x > 0, y >= 0, lambda_i, lambda_d)
    _dual_step(start + at, terms + at, end + at, size, ahead, right, below, x + 1 < width, y + 1 < height, inside)
    store_three(end + at, size, inside, flow)


@kernel
def descend(
    first: tl.tensor,
    start: tl.tensor,
    terms: tl.tensor,
    limited: tl.tensor,
    lambda_i: tl.tensor,
    lambda_d: tl.tensor,
    max_increment: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """The last primal step, from `start`; u and v stay within `max_increment` of those in `first`."""
    item, y, x = pixels(height, width, rows, columns)
    size, planes, inside = height * width, item * 10 * height * width, (y < height) & (x < width)
    start, terms = start + planes, terms + planes
    at, at_left, at_above, _, _ = _offsets(y, x, height, width)
    flow, _ = _primal_step(start, terms, size, at, at_left, at_above, x > 0, y > 0, lambda_i, lambda_d)
    u_first, v_first, _ = _load_three(first + planes + at, size)
    u = u_first + tl.clamp(flow[0] - u_first, -max_increment, max_increment)
    v = v_first + tl.clamp(flow[1] - v_first, -max_increment, max_increment)
    store_three(limited + item * 3 * size + at, size, inside, (u, v, flow[2]))


@kernel
def _offsets(y: tl.tensor, x: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Offsets in a plane of pixels and of their left, upper, right and lower neighbours.

    What would lie outside the image is moved to its edge: every load is then allowed, without a mask.
    """
    y, x = tl.minimum(y, height - 1), tl.minimum(x, width - 1)
    at = y * width + x
    left, right = tl.where(x > 0, at - 1, at), tl.where(x + 1 < width, at + 1, at)
    return at, left, tl.where(y > 0, at - width, at), right, tl.where(y + 1 < height, at + width, at)


@kernel
def _load_three(planes: tl.tensor, size: tl.tensor) -> tl.tensor:
    return tl.load(planes), tl.load(planes + size), tl.load(planes + 2 * size)


@kernel
def _primal_step(
    state: tl.tensor,
    terms: tl.tensor,
    size: tl.tensor,
    at: tl.tensor,
    at_left: tl.tensor,
    at_above: tl.tensor,
    has_left: tl.tensor,
    has_above: tl.tensor,
    lambda_i: tl.tensor,
    lambda_d: tl.tensor,
) -> tl.tensor:
    """The flow after descent and the proximal step, and that flow extrapolated: (u, v, w), (u, v, w)."""
    u, v, w = _load_three(state + at, size)
    intensity_x, intensity_y, intensity_offset = _load_three(terms + at, size)
    depth_x, depth_y = tl.load(terms + at + 3 * size), tl.load(terms + at + 4 * size)
    mu, r_right, r_below = _load_three(terms + at + 6 * size, size)
    r_left = tl.where(has_left, tl.load(terms + at_left + 7 * size), 0.0)
    r_above = tl.where(has_above, tl.load(terms + at_above + 8 * size), 0.0)
    pull = mu * tl.load(state + at + 9 * size)

    # divergence of each dual: what flows out to the right and below less what comes in from the left and above
    x_u, x_v, x_w = _load_three(state + at + 3 * size, size)
    y_u, y_v, y_w = _load_three(state + at + 6 * size, size)
    left_u, left_v, left_w = _load_three(state + at_left + 3 * size, size)
    above_u, above_v, above_w = _load_three(state + at_above + 6 * size, size)
    div_u = tl.fma(r_right, x_u, r_below * y_u) - tl.fma(r_left, left_u, r_above * above_u)
    div_v = tl.fma(r_right, x_v, r_below * y_v) - tl.fma(r_left, left_v, r_above * above_v)
    div_w = tl.fma(r_right, x_w, r_below * y_w) - tl.fma(r_left, left_w, r_above * above_w)

    around = (r_right + r_below) + (r_left + r_above)
    tau_u = 1 / (tl.fma(mu, tl.abs(depth_x), lambda_i * around) + EPSILON)
    tau_v = 1 / (tl.fma(mu, tl.abs(depth_y), lambda_i * around) + EPSILON)
    tau_w = 1 / (mu + lambda_d * around + EPSILON)
    u_new = tl.fma(tau_u, lambda_i * div_u - depth_x * pull, u)
    v_new = tl.fma(tau_v, lambda_i * div_v - depth_y * pull, v)
    w_new = tl.fma(tau_w, lambda_d * div_w + pull, w)

    u_step, v_step = tau_u * intensity_x, tau_v * intensity_y
    rho = tl.fma(intensity_x, u_new, tl.fma(intensity_y, v_new, intensity_offset))
    share = tl.clamp(rho / (tl.fma(u_step, intensity_x, v_step * intensity_y) + EPSILON), -1.0, 1.0)
    u_new, v_new = tl.fma(-share, u_step, u_new), tl.fma(-share, v_step, v_new)
    return (u_new, v_new, w_new), (2 * u_new - u, 2 * v_new - v, 2 * w_new - w)


@kernel
def _dual_step(
    start: tl.tensor,
    terms: tl.tensor,
    end: tl.tensor,
    size: tl.tensor,
    flow: tl.tensor,
    right: tl.tensor,
    below: tl.tensor,
    not_last_x: tl.tensor,
    not_last_y: tl.tensor,
    inside: tl.tensor,
) -> None:
    """Ascent of all duals at `flow` (u, v, w), given those of the right and lower neighbour too."""
    x_u, x_v, x_w = _load_three(start + 3 * size, size)
    y_u, y_v, y_w = _load_three(start + 6 * size, size)
    x_u, y_u = _ascend_disc(x_u, y_u, flow[0], right[0], below[0], not_last_x, not_last_y)
    x_v, y_v = _ascend_disc(x_v, y_v, flow[1], right[1], below[1], not_last_x, not_last_y)
    x_w, y_w = _ascend_disc(x_w, y_w, flow[2], right[2], below[2], not_last_x, not_last_y)
    store_three(end + 3 * size, size, inside, (x_u, x_v, x_w))
    store_three(end + 6 * size, size, inside, (y_u, y_v, y_w))

    depth_x, depth_y, depth_offset = _load_three(terms + 3 * size, size)
    rho = tl.fma(depth_x, flow[0], tl.fma(depth_y, flow[1], depth_offset)) - flow[2]
    p_depth = tl.load(start + 9 * size) + rho / (tl.abs(depth_x) + tl.abs(depth_y) + 1)
    tl.store(end + 9 * size, tl.clamp(p_depth, -1.0, 1.0), inside)


@kernel
def _ascend_disc(
    p_x: tl.tensor,
    p_y: tl.tensor,
    value: tl.tensor,
    right: tl.tensor,
    below: tl.tensor,
    not_last_x: tl.tensor,
    not_last_y: tl.tensor,
) -> tl.tensor:
    """Half a forward difference is added to a dual (p_x, p_y), which is then shortened to length 1 at most."""
    p_x = tl.fma(tl.where(not_last_x, right - value, 0.0), 0.5, p_x)
    p_y = tl.fma(tl.where(not_last_y, below - value, 0.0), 0.5, p_y)
    shorter = tl.rsqrt(tl.maximum(tl.fma(p_x, p_x, p_y * p_y), 1.0))
    return p_x * shorter, p_y * shorter
