"""Sampling the second frame inside Triton kernels; the counterpart of `warping`."""

from __future__ import annotations

import triton.language as tl

from .pixel_tiles import kernel


@kernel
def bilinear_taps(
    u: tl.tensor, v: tl.tensor, y: tl.tensor, x: tl.tensor, height: tl.tensor, width: tl.tensor
) -> tl.tensor:
    """Taps at (x + u, y + v), clamped to the image, for pixels in the image.

    Returns the offsets of the four in a plane, their weights, the offset of the nearest, and where nothing was clamped
    to speak of.
    """
    x_to, y_to = x + u, y + v
    x_in, y_in = tl.clamp(x_to, 0.0, width - 1.0), tl.clamp(y_to, 0.0, height - 1.0)
    left, top = x_in.to(tl.int32), y_in.to(tl.int32)
    right, low = tl.minimum(left + 1, width - 1), tl.minimum(top + 1, height - 1)
    x_part, y_part = x_in - left, y_in - top
    upper_row, lower_row = top * width, low * width
    offsets = (upper_row + left, upper_row + right, lower_row + left, lower_row + right)
    weights = ((1 - y_part) * (1 - x_part), (1 - y_part) * x_part, y_part * (1 - x_part), y_part * x_part)
    nearest = tl.where(y_part < 0.5, upper_row, lower_row) + tl.where(x_part < 0.5, left, right)
    # to within `warping.EDGE_PX`
    return offsets, weights, nearest, (tl.abs(x_to - x_in) <= 1e-3) & (tl.abs(y_to - y_in) <= 1e-3)


@kernel
def sample(plane: tl.tensor, offsets: tl.tensor, weights: tl.tensor, inside: tl.tensor) -> tl.tensor:
    """Bilinear."""
    upper = (
        tl.load(plane + offsets[0], inside, 0.0) * weights[0] + tl.load(plane + offsets[1], inside, 0.0) * weights[1]
    )
    lower = (
        tl.load(plane + offsets[2], inside, 0.0) * weights[2] + tl.load(plane + offsets[3], inside, 0.0) * weights[3]
    )
    return upper + lower


@kernel
def sample_depth(
    depth: tl.tensor, offsets: tl.tensor, weights: tl.tensor, nearest: tl.tensor, inside: tl.tensor
) -> tl.tensor:
    """Bilinear, but the nearest pixel where one of the four taps is 0 (invalid)."""
    upper_left, upper_right = tl.load(depth + offsets[0], inside, 0.0), tl.load(depth + offsets[1], inside, 0.0)
    lower_left, lower_right = tl.load(depth + offsets[2], inside, 0.0), tl.load(depth + offsets[3], inside, 0.0)
    least = tl.minimum(tl.minimum(upper_left, upper_right), tl.minimum(lower_left, lower_right))
    upper = upper_left * weights[0] + upper_right * weights[1]
    lower = lower_left * weights[2] + lower_right * weights[3]
    return tl.where(least > 0, upper + lower, tl.load(depth + nearest, inside, 0.0))
