"""The limited step of a level and its 3x3 weighted median, compiled: what `weighted_median` does.

Rows are cut into segments of 64 pixels. Each of the nine neighbours of a segment has a row of `neighbours`, with its
planes at places that the compiler knows, so that it makes vector code over pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
_SEGMENT = 64
_VALUE, _WEIGHT, _CENTRE = 0, _SEGMENT, 2 * _SEGMENT
_NEIGHBOUR = 3 * _SEGMENT
_HALF_TOTAL, _LOW, _LOW_CENTRE, _HIGH, _HIGH_CENTRE = (_SEGMENT * _i for _i in range(5))
_ZERO, _HALF, _ONE, _FIVE, _TEN = np.float32(0), np.float32(0.5), np.float32(1), np.float32(5), np.float32(10)
_EXCLUDED = np.float32(1e20)
_BEYOND = np.float32(1e30)
_MAX_INCREMENT_PX = np.float32(1)


@compiled
def limit_and_filter(before: Floats, solved: Floats, depth: Floats, depth_change: Floats) -> Floats:
    """Flow (3, H, W) after a level: u, v no more than a pixel from `before`, w 0 without depth, then the median.

    The median is taken where depth (H, W) is valid, over valid neighbours, with the weights of `median_weights`.
    """
    height, width = depth.shape
    columns = (width + _SEGMENT - 1) // _SEGMENT * _SEGMENT + 2
    padded = np.zeros((5, height + 2, columns), np.float32)
    for y in range(height):
        for x in range(width):
            padded[3, y + 1, x + 1], padded[4, y + 1, x + 1] = depth[y, x], depth_change[y, x]
        for c in range(2):
            old, new, out = before[c, y], solved[c, y], padded[c, y + 1, 1:]
            for x in range(width):
                out[x] = old[x] + min(max(new[x] - old[x], -_MAX_INCREMENT_PX), _MAX_INCREMENT_PX)
        new, z, out = solved[2, y], depth[y], padded[2, y + 1, 1:]
        for x in range(width):
            out[x] = new[x] if z[x] > _ZERO else _ZERO
    filtered = np.empty_like(solved)
    neighbours, around = np.empty((9, _NEIGHBOUR), np.float32), np.empty(5 * _SEGMENT, np.float32)
    for y in range(height):
        for x in range(0, width, _SEGMENT):
            _weigh(padded[3, y:, x:], padded[4, y:, x:], neighbours, around)
            for c in range(3):
                _find_median(padded[c, y:, x:], depth[y, x:], neighbours, around, filtered[c, y, x:])
    return filtered


@compiled
def _weigh(depth: Floats, depth_change: Floats, neighbours: Floats, around: Floats) -> None:
    """Weights of the nine neighbours of each pixel, and half of their sum."""
    for x in range(_SEGMENT):
        around[_HALF_TOTAL + x] = _ZERO
    for n in range(9):
        centres, depths, changes = depth[1, 1:], depth[n // 3, n % 3 :], depth_change[n // 3, n % 3 :]
        weights = neighbours[n, _WEIGHT:]
        for x in range(_SEGMENT):
            away, change = depths[x] - centres[x], changes[x]
            weight = _ONE / (_ONE + _FIVE * (away * away) + _TEN * (change * change))
            weights[x] = weight if depths[x] > _ZERO else _ZERO
        for x in range(_SEGMENT):
            around[_HALF_TOTAL + x] += _HALF * weights[x]


@compiled
def _find_median(values: Floats, depth: Floats, neighbours: Floats, around: Floats, out: Floats) -> None:
    """The median of a segment; pixels without depth keep their value."""
    for n in range(9):
        neighbour, row = neighbours[n], values[n // 3, n % 3 :]
        for x in range(_SEGMENT):
            neighbour[_VALUE + x] = row[x] if neighbour[_WEIGHT + x] > _ZERO else _EXCLUDED
            neighbour[_CENTRE + x] = neighbour[_WEIGHT + x] * _HALF
    for n in range(9):
        for other in range(n + 1, 9):
            _order(neighbours[n], neighbours[other])
    for x in range(_SEGMENT):
        around[_LOW + x], around[_LOW_CENTRE + x] = -_BEYOND, -_BEYOND
        around[_HIGH + x], around[_HIGH_CENTRE + x] = _BEYOND, _BEYOND
    for n in range(9):
        _close_in(neighbours[n], around)
    centre_row = values[1, 1:]
    for x in range(min(_SEGMENT, len(out))):
        low, high, centre = around[_LOW + x], around[_HIGH + x], around[_LOW_CENTRE + x]
        part = (around[_HALF_TOTAL + x] - centre) / (around[_HIGH_CENTRE + x] - centre)
        median = low + (high - low) * part
        median = median if high < _EXCLUDED * _HALF else low  # else there is one neighbour with a weight
        out[x] = median if depth[x] > _ZERO else centre_row[x]


@compiled
def _order(first: Floats, second: Floats) -> None:
    """Of two neighbours of each pixel, the larger stands behind the weight of the other; the second where they tie."""
    for x in range(_SEGMENT):
        ordered = first[_VALUE + x] <= second[_VALUE + x]
        second[_CENTRE + x] += first[_WEIGHT + x] if ordered else _ZERO
        first[_CENTRE + x] += _ZERO if ordered else second[_WEIGHT + x]


@compiled
def _close_in(neighbour: Floats, around: Floats) -> None:
    """The last value at or below half of the weight with its centre, and the first above it with its centre."""
    for x in range(_SEGMENT):
        value, centre = neighbour[_VALUE + x], neighbour[_CENTRE + x]
        above = centre > around[_HALF_TOTAL + x]
        around[_LOW + x] = max(around[_LOW + x], -_BEYOND if above else value)
        around[_LOW_CENTRE + x] = max(around[_LOW_CENTRE + x], -_BEYOND if above else centre)
        around[_HIGH + x] = min(around[_HIGH + x], value if above else _BEYOND)
        around[_HIGH_CENTRE + x] = min(around[_HIGH_CENTRE + x], centre if above else _BEYOND)
