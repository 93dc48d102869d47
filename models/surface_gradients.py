"""Derivatives along the observed 3-D surface: their weights, image gradients, and a gradient with its adjoint.

A depth jump makes two neighbouring pixels far apart in space; the weights let differences across it count little.
Source: Jaimez et al., ICRA 2015, total variation on the surface, and gradients of the data terms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..schemas.camera import Camera


def surface_weights(depth: Tensor, camera: Camera) -> Tensor:
    """r_x, r_y of (B, H, W) depth in metres: (B, 2, H, W), in 1/metre; 0 in the last column (r_x) and row (r_y).

    r_x = 2 / sqrt(dX^2 + dZ^2) between the 3-D points of a pixel and its right neighbour, r_y likewise with dY and the
    neighbour below; 1 where the two points coincide (both invalid).
    """
    height, width = depth.shape[-2:]
    columns = torch.arange(width, dtype=depth.dtype, device=depth.device)
    rows = torch.arange(height, dtype=depth.dtype, device=depth.device)[:, None]
    x_m, y_m = depth * ((columns - camera.cx) / camera.fx), depth * ((rows - camera.cy) / camera.fy)
    weights = depth.new_zeros((depth.shape[0], 2, height, width))
    weights[:, 0, :, :-1] = _inverse_distance(x_m.diff(dim=-1), depth.diff(dim=-1))
    weights[:, 1, :-1, :] = _inverse_distance(y_m.diff(dim=-2), depth.diff(dim=-2))
    return weights


def image_gradient(image: Tensor, weights: Tensor) -> Tensor:
    """(B, H, W) -> (B, 2, H, W) d/dx, d/dy a pixel: mean of forward and backward difference, weighted by r.

    One-sided at the border, where r is 0, and practically so beside a depth jump, where it is small.
    """
    forward = forward_difference(image)
    weighted = forward * weights
    numerator, denominator = weighted.clone(), weights.clone()
    numerator[:, 0, :, 1:] += weighted[:, 0, :, :-1]
    numerator[:, 1, 1:, :] += weighted[:, 1, :-1, :]
    denominator[:, 0, :, 1:] += weights[:, 0, :, :-1]
    denominator[:, 1, 1:, :] += weights[:, 1, :-1, :]
    return numerator / denominator.clamp(min=1e-12)


def forward_difference(fields: Tensor, out: Tensor | None = None) -> Tensor:
    """(B, ..., H, W) -> (B, 2, ..., H, W): differences to the right and lower neighbour, 0 at the last column and row.

    `out`, if given, must hold zeros there already.
    """
    if out is None:
        out = fields.new_zeros((fields.shape[0], 2, *fields.shape[1:]))
    torch.sub(fields[..., :, 1:], fields[..., :, :-1], out=out[:, 0, ..., :, :-1])
    torch.sub(fields[..., 1:, :], fields[..., :-1, :], out=out[:, 1, ..., :-1, :])
    return out


def divergence(duals: Tensor, weights: Tensor, out: Tensor | None = None, scratch: Tensor | None = None) -> Tensor:
    """Negative adjoint of `weights * forward_difference`: (B, 2, ..., H, W) -> (B, ..., H, W).

    `weights` broadcast against `duals` and are 0 in the last column (x) and row (y), as `surface_weights` makes them.
    `out` and `scratch` (the shape of `duals`) are overwritten when given.
    """
    scaled = torch.mul(duals, weights, out=scratch)
    out = torch.add(scaled[:, 0], scaled[:, 1], out=out)
    out[..., :, 1:] -= scaled[:, 0, ..., :, :-1]
    out[..., 1:, :] -= scaled[:, 1, ..., :-1, :]
    return out


def _inverse_distance(lateral_m: Tensor, depth_m: Tensor) -> Tensor:
    squared = lateral_m.square() + depth_m.square()
    return torch.where(squared > 0, 2 * squared.clamp(min=1e-20).rsqrt(), 1.0)
