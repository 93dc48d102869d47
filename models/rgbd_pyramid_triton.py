"""The pyramid of `rgbd_pyramid` as Triton kernels: one launch halves a frame, one enlarges the solver's state."""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from .pixel_tiles import kernel, launch, pixels, place
from .rgbd_pyramid import BINOMIAL as REFERENCE_BINOMIAL
from .rgbd_pyramid import SAME_SURFACE_M

BINOMIAL = tl.constexpr(REFERENCE_BINOMIAL)


def halve_frame(intensity: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """`halve_intensity` and `halve_depth` of (B, H, W) images: (B, ceil(H/2), ceil(W/2)) each."""
    batch, height, width = depth.shape
    halved = depth.new_empty((2, batch, (height + 1) // 2, (width + 1) // 2))
    launch(halve, halved[0], intensity, depth, halved[0], halved[1], SAME_SURFACE_M, height, width)
    return halved[0], halved[1]


def upsample_state(coarse: Tensor, height: int, width: int) -> Tensor:
    """`upsample` of every plane of a state (B, 10, h, w), u and v doubled: (B, 10, height, width)."""
    fine = coarse.new_empty((*coarse.shape[:2], height, width))
    launch(enlarge, fine, coarse, fine, *coarse.shape[2:])
    return fine


@kernel
def halve(
    intensity: tl.tensor,
    depth: tl.tensor,
    intensity_out: tl.tensor,
    depth_out: tl.tensor,
    same_surface_m: tl.tensor,
    fine_height: tl.tensor,
    fine_width: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """A Gaussian of intensity over taps in the image, and of depth over taps on the same surface."""
    item, y, x = pixels(height, width, rows, columns)
    fine = item * fine_height * fine_width
    at, inside = place(y, x, height, width)
    centre_at, centre_inside = place(2 * y, 2 * x, fine_height, fine_width)
    centre = tl.load(depth + fine + centre_at, centre_inside, 0.0)
    grey, grey_weight, metres, metres_weight = centre * 0.0, centre * 0.0, centre * 0.0, centre * 0.0
    for row in tl.static_range(5):
        for column in tl.static_range(5):
            tap_at, present = place(2 * y + (row - 2), 2 * x + (column - 2), fine_height, fine_width)
            weight = tl.where(present, BINOMIAL[row] * BINOMIAL[column], 0.0)
            grey += weight * tl.load(intensity + fine + tap_at, present, 0.0)
            grey_weight += weight
            tap = tl.load(depth + fine + tap_at, present, 0.0)
            weight = tl.where(tap > 0, weight * tl.maximum(same_surface_m - tl.abs(tap - centre), 0.0), 0.0)
            metres += weight * tap
            metres_weight += weight
    coarse = item * height * width
    # outside the image the weights may be 0; nothing is stored there
    tl.store(intensity_out + coarse + at, grey / tl.maximum(grey_weight, 1e-12), inside)
    tl.store(depth_out + coarse + at, metres / tl.maximum(metres_weight, 1e-12), inside)


@kernel
def enlarge(
    coarse: tl.tensor,
    fine: tl.tensor,
    coarse_height: tl.tensor,
    coarse_width: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> None:
    """Coarse pixels lie on the even fine ones; the Gaussian's weights of those present are normalised.

    An even row sees three coarse rows at distance 2, 0, 2, an odd one two at distance 1.
    """
    item, y, x = pixels(height, width, rows, columns)
    coarse_size, size = coarse_height * coarse_width, height * width
    coarse, fine = coarse + item * 10 * coarse_size, fine + item * 10 * size
    at, inside = place(y, x, height, width)
    above_taps, above_weights = _row_of_taps(y, x, y // 2 - 1, coarse_height, coarse_width)
    level_taps, level_weights = _row_of_taps(y, x, y // 2, coarse_height, coarse_width)
    below_taps, below_weights = _row_of_taps(y, x, y // 2 + 1, coarse_height, coarse_width)
    taps, weights = above_taps + level_taps + below_taps, above_weights + level_weights + below_weights
    total = (y + x) * 0.0
    for n in tl.static_range(9):
        total += weights[n]
    total = tl.maximum(total, 1e-12)
    for plane in tl.static_range(10):
        value = total * 0.0
        for n in tl.static_range(9):
            value += weights[n] * tl.load(coarse + plane * coarse_size + taps[n], weights[n] > 0, 0.0)
        tl.store(fine + plane * size + at, (2 * value if plane < 2 else value) / total, inside)


@kernel
def _row_of_taps(
    y: tl.tensor, x: tl.tensor, coarse_y: tl.tensor, coarse_height: tl.tensor, coarse_width: tl.tensor
) -> tl.tensor:
    """Three coarse pixels side by side that fine pixel (y, x) may see: their offsets, and their weights."""
    left, has_left = place(coarse_y, x // 2 - 1, coarse_height, coarse_width)
    middle, has_middle = place(coarse_y, x // 2, coarse_height, coarse_width)
    right, has_right = place(coarse_y, x // 2 + 1, coarse_height, coarse_width)
    row_weight = _binomial(y - 2 * coarse_y)
    left_weight = tl.where(has_left, row_weight * _binomial(x - 2 * (x // 2 - 1)), 0.0)
    middle_weight = tl.where(has_middle, row_weight * _binomial(x - 2 * (x // 2)), 0.0)
    right_weight = tl.where(has_right, row_weight * _binomial(x - 2 * (x // 2 + 1)), 0.0)
    return (left, middle, right), (left_weight, middle_weight, right_weight)


@kernel
def _binomial(distance: tl.tensor) -> tl.tensor:
    """Weight of a tap -3..3 pixels away."""
    away = tl.abs(distance)
    return tl.where(away == 0, BINOMIAL[2], tl.where(away == 1, BINOMIAL[1], tl.where(away == 2, BINOMIAL[0], 0.0)))
