"""Image pyramids of one frame, compiled, and the way back up: what `rgbd_pyramid` does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Floats = npt.NDArray[np.float32]
_ZERO, _HALF, _SIX, _SEVEN, _EIGHTH = np.float32(0), np.float32(0.5), np.float32(6), np.float32(7), np.float32(1 / 8)
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / np.float32(16)
_SAME_SURFACE_M = np.float32(0.1)
_LEAST_WEIGHT = np.float32(1e-12)


@compiled
def halve_intensity(image: Floats) -> Floats:
    """Every second pixel of a 5x5 Gaussian over taps in the image: (H, W) -> (ceil(H/2), ceil(W/2))."""
    height, width = image.shape
    halved = np.empty(((height + 1) // 2, (width + 1) // 2), np.float32)
    blurred, inside = np.zeros(width + 5, np.float32), _sums_of_taps(width)
    for i in range(halved.shape[0]):
        blurred[:] = _ZERO
        total = _ZERO
        for tap in range(5):
            y = 2 * i + tap - 2
            if 0 <= y < height:
                weight, row = _BINOMIAL[tap], image[y]
                total += weight
                for x in range(width):
                    blurred[x + 2] += weight * row[x]
        out = halved[i]
        a, b, c = _BINOMIAL[0], _BINOMIAL[1], _BINOMIAL[2]
        for j in range(len(out)):
            x = 2 * j
            outer, inner = blurred[x] + blurred[x + 4], blurred[x + 1] + blurred[x + 3]
            out[j] = (a * outer + b * inner + c * blurred[x + 2]) / (total * inside[j])
    return halved


@compiled
def halve_depth(depth: Floats) -> Floats:
    """Every second pixel of a Gaussian that stays on one surface; (H, W) metres -> (ceil(H/2), ceil(W/2)).

    0 where the centre is 0 (invalid).
    """
    height, width = depth.shape
    halved = np.empty(((height + 1) // 2, (width + 1) // 2), np.float32)
    padded = np.zeros((5, width + 5), np.float32)
    total, weighted = np.empty(halved.shape[1], np.float32), np.empty(halved.shape[1], np.float32)
    for i in range(halved.shape[0]):
        for tap in range(5):
            y, row = 2 * i + tap - 2, padded[tap, 2 : width + 2]
            inside = 0 <= y < height
            for x in range(width):
                row[x] = depth[y, x] if inside else _ZERO
        total[:] = _ZERO
        weighted[:] = _ZERO
        for tap in range(5):
            for column in range(5):
                _add_tap(padded[tap, column:], padded[2, 2:], _BINOMIAL[tap] * _BINOMIAL[column], total, weighted)
        out = halved[i]
        for j in range(len(out)):
            mean = weighted[j] / max(total[j], _LEAST_WEIGHT)
            out[j] = mean if total[j] > _ZERO else _ZERO
    return halved


@compiled
def upsample(coarse: Floats, height: int, width: int) -> Floats:
    """(C, ceil(height/2), ceil(width/2)) -> (C, height, width): zeros between, then the 5x5 Gaussian, normalised.

    In one dimension that is (a + 6 b + c) / 8 on a coarse pixel and (b + c) / 2 between two, over pixels that exist.
    """
    fine = np.empty((coarse.shape[0], height, width), np.float32)
    last, rows = coarse.shape[1] - 1, np.empty(coarse.shape[2] + 2, np.float32)
    for channel in range(coarse.shape[0]):
        for y in range(height):
            i = y // 2
            here, after = coarse[channel, i], coarse[channel, min(i + 1, last)]
            inner = rows[1:-1]
            if y % 2:
                for x in range(len(inner)):
                    inner[x] = (here[x] + after[x]) * _HALF
            else:
                before, taps = coarse[channel, max(i - 1, 0)], np.float32(8 - (i == 0) - (i == last))
                first, second = np.float32(i > 0) / taps, np.float32(i < last) / taps
                middle = _SIX / taps
                for x in range(len(inner)):
                    inner[x] = middle * here[x] + (first * before[x] + second * after[x])
            _widen(rows, fine[channel, y])
    return fine


@compiled
def _add_tap(taps: Floats, centres: Floats, kernel: np.float32, total: Floats, weighted: Floats) -> None:
    """One of the 25 taps of a row of coarse pixels: every second value of `taps`, 0 where invalid."""
    for j in range(len(total)):
        tap = taps[2 * j]
        weight = kernel * max(_SAME_SURFACE_M - abs(tap - centres[2 * j]), _ZERO)
        weight = weight if tap > _ZERO else _ZERO
        total[j] += weight
        weighted[j] += weight * tap


@compiled
def _sums_of_taps(width: int) -> Floats:
    """Weight of the taps inside the image, for every second pixel."""
    sums = np.zeros((width + 1) // 2, np.float32)
    for j in range(len(sums)):
        for tap in range(5):
            if 0 <= 2 * j + tap - 2 < width:
                sums[j] += _BINOMIAL[tap]
    return sums


@compiled
def _widen(row: Floats, out: Floats) -> None:
    """A row of coarse pixels, with a place more at either end, to fine ones."""
    count, width = len(row) - 2, len(out)
    row[0], row[count + 1] = row[1], row[count]
    for j in range(width // 2):
        out[2 * j] = (row[j] + _SIX * row[j + 1] + row[j + 2]) * _EIGHTH
        out[2 * j + 1] = (row[j + 1] + row[j + 2]) * _HALF
    # at an end there is a pixel fewer, and the other two share its weight
    if count > 1:
        out[0] = (_SIX * row[1] + row[2]) / _SEVEN
        out[2 * count - 2] = (row[count - 1] + _SIX * row[count]) / _SEVEN
    else:
        out[0] = row[1]
