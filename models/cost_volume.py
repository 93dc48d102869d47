"""The cost volume of two feature maps: how well each place of the first fits places near it in the second.

Source: Sun et al., CVPR 2018 (PWC-Net), equation 2. Shapes: N maps, C channels, H x W places, d the search radius.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def cost_volume(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """CV(x, o) = (1 / C) first(x)ᵀ second(x + o) for |o| <= radius along each axis: (N, (2d + 1)², H, W).

    first, second: (N, C, H, W). Offsets o are in reading order, from d up and left to d down and right; beyond the map
    features are 0. Displacements are taken one by one, forwards and backwards, so that besides its result it holds the
    two maps, the second one padded, and never (2d + 1)² of them. There are no second derivatives.
    """
    costs: Tensor = _CostVolume.apply(first, second, radius)  # type: ignore[no-untyped-call]
    return costs


class _CostVolume(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, radius: int) -> Tensor:
        count, channels, height, width = first.shape
        padded = F.pad(second, (radius,) * 4)
        costs = first.new_empty(count, (2 * radius + 1) ** 2, height, width)
        product = torch.empty_like(first)
        for number, moved in enumerate(_displaced(padded, radius)):
            torch.sum(torch.mul(first, moved, out=product), dim=1, out=costs[:, number])
        ctx.save_for_backward(first, padded)
        ctx.radius = radius
        return costs.div_(channels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        first, padded = ctx.saved_tensors
        radius, (height, width) = ctx.radius, first.shape[2:]
        grad_first, grad_padded = torch.zeros_like(first), torch.zeros_like(padded)
        shares = (grad / first.shape[1]).unsqueeze(2)
        places = zip(_displaced(padded, radius), _displaced(grad_padded, radius), strict=True)
        for number, (moved, grad_moved) in enumerate(places):
            grad_first.addcmul_(shares[:, number], moved)
            grad_moved.addcmul_(shares[:, number], first)
        return grad_first, grad_padded[:, :, radius : radius + height, radius : radius + width], None


def _displaced(padded: Tensor, radius: int) -> Iterator[Tensor]:
    """Views of a padded map, each displaced by one offset."""
    height, width = (side - 2 * radius for side in padded.shape[2:])
    for top in range(2 * radius + 1):
        for left in range(2 * radius + 1):
            yield padded[:, :, top : top + height, left : left + width]
