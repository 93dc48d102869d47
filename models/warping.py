"""Sampling the second frame where the flow says that the pixels of the first have gone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EDGE_PX = 1e-3
"""So far beyond the border still is inside: rounding must not decide about border pixels that stand still."""


@dataclass(frozen=True)
class Warp:
    """Bilinear taps at (x + u, y + v), clamped to the image.

    Indices count the pixels of the flattened batch of images. taps (4, B * H * W): upper left, upper right, lower left,
    lower right; weights (4, B, H, W), adding up to 1; nearest (B * H * W); inside (B, H, W) bool: before clamping,
    to within EDGE_PX.
    """

    taps: Tensor
    weights: Tensor
    nearest: Tensor
    inside: Tensor

    @classmethod
    def of(cls, optical: Tensor) -> Warp:
        """The warp by (B, 2, H, W) flow u, v in pixels."""
        batch, _, height, width = optical.shape
        x = optical[:, 0] + torch.arange(width, dtype=optical.dtype, device=optical.device)
        y = optical[:, 1] + torch.arange(height, dtype=optical.dtype, device=optical.device)[:, None]
        x_in, y_in = x.clamp(0, width - 1), y.clamp(0, height - 1)
        left, top = x_in.long(), y_in.long()
        right, low = (left + 1).clamp_(max=width - 1), (top + 1).clamp_(max=height - 1)
        first_pixel = torch.arange(batch, device=optical.device)[:, None, None] * (height * width)
        upper_row, lower_row = first_pixel + top * width, first_pixel + low * width
        x_part, y_part = x_in - left, y_in - top
        taps = (upper_row + left, upper_row + right, lower_row + left, lower_row + right)
        weights = ((1 - y_part) * (1 - x_part), (1 - y_part) * x_part, y_part * (1 - x_part), y_part * x_part)
        nearest = torch.where(y_part < 0.5, upper_row, lower_row) + torch.where(x_part < 0.5, left, right)
        inside = ((x - x_in).abs() <= EDGE_PX) & ((y - y_in).abs() <= EDGE_PX)
        return cls(torch.stack(taps).flatten(1), torch.stack(weights), nearest.flatten(), inside)

    def bilinear(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        pixels = images.movedim(1, -1).reshape(-1, images.shape[1])
        weights = self.weights.flatten(1)[..., None]
        sampled = pixels[self.taps[0]] * weights[0]
        for tap, weight in zip(self.taps[1:], weights[1:], strict=True):
            sampled.addcmul_(pixels[tap], weight)
        return sampled.view(*self.inside.shape, -1).movedim(-1, 1).contiguous()

    def depth(self, depth: Tensor) -> Tensor:
        """(B, H, W) -> (B, H, W): bilinear, but the nearest pixel where one of the four taps is 0 (invalid)."""
        taps = depth.flatten()[self.taps].view_as(self.weights)
        nearest = depth.flatten()[self.nearest].view_as(depth)
        return torch.where(taps.amin(dim=0) > 0, (taps * self.weights).sum(dim=0), nearest)
