"""The soft census distance: how differently two images look around a pixel, whatever their brightness.

Source: Meister, Hur, Roth, AAAI 2018 (UnFlow), after Stein, DAGM 2004. Shapes: N images, H x W pixels, r the radius.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
_SOFT = 0.81  # δ² of a neighbour that counts as half different, grey in 0..255
_HALF = 0.1  # squared difference of two signs at which their distance is half
_CHARBONNIER_EPSILON, _CHARBONNIER_POWER = 0.001, 0.45


def census_distance(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """ψ(Σ_n e_n) at each pixel whose patch of side 2r + 1 lies inside: (N, 1, H - 2r, W - 2r).

    first, second: (N, 1 or 3, H, W) in [0, 1]. On grey in 0..255, for each neighbour n of the pixel 0:
    t = δ / sqrt(0.81 + δ²), δ = I(n) - I(0); e = (t1 - t2)² / (0.1 + (t1 - t2)²); ψ(x) = (x² + 0.001²)^0.45. Equal
    images give ψ(0) = 0.002. Empty where the patch is larger than the image.
    """
    if min(first.shape[2:]) <= 2 * radius:
        return first.new_zeros(len(first), 1, 0, 0)
    one, two = grey(first) * 255, grey(second) * 255
    total = torch.zeros_like(_inner(one, radius, 0, 0))
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if down or right:
                apart = (_sign(one, radius, down, right) - _sign(two, radius, down, right)).square()
                total = total + apart / (_HALF + apart)
    return (total.square() + _CHARBONNIER_EPSILON**2) ** _CHARBONNIER_POWER


def census_error(first: Tensor, second: Tensor, radius: int, counted: Tensor | None = None) -> Tensor:
    """The mean distance, a scalar, over the pixels that have one and that `counted` (N, 1, H, W), 0 or 1, names."""
    distance = census_distance(first, second, radius)
    if counted is None:
        return distance.sum() / max(distance.numel(), 1)
    inside = _inner(counted, radius, 0, 0) if distance.numel() else distance
    return (distance * inside).sum() / inside.sum().clamp(min=1)


def grey(images: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of images (N, 3, H, W); grey images (N, 1, H, W) as they are."""
    if images.shape[1] == 1:
        return images
    # no convolution: in mixed precision that would round differences of grey away
    return (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _inner(images: Tensor, radius: int, down: int, right: int) -> Tensor:
    """The pixels that are at least `radius` from the border, displaced."""
    height, width = (side - 2 * radius for side in images.shape[2:])
    return images[:, :, radius + down :, radius + right :][:, :, :height, :width]


def _sign(images: Tensor, radius: int, down: int, right: int) -> Tensor:
    brighter = _inner(images, radius, down, right) - _inner(images, radius, 0, 0)
    return brighter * torch.rsqrt(_SOFT + brighter.square())
