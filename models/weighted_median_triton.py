"""The 3x3 weighted median of `weighted_median` as one Triton kernel, weights and all."""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from .pixel_tiles import kernel, launch, pixels, place
from .weighted_median import BEYOND as REFERENCE_BEYOND

BEYOND = tl.constexpr(REFERENCE_BEYOND)


def filter_flow(limited: Tensor, depth1: Tensor, terms: Tensor, state: Tensor) -> None:
    """Median of the flow `limited` (B, 3, H, W) over valid neighbours, into the first three planes of a state.

    Where depth1 is 0 the flow is kept, with w = 0.
    """
    launch(median_of_flow, limited.flatten(0, 1), limited, depth1, terms, state)


@kernel
def median_of_flow(
    limited: tl.tensor,
    depth1: tl.tensor,
    terms: tl.tensor,
    state: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """One of u, v, w of one item.

    Each neighbour's centre is the weight of those that sort before it (ties by position) plus half of its own; the
    median is read at half of the total weight, between the last centre at or below it and the first above.
    """
    plane, y, x = pixels(height, width, rows, columns)
    item, channel, size = plane // 3, plane % 3, height * width
    limited, depth1, depth_t = limited + plane * size, depth1 + item * size, terms + (item * 10 + 9) * size
    at, inside = place(y, x, height, width)
    z = tl.load(depth1 + at, inside, 0.0)
    values = _row(limited, y - 1, x, height, width) + _row(limited, y, x, height, width)
    values = values + _row(limited, y + 1, x, height, width)
    weights = _row_of_weights(depth1, depth_t, z, y - 1, x, height, width)
    weights = weights + _row_of_weights(depth1, depth_t, z, y, x, height, width)
    weights = weights + _row_of_weights(depth1, depth_t, z, y + 1, x, height, width)
    half = z * 0.0
    for n in tl.static_range(9):
        half += weights[n] / 2

    low, high = z * 0.0 - BEYOND, z * 0.0 + BEYOND
    low_centre, high_centre = low, high
    for i in tl.static_range(9):
        centre = weights[i] / 2
        for j in tl.static_range(9):
            if j < i:
                centre += tl.where(values[j] <= values[i], weights[j], 0.0)
            elif j > i:
                centre += tl.where(values[j] < values[i], weights[j], 0.0)
        is_low, is_high = (weights[i] > 0) & (centre <= half), (weights[i] > 0) & (centre > half)
        low = tl.where(is_low, tl.maximum(low, values[i]), low)
        low_centre = tl.where(is_low, tl.maximum(low_centre, centre), low_centre)
        high = tl.where(is_high, tl.minimum(high, values[i]), high)
        high_centre = tl.where(is_high, tl.minimum(high_centre, centre), high_centre)

    part = (half - low_centre) / (high_centre - low_centre)
    median = tl.where(high < BEYOND / 2, low + part * (high - low), low)  # else one neighbour alone has a weight
    kept = tl.where(channel == 2, 0.0, values[4])
    tl.store(state + (item * 10 + channel) * size + at, tl.where(z > 0, median, kept), inside)


@kernel
def _row(plane: tl.tensor, y: tl.tensor, x: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Three neighbours side by side, x in the middle; 0 outside the image."""
    at_left, in_left = place(y, x - 1, height, width)
    at, inside = place(y, x, height, width)
    at_right, in_right = place(y, x + 1, height, width)
    left, right = tl.load(plane + at_left, in_left, 0.0), tl.load(plane + at_right, in_right, 0.0)
    return left, tl.load(plane + at, inside, 0.0), right


@kernel
def _row_of_weights(
    depth1: tl.tensor, depth_t: tl.tensor, z: tl.tensor, y: tl.tensor, x: tl.tensor, height: tl.tensor, width: tl.tensor
) -> tl.tensor:
    """Their weights 1 / (1 + 5 (Z - Z_n)^2 + 10 Zt_n^2); 0 where Z_n = 0 and outside the image."""
    left, middle, right = _row(depth1, y, x, height, width)
    left_t, middle_t, right_t = _row(depth_t, y, x, height, width)
    return _weight(left, left_t, z), _weight(middle, middle_t, z), _weight(right, right_t, z)


@kernel
def _weight(z_n: tl.tensor, change: tl.tensor, z: tl.tensor) -> tl.tensor:
    return tl.where(z_n > 0, 1 / (1 + 5 * (z_n - z) * (z_n - z) + 10 * change * change), 0.0)
