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
kernel for each half of an iteration moves 180 bytes, one for each operation about 600.

Layouts, B items of H x W pixels, float32:
    state (B, 10, H, W)   u, v, w | x and y part of the duals of u, v, w (p_xu, p_xv, p_xw, p_yu, p_yv, p_yw) | p_depth
    terms (B, 10, H, W)   intensity slope x, y, offset | depth slope x, y, offset | mu | r_x, r_y | Z_t (not read here)
Source: as `primal_dual`.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from .pixel_tiles import kernel, launch, load_three, pixels, place, store_three
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
    size, planes = height * width, item * 10 * height * width
    start, terms, end = start + planes, terms + planes, end + planes
    at, inside = place(y, x, height, width)
    at_right, has_right = place(y, x + 1, height, width)
    at_below, has_below = place(y + 1, x, height, width)
    flow = load_three(start + at, size, inside)
    right, below = load_three(start + at_right, size, has_right), load_three(start + at_below, size, has_below)
    _dual_step(start, terms, end, y, x, height, width, flow, right, below)
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
    planes = item * 10 * height * width
    start, terms, end = start + planes, terms + planes, end + planes
    flow, ahead = _primal_step(start, terms, y, x, height, width, lambda_i, lambda_d)
    _, right = _primal_step(start, terms, y, x + 1, height, width, lambda_i, lambda_d)
    _, below = _primal_step(start, terms, y + 1, x, height, width, lambda_i, lambda_d)
    _dual_step(start, terms, end, y, x, height, width, ahead, right, below)
    at, inside = place(y, x, height, width)
    store_three(end + at, height * width, inside, flow)


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
    size, planes = height * width, item * 10 * height * width
    at, inside = place(y, x, height, width)
    flow, _ = _primal_step(start + planes, terms + planes, y, x, height, width, lambda_i, lambda_d)
    u_first, v_first, _ = load_three(first + planes + at, size, inside)
    u = u_first + tl.clamp(flow[0] - u_first, -max_increment, max_increment)
    v = v_first + tl.clamp(flow[1] - v_first, -max_increment, max_increment)
    store_three(limited + item * 3 * size + at, size, inside, (u, v, flow[2]))


@kernel
def _primal_step(
    state: tl.tensor,
    terms: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    lambda_i: tl.tensor,
    lambda_d: tl.tensor,
) -> tl.tensor:
    """The flow after descent and the proximal step, and that flow extrapolated: (u, v, w), (u, v, w)."""
    size = height * width
    at, inside = place(y, x, height, width)
    at_left, has_left = place(y, x - 1, height, width)
    at_above, has_above = place(y - 1, x, height, width)
    u, v, w = load_three(state + at, size, inside)
    intensity_x, intensity_y, intensity_offset = load_three(terms + at, size, inside)
    depth_x, depth_y, _ = load_three(terms + at + 3 * size, size, inside)
    mu, r_right, r_below = load_three(terms + at + 6 * size, size, inside)
    r_left = tl.load(terms + at_left + 7 * size, has_left, 0.0)
    r_above = tl.load(terms + at_above + 8 * size, has_above, 0.0)
    pull = mu * tl.load(state + at + 9 * size, inside, 0.0)

    # divergence of each dual: what flows out to the right and below less what comes in from the left and above
    x_u, x_v, x_w = load_three(state + at + 3 * size, size, inside)
    y_u, y_v, y_w = load_three(state + at + 6 * size, size, inside)
    left_u, left_v, left_w = load_three(state + at_left + 3 * size, size, has_left)
    above_u, above_v, above_w = load_three(state + at_above + 6 * size, size, has_above)
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
    y: tl.tensor,
    x: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    flow: tl.tensor,
    right: tl.tensor,
    below: tl.tensor,
) -> None:
    """Ascent of all duals at `flow` (u, v, w), given those of the right and lower neighbour too."""
    size = height * width
    at, inside = place(y, x, height, width)
    not_last_x, not_last_y = x + 1 < width, y + 1 < height
    x_u, x_v, x_w = load_three(start + at + 3 * size, size, inside)
    y_u, y_v, y_w = load_three(start + at + 6 * size, size, inside)
    x_u, y_u = _ascend_disc(x_u, y_u, flow[0], right[0], below[0], not_last_x, not_last_y)
    x_v, y_v = _ascend_disc(x_v, y_v, flow[1], right[1], below[1], not_last_x, not_last_y)
    x_w, y_w = _ascend_disc(x_w, y_w, flow[2], right[2], below[2], not_last_x, not_last_y)
    store_three(end + at + 3 * size, size, inside, (x_u, x_v, x_w))
    store_three(end + at + 6 * size, size, inside, (y_u, y_v, y_w))

    depth_x, depth_y, depth_offset = load_three(terms + at + 3 * size, size, inside)
    rho = tl.fma(depth_x, flow[0], tl.fma(depth_y, flow[1], depth_offset)) - flow[2]
    p_depth = tl.load(start + at + 9 * size, inside, 0.0) + rho / (tl.abs(depth_x) + tl.abs(depth_y) + 1)
    tl.store(end + at + 9 * size, tl.clamp(p_depth, -1.0, 1.0), inside)


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
