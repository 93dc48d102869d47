"""Primal-dual iterations of one level of one pair, compiled: what `primal_dual` does.

Memory. The planes of an image row lie together, cut into segments of 64 pixels, so that one block of 7.5 KiB holds all
that a segment needs, at places that the compiler knows: only so it makes vector code of loops over 30 planes.

    state[row + 1, segment] = u: ahead | value | p_x | p_y | tau | depth descent   v: the same   w: the same   shared

Order. An iteration of row y needs the one before it of rows y and y + 1, and its own of row y - 1. So several
iterations go down the image as a wave, each a row behind the one before, and the rows between stay in the cache:

    time 1   iteration 1: row 0
    time 2   iteration 1: row 1   iteration 2: row 0
    time 3   iteration 1: row 2   iteration 2: row 1   iteration 3: row 0

The arithmetic of a pixel is that of whole iterations one after the other, to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
EPSILON = np.float32(1e-10)
CACHE_BYTES = 3 << 18
"""Three quarters of a level-2 cache of 1 MiB, which the rows of a wave share."""

_SEGMENT = 64
_HALO = 16  # a place for the pixel beside the segment, and the next plane starts on a vector again
_WIDE = _SEGMENT + _HALO
# planes of each of u, v, w
_AHEAD, _VALUE = 0, _WIDE
_P_X, _P_Y, _TAU, _DESCENT = (_WIDE + _SEGMENT * _i for _i in range(1, 5))
_CHANNEL = _WIDE + _SEGMENT * 5
_U, _V, _W = 0, _CHANNEL, 2 * _CHANNEL
# planes that they share
_SHARED = 3 * _CHANNEL
_P_DEPTH, _R_X, _R_Y = (_SHARED + _SEGMENT * _i for _i in range(3))
_ASCENT_X, _ASCENT_Y, _ASCENT_W, _ASCENT_0 = (_SHARED + _SEGMENT * _i for _i in range(3, 7))
_SLOPE_U, _SLOPE_V, _OFFSET, _STEP_U, _STEP_V = (_SHARED + _SEGMENT * _i for _i in range(7, 12))
_R_LEFT = _ASCENT_W  # until `_set_steps` has used it
_BLOCK = _SHARED + _SEGMENT * 12
_FLUX = 3 * _WIDE

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_DEPTH_SLOPE_FALL = np.float32(1000)


def wave_for(width: int) -> int:
    """How many iterations of rows of `width` pixels follow each other, so that the rows stay in the cache."""
    row_bytes = -(-width // _SEGMENT) * _BLOCK * 4
    return max(1, CACHE_BYTES // row_bytes - 2)  # a wave of n iterations touches n + 2 rows


@compiled
def solve_level(
    flow: Floats, duals: Floats, terms: Floats, weights: Floats, strengths: Floats, iterations: int, wave: int
) -> tuple[Floats, Floats]:
    """`iterations` steps from the total flow (3, H, W), around which `terms` is linearised; returns flow and duals.

    duals (7, H, W): x parts of u, v, w, y parts of u, v, w, and that of the depth term. terms (6, H, W): I_x, I_y, I_t,
    Z_x, Z_y, Z_t. weights (2, H, W): r_x, r_y. strengths: lambda_I, lambda_D, mu_0. wave: iterations that follow each
    other down the image, see `wave_for`.
    """
    height, width = flow.shape[1:]
    segments = (width + _SEGMENT - 1) // _SEGMENT
    state = np.zeros((height + 2, segments, _BLOCK), np.float32)
    _fill(state, flow, duals, terms, weights)
    for y in range(1, height + 1):
        for s in range(segments):
            _set_steps(state[y, s], state[y - 1, s], strengths)
    last_width = width - (segments - 1) * _SEGMENT
    _set_edges(state, last_width)
    _iterate(state, last_width, iterations, wave)
    solved, solved_duals = np.empty_like(flow), np.empty_like(duals)
    for c in range(3):
        _take(state, c * _CHANNEL + _VALUE, solved[c])
        _take(state, c * _CHANNEL + _P_X, solved_duals[c])
        _take(state, c * _CHANNEL + _P_Y, solved_duals[3 + c])
    _take(state, _P_DEPTH, solved_duals[6])
    return solved, solved_duals


@compiled
def _iterate(state: Floats, last_width: int, iterations: int, most: int) -> None:
    """Waves of up to `most` iterations each."""
    height, flux = state.shape[0] - 2, np.zeros(_FLUX, np.float32)
    done = 0
    while done < iterations:
        wave = min(most, iterations - done)
        for time in range(height + wave - 1):
            for behind in range(max(0, time - height + 1), min(wave, time + 1)):
                _iterate_row(state, 1 + time - behind, last_width, flux)
        done += wave


@compiled
def _iterate_row(state: Floats, y: int, last_width: int, flux: Floats) -> None:
    """One iteration of row y, segment by segment; the last has `last_width` columns."""
    segments = state.shape[1]
    for c in range(3):
        flux[c * _WIDE + _HALO - 1] = _ZERO
    for s in range(segments):
        here = state[y, s]
        _ascend(here, state[y + 1, s], flux)
        _descend(here, state[y - 1, s], flux)
        for c in range(3):
            flux[c * _WIDE + _HALO - 1] = flux[c * _WIDE + _WIDE - 1]
            if s > 0:
                state[y, s - 1, c * _CHANNEL + _AHEAD + _SEGMENT] = here[c * _CHANNEL + _AHEAD]
    _repeat_borders(state, y, last_width)


@compiled
def _repeat_borders(state: Floats, y: int, last_width: int) -> None:
    """The last column and row once more beyond the image: differences there are 0."""
    last = state[y, state.shape[1] - 1]
    for c in range(3):
        edge = c * _CHANNEL + _AHEAD + last_width
        last[edge] = last[edge - 1]
    if y == state.shape[0] - 2:
        for s in range(state.shape[1]):
            here, below = state[y, s], state[y + 1, s]
            for c in range(3):
                first = c * _CHANNEL + _AHEAD
                for x in range(first, first + _WIDE):
                    below[x] = here[x]


@compiled
def _ascend(here: Floats, below: Floats, flux: Floats) -> None:
    """Dual ascent of a segment, total variation and depth term; leaves r_x p_x in `flux`."""
    for c in range(3):
        first, beyond = c * _CHANNEL, c * _WIDE + _HALO
        for x in range(_SEGMENT):
            ahead = here[first + _AHEAD + x]
            p_x = here[first + _P_X + x] + _HALF * (here[first + _AHEAD + x + 1] - ahead)
            p_y = here[first + _P_Y + x] + _HALF * (below[first + _AHEAD + x] - ahead)
            shorten = _ONE / np.sqrt(max(p_x * p_x + p_y * p_y, _ONE))
            p_x *= shorten
            here[first + _P_X + x] = p_x
            here[first + _P_Y + x] = p_y * shorten
            flux[beyond + x] = here[_R_X + x] * p_x
    for x in range(_SEGMENT):
        slope = here[_ASCENT_X + x] * here[_U + _AHEAD + x] + here[_ASCENT_Y + x] * here[_V + _AHEAD + x]
        residual = here[_ASCENT_0 + x] + slope - here[_ASCENT_W + x] * here[_W + _AHEAD + x]
        here[_P_DEPTH + x] = min(max(here[_P_DEPTH + x] + residual, -_ONE), _ONE)


@compiled
def _descend(here: Floats, above: Floats, flux: Floats) -> None:
    """Primal descent of a segment, proximal step of the intensity term, extrapolation 2 new - old."""
    for x in range(_SEGMENT):
        p_depth, r, r_above = here[_P_DEPTH + x], here[_R_Y + x], above[_R_Y + x]
        old_u, old_v, old_w = here[_U + _VALUE + x], here[_V + _VALUE + x], here[_W + _VALUE + x]
        div_u = flux[_HALO + x] - flux[_HALO + x - 1]
        div_v = flux[_WIDE + _HALO + x] - flux[_WIDE + _HALO + x - 1]
        div_w = flux[2 * _WIDE + _HALO + x] - flux[2 * _WIDE + _HALO + x - 1]
        div_u += r * here[_U + _P_Y + x] - r_above * above[_U + _P_Y + x]
        div_v += r * here[_V + _P_Y + x] - r_above * above[_V + _P_Y + x]
        div_w += r * here[_W + _P_Y + x] - r_above * above[_W + _P_Y + x]
        u = old_u + here[_U + _TAU + x] * div_u - here[_U + _DESCENT + x] * p_depth
        v = old_v + here[_V + _TAU + x] * div_v - here[_V + _DESCENT + x] * p_depth
        w = old_w + here[_W + _TAU + x] * div_w - here[_W + _DESCENT + x] * p_depth
        residual = here[_OFFSET + x] + here[_SLOPE_U + x] * u + here[_SLOPE_V + x] * v
        residual = min(max(residual, -_ONE), _ONE)
        u -= here[_STEP_U + x] * residual
        v -= here[_STEP_V + x] * residual
        here[_U + _VALUE + x], here[_V + _VALUE + x], here[_W + _VALUE + x] = u, v, w
        here[_U + _AHEAD + x], here[_V + _AHEAD + x] = u + u - old_u, v + v - old_v
        here[_W + _AHEAD + x] = w + w - old_w


@compiled
def _fill(state: Floats, flow: Floats, duals: Floats, terms: Floats, weights: Floats) -> None:
    """Planes to their places; terms to those that `_set_steps` then overwrites."""
    for c in range(3):
        first = c * _CHANNEL
        _put(flow[c], state, first + _AHEAD)
        _put(flow[c], state, first + _VALUE)
        _put(duals[c], state, first + _P_X)
        _put(duals[3 + c], state, first + _P_Y)
    _put(duals[6], state, _P_DEPTH)
    _put(weights[0], state, _R_X)
    _put(weights[1], state, _R_Y)
    left = np.zeros_like(weights[0])
    for y in range(left.shape[0]):
        for x in range(1, left.shape[1]):
            left[y, x] = weights[0, y, x - 1]
    _put(left, state, _R_LEFT)
    for k, place in enumerate((_SLOPE_U, _SLOPE_V, _OFFSET, _ASCENT_X, _ASCENT_Y, _ASCENT_0)):
        _put(terms[k], state, place)


@compiled
def _set_steps(here: Floats, above: Floats, strengths: Floats) -> None:
    """Step sizes of a segment, and its terms scaled by them."""
    lambda_i, lambda_d, mu_0 = strengths[0], strengths[1], strengths[2]
    for x in range(_SEGMENT):
        i_x, i_y, i_t = here[_SLOPE_U + x], here[_SLOPE_V + x], here[_OFFSET + x]
        z_x, z_y, z_t = here[_ASCENT_X + x], here[_ASCENT_Y + x], here[_ASCENT_0 + x]
        u, v = here[_U + _VALUE + x], here[_V + _VALUE + x]
        mu = mu_0 / (_ONE + _DEPTH_SLOPE_FALL * (z_x * z_x + z_y * z_y + z_t * z_t))
        around = here[_R_X + x] + here[_R_LEFT + x] + here[_R_Y + x] + above[_R_Y + x]
        tau_u = _ONE / (mu * abs(z_x) + lambda_i * around + EPSILON)
        tau_v = _ONE / (mu * abs(z_y) + lambda_i * around + EPSILON)
        tau_w = _ONE / (mu + lambda_d * around + EPSILON)
        threshold = tau_u * i_x * i_x + tau_v * i_y * i_y + EPSILON
        sigma = _ONE / (abs(z_x) + abs(z_y) + _ONE + EPSILON)
        here[_U + _TAU + x], here[_V + _TAU + x] = tau_u * lambda_i, tau_v * lambda_i
        here[_W + _TAU + x] = tau_w * lambda_d
        here[_U + _DESCENT + x], here[_V + _DESCENT + x] = tau_u * mu * z_x, tau_v * mu * z_y
        here[_W + _DESCENT + x] = -tau_w * mu
        here[_OFFSET + x] = (i_t - (i_x * u + i_y * v)) / threshold
        here[_SLOPE_U + x], here[_SLOPE_V + x] = i_x / threshold, i_y / threshold
        here[_STEP_U + x], here[_STEP_V + x] = tau_u * i_x, tau_v * i_y
        here[_ASCENT_0 + x] = sigma * (z_t - (z_x * u + z_y * v))
        here[_ASCENT_X + x], here[_ASCENT_Y + x], here[_ASCENT_W + x] = sigma * z_x, sigma * z_y, sigma


@compiled
def _set_edges(state: Floats, last_width: int) -> None:
    """What the first iteration finds beside each segment."""
    for y in range(1, state.shape[0] - 1):
        for s in range(1, state.shape[1]):
            before, here = state[y, s - 1], state[y, s]
            for c in range(3):
                first = c * _CHANNEL + _AHEAD
                before[first + _SEGMENT] = here[first]
        _repeat_borders(state, y, last_width)


@compiled
def _put(plane: Floats, state: Floats, place: int) -> None:
    for y in range(plane.shape[0]):
        for s in range(state.shape[1]):
            row, block = plane[y, s * _SEGMENT :], state[y + 1, s, place:]
            for x in range(min(_SEGMENT, len(row))):
                block[x] = row[x]


@compiled
def _take(state: Floats, place: int, plane: Floats) -> None:
    for y in range(plane.shape[0]):
        for s in range(state.shape[1]):
            row, block = plane[y, s * _SEGMENT :], state[y + 1, s, place:]
            for x in range(min(_SEGMENT, len(row))):
                row[x] = block[x]
